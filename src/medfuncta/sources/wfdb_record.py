"""One record of a WFDB folder, read with the field's own library and checked before its data is
touched."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import wfdb
from scipy.signal import resample_poly

from medfuncta.errors import DataError
from medfuncta.sources.reasons import reason

_MILLIVOLTS: Final = {"V": 1e3, "mV": 1.0, "uV": 1e-3, "µV": 1e-3, "nV": 1e-6}
_SAMPLE_BYTES: Final = {
    "8": 1,
    "16": 2,
    "24": 3,
    "32": 4,
    "61": 2,
    "80": 1,
    "160": 2,
    "212": 3 / 2,
    "310": 4 / 3,
    "311": 4 / 3,
}
"""Bytes a sample takes in each uncompressed signal format."""
_BROKEN: Final = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What the library raises on a file that is not of its format, besides what it says of missing
ones."""


@dataclass(frozen=True, eq=False)
class Header:
    """What a record's ``.hea`` file says.

    Args:
        path: The record, without suffix.
        leads: Names of its signals and their units, in order; voltages count as ``"mV"``.
        rate: Samples a second.
    """

    path: Path
    leads: dict[str, str]
    rate: float


@dataclass(frozen=True, eq=False)
class Trace:
    """One lead of a record.

    Args:
        values: ``[samples]``, finite; gaps are bridged by straight lines.
        observed: ``[samples]`` False inside the gaps.
        rate: Samples a second.
    """

    values: np.ndarray
    observed: np.ndarray
    rate: float

    def resampled(self, rate: float) -> Trace:
        """The trace at another rate, by a polyphase filter; a sample beside a gap counts as not
        observed."""
        ratio = Fraction(rate / self.rate).limit_denominator(10_000)
        if ratio == 1:
            return self
        values = resample_poly(self.values, ratio.numerator, ratio.denominator, padtype="line")
        position = np.arange(len(values)) / float(ratio)
        observed = np.interp(position, np.arange(len(self.observed)), self.observed) > 1 - 1e-6
        return Trace(values, observed, rate)


def read_header(path: Path) -> Header:
    """The header of a record.

    Raises:
        DataError: If the file is missing, is not a header, or claims what cannot be.
    """
    header = _parse_header(path)
    segmented = isinstance(header, wfdb.MultiRecord)
    if segmented or not header.n_sig:
        raise DataError(
            f"{path.name}.hea describes {'segments' if segmented else 'no signals'}; expected "
            "signals in files beside it"
        )
    if not 0 < header.fs < 1e6:
        raise DataError(
            f"{path.name}.hea claims {header.fs} samples a second; expected a positive number "
            "below a million"
        )
    units = ["mV" if unit in _MILLIVOLTS else unit for unit in header.units]
    return Header(path, dict(zip(header.sig_name, units, strict=True)), float(header.fs))


def read_trace(header: Header, lead: str) -> Trace:
    """One lead, voltages in millivolts.

    Raises:
        DataError: If the signal file is missing, truncated or not what the header says.
    """
    path = header.path
    _check_signal_files(path, _parse_header(path))
    try:
        record: Any = wfdb.rdrecord(str(path), channel_names=[lead])
    except (*_BROKEN, MemoryError) as error:
        raise DataError(
            f"the signals of {path.name}.hea cannot be read ({reason(error)}); copy the record "
            "again"
        ) from error
    values = record.p_signal[:, 0] * _MILLIVOLTS.get(record.units[0], 1.0)
    observed = np.isfinite(values)
    if not observed.any():
        raise DataError(
            f"lead {lead} of {path.name}.hea has no observed sample; leave the record out with "
            f"exclude={path.name}"
        )
    position = np.arange(len(values))
    return Trace(np.interp(position, position[observed], values[observed]), observed, header.rate)


def read_annotations(header: Header, annotator: str) -> tuple[np.ndarray, list[str]]:
    """Seconds and symbols of a record's annotations, in order of time.

    Raises:
        DataError: If the file is missing or is not one of annotations.
    """
    name = f"{header.path.name}.{annotator}"
    try:
        annotation: Any = wfdb.rdann(str(header.path), annotator)
    except FileNotFoundError as error:
        raise DataError(
            f"no file {name} beside {header.path.name}.hea; beats need it, or cut windows with "
            "window=SECONDS"
        ) from error
    except _BROKEN as error:
        raise DataError(f"{name} is not a WFDB annotation file; copy it again") from error
    samples = np.asarray(annotation.sample)
    if (np.diff(samples) < 0).any() or (samples < 0).any():
        raise DataError(f"the annotations in {name} run back in time; copy the file again")
    return samples / header.rate, list(annotation.symbol)


def _parse_header(path: Path) -> Any:
    try:
        return wfdb.rdheader(str(path))
    except FileNotFoundError as error:
        raise DataError(f"no file {path.name}.hea; check the location") from error
    except _BROKEN as error:
        raise DataError(f"{path.name}.hea is not a WFDB header; copy the record again") from error


def _check_signal_files(path: Path, header: Any) -> None:
    """Whether the files that a header names lie beside it and are as long as it says, before
    anything is allocated."""
    for name in dict.fromkeys(header.file_name):
        file = path.parent / name
        if not file.is_file():
            raise DataError(f"no file {name}, which {path.name}.hea names; copy the whole record")
        columns = [i for i, other in enumerate(header.file_name) if other == name]
        frame = sum(
            header.samps_per_frame[i] * _SAMPLE_BYTES.get(header.fmt[i], 0) for i in columns
        )
        needed, found = int(frame * (header.sig_len or 0)), file.stat().st_size
        if found < needed:
            raise DataError(
                f"{name} has {found} bytes; {path.name}.hea needs {needed}; copy the record again"
            )
