"""One signal, and what all signals of a data set have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from medfuncta.errors import DataError
from medfuncta.signals.domain import Domain, Grid
from medfuncta.types import ArrayMask, ArrayValues

Label = int | tuple[int, ...] | None


@dataclass(frozen=True)
class ValueRange:
    """The affine map of physical values to [0, 1]: ``(value - low) / (high - low)``.

    Raises:
        DataError: If ``low < high`` does not hold or a bound is not finite.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise DataError(
                f"a value range from {self.low} to {self.high}; expected two finite numbers, the "
                "lower one first"
            )

    @classmethod
    def of(cls, values: np.ndarray) -> ValueRange:
        """The range that these values span; a constant array gets a range of length 1, so that it
        maps to 0."""
        low, high = float(values.min()), float(values.max())
        return cls(low, high if high > low else low + 1.0)

    def normalise(self, values: np.ndarray) -> np.ndarray:
        """Physical values to [0, 1], float32."""
        return ((values - self.low) / (self.high - self.low)).astype(np.float32)

    def restore(self, values: np.ndarray) -> np.ndarray:
        """Values in [0, 1] to physical values."""
        return values * (self.high - self.low) + self.low


@dataclass(frozen=True, eq=False)
class Signal:
    """One trace, image or volume.

    Args:
        id: Unique in its split; safe to publish (never a patient's name or a path).
        values: Physical values, ``[*grid.shape, channels]`` on a grid or ``[points, channels]``
            when scattered.
        domain: Where the values lie.
        range: What is mapped to [0, 1].
        unit: Unit of the values: ``"HU"``, ``"mV"``, ``"8-bit"``, ... or ``""``.
        mask: True where a value was observed, of the shape of ``values`` without channels; None
            when all were.
        label: Class number, several of them for multi-label data, or None.
        dtype: The data type that the values had in their file, for writing them back.
        metadata: What the source says besides and is safe to publish.

    Raises:
        DataError: If shapes do not fit, or an observed value is NaN or Inf.
    """

    id: str
    values: ArrayValues
    domain: Domain
    range: ValueRange
    unit: str = ""
    mask: ArrayMask | None = None
    label: Label = None
    dtype: str = "float32"
    metadata: Mapping[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = self.domain.shape if isinstance(self.domain, Grid) else (self.domain.points,)
        if self.values.shape[:-1] != expected:
            raise DataError(
                f"signal '{self.id}': values of shape {self.values.shape}; expected "
                f"{(*expected, 'channels')}"
            )
        if self.mask is not None and self.mask.shape != expected:
            raise DataError(
                f"signal '{self.id}': a mask of shape {self.mask.shape}; expected {expected}"
            )
        observed = self.values if self.mask is None else self.values[self.mask]
        if observed.size == 0:
            raise DataError(
                f"signal '{self.id}': no observed value; expected at least one point that the mask "
                "keeps"
            )
        bad = int(np.size(observed) - np.isfinite(observed).sum())
        if bad:
            raise DataError(
                f"signal '{self.id}': {bad} NaN or Inf values; mask them, repair the file, or "
                "leave it out with --skip-bad"
            )

    @property
    def channels(self) -> int:
        return self.values.shape[-1]

    def normalised(self) -> np.ndarray:
        """Values in [0, 1] as points, ``[points, channels]`` float32; masked ones are 0."""
        flat = self.range.normalise(self.values).reshape(-1, self.channels)
        return (
            flat if self.mask is None else np.where(self.mask.reshape(-1, 1), flat, np.float32(0))
        )

    def with_values(self, values: np.ndarray) -> Signal:
        """This signal with other physical values and no mask, e.g. its reconstruction."""
        return replace(self, values=values, mask=None)


@dataclass(frozen=True)
class SignalSpec:
    """What the signals of one data set have in common; a run stores it and checks other data
    against it.

    Args:
        dim: Spatial axes, 1 to 3.
        channels: Numbers per point.
        shape: The grid's shape, or None when shapes differ or samples are scattered.
        unit: Unit of the values.
        modality: ``"ecg"``, ``"mr"``, ``"ct"``, ... or ``""``.
        label_names: Names of the classes by number; empty without labels.
        task: ``"multi-class"``, ``"binary-class"``, ``"multi-label"``, ``"ordinal-regression"`` or
            ``""`` (MedMNIST's words).
    """

    dim: int
    channels: int
    shape: tuple[int, ...] | None = None
    unit: str = ""
    modality: str = ""
    label_names: tuple[str, ...] = ()
    task: str = ""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SignalSpec:
        """The inverse of ``dataclasses.asdict``, through JSON or not.

        Raises:
            KeyError, TypeError: If ``data`` is something else.
        """
        shape = data["shape"]
        return cls(
            **{
                **data,
                "shape": None if shape is None else tuple(shape),
                "label_names": tuple(data["label_names"]),
            }
        )

    def check_fits(self, other: SignalSpec) -> None:
        """Raise unless ``other`` data can be fitted with a field made for this one.

        Raises:
            DataError: If dimension or channels differ.
        """
        if (self.dim, self.channels) != (other.dim, other.channels):
            raise DataError(
                f"signals of {other.dim} dimensions and {other.channels} channels; this run was "
                f"trained on {self.dim} dimensions "
                f"and {self.channels} channels; use data of that form or train a run on this data"
            )
