"""``medfuncta compress``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from medfuncta.cli.command import Command
from medfuncta.errors import ConfigError


@dataclass(kw_only=True)
class Compress(Command):
    """Measure how many bits latents need for which quality, beside JPEG, JPEG 2000, WebP, wavelets
    and linear prediction."""

    latents: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="LATENTS")]
    """A latent set with a training split, as 'medfuncta fit' writes it."""
    data: str
    """The source that it was fitted from, kind:path[?option=value]."""
    split: str = "test"
    """The part to compress."""
    limit: int = 100
    """Signals to compress at the most, evenly spread over the split."""
    out: Path | None = None
    """Folder for compression.json and compression.png."""

    def run(self) -> dict[str, Any]:
        from medfuncta.atomic import write_json
        from medfuncta.latents.latent_set import LatentSet
        from medfuncta.sources.table import open_source
        from medfuncta.tasks.compress import compare_codecs, curves_picture
        from medfuncta.tasks.drawing.figure import save_png

        if self.limit < 1:
            raise ConfigError(f"--limit is {self.limit}; expected at least 1")
        source = open_source(self.data)
        report = compare_codecs(
            LatentSet.open(self.latents), source, split=self.split, limit=self.limit, progress=_tell
        )
        result = report.to_dict()
        if self.out is not None:
            write_json(self.out / "compression.json", result)
            save_png(curves_picture(report), self.out / "compression.png")
        return result

    def summary(self, result: dict[str, Any]) -> str:
        from medfuncta.cli.table import table

        header = (
            "codec",
            "setting",
            "bits",
            "of it format",
            "with what is shared",
            "PSNR (dB)",
            "exact",
        )
        rows = [
            (name, *_cells(point), f"{point['exact']:,}" if point["exact"] else "")
            for name, curve in result["codecs"].items()
            for point in curve
        ]
        lines = [
            table(header, rows),
            (
                f"bits a sample, {result['signals']:,} {result['split']} signals; the shared "
                "network "
                f"has {result['network_bytes']:,} bytes"
            ),
            "fewest bits, file format not counted, at the PSNR of the latents:",
        ]
        return "\n".join(
            lines
            + [f"{v['psnr']:.1f} dB: {v['shortest']} ({_bits_of(v)})" for v in result["verdicts"]]
        )


def _cells(point: dict[str, Any]) -> list[str]:
    psnr = "–" if point["psnr"] is None else f"{point['psnr']:.2f}"
    return [
        point["setting"],
        *(f"{point[key]:.3f}" for key in ("bits", "format_bits", "bits_with_shared")),
        psnr,
    ]


def _bits_of(verdict: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {'never' if bits is None else f'{bits:.2f}'}"
        for name, bits in verdict["bits"].items()
    )


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
