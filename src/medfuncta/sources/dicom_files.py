"""DICOM files found and grouped into series, by their headers alone; nothing that identifies a
patient leaves this module."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medfuncta.errors import DataError, MedFunctaError, missing_extra
from medfuncta.sources.dicom_packed import opened
from medfuncta.sources.identity import group_name, public_name

if TYPE_CHECKING:
    from pydicom import Dataset

_TAGS: Final = (
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "PatientID",
    "Modality",
    "Rows",
    "ImagePositionPatient",
)
_SUFFIXES: Final = ("", ".dcm", ".dicom", ".ima")


@dataclass(frozen=True)
class Series:
    """The files of one signal.

    Args:
        id: A digest of its SeriesInstanceUID, or of the file's own UID where each file is a signal.
        patient: A digest of its PatientID.
        paths: Its files, by name.
        waveform: Whether it holds traces rather than images.
        modality: The standard's code, such as ``"CT"``.
    """

    id: str
    patient: str
    paths: tuple[Path, ...]
    waveform: bool
    modality: str


@dataclass(frozen=True)
class _Header:
    path: Path
    series: str
    instance: str
    patient: str
    waveform: bool
    modality: str
    placed: bool


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn whatever pydicom and its decoders raise on a broken file into one line; their own texts
    may hold what a header says.

    Raises:
        DataError: In place of any other exception.
        MedFunctaError: If pydicom is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on values outside the standard
            yield
    except MedFunctaError:
        raise
    except ModuleNotFoundError as error:
        raise missing_extra("pydicom", "dicom") from error
    except Exception as error:  # a decoder's plug-in may raise anything
        raise DataError(
            f"{name} is not readable DICOM ({type(error).__name__}); get it again, or install "
            "'medfuncta[dicom]' decoders"
        ) from error


def find_series(
    paths: Sequence[Path], name_of: Callable[[Path], str], refuse: Callable[[str, DataError], None]
) -> list[Series]:
    """Group files by SeriesInstanceUID; traces, and images that have no position in space, stand
    alone.

    Args:
        paths: Files of any kind; those of another kind and DICOM objects without images or traces
            (reports, plans) are passed over.
        name_of: What an error calls a file.
        refuse: Called with the name of a file that should be DICOM and is not, and the error to
            raise or to note.

    Raises:
        DataError: If there is no series.
    """
    series: dict[str, list[_Header]] = {}
    for path in paths:
        try:
            header = _header(path, name_of(path))
        except DataError as error:
            refuse(name_of(path), error)
            continue
        if header is not None:
            alone = header.waveform or not header.placed
            series.setdefault(header.instance if alone else header.series, []).append(header)
    if not series:
        raise DataError("no DICOM image or trace in the folder; expected at least one")
    return [_series(uid, members) for uid, members in sorted(series.items())]


def _series(uid: str, members: Sequence[_Header]) -> Series:
    first, paths = members[0], tuple(header.path for header in members)
    return Series(
        public_name(uid, "hash"),
        group_name(first.patient),
        paths,
        first.waveform,
        first.modality,
    )


def _header(path: Path, name: str) -> _Header | None:
    """What a file says of itself; None when it is no DICOM image or trace, nor should be one by its
    name."""
    with path.open("rb") as file:
        marked = file.read(132)[128:] == b"DICM"
    if not marked:
        if path.suffix.lower() not in _SUFFIXES:
            return None
        raise DataError(f"{name} is not a DICOM file; get it again, or move it out of the folder")
    with reading(name):
        import pydicom
        from pydicom.uid import UID

        source = opened(path, name)
        data = pydicom.dcmread(source, stop_before_pixels=True, specific_tags=list(_TAGS))
        what = UID(data.get("SOPClassUID", "")).name
        waveform = "Waveform Storage" in what
        if not waveform and "Rows" not in data:
            if "Image Storage" in what:
                raise DataError(f"{name} is an image without a size, or is cut short; get it again")
            return None
        if not data.get("SeriesInstanceUID") or not data.get("SOPInstanceUID"):
            raise DataError(
                f"{name} has no SeriesInstanceUID or SOPInstanceUID; expected both, as the "
                "standard asks for"
            )
        patient = str(
            data.get("PatientID") or data.get("StudyInstanceUID") or data.SeriesInstanceUID
        )
        placed = bool(data.get("ImagePositionPatient"))
        return _Header(
            path,
            str(data.SeriesInstanceUID),
            str(data.SOPInstanceUID),
            patient,
            waveform,
            str(data.get("Modality", "")),
            placed,
        )


def read_dataset(path: Path, name: str) -> Dataset:
    """A whole DICOM file, which an error calls by this name; to be called inside :func:`reading`.

    Raises:
        DataError: If it unpacks to more than a signal may ask for.
    """
    import pydicom

    return pydicom.dcmread(opened(path, name))
