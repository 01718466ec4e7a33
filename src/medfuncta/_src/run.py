"""A run: the shared network with all that is needed to use it, as a folder of two files.

``field.safetensors`` holds the weights, ``field.json`` everything else: sizes, omega schedule,
coordinate convention, signal spec, inner loop, and where the training data came from. Wherever a
folder is asked for, a name will do (:mod:`medfuncta._src.run_names`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, TypeAlias, get_args

import torch

from medfuncta._src.array_methods import ArrayMethods
from medfuncta._src.config import FieldConfig
from medfuncta._src.disk.atomic import write_json, write_text
from medfuncta._src.disk.tensors import write_tensors
from medfuncta._src.door.callers import expecting
from medfuncta._src.door.declared import Fault, convert
from medfuncta._src.door.files import Origin, read_json
from medfuncta._src.door.limits import Fingerprint
from medfuncta._src.door.stored_arrays import read_tensor_header, read_tensors
from medfuncta._src.door.wording import counted, printable, shortened, shown
from medfuncta._src.errors import RunError
from medfuncta._src.field.field import Field
from medfuncta._src.field.table import build_field, field_kind, field_names, field_shapes
from medfuncta._src.field.weights import check_weights, fingerprint_of, halved
from medfuncta._src.hub.client import upload
from medfuncta._src.model_card import TEXT_FILE, ModelCard
from medfuncta._src.run_names import METADATA_FILE, WEIGHTS_FILE, FoundRun, find_anywhere, find_run
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import COORDINATE_CONVENTION, Convention
from medfuncta._src.signals.signal import SignalSpec

_Format: TypeAlias = Literal["medfuncta-field"]
_Version: TypeAlias = Literal[1]
_FORMAT: Final = get_args(_Format)[0]
_VERSION: Final = get_args(_Version)[0]
_DTYPES: Final = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float32}
"""Types that weights may be stored in, and those that they are computed with."""
_Stored: TypeAlias = Literal["float32", "float16"]
_DOWNLOAD: Final = "downloaded"
"""What training says of a run that came from a hub."""

_CITATION: Final = 2000
"""Characters of a citation."""
_WORD: Final = 80
"""Characters of other people's words in one line."""


def _steps(steps: object) -> str:
    if isinstance(steps, int):
        return counted(steps, "step")
    return "unknown steps"


def _in_unit(unit: str) -> str:
    return f" in {unit}" if unit else ""


@dataclass(frozen=True, eq=False)
class Run(ArrayMethods):
    """A shared network and its settings.

    Args:
        network: The meta-learned field, on the CPU when loaded.
        config: The settings that made it.
        spec: The kind of signals it was made for.
        training: Provenance: data source, licence, split, steps, seed, versions, best validation
            PSNR.
    """

    network: Field
    config: Config
    spec: SignalSpec
    training: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        field, spec = self.config.field, self.spec
        parameters = sum(parameter.numel() for parameter in self.network.parameters())
        channels = counted(spec.channels, "channel")
        parts = [
            f"{field.kind} field, P {field.latent_size}, {parameters:,} parameters",
            f"of {spec.dim}D signals with {channels}{_in_unit(spec.unit)}",
        ]
        if self.training:
            source, steps = self.training.get("source", "unknown"), self.training.get("steps", 0)
            parts.append(f"trained on {shortened(str(source), _WORD)} for {_steps(steps)}")
        psnr = self.training.get("val_psnr")
        if isinstance(psnr, float):
            parts.append(f"{psnr:.2f} dB on validation")
        return printable(f"Run({', '.join(parts)})")

    @property
    def fingerprint(self) -> str:
        """A digest of weights and sizes: equal exactly when two runs decode every latent alike."""
        return fingerprint_of(self.config.field, self.network.state_dict())

    @expecting
    def save(self, folder: Path | str, *, dtype: _Stored = "float32") -> None:
        """Write the two field files into ``folder``, each atomically.

        The weights carry the fingerprint too, so that files of two runs that were mixed up are
        noticed on loading.

        Args:
            folder: Where.
            dtype: ``"float16"`` stores weights in half the bytes. They are rounded, so that what
                is loaded again is another field, with a fingerprint of its own.

        Raises:
            RunError: If a weight is beyond the numbers of ``dtype``.
        """
        folder = Path(folder)
        tensors = {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in self.network.state_dict().items()
        }
        if dtype == "float16":
            tensors = {name: halved(name, tensor) for name, tensor in tensors.items()}
            _check_halved(tensors, self.config.field)
        fingerprint = fingerprint_of(self.config.field, tensors)
        metadata = {
            "format": _FORMAT,
            "version": _VERSION,
            "fingerprint": fingerprint,
            "coordinates": COORDINATE_CONVENTION,
            "signal": asdict(self.spec),
            "config": self.config.to_dict(),
            "training": dict(self.training),
        }
        header = {"format": "pt", "fingerprint": fingerprint}
        write_tensors(folder / WEIGHTS_FILE, tensors, header)
        write_json(folder / METADATA_FILE, metadata)

    @classmethod
    @expecting
    def load(cls, folder: Path | str, within: Path | None = None) -> Run:
        """Read a run, or the ``field/`` folder of a latent set. Nothing is built before sizes are
        known to be those of the weights.

        Args:
            folder: Where it lies, or a name such as ``"pretrained:ecg"``
                (:func:`~medfuncta._src.run_names.find_run`).
            within: A folder around it that links must not lead out of; the folder itself when None.

        Raises:
            RunError: If a file is missing, damaged, of another format or of another run, the field
                would be too large, or no pretrained field has this name.
            MedFunctaError: If it is to be downloaded and cannot be.
        """
        if within is None:
            return cls._of(find_run(folder))
        return cls._read(Path(folder), within)

    @classmethod
    @expecting
    def from_pretrained(
        cls, name: Path | str, *, revision: str | None = None, cache: Path | None = None
    ) -> Run:
        """Read a run by whatever it is called: its folder, ``owner/name`` on a hub (the Hugging
        Face Hub, or the server that ``HF_ENDPOINT`` names), or the name of one that ships with the
        package, such as ``"ecg"``.

        A run from a hub is held to the limits of any stranger's, its files to the checksums that
        the hub states; ``training["downloaded"]`` says which commit of what it is.

        Args:
            name: What it is called.
            revision: A branch, tag or commit of the repository; the newest when None.
            cache: The folder of downloads; that of ``huggingface_hub`` when None.

        Raises:
            RunError: As :meth:`load`, or if it is called by none of these.
            MedFunctaError: If it cannot be downloaded, or ``huggingface_hub`` is not installed.
        """
        return cls._of(find_anywhere(name, revision, cache))

    @expecting
    def push_to_hub(
        self,
        repository: str,
        *,
        card: ModelCard | None = None,
        private: bool | None = None,
        branch: str | None = None,
        message: str = "Add a field of MedFuncta",
    ) -> str:
        """Push the two field files and a card to a hub as a model; the repository is made where it
        is missing. Log in with ``hf auth login`` first.

        Args:
            repository: ``owner/name``.
            card: What is to be known of it; what the run says of itself when None.
            private: Whether a repository that is made is; as its owner's settings say when None.
            branch: Where to; the main branch when None.
            message: Of the commit.

        Returns:
            The hub's address of the commit.

        Raises:
            MedFunctaError: If it cannot be pushed, or ``huggingface_hub`` is not installed.
        """
        card = card or self._card(repository)
        with TemporaryDirectory() as name:
            folder = Path(name)
            self.save(folder)
            card.save(folder)
            write_text(folder / TEXT_FILE, card.text(repository))
            return upload(
                folder, repository, "model", private=private, branch=branch, message=message
            )

    def _card(self, repository: str) -> ModelCard:
        """What the run says of itself."""
        said = {name: str(value) for name, value in self.training.items()}
        training = {name: said[name] for name in ("steps", "seconds", "val_psnr") if name in said}
        parameters = sum(parameter.numel() for parameter in self.network.parameters())
        return ModelCard(
            name=repository.partition("/")[2],
            signals=f"{self.spec.dim}D signals with {counted(self.spec.channels, 'channel')}",
            source=shortened(said.get("source", "unknown")),
            licence=shortened(said.get("licence", "unknown")),
            citation=shortened(said.get("citation", ""), _CITATION),
            fingerprint=self.fingerprint,
            kind=self.config.field.kind,
            latent_size=self.config.field.latent_size,
            parameters=parameters,
            split_by=shortened(said.get("split_by", "")),
            training=training,
        )

    @classmethod
    def _of(cls, found: FoundRun) -> Run:
        """The run in a folder, with a note of where that came from."""
        run = cls._read(found.folder, found.folder)
        if found.download is None:
            return run
        return replace(run, training={**run.training, _DOWNLOAD: found.download.to_dict()})

    @classmethod
    def _read(cls, folder: Path, within: Path) -> Run:
        described = RunDescription.load(folder, within)
        network = _read_network(folder, described.config.field, within)
        run = cls(network.eval(), described.config, described.spec, described.training)
        if run.fingerprint != described.fingerprint:
            raise RunError(
                f"{WEIGHTS_FILE} and {METADATA_FILE} in '{folder.name}' are not of one run; copy "
                "the whole run folder again"
            )
        return run


@dataclass(frozen=True)
class RunDescription:
    """What a run says of itself in ``field.json``.

    Args:
        fingerprint: Of the field.
        config: The settings that made it.
        spec: The kind of signals it was made for.
        training: Provenance, as it was written.
    """

    fingerprint: str
    config: Config
    spec: SignalSpec
    training: Mapping[str, Any]

    @classmethod
    def load(cls, folder: Path, within: Path | None = None) -> RunDescription:
        """Read it; see :meth:`Run.load`.

        Raises:
            RunError: If the file is missing, damaged or of another format.
        """
        origin = Origin(
            name=f"{METADATA_FILE} in '{folder.name}'",
            error=RunError,
            remedy="copy the run again or train it anew",
            missing=f"'{folder.name}' is not a run: no {METADATA_FILE} in it; give the folder that "
            "'medfuncta train --out' wrote",
        )
        data = read_json(folder / METADATA_FILE, origin, within=within or folder)
        _check_format(data, folder)
        with origin.blamed():
            metadata = convert(data, _Metadata)
            _check_kind(metadata.config.get("field", {}).get("kind", "siren"), folder)
            config = Config.from_dict(metadata.config)
            spec = metadata.signal
            for name in ("dim", "channels"):
                ours, theirs = getattr(config.field, name), getattr(spec, name)
                if ours != theirs:
                    expected = f"expected {ours}, as config.field.{name} says"
                    raise Fault(f"signal.{name}", f"is {theirs}; {expected}")
        return cls(metadata.fingerprint, config, spec, metadata.training)


@dataclass(frozen=True)
class _Metadata:
    """``field.json``."""

    format: _Format
    version: _Version
    fingerprint: Fingerprint
    coordinates: Convention
    signal: SignalSpec
    config: dict[str, dict[str, Any]]
    training: dict[str, Any] = field(default_factory=dict)


def _check_format(data: Mapping[str, Any], folder: Path) -> None:
    """What a person can do about is told apart from damage."""
    if data.get("format") != _FORMAT:
        raise RunError(
            f"{METADATA_FILE} in '{folder.name}' is not of format '{_FORMAT}'; give the folder "
            "that 'medfuncta train --out' wrote"
        )
    version = data.get("version")
    if isinstance(version, int) and version > _VERSION:
        raise RunError(
            f"'{folder.name}' has version {shown(version)}, this program reads version {_VERSION}; "
            "upgrade medfuncta"
        )


def _check_kind(kind: Any, folder: Path) -> None:
    """A field of another package is not damaged where that package is missing."""
    if isinstance(kind, str) and kind not in field_names():
        raise RunError(
            f"'{folder.name}' holds a field of kind '{shortened(kind)}', which no installed "
            f"package brings; install the one that does. Known: {', '.join(field_names())}"
        )


def _check_halved(tensors: Mapping[str, torch.Tensor], config: FieldConfig) -> None:
    """Raise where a number became another one, such as 0, by which a field does not compute.

    Raises:
        RunError: If one did.
    """
    try:
        check_weights(tensors, field_kind(config.kind).bounds)
    except Fault as fault:
        raise RunError(f"{fault} after rounding to float16; store it as float32") from fault


def _read_network(folder: Path, config: FieldConfig, within: Path) -> Field:
    """The field with the weights in a folder."""
    path = folder / WEIGHTS_FILE
    origin = Origin(
        name=f"{WEIGHTS_FILE} in '{folder.name}'",
        error=RunError,
        remedy="copy the whole run folder again or train it anew",
        missing=f"no {WEIGHTS_FILE} beside {METADATA_FILE} in '{folder.name}'; copy the whole run "
        "folder",
    )
    header = read_tensor_header(path, origin, within)
    with origin.blamed():
        stored = set(header.dtypes.values())
        dtype = next((name for name in ("F64", "F16") if name in stored), "F32")
        shapes = field_shapes(config)
        if shapes is not None:
            header.check(shapes, (dtype,))
        network = build_field(config).to(_DTYPES[dtype])
        header.check({name: tuple(t.shape) for name, t in network.state_dict().items()}, (dtype,))
        tensors = read_tensors(path)
        network.load_state_dict(tensors)  # which makes them of its own type
        check_weights(tensors, field_kind(config.kind).bounds)
    return network
