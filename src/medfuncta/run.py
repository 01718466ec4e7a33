"""A run: the shared network with all that is needed to use it, as a folder of two files.

``field.safetensors`` holds the weights, ``field.json`` everything else: sizes, omega schedule,
coordinate convention, signal spec, inner loop, and where the training data came from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import torch
from safetensors.torch import save_file

from medfuncta.config import LATER, FieldConfig
from medfuncta.disk.atomic import write_atomically, write_json
from medfuncta.door.callers import expecting
from medfuncta.door.declared import Fault, convert
from medfuncta.door.files import Origin, read_json
from medfuncta.door.limits import Fingerprint
from medfuncta.door.stored_arrays import read_tensor_header, read_tensors
from medfuncta.door.wording import counted, printable, shortened, shown
from medfuncta.errors import RunError
from medfuncta.field.field import Field
from medfuncta.field.table import build_field, field_names, field_shapes
from medfuncta.settings import Config
from medfuncta.signals.domain import COORDINATE_CONVENTION, Convention
from medfuncta.signals.signal import SignalSpec

WEIGHTS_FILE = "field.safetensors"
METADATA_FILE = "field.json"
_Format: TypeAlias = Literal["medfuncta-field"]
_Version: TypeAlias = Literal[1]
_FORMAT: Final = get_args(_Format)[0]
_VERSION: Final = get_args(_Version)[0]
_DTYPES: Final = {"F32": torch.float32, "F64": torch.float64}


_WORD: Final = 80
"""Characters of other people's words in one line."""


def _steps(steps: object) -> str:
    if isinstance(steps, int):
        return counted(steps, "step")
    return "unknown steps"


def _in_unit(unit: str) -> str:
    return f" in {unit}" if unit else ""


@dataclass(frozen=True, eq=False)
class Run:
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
        sizes = asdict(self.config.field)
        for setting in fields(self.config.field):
            if setting.metadata == LATER and sizes[setting.name] == setting.default:
                del sizes[setting.name]  # not there when the first fingerprints were taken
        digest = hashlib.sha256(json.dumps(sizes, sort_keys=True).encode())
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:32]

    def save(self, folder: Path | str) -> None:
        """Write the two field files into ``folder``, each atomically.

        The weights carry the fingerprint too, so that files of two runs that were mixed up are
        noticed on loading.
        """
        folder = Path(folder)
        tensors = {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in self.network.state_dict().items()
        }
        fingerprint = self.fingerprint
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
        write_atomically(
            folder / WEIGHTS_FILE, lambda path: save_file(tensors, path, metadata=header)
        )
        write_json(folder / METADATA_FILE, metadata)

    @classmethod
    @expecting
    def load(cls, folder: Path | str, within: Path | None = None) -> Run:
        """Read a run, or the ``field/`` folder of a latent set. Nothing is built before sizes are
        known to be those of the weights.

        Args:
            folder: Where it lies.
            within: A folder around it that links must not lead out of; the folder itself when None.

        Raises:
            RunError: If a file is missing, damaged, of another format or of another run, or the
                field would be too large.
        """
        folder = Path(folder)
        within = within or folder
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
        dtype = "F64" if "F64" in header.dtypes.values() else "F32"
        shapes = field_shapes(config)
        if shapes is not None:
            header.check(shapes, (dtype,))
        network = build_field(config).to(_DTYPES[dtype])
        header.check({name: tuple(t.shape) for name, t in network.state_dict().items()}, (dtype,))
        tensors = read_tensors(path)
        network.load_state_dict(tensors)
        check_finite(tensors)
    return network


def check_finite(tensors: Mapping[str, torch.Tensor]) -> None:
    """Raise where a tensor holds NaN or Inf.

    Raises:
        Fault: At the first that does.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise Fault(f"the tensor {name}", "holds NaN or Inf; expected finite weights")
