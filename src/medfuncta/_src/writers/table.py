"""The table of file formats that a signal can be written to, by suffix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from medfuncta._src.door.callers import expecting
from medfuncta._src.errors import ConfigError, DataError, suggest
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal


@dataclass(frozen=True)
class Format:
    """What a format can hold.

    Args:
        writer: ``module:function``, imported only when asked for; ``function(signal, path)`` writes
            the file.
        dims: Dimensions of the grids that it holds.
        scattered: Dimensions of the samples at positions of their own that it holds.
        others: Another writer of the same suffix, for other dimensions.
    """

    writer: str
    dims: tuple[int, ...]
    scattered: tuple[int, ...] = ()
    others: Format | None = None

    def writer_of(self, signal: Signal) -> str | None:
        """The writer of a signal of this kind; None where there is none."""
        held = self.scattered
        if isinstance(signal.domain, Grid):
            held = self.dims
        if signal.domain.dim in held:
            return self.writer
        if self.others is None:
            return None
        return self.others.writer_of(signal)


FORMATS: Final[Mapping[str, Format]] = {
    ".nii.gz": Format("medfuncta._src.writers.nifti:write_nifti", (2, 3)),
    ".nii": Format("medfuncta._src.writers.nifti:write_nifti", (2, 3)),
    ".nrrd": Format("medfuncta._src.writers.nrrd:write_nrrd", (2, 3)),
    ".csv": Format("medfuncta._src.writers.csv:write_csv", (1,), scattered=(1, 2, 3)),
    ".png": Format(
        "medfuncta._src.writers.picture:write_picture",
        (2,),
        others=Format("medfuncta._src.writers.plot:write_plot", (1,), scattered=(1,)),
    ),
    ".tif": Format("medfuncta._src.writers.picture:write_picture", (2,)),
    ".tiff": Format("medfuncta._src.writers.picture:write_picture", (2,)),
    ".hea": Format("medfuncta._src.writers.wfdb:write_wfdb", (1,)),
    ".dat": Format("medfuncta._src.writers.wfdb:write_wfdb", (1,)),
    ".npy": Format("medfuncta._src.writers.npy:write_npy", (1, 2, 3), scattered=(1, 2, 3)),
    ".json": Format(
        "medfuncta._src.writers.json:write_json_signal", (1, 2, 3), scattered=(1, 2, 3)
    ),
}
"""Longer suffixes stand before the shorter ones that they end in."""


@expecting
def write_signal(signal: Signal, path: Path | str) -> None:
    """Write a signal in physical units, whole or not at all, in the format that the suffix names.

    Values return to the data type of their file: integers are rounded and clipped to it. Masked
    samples become NaN, an empty cell, or in integer formats the lowest value of the signal's range.

    Raises:
        ConfigError: If the suffix is not known.
        DataError: If the format cannot hold such a signal.
        MedFunctaError: If the disk is full or the folder cannot be written.
    """
    path = Path(path)
    suffix = known_suffix(path)
    writer = FORMATS[suffix].writer_of(signal)
    if writer is None:
        kind = "scattered samples"
        if isinstance(signal.domain, Grid):
            kind = f"a {signal.domain.dim}D signal"
        others = [name for name, form in FORMATS.items() if form.writer_of(signal)]
        raise DataError(f"{kind} cannot be written as {suffix}; write it as {' or '.join(others)}")
    module, function = writer.split(":")
    getattr(import_module(module), function)(signal, path)


def known_suffix(path: Path) -> str:
    """The suffix of a path in the table.

    Raises:
        ConfigError: If it is not known; the nearest one is named.
    """
    for suffix in FORMATS:
        if path.name.lower().endswith(suffix):
            return suffix
    raise ConfigError(
        f"cannot write '{path.name}': its suffix names no known format; "
        f"{suggest(path.suffix, FORMATS)}"
    )
