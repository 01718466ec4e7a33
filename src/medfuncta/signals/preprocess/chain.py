"""Several steps in order, as one piece of data that a run keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from medfuncta.errors import ConfigError, DataError, suggest
from medfuncta.signals.domain import Grid
from medfuncta.signals.preprocess.geometry import CropPad, Reorient, Resample
from medfuncta.signals.preprocess.intensity import Grey, Quantiles, Window
from medfuncta.signals.preprocess.step import GridStep, Step
from medfuncta.signals.signal import Signal
from medfuncta.types import ArrayCoordinates

STEPS: Final[Mapping[str, type[Step]]] = {
    step.name: step for step in (CropPad, Resample, Reorient, Window, Quantiles, Grey)
}
INPUT_GRID: Final = "input_grid"
"""Key of a signal's metadata: the grid of its file as JSON, where preprocessing has moved the
samples."""


@dataclass(frozen=True)
class Preprocessing:
    """Steps applied one after the other.

    Args:
        steps: In the order in which they are applied.
    """

    steps: tuple[Step, ...] = ()

    def apply(self, signal: Signal) -> Signal:
        """The signal after all steps; where samples were moved, its metadata says on which grid
        they lay.

        Raises:
            DataError: If a step does not fit the signal.
        """
        before = signal.domain
        for step in self.steps:
            signal = step.apply(signal)
        if isinstance(before, Grid) and signal.domain != before:
            input_grid = json.dumps(before.to_dict())
            signal = signal.with_header(metadata={**signal.metadata, INPUT_GRID: input_grid})
        return signal

    def invert(self, signal: Signal, grid: Grid) -> Signal:
        """Take all steps back, the last one first.

        Args:
            signal: What :meth:`apply` gave, or a reconstruction of it.
            grid: Where the samples lay before, as :func:`input_grid` finds it.

        Returns:
            The signal on ``grid``; samples that had been cut off are masked.
        """
        for step, before in reversed(list(zip(self.steps, self._grids(grid), strict=False))):
            signal = step.invert(signal, before)
        metadata = {key: value for key, value in signal.metadata.items() if key != INPUT_GRID}
        return signal.with_header(metadata=metadata)

    def apply_labels(self, labels: np.ndarray, grid: Grid) -> np.ndarray:
        """A label map on ``grid``, ``[*grid.shape]``, moved to where the samples of its signal end
        up."""
        for step, before in zip(self.steps, self._grids(grid), strict=False):
            labels = step.apply_labels(labels, before) if isinstance(step, GridStep) else labels
        return labels

    def coordinates_on(self, grid: Grid, index: np.ndarray) -> ArrayCoordinates:
        """Where samples of the input's own grid lie for the field, so that it can be decoded there
        without interpolation.

        Args:
            grid: The grid before all steps.
            index: Flat indices of samples of it (C order), ``[n]``.

        Returns:
            ``[n, dim]``; beyond the box for samples that a crop has cut off.
        """
        positions = np.stack(np.unravel_index(index, grid.shape), axis=-1).astype(float)
        grids = self._grids(grid)
        for step, before in zip(self.steps, grids, strict=False):
            if isinstance(step, GridStep):
                back = np.linalg.inv(step.place(before)[1])
                positions = positions @ back[:-1, :-1].T + back[:-1, -1]
        return grids[-1].coordinates_at(positions)

    def to_text(self) -> str:
        """The steps as JSON, for a run's metadata."""
        return json.dumps([step.to_dict() for step in self.steps])

    @classmethod
    def from_text(cls, text: str) -> Preprocessing:
        """The inverse of :meth:`to_text`.

        Raises:
            ConfigError: If the text is not a list of known steps.
        """
        try:
            return cls(tuple(_step_from_dict(data) for data in json.loads(text)))
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigError(
                f"preprocessing that cannot be read ({error}); expected a JSON list of steps"
            ) from error

    def _grids(self, grid: Grid) -> list[Grid]:
        """The grid before each step, and after the last."""
        grids = [grid]
        for step in self.steps:
            grids.append(step.place(grids[-1])[0] if isinstance(step, GridStep) else grids[-1])
        return grids


def input_grid(signal: Signal) -> Grid | None:
    """The grid on which the signal lay in its file; None for scattered samples.

    Raises:
        DataError: If the signal's metadata is damaged.
    """
    text = signal.metadata.get(INPUT_GRID)
    if text is None:
        return signal.domain if isinstance(signal.domain, Grid) else None
    try:
        return Grid.from_dict(json.loads(str(text)))
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"signal '{signal.id}': the input grid in its metadata is damaged ({error}); fit the "
            "signal anew"
        ) from error


def _step_from_dict(data: Mapping[str, Any]) -> Step:
    if data["step"] not in STEPS:
        raise ConfigError(
            f"unknown preprocessing step '{data['step']}'; {suggest(data['step'], STEPS)}"
        )
    settings: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in data.items()
        if key != "step"
    }
    return STEPS[data["step"]](**settings)
