"""The state of a training run in one safetensors file, from which it continues bit for bit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

import torch
from msgspec import Meta
from safetensors.torch import save_file
from torch import Tensor

from medfuncta._src.disk.atomic import write_atomically
from medfuncta._src.door.declared import Fault, convert, from_text
from medfuncta._src.door.files import Origin, decode_json
from medfuncta._src.door.limits import Count
from medfuncta._src.door.stored_arrays import TensorHeader, read_tensor_header, read_tensors
from medfuncta._src.door.wording import shortened, shown
from medfuncta._src.errors import RunError
from medfuncta._src.field.field import Field
from medfuncta._src.field.table import field_kind
from medfuncta._src.field.weights import check_weights
from medfuncta._src.learning.optimiser import WeightAverage
from medfuncta._src.settings import ADDED, without_retired
from medfuncta._src.signals.mark import DataMark

_Format: TypeAlias = Literal["medfuncta-checkpoint-3"]
_FORMAT: Final = get_args(_Format)[0]
_FLOATS: Final = {torch.float32: "F32", torch.float64: "F64"}
_OPTIMISER_STATE: Final[Mapping[type, Mapping[str, bool]]] = {
    torch.optim.AdamW: {"step": True, "exp_avg": False, "exp_avg_sq": False},
    torch.optim.Muon: {"momentum_buffer": False},
}
"""What an optimiser keeps of each parameter, and whether that is a single number instead of one for
each of the parameter's."""
Settings: TypeAlias = Mapping[str, Mapping[str, Any]]


@dataclass
class Progress:
    """How far a run is.

    What is read from a checkpoint keeps to the bounds of these annotations.

    Args:
        step: Finished meta-steps.
        seconds: Wall time of training so far, over all sessions.
        best_psnr: Best validation PSNR in dB so far, or None before the first validation.
        best_step: After which meta-step that was.
        skipped: Meta-steps whose gradient was not finite.
        returns: How often the best network was gone back to; each time halved the rate of all later
            meta-steps.
    """

    step: Count = 0
    seconds: Annotated[float, Meta(ge=0)] = 0.0
    best_psnr: float | None = None
    best_step: Count = 0
    skipped: Count = 0
    returns: Annotated[int, Meta(ge=0, le=64)] = 0


@dataclass(eq=False)
class TrainingState:
    """All that a meta-step changes, and what it learns from.

    Args:
        field: The shared network.
        optimisers: Of its parameters.
        average: Of its weights.
        generator: Draws the contexts.
        progress: How far the run is.
        data: The mark of the training signals.
    """

    field: Field
    optimisers: Sequence[torch.optim.Optimizer]
    average: WeightAverage
    generator: torch.Generator
    progress: Progress
    data: DataMark

    def save(self, path: Path, config: Settings) -> None:
        """Write everything atomically; ``config`` is stored so that a run is not continued with
        other settings."""
        header = {
            "format": _FORMAT,
            "config": json.dumps(config, sort_keys=True),
            "progress": json.dumps(asdict(self.progress)),
            "average_updates": str(self.average.updates),
            "data": json.dumps(asdict(self.data)),
        }
        write_atomically(
            path, lambda temporary: save_file(self._tensors(), temporary, metadata=header)
        )

    def restore(self, path: Path, config: Settings) -> None:
        """Read everything back.

        Raises:
            RunError: If the file is missing, damaged, or was written with other settings or other
                signals.
        """
        stored = _Stored.read(path, config)
        stored.check_data(self.data)
        with stored.origin.blamed():
            self._load(stored)
            try:
                self.generator.set_state(stored.tensors["generator"])
            except RuntimeError as error:
                raise Fault("the state of the generator", "is none") from error
            self.progress = stored.progress

    def go_back(self, path: Path, config: Settings) -> None:
        """Take weights, their average and the optimisers from another checkpoint; which signals and
        points come next stays.

        Raises:
            RunError: As :meth:`restore`.
        """
        stored = _Stored.read(path, config)
        with stored.origin.blamed():
            self._load(stored)
        self.progress.returns += 1

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"network.{name}": t.detach() for name, t in self.field.state_dict().items()}
        tensors |= {f"average.{name}": p for name, p in self.average.weights.items()}
        tensors["generator"] = self.generator.get_state()
        for which, optimiser in enumerate(self.optimisers):
            for number, state in optimiser.state_dict()["state"].items():
                tensors |= {
                    f"optimiser.{which}.{number}.{key}": value for key, value in state.items()
                }
        return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}

    def _load(self, stored: _Stored) -> None:
        """Take over weights and optimisers, once all of them are known to fit."""
        stored.header.check(self._shapes(stored), (*_FLOATS.values(), "U8"))
        self._check_types(stored.header)
        tensors = stored.tensors
        bounds = field_kind(self.field.config.kind).bounds
        for prefix in ("network.", "average."):
            check_weights(tensors, bounds, prefix)
        for name, tensor in tensors.items():
            if name.endswith(".step") and not 0 <= float(tensor) <= stored.progress.step:
                raise Fault(name, f"is {float(tensor):g}; the run took {stored.progress.step:,}")
        with torch.no_grad():
            for name, tensor in self.field.state_dict().items():
                tensor.copy_(tensors[f"network.{name}"])
            for name, average in self.average.weights.items():
                average.copy_(tensors[f"average.{name}"])
        self.average.updates = stored.average_updates
        for which, optimiser in enumerate(self.optimisers):
            state: dict[int, dict[str, Tensor]] = {}
            for name, tensor in tensors.items():
                if name.startswith(f"optimiser.{which}."):
                    number, key = name.split(".")[2:]
                    state.setdefault(int(number), {})[key] = tensor
            optimiser.load_state_dict(
                {"state": state, "param_groups": optimiser.state_dict()["param_groups"]}
            )

    def _shapes(self, stored: _Stored) -> dict[str, tuple[int, ...]]:
        """The tensors that a checkpoint of this state has, and their shapes. Optimisers have none
        before the first meta-step that changed something."""
        shapes = {f"network.{name}": tuple(t.shape) for name, t in self.field.state_dict().items()}
        for name, weights in self.average.weights.items():
            shapes[f"average.{name}"] = tuple(weights.shape)
        shapes["generator"] = tuple(self.generator.get_state().shape)
        if stored.progress.step == stored.progress.skipped:
            return shapes
        for which, optimiser in enumerate(self.optimisers):
            parameters = [p for group in optimiser.param_groups for p in group["params"]]
            for number, parameter in enumerate(parameters):
                for key, scalar in _OPTIMISER_STATE[type(optimiser)].items():
                    name = f"optimiser.{which}.{number}.{key}"
                    shapes[name] = () if scalar else tuple(parameter.shape)
        return shapes

    def _check_types(self, header: TensorHeader) -> None:
        """Weights have the type of the field, which those of optimisers follow; the state of the
        generator is bytes."""
        float_type = _FLOATS[self.field.dtype]
        for name, dtype in header.dtypes.items():
            expected = "U8" if name == "generator" else float_type
            if name.endswith(".step"):
                expected = "F32"  # PyTorch's, whatever the weights are
            if dtype != expected:
                raise Fault(f"the type of {name}", f"is {dtype}; expected {expected}")


@dataclass(frozen=True)
class _Notes:
    """The header of a checkpoint, whose entries are texts."""

    format: _Format
    config: str
    progress: str
    average_updates: str
    data: str = ""


@dataclass(frozen=True, eq=False)
class _Stored:
    """What a checkpoint holds."""

    origin: Origin
    header: TensorHeader
    tensors: Mapping[str, Tensor]
    progress: Progress
    average_updates: int
    data: DataMark | None

    @classmethod
    def read(cls, path: Path, config: Settings) -> _Stored:
        """A checkpoint that was written with these settings.

        Raises:
            RunError: If it is missing, damaged, or was written with others.
        """
        origin = Origin(
            name=f"the checkpoint {path.name}",
            error=RunError,
            remedy="start the run anew without --resume",
            missing=f"no checkpoint {path.name} to resume from; start the run without --resume",
        )
        header = read_tensor_header(path, origin)
        if header.notes.get("format") != _FORMAT:
            raise RunError(
                f"{path.name} is not a checkpoint of this program's version; start the run anew "
                "without --resume"
            )
        with origin.blamed():
            notes = convert(header.notes, _Notes)
            stored = convert(decode_json(notes.config), dict[str, dict[str, Any]], "config")
            progress = convert(decode_json(notes.progress), Progress, "progress", whole=True)
            updates = from_text(notes.average_updates, Count, "average_updates")
            data = None
            if notes.data:  # older ones say nothing of it
                data = convert(decode_json(notes.data), DataMark, "data", whole=True)
        stored = without_retired(stored)
        _check_kind(stored, config)
        with origin.blamed():
            _check_whole(stored, config)
        _check_settings(stored, config)
        with origin.blamed():
            _check_progress(progress, stored["train"]["steps"])
            tensors = read_tensors(path)
        return cls(origin, header, tensors, progress, updates, data)

    def check_data(self, now: DataMark) -> None:
        """Raise unless the training signals are those that it learned from.

        Raises:
            RunError: If they are others.
        """
        difference = "" if self.data is None else self.data.difference(now)
        if difference:
            raise RunError(
                f"the training signals are not those that the run was started with: {difference}; "
                "resume with the same data, or start a new run with --start-from"
            )


def _check_progress(progress: Progress, steps: int) -> None:
    """Raise where the numbers of meta-steps contradict each other."""
    if progress.step > steps:
        raise Fault("progress.step", f"is {progress.step:,}; expected at most {steps:,}")
    for name in ("best_step", "skipped"):
        count = getattr(progress, name)
        if count > progress.step:
            expected = f"expected at most {progress.step:,}, the steps taken"
            raise Fault(f"progress.{name}", f"is {count:,}; {expected}")


def _check_kind(stored: Settings, config: Settings) -> None:
    """Raise where the run is of another kind of field, whose settings are others altogether."""
    before = stored.get("field", {}).get("kind", "siren")
    now = config["field"]["kind"]
    if before != now:
        raise RunError(
            f"the run was started with a field of kind {shown(before)}, now it is {shown(now)}; "
            "resume with the same --preset and settings"
        )


def _check_whole(stored: Settings, config: Settings) -> None:
    """Raise where a setting is missing; those that were added later had their default before."""
    for section, settings in config.items():
        for key in settings:
            if key not in stored.get(section, {}) and (section, key) not in ADDED:
                raise Fault(f"config.{section}.{key}", "is missing")


def _check_settings(stored: Settings, config: Settings) -> None:
    """Raise at the first setting that is another one now."""
    current = json.loads(json.dumps(config))
    for section, settings in stored.items():
        for key, before in settings.items():
            now = current.get(section, {}).get(key)
            if before != now:
                name = shortened(f"{section}.{key}", 80)
                raise RunError(
                    f"the run was started with {name} = {shown(before)}, now it is {shown(now)}; "
                    "resume with the same settings or start a new run"
                )
