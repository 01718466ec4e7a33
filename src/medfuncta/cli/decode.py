"""``medfuncta decode``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from medfuncta.cli.command import Command, numbers
from medfuncta.errors import ConfigError, DataError

if TYPE_CHECKING:
    from medfuncta.signals.domain import Domain, Grid


@dataclass(kw_only=True)
class Decode(Command):
    """Turn a latent back into its signal, in its own units, on its own grid or any other, and write
    it to a file."""

    latents: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="LATENTS")]
    """A latent set, as 'medfuncta fit' writes it."""
    id: str
    """Which signal."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """Where to; the suffix says the format: .nii.gz, .nrrd, .png, .tif, .csv, .hea, .npy."""
    split: str | None = None
    """Where the signal lies; needed only when several splits have its id."""
    shape: Annotated[str | None, tyro.conf.arg(metavar="N,N,N")] = None
    """Samples along each axis, such as 128,128,128."""
    spacing: Annotated[str | None, tyro.conf.arg(metavar="D,D,D")] = None
    """Distance between samples along each axis, such as 1,1,1, in the signal's unit of length."""
    like: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A NIfTI or NRRD file whose grid to decode on."""
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None
    """Where to compute, such as cpu or cuda:0; an accelerator when there is one."""

    def run(self) -> dict[str, Any]:
        import torch

        from medfuncta.latents.decode import reconstruct
        from medfuncta.latents.latent_set import LatentSet
        from medfuncta.run import default_device
        from medfuncta.signals.domain import Grid
        from medfuncta.writers.table import known_suffix, write_signal

        known_suffix(self.out)
        latent_set = LatentSet.open(self.latents)
        row = latent_set.row(self.id, self.split)
        domain = self._domain(row.header.domain)
        signal = reconstruct(
            latent_set.run,
            torch.from_numpy(row.latent),
            row.header,
            domain,
            device=self.device or default_device(),
        )
        write_signal(signal, self.out)
        grid = signal.domain if isinstance(signal.domain, Grid) else None
        return {
            "file": str(self.out),
            "id": row.id,
            "split": row.split,
            "shape": list(signal.values.shape),
            "spacing": None if grid is None or grid.spacing is None else list(grid.spacing),
            "unit": signal.unit,
        }

    def summary(self, result: dict[str, Any]) -> str:
        return f"{result['file']}: {result['id']} ({result['split']}), {' x '.join(map(str, result['shape']))} {result['unit']}".rstrip()

    def _domain(self, own: Domain) -> Domain:
        """Where to decode."""
        from medfuncta.signals.domain import Grid

        given = [name for name in ("shape", "spacing", "like") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ConfigError(f"got --{' and --'.join(given)}; give one of them")
        if self.like is not None:
            return _grid_of(self.like)
        if not given:
            return own
        if not isinstance(own, Grid):
            raise DataError(
                f"'{self.id}' has samples at positions of their own, which --{given[0]} does not "
                "fit; decode it without"
            )
        if self.shape is not None:
            return own.with_shape(numbers("shape", self.shape, int))
        return own.with_spacing(numbers("spacing", self.spacing or "", float))


def _grid_of(path: Path) -> Grid:
    """The grid of a volume's file."""
    from medfuncta.sources import nifti, nrrd

    if path.name.lower().endswith((".nii", ".nii.gz")):
        return nifti.read_volume(path)[1]
    if path.suffix.lower() in (".nrrd", ".nhdr"):
        return nrrd.read_volume(path, path.parent)[1]
    raise ConfigError(
        f"--like {path.name} is neither NIfTI nor NRRD; give a .nii, .nii.gz or .nrrd file"
    )
