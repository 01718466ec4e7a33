"""PNG and TIFF: images for the eye and for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from medfuncta._src.disk.atomic import write_atomically
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.signals.signal import Signal
from medfuncta._src.writers.values import as_stored, file_dtype, filled, without_single_channel

_WIDEST: Final = {1: np.dtype(np.uint16), 3: np.dtype(np.uint8)}
"""Numbers of channels that a picture may have, and the widest data type that it then holds."""


def write_picture(signal: Signal, path: Path) -> None:
    """Write ``.png`` or ``.tiff``, grey (8 or 16 bits) or RGB (8 bits).

    Values that were uint8 or grey uint16 in their file are written as they are. Pictures know
    neither negative numbers nor units, so all others are mapped from the signal's range to the
    picture's: 16 bits for grey, 8 bits for RGB.

    Raises:
        DataError: If there are neither 1 nor 3 channels.
    """
    if signal.channels not in _WIDEST:
        raise DataError(
            f"an image of {counted(signal.channels, 'channel')} cannot be written as "
            f"{path.suffix}; write it "
            "as .nii.gz or .npy"
        )
    dtype, widest = file_dtype(signal), _WIDEST[signal.channels]
    if dtype in (np.uint8, widest):
        values = filled(signal, dtype)
    else:
        dtype = widest
        values = signal.range.normalise(filled(signal, dtype)) * np.iinfo(dtype).max
    picture = Image.fromarray(without_single_channel(as_stored(values, dtype)))
    write_atomically(path, picture.save)
