"""Several steps in order, as one piece of data that a run or a set keeps, and the way back to the
grid of the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from medfuncta._src.door.declared import Fault, convert
from medfuncta._src.door.files import decode_json
from medfuncta._src.errors import ConfigError, DataError, MedFunctaError, suggest
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.preprocess.geometry import CropPad, Reorient, Resample
from medfuncta._src.signals.preprocess.intensity import Grey, Quantiles, Window
from medfuncta._src.signals.preprocess.step import GridStep, Step
from medfuncta._src.signals.signal import Signal, SignalHeader
from medfuncta._src.types import ArrayCoordinates, ArrayMask

_STEPS: Final[Mapping[str, type[Step]]] = {
    step.name: step for step in (CropPad, Resample, Reorient, Window, Quantiles, Grey)
}
_INPUT_GRID: Final = "input_grid"
"""Key of a signal's metadata: the grid of its file as JSON, where preprocessing has moved the
samples."""
_PREPROCESSING: Final = "preprocessing"
"""Key of a source's details: the steps that its signals went through, as text."""
_FURTHER_PREPROCESSING: Final = "further preprocessing"
"""The same for steps that came after those of the source."""
_EDGE: Final = 1e-6
"""How far beyond its box, in voxels, rounding can put a sample that lies on the edge."""


@dataclass(frozen=True)
class Preprocessing:
    """Steps applied one after the other.

    Args:
        steps: In the order in which they are applied.
    """

    steps: tuple[Step, ...] = ()

    def apply(self, signal: Signal) -> Signal:
        """The signal after all steps; where samples were moved, its metadata says on which grid
        they lay in the file.

        Raises:
            DataError: If a step does not fit the signal.
        """
        before = signal.domain
        for step in self.steps:
            signal = step.apply(signal)
        known = _INPUT_GRID in signal.metadata
        if known or not isinstance(before, Grid) or not self._moves(before):
            return signal
        input_grid = json.dumps(before.to_dict())
        return signal.with_header(metadata={**signal.metadata, _INPUT_GRID: input_grid})

    def _moves(self, grid: Grid) -> bool:
        """Whether a sample lies elsewhere after the steps, be it on a grid that is equal."""
        for step in self._grid_steps:
            after, to_before = step.place(grid)
            if after != grid or not np.array_equal(to_before, np.eye(grid.dim + 1)):
                return True
        return False

    def apply_labels(self, labels: np.ndarray, grid: Grid) -> np.ndarray:
        """A label map on ``grid``, ``[*grid.shape]``, moved to where the samples of its signal end
        up."""
        for step in self._grid_steps:
            labels = step.apply_labels(labels, grid)
            grid, _ = step.place(grid)
        return labels

    def grid_after(self, grid: Grid) -> Grid:
        """The grid on which the samples of ``grid`` lie after all steps.

        Raises:
            DataError: If a step does not fit the grid.
        """
        for step in self._grid_steps:
            grid, _ = step.place(grid)
        return grid

    def locate(self, grid: Grid, index: np.ndarray) -> tuple[ArrayCoordinates, ArrayMask]:
        """Where samples of the file's own grid lie for the field, so that it can be decoded there
        without interpolation.

        Args:
            grid: The grid before all steps.
            index: Flat indices of samples of it (C order), ``[n]``.

        Returns:
            Coordinates ``[n, dim]``; and ``[n]``, False for samples that a step has cut off, of
            which the field knows nothing.

        Raises:
            DataError: If a step does not fit the grid.
        """
        positions = np.stack(np.unravel_index(index, grid.shape), axis=-1).astype(float)
        kept = np.ones(len(positions), bool)
        for step in self._grid_steps:
            grid, to_before = step.place(grid)
            to_after = np.linalg.inv(to_before)
            positions = positions @ to_after[:-1, :-1].T + to_after[:-1, -1]
            half_sides = np.array(grid.shape) / 2
            from_middle = np.abs(positions + 0.5 - half_sides)
            kept &= (from_middle <= half_sides + _EDGE).all(axis=-1)
        return grid.coordinates_at(positions), kept

    @property
    def _grid_steps(self) -> list[GridStep]:
        return [step for step in self.steps if isinstance(step, GridStep)]

    def to_text(self) -> str:
        """The steps as JSON, for a source's details."""
        return json.dumps([step.to_dict() for step in self.steps])

    @classmethod
    def from_text(cls, text: str) -> Preprocessing:
        """The inverse of :meth:`to_text`.

        Raises:
            ConfigError: If the text is not a list of known steps.
        """
        try:
            data = decode_json(text)
            if not isinstance(data, list):
                raise Fault("", "is no list")
            return cls(tuple(map(_step_from_dict, data)))
        except MedFunctaError as error:
            raise ConfigError(
                f"preprocessing that cannot be read ({error}); expected a JSON list of steps"
            ) from error

    @classmethod
    def from_details(cls, details: Mapping[str, object]) -> Preprocessing:
        """The steps that a source names in its details; none where it names none.

        Raises:
            ConfigError: If they cannot be read.
        """
        steps: list[Step] = []
        for key in (_PREPROCESSING, _FURTHER_PREPROCESSING):
            if key in details:
                steps += cls.from_text(str(details[key])).steps
        return cls(tuple(steps))


@dataclass(frozen=True)
class InputGrid:
    """The grid of a signal's file, as a place to decode on: each of its samples is looked up where
    preprocessing has put it.

    Args:
        grid: Of the file.
        preprocessing: The steps from there to the signal's own grid.
    """

    grid: Grid
    preprocessing: Preprocessing = Preprocessing()

    @classmethod
    def of(cls, signal: SignalHeader, preprocessing: Preprocessing) -> InputGrid | None:
        """That of a signal; None where no step has moved its samples.

        Args:
            signal: Of which the grid in its file is known by its metadata.
            preprocessing: The steps that it went through.

        Raises:
            DataError: If the metadata is damaged, or the steps do not lead from the file's grid to
                the signal's.
        """
        if _INPUT_GRID not in signal.metadata or not isinstance(signal.domain, Grid):
            return None
        try:
            data = decode_json(str(signal.metadata[_INPUT_GRID]))
            if not isinstance(data, dict):
                raise Fault("", "is no object")
            grid = Grid.from_dict(data)
        except MedFunctaError as error:
            raise DataError(
                f"signal '{signal.id}': the input grid in its metadata is damaged ({error}); fit "
                "the signal anew"
            ) from error
        after = preprocessing.grid_after(grid)
        if not preprocessing.steps or not _alike(after, signal.domain):
            raise DataError(
                f"signal '{signal.id}' does not lie where the known steps lead from the grid of "
                f"its file, which are {preprocessing.to_text()}; decode it on a grid with its "
                "place in the world, or on its own"
            )
        return cls(grid, preprocessing)

    @property
    def dim(self) -> int:
        return self.grid.dim

    @property
    def points(self) -> int:
        return self.grid.points

    @property
    def shape(self) -> tuple[int, ...]:
        return self.grid.shape

    def header_before(self, header: SignalHeader) -> SignalHeader:
        """The header of a signal as it lay on this grid, before the steps."""
        metadata = {key: value for key, value in header.metadata.items() if key != _INPUT_GRID}
        return replace(header, domain=self.grid, metadata=metadata)

    def locate(self, index: np.ndarray) -> tuple[ArrayCoordinates, ArrayMask]:
        """Coordinates ``[n, dim]`` of samples by flat index, and ``[n]`` whether each was kept."""
        return self.preprocessing.locate(self.grid, index)


def _step_from_dict(data: Any) -> Step:
    settings = dict(data) if isinstance(data, dict) else {}
    name = str(settings.pop("step", ""))
    if name not in _STEPS:
        raise ConfigError(f"unknown preprocessing step '{name}'; {suggest(name, _STEPS)}")
    return convert(settings, _STEPS[name], name)


def _alike(one: Grid, other: Grid) -> bool:
    """Whether grids are the same but for rounding."""
    if one.shape != other.shape:
        return False
    for ours, theirs in ((one.spacing, other.spacing), (one.affine, other.affine)):
        if ours is None or theirs is None:
            if ours is not theirs:
                return False
        elif not np.allclose(ours, theirs, rtol=1e-6, atol=1e-6):
            return False
    return True
