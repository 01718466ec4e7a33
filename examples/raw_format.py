"""A format of one's own: raw 16-bit images without a header.

In a package of yours, say in pyproject.toml which row it is:

    [project.entry-points."medfuncta.sources"]
    raw = "raw_format:FORMAT"

and train on a folder of such files with ``medfuncta train --data 'raw:FOLDER?width=64' --out run``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import medfuncta


@dataclass(frozen=True)
class RawOptions(medfuncta.FileOptions):
    """Options of ``raw``, besides those of every folder."""

    width: int = medfuncta.option(64, "samples of a row", at_least=1)


def read_raw(path: Path, options: RawOptions) -> medfuncta.Signal:
    """The image of one file, row by row."""
    size = path.stat().st_size
    if size == 0 or size % (2 * options.width):
        raise medfuncta.DataError(
            f"{path.name} has {size} bytes; expected whole rows of {options.width} samples of two "
            "bytes each: give another width"
        )
    values = np.fromfile(path, "<u2").reshape(-1, options.width, 1).astype(np.float32)
    return medfuncta.Signal.of(
        id=path.name,
        values=values,
        domain=medfuncta.Grid(values.shape[:2]),
        range=medfuncta.ValueRange(0, 65535),
        unit="16-bit",
        dtype="uint16",
    )


FORMAT = medfuncta.file_format(
    "raw", "a folder of raw 16-bit images", (".raw",), read_raw, RawOptions
)
