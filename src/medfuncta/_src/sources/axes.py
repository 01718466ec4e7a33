"""Which axes of a stack of arrays run through a signal, and which one counts channels: told by the
user, or by their lengths where these leave no doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError

_SPATIAL_AXES: Final = {"trace": 1, "grey": 2, "rgb": 2, "volume": 3}
_CHANNEL_COUNTS: Final = (1, 3, 4)
"""Channels of pictures: grey; red, green and blue; these and alpha."""
_FEW: Final = 4
_MOST_LEADS: Final = 16
_LONG: Final = 8
"""How many times longer than the other an axis is that runs in time rather than over a picture."""
_ASK: Final = "say which with kind=trace, grey, rgb or volume, and channels=none, first or last"


@dataclass(frozen=True)
class Layout:
    """How the axes of an array are meant: ``[signals, *shape]``, with an axis of channels behind
    the first or behind all others, or with none.

    Args:
        shape: Of each signal, without channels.
        channels: Numbers per point.
        first: Whether channels come before the signal's own axes.
        remark: What was taken from the shape alone, if that is to be said.
    """

    shape: tuple[int, ...]
    channels: int
    first: bool = False
    remark: str = ""

    @classmethod
    def of(cls, array: tuple[int, ...], kind: str = "", channels: str = "") -> Layout:
        """The layout of an array's shape.

        Without a word on it, 2 axes are traces and 3 grey images. Of 4, the first or last of each
        signal counts channels when it is 1, 3 or 4 long, else all three run through a volume; 5 are
        volumes with channels. Of two axes that may count channels it is the shorter.

        Args:
            array: The shape, the first axis counting signals.
            kind: ``"trace"``, ``"grey"``, ``"rgb"``, ``"volume"`` or ``""``.
            channels: ``"none"``, ``"first"``, ``"last"`` or ``""``.

        Raises:
            DataError: If the number of axes does not fit, or their lengths leave it open what they
                are.
        """
        inner = array[1:]
        axes = _axes_of_channels(array, kind, channels)
        spatial = len(inner) - axes
        fits = 1 <= spatial <= 3 and _SPATIAL_AXES.get(kind, spatial) == spatial
        if not fits or (kind == "rgb" and not axes):
            raise DataError(
                f"an array of shape {array} as {kind or 'signals'}; expected [N, T], [N, H, W], "
                "[N, H, W, 3] or [N, D, H, W], or another kind= of trace, grey, rgb, volume"
            )
        if not axes:
            return cls(inner, 1)
        first = channels == "first" or (not channels and inner[0] < inner[-1])
        if first:
            found = cls(inner[1:], inner[0], True)
        else:
            found = cls(inner[:-1], inner[-1])
        if kind == "grey" and found.channels != 1:
            raise DataError(
                f"an array of shape {array} as grey has {counted(found.channels, 'channel')}; "
                "expected one, "
                "or kind=rgb"
            )
        return cls(found.shape, found.channels, first, _remark(array, found, channels))

    def channels_last(self, values: np.ndarray) -> np.ndarray:
        """One signal of the array as ``[*shape, channels]``."""
        if self.first:
            values = np.moveaxis(values, 0, -1)
        return values.reshape(*self.shape, self.channels)


def _axes_of_channels(array: tuple[int, ...], kind: str, channels: str) -> int:
    """How many axes count channels: one, or none.

    Raises:
        DataError: If that is left open.
    """
    inner = array[1:]
    if channels:
        return int(channels != "none")
    if kind:
        return len(inner) - _SPATIAL_AXES[kind] if len(inner) <= _SPATIAL_AXES[kind] + 1 else 0
    if len(inner) == 4:
        if max(inner[0], inner[-1]) <= _FEW:
            raise DataError(
                f"an array of shape {array} has two axes that may count channels; {_ASK}"
            )
        return 1
    if len(inner) == 3:
        return _of_three(array)
    if len(inner) == 2:
        short, long = sorted(inner)
        if short > 1 and short <= _MOST_LEADS and long >= _LONG * short:
            raise DataError(
                f"an array of shape {array} may hold traces of {counted(short, 'channel')} or "
                f"pictures; {_ASK}"
            )
        return int(short == 1 and long > 1)
    return 0


def _of_three(array: tuple[int, ...]) -> int:
    """Whether one of three axes counts channels, or all run through a volume."""
    ends = (array[1], array[-1])
    if max(ends) <= _FEW or min(ends) == 2:
        raise DataError(
            f"an array of shape {array} may hold pictures of {counted(min(ends), 'channel')} or "
            "volumes "
            f"{min(ends)} voxels thick; {_ASK}"
        )
    return int(min(ends) in _CHANNEL_COUNTS)


def _remark(array: tuple[int, ...], found: Layout, channels: str) -> str:
    """What was taken from an array's shape, unless the user said it or it is the usual order."""
    usual = not found.first and found.channels < _FEW
    if channels or usual:
        return ""
    place = "first" if found.first else "last"
    other = "; one of them may be alpha" if found.channels == _FEW and len(found.shape) == 2 else ""
    return (
        f"arrays of shape {array} are taken as {counted(found.channels, 'channel')} (the {place} "
        "axis of each "
        f"signal) of {' x '.join(map(str, found.shape))}{other}; channels= and kind= say otherwise"
    )


def odd_axes(shape: tuple[int, ...], count: int, channels: str) -> list[str]:
    """A remark where the shape of arrays hints at another axis of channels than was said.

    Args:
        shape: Of a signal without channels.
        count: Of its channels.
        channels: What was said: ``"none"``, ``"first"`` or ``"last"``; ``""`` where arrays carry a
            grid of their own.
    """
    thin = min(shape[0], shape[-1])
    if channels == "none" and len(shape) == 3 and thin in _CHANNEL_COUNTS and max(shape) > _FEW:
        return [
            f"arrays of shape {shape} are taken as volumes {thin} voxels thick; where that axis "
            "counts channels, say channels='first' or 'last'"
        ]
    if channels in ("first", "last") and min(shape) <= _FEW < count and count >= max(shape):
        return [
            f"the {channels} axis gives {counted(count, 'channel')} of "
            f"{' x '.join(map(str, shape))}; where "
            "another axis counts channels, say so by channels="
        ]
    return []
