"""The look of every picture, what is written in it, and how it becomes a PNG. Matplotlib is
imported when the first one is drawn, and pyplot never."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from medfuncta.atomic import write_atomically
from medfuncta.signals.signal import Label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK: Final = "#1f2933"
MUTED: Final = "#7b8794"
HAIRLINE: Final = "#d3dae1"
BACKGROUND: Final = "#e9edf1"
LETTERS: Final = "#f2c14e"
ACCENT: Final = "#d1495b"
SECOND: Final = "#2a7f9e"
ERROR_MAP: Final = "RdBu_r"
_DPI = 150
_STYLE: Final[dict[str, Any]] = {
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 8,
    "axes.titlesize": 9,
    "axes.titlecolor": MUTED,
    "axes.edgecolor": HAIRLINE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": HAIRLINE,
    "ytick.color": HAIRLINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": _DPI,
}


@contextmanager
def new_figure(width: float, height: float) -> Iterator[Figure]:
    """A blank figure of this size in inches; what is drawn inside the ``with`` block has the common
    look."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def png(figure: Figure) -> bytes:
    """The picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def save_png(figure: Figure, path: Path) -> None:
    """Write the picture atomically."""
    data = png(figure)
    write_atomically(path, lambda temporary: temporary.write_bytes(data))


def clear_frame(axes: Axes) -> None:
    """Leave only what is drawn inside the axes."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def with_unit(text: str, unit: str) -> str:
    """An axis label.

    >>> with_unit("error", "HU")
    'error (HU)'
    """
    if not unit:
        return text
    return f"{text} ({unit})"


def class_names(label: Label, names: Sequence[str]) -> tuple[str, ...]:
    """The names of a signal's classes: none without a label, several for multi-label data; a class
    without a name keeps its number.

    >>> class_names((0, 2), ["cyst", "mass"])
    ('cyst', '2')
    """
    if label is None:
        return ()
    if isinstance(label, int):
        label = (label,)
    named = []
    for number in label:
        named.append(names[number] if number < len(names) else str(number))
    return tuple(named)
