"""Rate against distortion in one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from medfuncta._src.door.wording import counted
from medfuncta._src.signals.psnr import BEST_PSNR
from medfuncta._src.tasks.compress.curves import LATENTS, CompressionReport
from medfuncta._src.tasks.drawing.figure import ACCENT, MUTED, SECOND, new_figure, plain_powers
from medfuncta._src.tasks.evaluate.linear import LowestCosines, PrincipalComponents

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS: Final = ("#3b3f8c", "#e8b04a", "#5b8c5a", "#7d5ba6", "#8a6414", "#3d4650")
_BASELINES: Final = {LowestCosines.name: MUTED, PrincipalComponents.name: SECOND}
_MARKERS: Final = {LATENTS: "D", LowestCosines.name: "o", PrincipalComponents.name: "s"}


def curves_picture(report: CompressionReport) -> Figure:
    """PSNR against bytes a signal; a dotted line leaves out what is file format.

    Lossless settings are left out: their 120 dB would press all others together.
    """
    with new_figure(7, 4.4) as figure:
        axes = figure.subplots()
        colours = iter(_COLOURS)
        for name, curve in report.codecs.items():
            if name == LATENTS:
                colour = ACCENT
            elif name in _BASELINES:
                colour = _BASELINES[name]
            else:
                colour = next(colours)
            sizes, payload, psnr = [], [], []
            for point in curve:
                if point.psnr is not None and not point.lossless:
                    sizes.append(point.bytes)
                    payload.append(point.payload_bytes)
                    psnr.append(point.psnr)
            style = {"marker": _MARKERS.get(name, "."), "markersize": 4, "linewidth": 1.6}
            axes.plot(sizes, psnr, color=colour, label=name, **style)
            if sizes != payload:
                label = f"{name} without file format"
                axes.plot(payload, psnr, ":", color=colour, linewidth=1.2, label=label)
        if report.unquantised_psnr not in (None, BEST_PSNR):
            axes.axhline(
                report.unquantised_psnr,
                color=MUTED,
                linewidth=0.8,
                linestyle="--",
                label="latents, not quantised",
            )
        axes.set_xscale("log", base=2)
        plain_powers(axes.xaxis)
        axes.set_xlabel("bytes a signal; what all signals share is not counted")
        axes.set_ylabel("PSNR (dB)")
        axes.set_title(
            f"{counted(report.signals, 'signal')} of the {report.split} split of {report.source}",
            loc="left",
        )
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
