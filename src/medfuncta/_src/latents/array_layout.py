"""How the axes of an array are meant that is given to a run, which knows how many axes and channels
its signals have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.sources.containers import Channels

CHANNELS: Final[tuple[Channels, ...]] = ("none", "first", "last")


@dataclass(frozen=True)
class ArrayLayout:
    """How the axes of an array are meant."""

    many: bool
    channels: Channels

    @classmethod
    def of(
        cls, shape: tuple[int, ...], spec: SignalSpec, channels: Channels | None, *, first: bool
    ) -> ArrayLayout:
        """The only layout that an array of this shape can have; of a ``MetaTensor``, whose channels
        come ``first``, that one where it is possible.

        Raises:
            DataError: If there is none, or there are several.
        """
        if 0 in shape:
            raise DataError(f"an array of shape {shape}; expected at least one value")
        wanted = CHANNELS if channels is None else (channels,)
        possible = [
            cls(many, where)
            for many in (False, True)
            for where in wanted
            if _fits(shape, spec, many, where)
        ]
        if first and channels is None:
            possible = [one for one in possible if one.channels == "first"] or possible
        possible = _without_doubles(possible, shape)
        if len(possible) == 1:
            return possible[0]
        asked = "" if channels is None else f" with channels='{channels}'"
        expected = f"{_axes(spec)} a signal and {counted(spec.channels, 'channel')}"
        if not possible:
            raise DataError(
                f"an array of shape {shape}{asked}; this run expects {expected}, one signal or an "
                "axis of them in front"
            )
        words = " or ".join(dict.fromkeys(f"'{one.channels}'" for one in possible))
        raise DataError(
            f"an array of shape {shape} leaves open where its channels are (this run expects "
            f"{expected}); say channels={words}"
        )


def _fits(shape: tuple[int, ...], spec: SignalSpec, many: bool, channels: Channels) -> bool:
    """Whether an array may be meant so."""
    inner = shape[1:] if many else shape
    if channels == "none":
        return spec.channels == 1 and len(inner) == spec.dim
    if len(inner) != spec.dim + 1:
        return False
    return inner[0 if channels == "first" else -1] == spec.channels


def _without_doubles(
    possible: Sequence[ArrayLayout], shape: tuple[int, ...]
) -> Sequence[ArrayLayout]:
    """Of a single channel: an axis of length 1 in front counts signals, since the latents are the
    same whichever it counts."""
    without_axis = ArrayLayout(many=True, channels="none")
    if without_axis in possible and shape[0] == 1:
        return [without_axis]
    return possible


def _axes(spec: SignalSpec) -> str:
    if spec.dim == 1:
        return "1 axis"
    return f"{spec.dim} axes"
