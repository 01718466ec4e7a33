"""``medfuncta import`` and ``medfuncta export``: latents and fields in other people's formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import tyro

from medfuncta._src.cli.command import GOES_ON, Command, numbers
from medfuncta._src.door.limits import Increment, Omega
from medfuncta._src.errors import ConfigError, LatentSetError
from medfuncta._src.result import Result
from medfuncta._src.status import doing

if TYPE_CHECKING:
    from medfuncta._src.latents.latent_set import LatentSet
    from medfuncta._src.latents.official import ReferenceSettings
    from medfuncta._src.run import Run
    from medfuncta._src.sources.source import SourceInfo


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
    """Read what the authors' reference code, or that of Functa, wrote, without running anything in
    it.

    Pickled latents in a folder or an archive, or a file of modulations of Functa, become a latent
    set; a file of weights alone becomes a run.
    """

    what: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER|ARCHIVE|FILE")]
    """The folder that fit_NFset.py wrote (train/, val/, test/, model.pt), a zip, tar or tar.gz
    archive of it, or a file of weights (model.pt, best.model); of Functa the file of modulations
    or that of params."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """The latent set or the run to write."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """The weights that belong to latents; the model.pt or best.model beside them when not given."""
    inside: Annotated[str | None, tyro.conf.arg(metavar="FOLDER")] = None
    """The folder of the set in an archive or a folder that holds several."""
    shape: Annotated[str | None, tyro.conf.arg(metavar="N,N")] = None
    """Samples of the signals along each axis, such as 64,64; needed where the weights do not say
    it."""
    omega_first: Omega | None = None
    """w of the first layer, where the weights do not say it; 10, of Functa 30, when not given."""
    omega_increment: Increment | None = None
    """What each further layer adds to it, where the weights do not say it; the authors' 10 for
    traces, else 5, when not given."""
    omega_last: Omega | None = None
    """w of the last layer where it rises linearly, as in the paper, in place of an increment."""
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
        from medfuncta._src.latents.functa import is_functa_file
        from medfuncta._src.latents.inert_pickle import is_torch_file

        if self.what.is_dir():
            return self._from_authors()
        if is_torch_file(self.what):
            return self._saved(self._field(self.what))
        if is_functa_file(self.what):
            return self._from_functa()
        return self._from_authors()

    def _settings(self) -> ReferenceSettings:
        from medfuncta._src.latents.official import ReferenceSettings

        first = 10.0 if self.omega_first is None else self.omega_first
        return ReferenceSettings(
            first, self.omega_increment, self.residual, self._shape(), self.omega_last
        )

    def _shape(self) -> tuple[int, ...] | None:
        if self.shape is None:
            return None
        return tuple(numbers("shape", self.shape, int))

    def _field(self, path: Path) -> Run:
        from medfuncta._src.latents.official import read_reference_field

        return read_reference_field(path, self._settings())

    def _saved(self, run: Run) -> ImportedRun:
        run.save(self.out)
        return ImportedRun(self.out, run.fingerprint)

    def _from_authors(self) -> ImportedSet:
        from medfuncta._src.door.limits import MAX_DATAPOINT, MAX_PARAMETERS
        from medfuncta._src.latents.file_tree import base, open_tree
        from medfuncta._src.latents.import_set import import_layout
        from medfuncta._src.latents.inert_pickle import load_inert_from
        from medfuncta._src.latents.layout_of_authors import find_layout
        from medfuncta._src.latents.official import reference_field_of

        tree = open_tree(self.what, MAX_DATAPOINT)
        layout = find_layout(tree, self.inside)
        if self.weights is not None:
            run = self._field(self.weights)
        elif layout.weights is None:
            raise LatentSetError(
                f"no weights in '{self.what.name}' (model.pt or best.model); give the file that "
                "its latents belong to as --weights"
            )
        else:
            name = base(layout.weights)
            whole = open_tree(self.what, 4 * MAX_PARAMETERS)
            with whole.open(layout.weights) as file:
                run = reference_field_of(load_inert_from(file, name), name, self._settings())
        latent_set = import_layout(
            tree,
            layout,
            run,
            self.out,
            self._source(),
            label_names=[name for name in self.label_names.split(",") if name],
            dtype=self.dtype,
            skip_bad=self.skip_bad,
        )
        return _imported(latent_set, self.out)

    def _from_functa(self) -> ImportedRun:
        from medfuncta._src.latents.functa import import_functa_set, read_functa_field

        weights = self.weights or self.what
        run = read_functa_field(weights, shape=self._shape(), omega=self.omega_first)
        if self.weights is None:
            return self._saved(run)
        latent_set = import_functa_set(self.what, run, self.out, self._source(), dtype=self.dtype)
        return _imported(latent_set, self.out)

    def _source(self) -> SourceInfo:
        from medfuncta._src.sources.source import SourceInfo

        return SourceInfo(self.name, self.licence)


def _imported(latent_set: LatentSet, out: Path) -> ImportedSet:
    splits, left_out = {}, []
    for name, split in latent_set.info.splits.items():
        splits[name] = split.signals
        left_out += [entry.name for entry in split.left_out]
    return ImportedSet(out, latent_set.info.fingerprint, splits, left_out)


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
    previews: bool = False
    """With hub: add a column of small pictures of what the latents decode to, which viewers of
    data sets show."""

    def run(self) -> Exported:
        from medfuncta._src.latents.latent_set import LatentSet
        from medfuncta._src.latents.onnx import export_onnx
        from medfuncta._src.run import Run
        from medfuncta._src.run_names import METADATA_FILE, find_run

        if self.previews and self.to != "hub":
            raise ConfigError(f"--previews belongs to --to hub, got --to {self.to}; leave it out")
        if self.to == "onnx":
            if (find_run(self.what).folder / METADATA_FILE).exists():
                run = Run.load(self.what)
            else:
                run = LatentSet.open(self.what).run
            export_onnx(run, self.out)
            return Exported(self.out, self.to)
        latent_set = LatentSet.open(self.what)
        with doing("writing it in another form"):
            self._write(latent_set)
        return ExportedSet(self.out, self.to, len(latent_set))

    def _write(self, latent_set: LatentSet) -> None:
        from medfuncta._src.latents import export

        if self.to == "hub":
            export.export_hub(latent_set, self.out, previews=self.previews)
        elif self.to == "npz":
            export.export_npz(latent_set, self.out)
        else:
            export.export_reference(latent_set, self.out)
