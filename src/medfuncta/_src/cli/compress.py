"""``medfuncta compress``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from medfuncta._src.cli.command import Command
from medfuncta._src.cli.terminal import table, tell
from medfuncta._src.door.limits import Some as Count

if TYPE_CHECKING:
    from medfuncta._src.tasks.compress import CompressionReport
    from medfuncta._src.tasks.compress.curves import RatePoint, Verdict


@dataclass(kw_only=True)
class Compress(Command):
    """Measure how many bits latents need for which quality, beside as many cosines and principal
    components, JPEG, JPEG 2000, WebP, wavelets and linear prediction."""

    latents: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="LATENTS")]
    """A latent set with a training split, as 'medfuncta fit' writes it."""
    data: str
    """The source that it was fitted from, kind:path[?option=value]."""
    split: str = "test"
    """The part to compress."""
    limit: Count = 100
    """Signals to compress at the most, evenly spread over the split."""
    out: Path | None = None
    """Folder for compression.json and compression.png."""

    def run(self) -> CompressionReport:
        from medfuncta._src.disk.atomic import write_json
        from medfuncta._src.latents.latent_set import LatentSet
        from medfuncta._src.sources.table import open_source
        from medfuncta._src.tasks.compress import compare_codecs, curves_picture
        from medfuncta._src.tasks.drawing.figure import save_png

        source = open_source(self.data)
        latents = LatentSet.open(self.latents)
        report = compare_codecs(latents, source, split=self.split, limit=self.limit, progress=tell)
        if self.out is not None:
            write_json(self.out / "compression.json", report.to_json())
            save_png(curves_picture(report), self.out / "compression.png")
        return report

    def summary(self, result: CompressionReport) -> str:
        header = (
            *(
                "codec",
                "setting",
                "bytes",
                "bits",
                "of it format",
                "with what is shared",
                "PSNR (dB)",
            ),
            "exact",
        )
        rows = []
        for name, curve in result.codecs.items():
            rows += [(name, *_cells(point)) for point in curve]
        lines = [
            table(header, rows),
            f"bytes a signal and bits a sample, {result.signals:,} "
            f"{result.split} signals; the "
            f"shared network has {result.network_bytes:,} bytes",
            "fewest bits, file format not counted, at the PSNR of the latents:",
        ]
        return "\n".join([*lines, *map(_verdict, result.verdicts)])


def _cells(point: RatePoint) -> list[str]:
    return [
        point.setting,
        f"{point.bytes:.1f}",
        f"{point.bits:.3f}",
        f"{point.format_bits:.3f}",
        f"{point.bits_with_shared:.3f}",
        "–" if point.psnr is None else f"{point.psnr:.2f}",
        f"{point.exact:,}" if point.exact else "",
    ]


def _verdict(verdict: Verdict) -> str:
    parts = []
    for name, bits in verdict.bits.items():
        parts.append(f"{name} never" if bits is None else f"{name} {bits:.3g}")
    return f"{verdict.psnr:.1f} dB: {verdict.shortest} ({', '.join(parts)})"
