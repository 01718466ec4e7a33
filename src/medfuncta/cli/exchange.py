"""``medfuncta import`` and ``medfuncta export``: latents and fields in other people's formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

import tyro
from msgspec import Meta

from medfuncta.cli.command import GOES_ON, Command, numbers
from medfuncta.door.files import lies_outside
from medfuncta.errors import LatentSetError
from medfuncta.result import Result

if TYPE_CHECKING:
    from medfuncta.run import Run

_WEIGHTS: Final = ("model.pt", "best.model")


@dataclass(frozen=True)
class ImportedRun(Result):
    """A run that was read.

    Args:
        out: Where it was written.
        fingerprint: Of its weights.
    """

    json_keys: ClassVar[tuple[str, ...]] = ("out", "kind", "fingerprint")
    kind: ClassVar[str] = "run"

    out: Path
    fingerprint: str


@dataclass(frozen=True)
class ImportedSet(ImportedRun):
    """A latent set that was read.

    Args:
        splits: How many signals each has.
        left_out: The files that were left out.
    """

    json_keys: ClassVar[tuple[str, ...]] = (*ImportedRun.json_keys, "splits", "left_out")
    kind: ClassVar[str] = "latent set"

    splits: Mapping[str, int]
    left_out: Sequence[str]


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
    omega_first: Annotated[float, Meta(gt=0, le=1e6)] = 10.0
    """w of the first layer, where the weights do not say it."""
    omega_increment: Annotated[float, Meta(ge=0, le=1e6)] | None = None
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

    def when_stopped(self) -> str:
        return GOES_ON

    def run(self) -> ImportedRun:
        from medfuncta.latents.official import ReferenceSettings, read_reference_field

        shape = None
        if self.shape is not None:
            shape = tuple(numbers("shape", self.shape, int))
        settings = ReferenceSettings(self.omega_first, self.omega_increment, self.residual, shape)
        if self.what.is_dir():
            weights = self.weights or _weights_in(self.what)
            return self._import_set(read_reference_field(weights, settings))
        run = read_reference_field(self.weights or self.what, settings)
        run.save(self.out)
        return ImportedRun(self.out, run.fingerprint)

    def _import_set(self, run: Run) -> ImportedSet:
        from medfuncta.latents.import_set import import_latent_set
        from medfuncta.sources.source import SourceInfo

        latent_set = import_latent_set(
            self.what,
            run,
            self.out,
            SourceInfo(self.name, self.licence),
            label_names=[name for name in self.label_names.split(",") if name],
            dtype=self.dtype,
            skip_bad=self.skip_bad,
        )
        splits, left_out = {}, []
        for name, split in latent_set.info.splits.items():
            splits[name] = split.signals
            left_out += [entry.name for entry in split.left_out]
        return ImportedSet(self.out, run.fingerprint, splits, left_out)


def _weights_in(folder: Path) -> Path:
    """The weights that the authors' training, or our export, left beside the latents."""
    for name in _WEIGHTS:
        if (folder / name).is_file() and not lies_outside(folder / name, folder):
            return folder / name
    raise LatentSetError(
        f"no weights in '{folder.name}' ({' or '.join(_WEIGHTS)}); give the file that its "
        "latents belong to as --weights"
    )


@dataclass(frozen=True)
class Exported(Result):
    """What was written.

    Args:
        out: The file or folder.
        form: One of those of ``--to``.
    """

    out: Path
    form: str


@dataclass(frozen=True)
class ExportedSet(Exported):
    """A latent set that was written.

    Args:
        signals: How many it has.
    """

    signals: int


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

    def run(self) -> Exported:
        from medfuncta.latents import export
        from medfuncta.latents.latent_set import LatentSet
        from medfuncta.latents.onnx import export_onnx
        from medfuncta.run import METADATA_FILE, Run

        if self.to == "onnx":
            if (self.what / METADATA_FILE).exists():
                run = Run.load(self.what)
            else:
                run = LatentSet.open(self.what).run
            export_onnx(run, self.out)
            return Exported(self.out, self.to)
        latent_set = LatentSet.open(self.what)
        forms = {
            "npz": export.export_npz,
            "hub": export.export_hub,
            "reference": export.export_reference,
        }
        forms[self.to](latent_set, self.out)
        return ExportedSet(self.out, self.to, len(latent_set))
