"""One signal, and what all signals of a data set have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

import numpy as np
from msgspec import Meta

from medfuncta._src.door.declared import Fault, convert, settle
from medfuncta._src.door.limits import MAX_CLASSES, Name, Shape
from medfuncta._src.door.wording import counted, printable
from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Domain
from medfuncta._src.types import ArrayMask, ArrayValues

_WIDEST: Final = float(np.finfo(np.float32).max)
"""The widest range of values: they are float32."""
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
        if not 0 < self.high - self.low <= _WIDEST:  # NaN is in no range
            raise DataError(
                f"a value range from {self.low} to {self.high}; expected two finite numbers, the "
                "lower one first"
            )

    @classmethod
    def of(cls, values: np.ndarray) -> ValueRange:
        """The range that these values span; a constant array gets a range of length 1, so that it
        maps to 0."""
        low, high = float(values.min()), float(values.max())
        if low == high:
            high = low + 1.0
        return cls(low, high)

    def normalise(self, values: np.ndarray) -> np.ndarray:
        """Physical values to [0, 1], float32."""
        return ((values - self.low) / (self.high - self.low)).astype(np.float32)

    def restore(self, values: np.ndarray) -> np.ndarray:
        """Values in [0, 1] to physical values."""
        return values * (self.high - self.low) + self.low


@dataclass(frozen=True, eq=False)
class SignalHeader:
    """All that is known of a signal but its values.

    Args:
        id: Unique in its split; safe to publish (never a patient's name or a path).
        domain: Where the values lie.
        channels: Numbers per point.
        range: What is mapped to [0, 1].
        unit: Unit of the values: ``"HU"``, ``"mV"``, ``"8-bit"``, ... or ``""``.
        label: Class number, several of them for multi-label data, or None.
        dtype: The data type that the values had in their file, for writing them back.
        metadata: What the source says besides and is safe to publish.
    """

    id: str
    domain: Domain
    channels: int
    range: ValueRange
    unit: str = ""
    label: Label = None
    dtype: str = "float32"
    metadata: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the values: that of the grid, or the number of points when scattered, and
        the channels behind it."""
        return (*self.domain.shape, self.channels)

    def with_normalised(self, values: np.ndarray, observed: np.ndarray | None = None) -> Signal:
        """The signal with these values, mapped back to physical ones.

        Args:
            values: In [0, 1], ``[points, channels]``.
            observed: ``[points]`` bool, or None when all were.
        """
        mask = None
        if observed is not None and not observed.all():
            mask = observed.reshape(self.shape[:-1])
        return Signal(self, self.range.restore(values).reshape(self.shape), mask)


@dataclass(frozen=True, eq=False)
class Signal:
    """One trace, image or volume; :meth:`of` makes one from its parts.

    Args:
        header: What is known of it.
        values: Physical values, ``[*grid.shape, channels]`` on a grid or ``[points, channels]``
            when scattered.
        mask: True where a value was observed, of the shape of ``values`` without channels; None
            when all were.

    Raises:
        DataError: If shapes do not fit, or an observed value is NaN or Inf.
    """

    header: SignalHeader
    values: ArrayValues
    mask: ArrayMask | None = None

    def __post_init__(self) -> None:
        expected = self.header.shape
        if self.values.shape != expected:
            raise DataError(
                f"signal '{self.id}': values of shape {self.values.shape}; expected {expected}"
            )
        if self.mask is not None and self.mask.shape != expected[:-1]:
            raise DataError(
                f"signal '{self.id}': a mask of shape {self.mask.shape}; expected {expected[:-1]}"
            )
        observed = self.observed_values()
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

    @classmethod
    def of(
        cls,
        id: str,
        values: ArrayValues,
        domain: Domain,
        range: ValueRange,
        unit: str = "",
        mask: ArrayMask | None = None,
        label: Label = None,
        dtype: str = "float32",
        metadata: Mapping[str, str | int | float] | None = None,
    ) -> Signal:
        """A signal and its header from their parts; see :class:`SignalHeader` for these.

        Raises:
            DataError: If shapes do not fit, or an observed value is NaN or Inf.
        """
        header = SignalHeader(
            id=id,
            domain=domain,
            channels=values.shape[-1] if values.ndim else 0,
            range=range,
            unit=unit,
            label=label,
            dtype=dtype,
            metadata=metadata or {},
        )
        return cls(header, values, mask)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.values.shape[:-1]))
        unit = f" {self.unit}" if self.unit else ""
        label = "" if self.label is None else f", label {self.label}"
        observed = "" if self.mask is None else f", {self.mask.mean():.0%} observed"
        return printable(
            f"Signal({self.id!r}, {shape}, {counted(self.channels, 'channel')}, "
            f"{self.range.low:g} to {self.range.high:g}{unit}{label}{observed})"
        )

    @property
    def id(self) -> str:
        """Unique in its split."""
        return self.header.id

    @property
    def domain(self) -> Domain:
        """Where the values lie."""
        return self.header.domain

    @property
    def channels(self) -> int:
        """Numbers per point."""
        return self.header.channels

    @property
    def range(self) -> ValueRange:
        """What is mapped to [0, 1]."""
        return self.header.range

    @property
    def unit(self) -> str:
        """Unit of the values."""
        return self.header.unit

    @property
    def label(self) -> Label:
        """Class number, several of them, or None."""
        return self.header.label

    @property
    def dtype(self) -> str:
        """The data type that the values had in their file."""
        return self.header.dtype

    @property
    def metadata(self) -> Mapping[str, str | int | float]:
        """What the source says besides."""
        return self.header.metadata

    def normalised(self) -> np.ndarray:
        """Values in [0, 1] as points, ``[points, channels]`` float32; masked ones are 0."""
        flat = self.range.normalise(self.values).reshape(-1, self.channels)
        if self.mask is None:
            return flat
        return np.where(self.mask.reshape(-1, 1), flat, np.float32(0))

    def observed_values(self) -> np.ndarray:
        """The values that were observed, in physical units."""
        if self.mask is None:
            return self.values
        return self.values[self.mask]

    def observed(self) -> ArrayMask:
        """``[points]`` whether each was observed."""
        if self.mask is None:
            return np.ones(self.domain.points, bool)
        return self.mask.ravel()

    def with_values(
        self, values: np.ndarray, mask: np.ndarray | None = None, domain: Domain | None = None
    ) -> Signal:
        """This signal with other physical values, their mask, and where they lie if that changed,
        e.g. its reconstruction."""
        header = replace(
            self.header, channels=values.shape[-1], domain=domain or self.header.domain
        )
        return Signal(header, values, mask)

    def with_header(self, **changes: Any) -> Signal:
        """This signal with some entries of its header replaced."""
        return replace(self, header=replace(self.header, **changes))


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

    Raises:
        DataError: If an entry is not of its type or out of its bounds.
    """

    dim: Annotated[int, Meta(ge=1, le=3)]
    channels: Annotated[int, Meta(ge=1, le=2**16)]
    shape: Shape | None = None
    unit: Name = ""
    modality: Name = ""
    label_names: Annotated[tuple[Name, ...], Meta(max_length=MAX_CLASSES)] = ()
    task: Name = ""

    def __post_init__(self) -> None:
        settle(self, noun="the data set's", error=DataError)
        if self.shape is not None and len(self.shape) != self.dim:
            raise DataError(
                f"the data set's 'shape' is {list(self.shape)}; expected "
                f"{counted(self.dim, 'axis', 'axes')}, as many "
                "as 'dim' says"
            )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SignalSpec:
        """The inverse of ``dataclasses.asdict``, through JSON or not.

        Raises:
            DataError: If ``data`` is something else.
        """
        try:
            return convert(data, cls, "signal")
        except Fault as fault:
            raise DataError(str(fault)) from None

    def check_fits(self, other: SignalSpec) -> None:
        """Raise unless ``other`` data can be fitted with a field made for this one.

        Raises:
            DataError: If dimension or channels differ.
        """
        if (self.dim, self.channels) != (other.dim, other.channels):
            raise DataError(
                f"signals of {counted(other.dim, 'dimension')} and "
                f"{counted(other.channels, 'channel')}; this run was "
                f"trained on {counted(self.dim, 'dimension')} "
                f"and {counted(self.channels, 'channel')}; use data of that form or train a run on "
                "this data"
            )
