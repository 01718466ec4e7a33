"""The look of every picture, what is written in it, and how it becomes a PNG. Matplotlib is
imported when the first one is drawn, and pyplot never."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from medfuncta._src.disk.atomic import write_atomically
from medfuncta._src.door.wording import shortened
from medfuncta._src.signals.signal import Label
from medfuncta._src.status import doing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
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
_LONGEST_NAME: Final = 32
_MOST_LINES: Final = 8
_STYLE: Final[dict[str, Any]] = {
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,
    "text.usetex": False,
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
    from matplotlib.figure import Figure

    from medfuncta._src.tasks.drawing.lettering import LiteralCanvas

    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
        LiteralCanvas(figure)
        yield figure


def png(figure: Figure) -> bytes:
    """The picture as the bytes of a PNG file."""
    _shorten(figure)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Names so wide that nothing is left for what they name are cut at the picture's edge.
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def pdf(figure: Figure) -> bytes:
    """The picture as the bytes of a PDF file of one page, with text that can be searched, and the
    same bytes for the same picture."""
    import matplotlib

    _shorten(figure)
    buffer = io.BytesIO()
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(buffer, format="pdf", metadata={"CreationDate": None})
    return buffer.getvalue()


def _shorten(figure: Figure) -> None:
    """Leave of every text the lines that a title of ours can have; each is measured."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        lines = text.get_text().split("\n", _MOST_LINES)
        text.set_text("\n".join(lines[:_MOST_LINES]))


def save_png(figure: Figure, path: Path) -> None:
    """Write the picture atomically."""
    with doing("drawing a picture"):
        data = png(figure)
    write_atomically(path, lambda temporary: temporary.write_bytes(data))


def plain_powers(axis: Axis) -> None:
    """Plain numbers on a logarithmic axis; what matplotlib writes there itself is a formula."""
    from matplotlib.ticker import NullFormatter

    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def caption(name: str) -> str:
    """A name from data as it stands in a picture: short, in one line, and never one that a legend
    leaves out, as it does those that begin with an underscore."""
    line = shortened(name, _LONGEST_NAME)
    return f" {line}" if line.startswith("_") else line


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
    return f"{text} ({caption(unit)})"


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
