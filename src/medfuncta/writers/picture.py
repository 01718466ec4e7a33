"""PNG and TIFF: images for the eye and for other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from medfuncta.atomic import write_atomically
from medfuncta.errors import DataError
from medfuncta.signals.signal import Signal
from medfuncta.writers.values import as_stored, file_dtype, filled


def write_picture(signal: Signal, path: Path) -> None:
    """Write ``.png`` or ``.tiff``, grey (8 or 16 bits) or RGB (8 bits).

    Values that were uint8 or grey uint16 in their file are written as they are. Pictures know
    neither negative numbers nor units, so all others are mapped from the signal's range to the
    picture's: 16 bits for grey, 8 bits for RGB.

    Raises:
        DataError: If there are neither 1 nor 3 channels.
    """
    if signal.channels not in (1, 3):
        raise DataError(
            f"an image of {signal.channels} channels cannot be written as {path.suffix}; write it "
            "as .nii.gz or .npy"
        )
    original, widest = file_dtype(signal), np.dtype(np.uint16 if signal.channels == 1 else np.uint8)
    as_it_was = original == np.uint8 or original == widest
    dtype = original if as_it_was else widest
    values = filled(signal, dtype)
    if not as_it_was:
        values = signal.range.normalise(values) * np.iinfo(dtype).max
    pixels = as_stored(values, dtype)
    picture = Image.fromarray(pixels[..., 0] if signal.channels == 1 else pixels)
    write_atomically(path, picture.save)
