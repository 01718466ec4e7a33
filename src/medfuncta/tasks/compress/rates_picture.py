"""Rate against distortion in one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from medfuncta.signals.psnr import BEST_PSNR
from medfuncta.tasks.compress.rates import LATENTS, CompressionReport
from medfuncta.tasks.drawing.figure import ACCENT, MUTED, new_figure, plain_powers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS: Final = ("#2a7f9e", "#e8b04a", "#5b8c5a", "#7d5ba6", "#3b3f8c")


def curves_picture(report: CompressionReport) -> Figure:
    """PSNR against bits a sample; a dotted line leaves out what is file format.

    Lossless settings are left out: their 120 dB would press all others together.
    """
    with new_figure(7, 4.4) as figure:
        axes = figure.subplots()
        colours = iter(_COLOURS)
        for name, curve in report.codecs.items():
            colour = ACCENT if name == LATENTS else next(colours)
            bits, payload_bits, psnr = [], [], []
            for point in curve:
                if point.psnr is not None and not point.lossless:
                    bits.append(point.bits)
                    payload_bits.append(point.payload_bits)
                    psnr.append(point.psnr)
            axes.plot(bits, psnr, "o-", color=colour, linewidth=1.6, markersize=3.5, label=name)
            if bits != payload_bits:
                label = f"{name} without file format"
                axes.plot(payload_bits, psnr, ":", color=colour, linewidth=1.2, label=label)
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
        axes.set_xlabel("bits a sample; what all signals share is not counted")
        axes.set_ylabel("PSNR (dB)")
        axes.set_title(
            f"{report.signals:,} signals of the {report.split} split of {report.source}", loc="left"
        )
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
