"""What a tar archive of somebody else holds, member by member."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO, Final, cast

from medfuncta._src.door.streams import Stream

_HEADER_BYTES: Final = 2**22
"""Bytes that an archive may ask to read at once, for a header."""


class _Bounded:
    """A stream of which little is read at a time: a header may claim any length."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell
        self.last = b""
        """What was read last."""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _HEADER_BYTES:
            raise ValueError(f"a header of {size:,} bytes")
        self.last = self._stream.read(size)
        return self.last


def members(stream: Stream) -> Iterator[tarfile.TarInfo]:
    """The members of a tar archive, none of which is kept.

    Python takes any block that is no header for the end. That is a block of zeros; all else is an
    archive that was cut or damaged.

    Raises:
        EOFError: If it ends with anything else.
        tarfile.TarError, ValueError: If it is damaged in another way.
    """
    bounded = _Bounded(stream)
    with tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r:") as archive:
        while (info := archive.next()) is not None:
            archive.members = []  # pyright: ignore[reportAttributeAccessIssue]
            yield info
    if bounded.last != bytes(tarfile.BLOCKSIZE):
        raise EOFError("it ends early, or a header in it is damaged")
