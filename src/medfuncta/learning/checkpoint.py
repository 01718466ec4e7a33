"""The state of a training run in one safetensors file, from which it continues bit for bit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from medfuncta.atomic import write_atomically
from medfuncta.errors import RunError
from medfuncta.field.field import Field
from medfuncta.learning.optimiser import WeightAverage

_FORMAT = "medfuncta-checkpoint-3"
Settings: TypeAlias = Mapping[str, Mapping[str, Any]]


@dataclass
class Progress:
    """How far a run is.

    Args:
        step: Finished meta-steps.
        seconds: Wall time of training so far, over all sessions.
        best_psnr: Best validation PSNR in dB so far, or None before the first validation.
        best_step: After which meta-step that was.
        skipped: Meta-steps whose gradient was not finite.
        returns: How often the best network was gone back to; each time halved the rate of all later
            meta-steps.
    """

    step: int = 0
    seconds: float = 0.0
    best_psnr: float | None = None
    best_step: int = 0
    skipped: int = 0
    returns: int = 0


@dataclass(eq=False)
class TrainingState:
    """All that a meta-step changes."""

    field: Field
    optimisers: Sequence[torch.optim.Optimizer]
    average: WeightAverage
    generator: torch.Generator
    progress: Progress

    def save(self, path: Path, config: Settings) -> None:
        """Write everything atomically; ``config`` is stored so that a run is not continued with
        other settings."""
        header = {
            "format": _FORMAT,
            "config": json.dumps(config, sort_keys=True),
            "progress": json.dumps(asdict(self.progress)),
            "average_updates": str(self.average.updates),
        }
        write_atomically(
            path, lambda temporary: save_file(self._tensors(), temporary, metadata=header)
        )

    def restore(self, path: Path, config: Settings) -> None:
        """Read everything back.

        Raises:
            RunError: If the file is missing, damaged, or was written with other settings.
        """
        header, tensors = _read(path, config)
        self._load(tensors, header)
        self.generator.set_state(tensors["generator"])
        self.progress = Progress(**json.loads(header["progress"]))

    def go_back(self, path: Path, config: Settings) -> None:
        """Take weights, their average and the optimisers from another checkpoint; which signals and
        points come next stays.

        Raises:
            RunError: As :meth:`restore`.
        """
        header, tensors = _read(path, config)
        self._load(tensors, header)
        self.progress.returns += 1

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"network.{name}": p.detach() for name, p in self.field.named_parameters()}
        tensors |= {f"average.{name}": p for name, p in self.average.weights.items()}
        tensors["generator"] = self.generator.get_state()
        for which, optimiser in enumerate(self.optimisers):
            for number, state in optimiser.state_dict()["state"].items():
                tensors |= {
                    f"optimiser.{which}.{number}.{key}": value for key, value in state.items()
                }
        return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}

    def _load(self, tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
        with torch.no_grad():
            for name, parameter in self.field.named_parameters():
                parameter.copy_(tensors[f"network.{name}"])
            for name, average in self.average.weights.items():
                average.copy_(tensors[f"average.{name}"])
        self.average.updates = int(header["average_updates"])
        for which, optimiser in enumerate(self.optimisers):
            state: dict[int, dict[str, Tensor]] = {}
            for name, tensor in tensors.items():
                if name.startswith(f"optimiser.{which}."):
                    number, key = name.split(".")[2:]
                    state.setdefault(int(number), {})[key] = tensor
            optimiser.load_state_dict(
                {"state": state, "param_groups": optimiser.state_dict()["param_groups"]}
            )


def _read(path: Path, config: Settings) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of a checkpoint that was written with these settings."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise RunError(
            f"no checkpoint {path.name} to resume from; start the run without --resume"
        ) from error
    except (SafetensorError, OSError) as error:
        raise RunError(
            f"the checkpoint {path.name} is damaged ({error}); start the run anew without --resume"
        ) from error
    if header.get("format") != _FORMAT:
        raise RunError(
            f"{path.name} is not a checkpoint of this program's version; start the run anew "
            "without --resume"
        )
    _check_settings(json.loads(header["config"]), config)
    return header, tensors


def _check_settings(stored: Settings, config: Settings) -> None:
    current = json.loads(json.dumps(config))
    for section, settings in stored.items():
        for key, value in settings.items():
            if current.get(section, {}).get(key) != value:
                raise RunError(
                    f"the run was started with {section}.{key} = {value}, now it is "
                    f"{current.get(section, {}).get(key)}; "
                    "resume with the same settings or start a new run"
                )
