"""A run: the shared network with all that is needed to use it, as a folder of two files.

``field.safetensors`` holds the weights, ``field.json`` everything else: sizes, omega schedule,
coordinate convention, signal spec, inner loop, and where the training data came from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from medfuncta.atomic import write_atomically, write_json
from medfuncta.errors import MedFunctaError, RunError
from medfuncta.field.field import Field
from medfuncta.field.table import build_field
from medfuncta.settings import Config, override
from medfuncta.signals.domain import COORDINATE_CONVENTION
from medfuncta.signals.signal import SignalSpec

WEIGHTS_FILE = "field.safetensors"
METADATA_FILE = "field.json"
_FORMAT = "medfuncta-field"
_VERSION = 1


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
        psnr = self.training.get("val_psnr")
        quality = f", {psnr:.2f} dB on validation" if isinstance(psnr, float) else ""
        return (
            f"Run({field.kind} field, P {field.latent_size}, of {spec.dim}D signals with "
            f"{spec.channels} channels, trained on {self.training.get('source', 'unknown')} for "
            f"{self.training.get('steps', 0)} steps{quality})"
        )

    @property
    def fingerprint(self) -> str:
        """A digest of weights and sizes: equal exactly when two runs decode every latent alike."""
        config = self.config.field
        sizes = asdict(override(config, asdict(config)))  # 20 and 20.0 are one omega
        if sizes["kind"] == "siren":
            del sizes["kind"]  # the only kind there was when the first fingerprints were taken
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
    def load(cls, folder: Path | str) -> Run:
        """Read a run, or the ``field/`` folder of a latent set.

        Raises:
            RunError: If a file is missing, truncated, of another format or belongs to another run.
        """
        folder = Path(folder)
        metadata = _read_metadata(folder)
        try:
            config = Config.from_dict(metadata["config"])
            spec = SignalSpec.from_dict(metadata["signal"])
            tensors = load_file(folder / WEIGHTS_FILE)
            network = build_field(config.field).to(next(iter(tensors.values())).dtype)
            network.load_state_dict(tensors)
        except FileNotFoundError as error:
            raise RunError(
                f"no {WEIGHTS_FILE} beside {METADATA_FILE} in '{folder.name}'; copy the whole run "
                "folder"
            ) from error
        except (KeyError, TypeError, RuntimeError, SafetensorError, MedFunctaError) as error:
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise RunError(
                f"the run '{folder.name}' is damaged ({line}); copy it again or train it anew"
            ) from error
        run = cls(network.eval(), config, spec, metadata.get("training", {}))
        if run.fingerprint != metadata.get("fingerprint"):
            raise RunError(
                f"{WEIGHTS_FILE} and {METADATA_FILE} in '{folder.name}' are not of one run; copy "
                "the whole run folder again"
            )
        return run


def _read_metadata(folder: Path) -> dict[str, Any]:
    path = folder / METADATA_FILE
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(
            f"'{folder.name}' is not a run: no {METADATA_FILE} in it; give the folder that "
            "'medfuncta train --out' wrote"
        ) from error
    except (ValueError, UnicodeDecodeError) as error:
        raise RunError(
            f"{METADATA_FILE} in '{folder.name}' is damaged ({error}); copy the run again"
        ) from error
    if not isinstance(metadata, dict) or metadata.get("format") != _FORMAT:
        raise RunError(
            f"{METADATA_FILE} in '{folder.name}' is not of format '{_FORMAT}'; give the folder "
            "that 'medfuncta train --out' wrote"
        )
    if metadata.get("version") != _VERSION:
        raise RunError(
            f"'{folder.name}' has version {metadata.get('version')}, this program reads version "
            f"{_VERSION}; upgrade medfuncta"
        )
    return metadata


def default_device() -> torch.device:
    """An accelerator when PyTorch sees one, else the CPU."""
    accelerator = (
        torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    )
    return accelerator or torch.device("cpu")
