"""``medfuncta decode``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import tyro

from medfuncta._src.cli.command import Command, numbers
from medfuncta._src.cli.terminal import tell
from medfuncta._src.door.files import Origin, check_regular
from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.result import Result

if TYPE_CHECKING:
    from medfuncta._src.latents.latent_set import LatentSet
    from medfuncta._src.signals.domain import Domain, Grid
    from medfuncta._src.signals.preprocess import InputGrid
    from medfuncta._src.signals.signal import SignalHeader

_NIFTI: Final = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")
_VOLUMES: Final = (*_NIFTI, ".nrrd", ".nhdr")


@dataclass(kw_only=True)
class Decode(Command):
    """Turn a latent back into its signal, in its own units, on its own grid or any other, and write
    it to a file.

    Values are those of the field, also where they lie a little beyond the signal's range; PSNR
    is of values clamped to it, in latent sets and reports alike."""

    latents: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="LATENTS")]
    """A latent set, as 'medfuncta fit' writes it."""
    id: str
    """Which signal."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """Where to; the suffix says the format: .nii.gz, .nrrd, .png (of a trace a plot), .tif, .csv,
    .hea, .npy, .json."""
    split: str | None = None
    """Where the signal lies; needed only when several splits have its id."""
    grid: Literal["own", "input"] | None = None
    """Which of its grids to decode on: its 'own', on which it was fitted (the default), or that of
    its 'input' file, before it was turned, resampled or cut; what was cut off is masked."""
    shape: Annotated[str | None, tyro.conf.arg(metavar="N,N,N")] = None
    """Samples along each axis, such as 128,128,128; a single number is that of every axis."""
    spacing: Annotated[str | None, tyro.conf.arg(metavar="D,D,D")] = None
    """Distance between samples along each axis, such as 1,1,1, in the signal's unit of length; a
    single number is that of every axis."""
    like: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A NIfTI, NRRD or image file whose grid to decode on; for the file that the signal came from
    it is the same as '--grid input'."""
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None
    """Where to compute, such as cpu or cuda:0; an accelerator when there is one."""

    def run(self) -> Decoded:
        import torch

        from medfuncta._src.field.device import usable_device
        from medfuncta._src.latents.decode import reconstruct
        from medfuncta._src.latents.latent_set import LatentSet
        from medfuncta._src.signals.data_facts import FactsTally, reach_remark
        from medfuncta._src.signals.domain import Grid
        from medfuncta._src.writers.table import known_suffix, write_signal

        known_suffix(self.out)
        latent_set = LatentSet.open(self.latents)
        row = latent_set.row(self.id, self.split)
        signal = reconstruct(
            latent_set.run,
            torch.from_numpy(row.latent),
            row.header,
            self._domain(latent_set, row.header),
            device=usable_device(self.device),
        )
        tally = FactsTally(latent_set.run.network.box)
        tally.add_header(row.header)
        for remark in reach_remark(tally.reach):
            tell(f"! {remark}")
        write_signal(signal, self.out)
        spacing = None
        if isinstance(signal.domain, Grid):
            spacing = signal.domain.spacing
        return Decoded(self.out, row.id, row.split, signal.values.shape, spacing, signal.unit)

    def summary(self, result: Decoded) -> str:
        shape = " x ".join(map(str, result.shape))
        return f"{result.file}: {result.id} ({result.split}), {shape} {result.unit}".rstrip()

    def _domain(self, latent_set: LatentSet, header: SignalHeader) -> Domain | InputGrid:
        """Where to decode."""
        from medfuncta._src.signals.domain import Grid

        own = header.domain
        flags = ("grid", "shape", "spacing", "like")
        given = [name for name in flags if getattr(self, name) is not None]
        if len(given) > 1:
            raise ConfigError(f"got --{' and --'.join(given)}; give one of them")
        if self.grid == "input":
            return latent_set.input_grid(header) or own
        if self.like is not None:
            return _like(_grid_of(self.like), latent_set, header)
        if self.shape is None and self.spacing is None:
            return own
        if not isinstance(own, Grid):
            raise DataError(
                f"'{self.id}' has samples at positions of their own, which --{given[0]} does not "
                "fit; decode it without"
            )
        if self.shape is not None:
            return own.with_shape(numbers("shape", self.shape, int, axes=own.dim))
        return own.with_spacing(numbers("spacing", self.spacing or "", float, axes=own.dim))


@dataclass(frozen=True)
class Decoded(Result):
    """The file that was written.

    Args:
        file: Where.
        id: Of the signal.
        split: Where it lies.
        shape: Of its values, channels included.
        spacing: Between samples along each axis; None where none is known.
        unit: Of the values.
    """

    file: Path
    id: str
    split: str
    shape: tuple[int, ...]
    spacing: tuple[float, ...] | None
    unit: str


def _like(grid: Grid, latent_set: LatentSet, header: SignalHeader) -> Grid | InputGrid:
    """A file's grid. One without a place in the world tells that it is the signal's own file by
    being equal to that file's."""
    if grid.affine is not None:
        return grid
    before = latent_set.input_grid(header)
    if before is not None and before.grid == grid:
        return before
    return grid


def _grid_of(path: Path) -> Grid:
    """The grid of a volume's or an image's file."""
    from medfuncta._src.signals.domain import Grid
    from medfuncta._src.sources import image_files, nifti_files, nrrd

    name = path.name.lower()
    if not name.endswith((*_VOLUMES, *image_files.SUFFIXES)):
        raise ConfigError(
            f"--like {path.name} is neither NIfTI, NRRD nor an image; give a .nii, .nii.gz, .nrrd "
            "or .png file"
        )
    check_regular(path, Origin(f"--like {path.name}", DataError, "give a file that is there"))
    if name.endswith(_NIFTI):
        return nifti_files.read_grid(path)
    if name.endswith((".nrrd", ".nhdr")):
        return nrrd.read_volume(path, path.parent).grid
    return Grid(image_files.read_image(path).shape[:2])
