"""PNG of a trace: a plot against its physical axis, one panel a channel."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np

from medfuncta._src.disk.atomic import write_atomically
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Domain, Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.writers.values import channel_names, filled

_WIDTH: Final = 7.2
_HEIGHT: Final = 1.8
"""Inches of the picture, and of a panel."""
_MOST_CHANNELS: Final = 32
_COLOUR: Final = "#2a7f9e"


def write_plot(signal: Signal, path: Path) -> None:
    """Write ``.png`` of a trace on a grid or at positions of its own; masked samples are gaps.

    Raises:
        DataError: If it has more channels than a picture has room for.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if signal.channels > _MOST_CHANNELS:
        raise DataError(
            f"a trace of {counted(signal.channels, 'channel')} cannot be drawn; expected at most "
            f"{_MOST_CHANNELS}; write it as .csv or .npy"
        )
    where, axis = _axis(signal.domain)
    values = filled(signal, np.dtype(np.float32)).reshape(-1, signal.channels)
    with matplotlib.rc_context({"text.parse_math": False}):
        height = 0.6 + _HEIGHT * signal.channels
        figure = Figure(figsize=(_WIDTH, height), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(signal.channels, sharex=True, squeeze=False)[:, 0]
        for axes, name, channel in zip(panels, channel_names(signal), values.T, strict=True):
            axes.plot(where, channel, color=_COLOUR, linewidth=1.1, **_line(signal.domain))
            axes.set_ylabel(_titled(name, signal.unit))
            axes.margins(x=0.01)
            axes.spines[["top", "right"]].set_visible(False)
        panels[-1].set_xlabel(axis)
        picture = io.BytesIO()
        figure.savefig(picture, format="png")
    write_atomically(path, lambda temporary: temporary.write_bytes(picture.getvalue()))


def _axis(domain: Domain) -> tuple[np.ndarray, str]:
    """Where samples lie, and what that is called."""
    if not isinstance(domain, Grid):
        return domain.positions[:, 0], _titled("position", domain.unit)
    numbers = np.arange(domain.points)
    if domain.spacing is None:
        return numbers, "sample"
    name = "time" if domain.unit == "s" else "position"
    return numbers * domain.spacing[0], _titled(name, domain.unit)


def _line(domain: Domain) -> dict[str, object]:
    """Scattered samples are dots, since nothing is known between them."""
    if isinstance(domain, Grid) and domain.points > 1:
        return {}
    return {"linestyle": "none", "marker": ".", "markersize": 3.5}


def _titled(name: str, unit: str) -> str:
    if not unit:
        return name
    return f"{name} ({unit})"
