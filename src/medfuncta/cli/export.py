"""``medfuncta export``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from medfuncta.cli.command import Command
from medfuncta.errors import ConfigError


@dataclass(kw_only=True)
class Export(Command):
    """Write a latent set, or the field of one or of a run, in another form."""

    what: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="LATENTS|RUN")]
    """A latent set; for onnx a run as well."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR|FILE")]
    """The folder to write, or the file field.onnx for onnx."""
    to: Literal["npz", "hub", "reference", "onnx"]
    """npz: an archive a split; hub: a folder ready to push; reference: the layout of the authors'
    code; onnx: the field alone."""

    def run(self) -> dict[str, Any]:
        from medfuncta.latents import export
        from medfuncta.latents.latent_set import LatentSet
        from medfuncta.latents.onnx import export_onnx
        from medfuncta.run import METADATA_FILE, Run

        if self.to == "onnx":
            is_run = (self.what / METADATA_FILE).exists()
            export_onnx(Run.load(self.what) if is_run else LatentSet.open(self.what).run, self.out)
            return {"out": str(self.out), "form": self.to}
        if self.out.is_file() or (self.out.is_dir() and any(self.out.iterdir())):
            raise ConfigError(f"'{self.out.name}' is there already; give a new folder")
        latent_set = LatentSet.open(self.what)
        {"npz": export.export_npz, "hub": export.export_hub, "reference": export.export_reference}[
            self.to
        ](latent_set, self.out)
        return {"out": str(self.out), "form": self.to, "signals": len(latent_set)}
