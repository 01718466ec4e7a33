"""``medfuncta import``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import tyro

from medfuncta.cli.command import Command
from medfuncta.cli.numbers import numbers
from medfuncta.errors import LatentSetError

_WEIGHTS: Final = ("model.pt", "best.model")


@dataclass(kw_only=True)
class Import(Command):
    """Read what the authors' reference code wrote, without running anything in it.

    A folder of pickled latents becomes a latent set; a file of weights alone becomes a run.
    """

    what: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER|FILE")]
    """The folder that fit_NFset.py wrote (train/, val/, test/, model.pt), or a file of weights
    (model.pt, best.model)."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """The latent set or the run to write."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """The weights that belong to a folder; its model.pt or best.model when not given."""
    shape: Annotated[str | None, tyro.conf.arg(metavar="N,N")] = None
    """Samples of the signals along each axis, such as 64,64; needed where the weights do not say
    it."""
    omega_first: float = 10.0
    """w of the first layer, where the weights do not say it."""
    omega_increment: float | None = None
    """What each further layer adds to it, where the weights do not say it; the authors' 10 for
    traces, else 5, when not given."""
    residual: bool = True
    """Hidden layers are summed with their input, where the weights do not say it."""
    name: str = "imported"
    """What to call the data in the card."""
    licence: str = "unknown"
    """The data's licence, as its publisher words it."""
    label_names: Annotated[str, tyro.conf.arg(metavar="NAME,NAME")] = ""
    """Names of the classes by number, separated by commas."""
    dtype: Literal["float32", "float16", "int8"] = "float32"
    """How latents are stored."""
    skip_bad: bool = False
    """Leave out files that cannot be read instead of stopping at the first."""

    def run(self) -> dict[str, Any]:
        from medfuncta.latents.import_set import import_latent_set
        from medfuncta.latents.official import ReferenceSettings, read_reference_field
        from medfuncta.sources.source import SourceInfo

        shape = None if self.shape is None else tuple(numbers("shape", self.shape, int))
        settings = ReferenceSettings(self.omega_first, self.omega_increment, self.residual, shape)
        folder = self.what.is_dir()
        run = read_reference_field(
            self.weights or (_weights_in(self.what) if folder else self.what), settings
        )
        result = {
            "out": str(self.out),
            "kind": "latent set" if folder else "run",
            "fingerprint": run.fingerprint,
        }
        if not folder:
            run.save(self.out)
            return result
        names = [name for name in self.label_names.split(",") if name]
        latent_set = import_latent_set(
            self.what,
            run,
            self.out,
            SourceInfo(self.name, self.licence),
            label_names=names,
            dtype=self.dtype,
            skip_bad=self.skip_bad,
        )
        splits = latent_set.info.splits
        left_out = [entry.name for split in splits.values() for entry in split.left_out]
        return result | {
            "splits": {name: split.signals for name, split in splits.items()},
            "left_out": left_out,
        }


def _weights_in(folder: Path) -> Path:
    """The weights that the authors' training, or our export, left beside the latents."""
    found = [folder / name for name in _WEIGHTS if (folder / name).is_file()]
    if not found:
        raise LatentSetError(
            f"no weights in '{folder.name}' ({' or '.join(_WEIGHTS)}); give the file that its "
            "latents belong to as --weights"
        )
    return found[0]
