"""Quality over wall time: kept as CSV, drawn as a picture."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medfuncta._src.disk.atomic import write_text
from medfuncta._src.errors import DataError
from medfuncta._src.tasks.drawing.figure import ACCENT, INK, MUTED, SECOND, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS: Final = ("step", "seconds", "psnr")
_TICKS: Final = [
    number * unit for unit in (1, 60, 3600) for number in (1, 2, 5, 10, 20, 30)
]  # seconds
_LABEL_HEIGHT = 0.05  # of the axis
_DASHES: Final = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Moment:
    """A validation: after how many meta-steps and seconds, and its mean PSNR in dB."""

    step: int
    seconds: float
    psnr: float


@dataclass(frozen=True)
class Curve:
    """All validations of a training, in order."""

    moments: tuple[Moment, ...]

    @property
    def best(self) -> Moment | None:
        """The first validation with the highest PSNR."""
        finite = [moment for moment in self.moments if math.isfinite(moment.psnr)]
        return max(finite, key=lambda moment: moment.psnr, default=None)

    def first(self, psnr: float) -> Moment | None:
        """The first validation with this PSNR or more."""
        return next((moment for moment in self.moments if moment.psnr >= psnr), None)

    def save(self, path: Path) -> None:
        """Write a CSV with the columns ``step``, ``seconds``, ``psnr``."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(
            (moment.step, f"{moment.seconds:.3f}", f"{moment.psnr:.4f}") for moment in self.moments
        )
        write_text(path, text.getvalue())

    @classmethod
    def load(cls, path: Path) -> Curve:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: If the file is something else.
        """
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            return cls(
                tuple(
                    Moment(int(row["step"]), float(row["seconds"]), float(row["psnr"]))
                    for row in rows
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path.name} is not a curve with the columns {', '.join(_COLUMNS)}; remove it to "
                "measure again"
            ) from error


def picture(
    ours: Curve, references: Mapping[str, Curve], targets: Sequence[float], title: str
) -> Figure:
    """PSNR over the logarithm of wall time: ours in front, the references by name, targets as
    lines."""
    with new_figure(7.2, 4.2) as figure:
        axes = figure.subplots()
        for number, (name, curve) in enumerate(references.items()):
            _draw(axes, curve, name, color=SECOND, linestyle=_DASHES[number % len(_DASHES)])
        _draw(axes, ours, "ours", color=ACCENT, linestyle="-")
        _draw_targets(axes, targets)
        axes.set_xscale("log")
        axes.set_xticks([], minor=True)
        low, high = axes.get_xlim()
        ticks = [tick for tick in _TICKS if low <= tick <= high]
        axes.set_xticks(ticks, [_duration(tick) for tick in ticks])
        axes.set_xlabel("wall time of training")
        axes.set_ylabel("validation PSNR (dB)")
        axes.set_title(title, loc="left", color=INK)
        figure.legend(loc="outside lower center", ncols=3)
    return figure


def _draw(axes: Axes, curve: Curve, name: str, *, color: str, linestyle: str) -> None:
    moments = curve.moments
    axes.plot(
        [m.seconds for m in moments],
        [m.psnr for m in moments],
        label=name,
        color=color,
        linestyle=linestyle,
        marker="o",
        markersize=2.5,
    )


def _draw_targets(axes: Axes, targets: Sequence[float]) -> None:
    """A line each; one whose number would lie on that of a higher one goes without."""
    for target in targets:
        axes.axhline(target, color=MUTED, linewidth=0.6, linestyle=":")
    low, high = axes.get_ylim()
    lowest = math.inf
    for target in sorted(targets, reverse=True):
        if lowest - target > _LABEL_HEIGHT * (high - low):
            axes.annotate(
                f"{target:.2f} dB",
                (0, target),
                (4, 3),
                ("axes fraction", "data"),
                "offset points",
                color=MUTED,
                fontsize=7.5,
            )
            lowest = target


def _duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> _duration(7200), _duration(600), _duration(10)
    ('2 h', '10 min', '10 s')
    """
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
