"""DICOM files found and grouped into series, by their headers alone; nothing that identifies a
patient leaves this module."""

from __future__ import annotations

import filecmp
import io
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medfuncta._src.door.content import blaming
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError, MedFunctaError, missing_extra
from medfuncta._src.sources.dicom_packed import opened
from medfuncta._src.sources.identity import group_name, public_name
from medfuncta._src.sources.skips import Skips

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
    "NumberOfFrames",
)
_STACKS: Final = ("1.2.840.10008.5.1.4.1.1.481.2", "1.2.840.10008.5.1.4.1.1.20")
"""Doses and nuclear medicine: a file of several frames is a volume by itself."""
_SUFFIXES: Final = ("", ".dcm", ".dicom", ".ima")
_BARE: Final = (
    b"\x02\x00\x00\x00",
    b"\x02\x00\x02\x00",
    b"\x08\x00\x00\x00",
    b"\x08\x00\x05\x00",
    b"\x08\x00\x08\x00",
    b"\x08\x00\x16\x00",
)
"""How DICOM begins without the preamble and the mark: its first element, little endian."""
_NOT_IMAGES: Final = {
    "1.2.840.10008.5.1.4.1.1.66.4": "segmentations (SEG)",
    "1.2.840.10008.5.1.4.1.1.66.7": "segmentations (SEG)",
    "1.2.840.10008.5.1.4.1.1.66.8": "height maps",
    "1.2.840.10008.5.1.4.1.1.77.1.6": "tiles of whole slides (microscopy)",
}
"""Objects with rows and columns that are no images of a grid."""


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
    whole: bool


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
            f"{name} is not readable DICOM: it is damaged or not as the standard asks for "
            f"({type(error).__name__}); get it again"
        ) from error


def find_series(
    paths: Sequence[Path], name_of: Callable[[Path], str], skips: Skips
) -> list[Series]:
    """Group files by SeriesInstanceUID; traces, and images that have no position in space, stand
    alone.

    Args:
        paths: Files of any kind; those of another kind are passed over, and DICOM objects that are
            no images or traces (reports, plans, segmentations) are so with a remark.
        name_of: What an error calls a file.
        skips: Where to note files that should be DICOM and are not.

    Raises:
        DataError: If there is no series.
    """
    series: dict[str, list[_Header]] = {}
    others: Counter[str] = Counter()
    for path in paths:
        try:
            with blaming(path, name_of(path), listed=True):
                header = _header(path, name_of(path))
        except DataError as error:
            skips.skip(name_of(path), error)
            continue
        if isinstance(header, _Header):
            series.setdefault(header.series, []).append(header)
        elif header:
            others[header] += 1
    passed_over = ", ".join(f"{count} {what}" for what, count in sorted(others.items()))
    if not series:
        instead = f", only {passed_over}" if passed_over else ""
        raise DataError(
            f"no DICOM image or trace among {counted(len(paths), 'file')}{instead}; expected at "
            "least one"
        )
    if others:
        skips.remark(f"passed over DICOM objects that are no images: {passed_over}")
    signals: dict[str, list[_Header]] = {}
    for uid, members in series.items():
        apart = all(header.waveform or not header.placed for header in members)
        if apart and len(members) > 1 and not members[0].waveform:
            skips.remark(
                "files of a series without positions (ImagePositionPatient) are images of their own"
            )
        for header in _without_copies(members, skips):
            alone = apart or header.waveform or header.whole
            signals.setdefault(header.instance if alone else uid, []).append(header)
    return [_series(uid, members) for uid, members in sorted(signals.items())]


def _without_copies(members: Sequence[_Header], skips: Skips) -> list[_Header]:
    """The files of a series; one that is byte for byte the same as another counts once."""
    first: dict[str, _Header] = {}
    kept = []
    for header in members:
        before = first.setdefault(header.instance, header)
        if before is not header and filecmp.cmp(before.path, header.path, shallow=False):
            skips.remark("a file that is a copy of another counts once")
            continue
        kept.append(header)
    return kept


def _series(uid: str, members: Sequence[_Header]) -> Series:
    first, paths = members[0], tuple(header.path for header in members)
    return Series(
        public_name(uid, "hash"),
        group_name(first.patient),
        paths,
        first.waveform,
        first.modality,
    )


def _header(path: Path, name: str) -> _Header | str:
    """What a file says of itself; in words what it is when it is DICOM and no image or trace; and
    ``""`` when it is something else, and should be by its name."""
    if not _is_dicom(path, name):
        return ""
    with reading(name):
        import pydicom
        from pydicom.uid import UID

        source = _unpacked(path, name)
        data = pydicom.dcmread(
            source, stop_before_pixels=True, specific_tags=list(_TAGS), force=True
        )
        uid = UID(data.get("SOPClassUID", ""))
        what = str(uid.name)
        if uid in _NOT_IMAGES:
            return _NOT_IMAGES[uid]
        waveform = "Waveform Storage" in what
        if not waveform and "Rows" not in data:
            if "Image Storage" in what:
                raise DataError(f"{name} is an image without a size, or is cut short; get it again")
            return "others" if uid.is_private or what == uid else what.removesuffix(" Storage")
        if not data.get("SeriesInstanceUID") or not data.get("SOPInstanceUID"):
            raise DataError(
                f"{name} has no SeriesInstanceUID or SOPInstanceUID; expected both, as the "
                "standard asks for"
            )
        patient = str(
            data.get("PatientID") or data.get("StudyInstanceUID") or data.SeriesInstanceUID
        )
        placed = bool(data.get("ImagePositionPatient"))
        whole = uid in _STACKS and int(data.get("NumberOfFrames") or 1) > 1
        return _Header(
            path,
            str(data.SeriesInstanceUID),
            str(data.SOPInstanceUID),
            patient,
            waveform,
            str(data.get("Modality", "")),
            placed,
            whole,
        )


def _is_dicom(path: Path, name: str) -> bool:
    """Whether a file is DICOM, with or without the mark at its begin.

    Raises:
        DataError: If it is not, and should be by its name.
    """
    with path.open("rb") as file:
        start = file.read(4096)
    if start[128:132] == b"DICM" or start.startswith(_BARE):
        return True
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES or (not suffix and _is_text(start)):
        return False
    what = "without the preamble and the mark DICM"
    if not start:
        what = "but empty"
    elif _is_text(start):
        what = "but text"
    raise DataError(
        f"{name} is not a DICOM file {what}; get it again, or move it out of the folder"
    )


def _is_text(start: bytes) -> bool:
    """Whether a file that begins so is for people to read, such as a licence."""
    try:
        text = start.decode("utf-8", errors="strict" if len(start) < 4096 else "ignore")
    except UnicodeDecodeError:
        return False
    return bool(text) and all(c.isprintable() or c.isspace() for c in text)


def _unpacked(path: Path, name: str) -> Path | io.BytesIO:
    """The file, or what a deflated one unpacks to; without the mark at its begin none is."""
    with path.open("rb") as file:
        marked = file.read(132)[128:] == b"DICM"
    return opened(path, name) if marked else path


def read_dataset(path: Path, name: str) -> Dataset:
    """A whole DICOM file; to be called inside :func:`reading`.

    Raises:
        DataError: If it unpacks to more than a signal may ask for.
    """
    import pydicom
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    data = pydicom.dcmread(_unpacked(path, name), force=True)
    if "TransferSyntaxUID" not in data.file_meta:  # without a preamble, none is said
        implicit, little = data.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return data
