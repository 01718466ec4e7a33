"""A format of one's own: MetaImage (``.mha``), as ITK writes it without compression.

A format whose files are one signal each is a function from a path and options to a signal. In a
package of yours, say in pyproject.toml which row it is:

    [project.entry-points."medfuncta.sources"]
    metaimage = "metaimage_format:FORMAT"

and train on it with ``medfuncta train --data metaimage:FOLDER --out run``. Splits, patients,
labels, ids that are safe to publish, broken files and the cache come with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

import medfuncta

TYPES = {"MET_UCHAR": "u1", "MET_SHORT": "<i2", "MET_USHORT": "<u2", "MET_FLOAT": "<f4"}


@dataclass(frozen=True)
class MetaImageOptions(medfuncta.FileOptions):
    """How the files are read."""

    unit: str = medfuncta.option("", "unit of the values, such as HU")


def read(path: Path, options: MetaImageOptions) -> medfuncta.Signal:
    """One file as a signal."""
    header, _, data = path.read_bytes().partition(b"ElementDataFile = LOCAL\n")
    lines = header.decode("ascii", "replace").splitlines()
    fields = dict(line.split(" = ", 1) for line in lines if " = " in line)
    try:
        shape = tuple(int(n) for n in fields["DimSize"].split())
        spacing = tuple(float(size) for size in fields["ElementSpacing"].split())
        dtype = np.dtype(TYPES[fields["ElementType"]])
    except (KeyError, ValueError) as error:
        line = f"{path.name} is not an uncompressed MetaImage; write it again with ITK"
        raise medfuncta.DataError(line) from error
    needed = prod(shape) * dtype.itemsize
    if len(data) != needed:
        line = f"{path.name} has {len(data)} bytes of values, its header claims {needed}"
        raise medfuncta.DataError(f"{line}; get the file again")
    values = np.frombuffer(data, dtype).reshape((*shape, 1), order="F").astype(np.float32)
    return medfuncta.Signal.of(
        id=path.name,
        values=values,
        domain=medfuncta.Grid(shape, spacing, unit="mm"),
        range=medfuncta.ValueRange.of(values),
        unit=options.unit,
        dtype=dtype.name,
    )


FORMAT = medfuncta.file_format(
    "metaimage", "a folder of MetaImage volumes", (".mha",), read, MetaImageOptions
)
