"""What packed DICOM files unpack to, held against a budget before a library unpacks them: deflated
data sets, and frames of JPEG and JPEG 2000, whose own headers tell decoders how much to ask for."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medfuncta._src.door.allowance import allowance, check_signal
from medfuncta._src.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

_DEFLATED: Final = b"1.2.840.10008.1.2.1.99"
_EXPLICIT: Final = b"1.2.840.10008.1.2.1\0\0\0"
"""The same encoding of a data set that is not deflated, of the same length."""
_PREAMBLE: Final = 132
_GROUP_LENGTH: Final = 12
"""Bytes of the element that says how long the file's own header is."""
_BLOCK: Final = 2**20
_GROWTH: Final = 8
_JPEG_SIZES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
"""Markers of a JPEG stream (and of JPEG-LS) that tell its size."""
_JPEG_2000_SIZE: Final = b"\xff\x4f\xff\x51"
"""Start of a JPEG 2000 stream, which tells its size first."""


def opened(path: Path, name: str) -> Path | io.BytesIO:
    """The file, or what a deflated one unpacks to, as a file that is not deflated.

    Raises:
        DataError: If it unpacks to more than a signal may ask for, or is damaged.
    """
    from pydicom.filereader import read_file_meta_info

    syntax = str(read_file_meta_info(path).get("TransferSyntaxUID", ""))
    if syntax != _DEFLATED.decode():
        return path
    packed = path.read_bytes()
    length = int.from_bytes(packed[_PREAMBLE + 8 : _PREAMBLE + _GROUP_LENGTH], "little")
    start = _PREAMBLE + _GROUP_LENGTH + length
    try:
        data = _inflated(packed[start:], name)
    except zlib.error as error:
        raise DataError(f"{name} is deflated and damaged; get it again") from error
    # Nothing in what comes out may be taken for deflated again.
    return io.BytesIO((packed[:start] + data).replace(_DEFLATED, _EXPLICIT))


def _inflated(packed: bytes, name: str) -> bytes:
    """All that deflated bytes unpack to."""
    reader, held = zlib.decompressobj(-zlib.MAX_WBITS), bytearray()
    limit = max(allowance().signal, _GROWTH * len(packed))
    rest = packed
    while rest and not reader.eof:
        held += reader.decompress(rest, _BLOCK)
        rest = reader.unconsumed_tail
        if len(held) > limit:
            check_signal(f"{name}, which is deflated,", len(held) + 1, len(packed))
    held += reader.flush(_BLOCK)
    return bytes(held)


def check_frames(data: Dataset, name: str) -> None:
    """Refuse packed frames that say themselves that they are larger than their header has it.

    Raises:
        DataError: If one does.
    """
    from pydicom.encaps import generate_frames

    if "PixelData" not in data or not data.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    rows, columns = int(data.Rows), int(data.Columns)
    count = int(data.get("NumberOfFrames") or 1)
    for frame in generate_frames(data.PixelData, number_of_frames=count):
        for size in _sizes(frame):
            if size != (rows, columns):
                raise DataError(
                    f"{name} has a frame of {size[0]} x {size[1]}; its header claims {rows} x "
                    f"{columns}; get it again"
                )


def _sizes(frame: bytes) -> Iterator[tuple[int, int]]:
    """Rows and columns as a frame tells them; nothing for other packings."""
    start = frame.find(_JPEG_2000_SIZE, 0, 4096)
    if start >= 0:
        sides = frame[start + 8 : start + 24]
        columns, rows, left, top = (int.from_bytes(sides[i : i + 4], "big") for i in (0, 4, 8, 12))
        yield rows - top, columns - left
    elif frame.startswith(b"\xff\xd8"):
        yield from _jpeg_sizes(frame)


def _jpeg_sizes(frame: bytes) -> Iterator[tuple[int, int]]:
    """As the segments of a JPEG stream tell them, up to where its pixels begin."""
    at = 2
    while at + 9 < len(frame) and frame[at] == 0xFF:
        marker, length = frame[at + 1], int.from_bytes(frame[at + 2 : at + 4], "big")
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker in _JPEG_SIZES:
            rows = int.from_bytes(frame[at + 5 : at + 7], "big")
            columns = int.from_bytes(frame[at + 7 : at + 9], "big")
            yield rows, columns
        if marker == 0xDA:
            return
        at += 2 + length
