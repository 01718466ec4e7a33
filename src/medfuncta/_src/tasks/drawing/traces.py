"""Traces against their physical axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from medfuncta._src.signals.domain import Domain, Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.tasks.drawing.figure import with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GAP = 1.15  # between the leads of one trace, in units of their common height


def axis_of(domain: Domain) -> tuple[np.ndarray, str]:
    """Where the samples lie, physical when a spacing is known, and the label of that axis."""
    name = "position"
    if isinstance(domain, Grid):
        spacing = 1.0
        if domain.spacing is None:
            name = "sample"
        else:
            spacing = domain.spacing[0]
        where = np.arange(domain.shape[0]) * spacing
    else:
        where = domain.positions[:, 0]
    if domain.unit == "s":
        name = "time"
    return where, with_unit(name, domain.unit)


def lead_step(signal: Signal) -> float:
    """How far apart the leads of a trace are drawn: a little more than their largest height;
    nothing for a single lead."""
    if signal.channels == 1:
        return 0.0
    leads = observed_values(signal)
    return _GAP * float((np.nanmax(leads, axis=0) - np.nanmin(leads, axis=0)).max())


def draw_trace(
    axes: Axes, domain: Domain, values: np.ndarray, step: float = 0.0, label: str = "", **style: Any
) -> None:
    """Draw values ``[points, channels]``, the first lead on top; NaN leaves a gap in a sampled
    trace.

    Scattered samples are drawn as dots, since nothing is known between them.
    """
    where, _ = axis_of(domain)
    if not isinstance(domain, Grid):
        style = {"linestyle": "none", "marker": ".", "markersize": 3.5, **style}
    first, *others = values.T
    axes.plot(where, first, label=label, **style)
    for number, lead in enumerate(others, start=1):
        axes.plot(where, lead - number * step, **style)
    axes.margins(x=0.01)


def observed_values(signal: Signal) -> np.ndarray:
    """Values with NaN where none was observed."""
    if signal.mask is None:
        return signal.values
    return np.where(signal.mask[..., None], signal.values, np.nan)
