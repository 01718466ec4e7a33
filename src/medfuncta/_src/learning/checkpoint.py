"""The state of a training run in one safetensors file, from which it continues bit for bit."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load, save
from torch import Tensor

from medfuncta._src.disk.tensors import write_tensors
from medfuncta._src.door.declared import Fault
from medfuncta._src.door.stored_arrays import TensorHeader
from medfuncta._src.errors import RunError
from medfuncta._src.field.field import Field
from medfuncta._src.field.table import field_kind
from medfuncta._src.field.weights import check_weights
from medfuncta._src.learning.optimiser import WeightAverage
from medfuncta._src.learning.ranks import Ranks
from medfuncta._src.learning.stored_checkpoint import (
    FORMAT,
    Progress,
    Settings,
    StoredCheckpoint,
    checksum_of,
)
from medfuncta._src.signals.mark import DataMark

_FLOATS: Final = {torch.float32: "F32", torch.float64: "F64"}
_OPTIMISER_STATE: Final[Mapping[type, Mapping[str, bool]]] = {
    torch.optim.AdamW: {"step": True, "exp_avg": False, "exp_avg_sq": False},
    torch.optim.Muon: {"momentum_buffer": False},
}
"""What an optimiser keeps of each parameter, and whether that is a single number instead of one for
each of the parameter's."""


_NOTES: Final = "notes"
"""The tensor in which one rank sends another what the header of a checkpoint says."""


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
        due: What is known of the last meta-step, where the validation that follows it was not
            made yet.
    """

    field: Field
    optimisers: Sequence[torch.optim.Optimizer]
    average: WeightAverage
    generator: torch.Generator
    progress: Progress
    data: DataMark
    due: dict[str, float] | None = None

    def save(self, path: Path, config: Settings, job: str = "") -> None:
        """Write everything atomically; ``config`` is stored so that a run is not continued with
        other settings.

        Args:
            path: The file.
            config: All settings.
            job: What the job that writes it is called, which may be started again.
        """
        tensors, notes = self._tensors(), self._notes(config, job)
        notes["checksum"] = checksum_of(tensors, notes)
        write_tensors(path, tensors, notes)

    def share(self, ranks: Ranks) -> None:
        """Make it that of the first rank on all of them.

        Raises:
            RunError: If this rank has other training signals than the first.
            RankLost: If another has ended.
        """
        if ranks.count == 1:
            return
        content = b""
        if ranks.first:
            notes = json.dumps(self._notes({}, "")).encode()
            told = torch.frombuffer(bytearray(notes), dtype=torch.uint8)
            content = save({**self._tensors(), _NOTES: told})
        content = ranks.from_first(content)
        if not ranks.first:
            self._take(content, ranks)

    def _take(self, content: bytes, ranks: Ranks) -> None:
        """Take over what the first rank has sent."""
        tensors = load(content)
        notes = json.loads(tensors.pop(_NOTES).numpy().tobytes())
        theirs = DataMark(**json.loads(notes["data"]))
        difference = theirs.difference(self.data)
        if difference:
            raise RunError(
                f"process {ranks.rank} of this training has other signals than the first: "
                f"{difference}; give all of them the same data"
            )
        self._load(tensors, int(notes["average_updates"]))
        self.generator.set_state(tensors["generator"])
        self.progress = Progress(**json.loads(notes["progress"]))
        self.due = json.loads(notes["due"])

    def _notes(self, config: Settings, job: str) -> dict[str, str]:
        """The header of a checkpoint, but for its checksum."""
        return {
            "format": FORMAT,
            "config": json.dumps(config, sort_keys=True),
            "progress": json.dumps(asdict(self.progress)),
            "average_updates": str(self.average.updates),
            "data": json.dumps(asdict(self.data)),
            "due": json.dumps(_finite(self.due)),
            "job": job,
        }

    def restore(self, path: Path, config: Settings) -> None:
        """Read everything back.

        Raises:
            RunError: If the file is missing, damaged, or was written with other settings or other
                signals.
        """
        stored = StoredCheckpoint.read(path, config)
        stored.check_data(self.data)
        with stored.origin.blamed():
            self._check(stored)
            generator = torch.Generator()
            try:
                generator.set_state(stored.tensors["generator"])
            except RuntimeError as error:
                raise Fault("the state of the generator", "is none") from error
            stored.check_sum()
        self._load(stored.tensors, stored.average_updates)
        self.generator.set_state(stored.tensors["generator"])
        self.progress, self.due = stored.progress, stored.due

    def go_back(self, path: Path, config: Settings) -> None:
        """Take weights, their average and the optimisers from another checkpoint; which signals and
        points come next stays.

        Raises:
            RunError: As :meth:`restore`.
        """
        stored = StoredCheckpoint.read(path, config)
        with stored.origin.blamed():
            self._check(stored)
            stored.check_sum()
        self._load(stored.tensors, stored.average_updates)
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

    def _check(self, stored: StoredCheckpoint) -> None:
        """Raise unless weights and optimisers fit."""
        stored.header.check(self._shapes(stored), (*_FLOATS.values(), "U8"))
        self._check_types(stored.header)
        tensors = stored.tensors
        bounds = field_kind(self.field.config.kind).bounds
        for prefix in ("network.", "average."):
            check_weights(tensors, bounds, prefix)
        for name, tensor in tensors.items():
            if name.endswith(".step") and not 0 <= float(tensor) <= stored.progress.step:
                raise Fault(name, f"is {float(tensor):g}; the run took {stored.progress.step:,}")

    def _load(self, tensors: Mapping[str, Tensor], average_updates: int) -> None:
        """Take over weights and optimisers, which are known to fit."""
        with torch.no_grad():
            for name, tensor in self.field.state_dict().items():
                tensor.copy_(tensors[f"network.{name}"])
            for name, average in self.average.weights.items():
                average.copy_(tensors[f"average.{name}"])
        self.average.updates = average_updates
        for which, optimiser in enumerate(self.optimisers):
            state: dict[int, dict[str, Tensor]] = {}
            for name, tensor in tensors.items():
                if name.startswith(f"optimiser.{which}."):
                    number, key = name.split(".")[2:]
                    state.setdefault(int(number), {})[key] = tensor
            optimiser.load_state_dict(
                {"state": state, "param_groups": optimiser.state_dict()["param_groups"]}
            )

    def _shapes(self, stored: StoredCheckpoint) -> dict[str, tuple[int, ...]]:
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


def _finite(row: Mapping[str, float] | None) -> dict[str, float] | None:
    """A row without what JSON has no word for."""
    if row is None:
        return None
    return {name: value for name, value in row.items() if math.isfinite(value)}
