"""Many small files of somebody else, where they lie: in a folder, a zip or a tar archive, packed or
not. Nothing is unpacked to the disk, and no name in an archive becomes a path.

An archive is looked through once. It is refused as a whole where it names a file outside of itself,
names one twice, is encrypted, or unpacks to more than its bytes allow
(:mod:`medfuncta._src.door.allowance`); a file that is wanted must be a plain one within a limit.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from medfuncta._src.door.allowance import check_command, on_disk, unpacked
from medfuncta._src.door.files import Origin, lies_outside, open_regular, reason
from medfuncta._src.door.streams import Stream
from medfuncta._src.door.wording import shortened
from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents.tar_members import members

Opener = Callable[[], AbstractContextManager[Stream]]
"""Opens a file when it is called."""
_DEEPEST: Final = 12
"""Folders in folders that are looked into."""
_PACKINGS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PART: Final = 2**20
_TAR_MAGIC: Final = (257, b"ustar")
_ODD: Final = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, ValueError),
    *(NotImplementedError, RuntimeError, KeyError, OverflowError),
)
"""What Python's readers raise for archives that are damaged or made to do harm; besides the
system's word where they seek a place before the beginning (EINVAL)."""


class Found(NamedTuple):
    """A file that a tree has.

    Args:
        name: With slashes.
        place: Where the tree that has found it finds it again; 0 where the name says it.
    """

    name: str
    place: int = 0


class FileTree(ABC):
    """Files by name, with slashes.

    Args:
        path: What the user named.
        limit: The most bytes that a file may have.
    """

    in_order: bool = False
    """Whether files can be read in the order of :meth:`files` only."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.limit = limit

    @abstractmethod
    def files(self, wanted: Callable[[str], bool]) -> Iterator[Found]:
        """The files that are wanted, in the order in which they lie there; those of an archive are
        to be trusted when the last has come.

        Args:
            wanted: Told a name.

        Raises:
            LatentSetError: If the archive is damaged or not to be trusted.
            DataError: If it unpacks to more than it may.
        """

    @abstractmethod
    def opened(self, files: Iterable[Found]) -> Iterator[tuple[str, Opener]]:
        """Files of :meth:`files` one after the other, with their names; each is opened before the
        next is asked for, or not at all.

        Raises:
            LatentSetError: From the opener, if the file is missing, damaged or too large.
        """

    @contextmanager
    def open(self, name: str) -> Iterator[Stream]:
        """The first file of a name.

        Raises:
            LatentSetError: As :meth:`files` and :meth:`opened`, or if there is none.
        """
        found = list(self.files(lambda other: other == name))
        for _, opener in self.opened(found[:1]):
            with opener() as file:
                yield file
            return
        raise LatentSetError(f"no file {shortened(base(name), 80)} in '{self.path.name}'")

    def _check_size(self, name: str, size: int) -> None:
        if size > self.limit:
            raise LatentSetError(
                f"{shortened(base(name), 80)} in '{self.path.name}' has {size:,} bytes; expected "
                f"at most {self.limit:,}"
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Within, what is wrong with the archive is said in one line."""
        try:
            yield
        except (*_ODD, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise LatentSetError(
                f"'{self.path.name}' is not a sound archive ({shortened(reason(error))}); copy it "
                "again"
            ) from error


def base(name: str) -> str:
    """The last part of a name."""
    return name.rpartition("/")[2]


def open_tree(path: Path, limit: int) -> FileTree:
    """The tree at a path: a folder, or an archive by its first bytes.

    Raises:
        LatentSetError: If it is something else, or cannot be read.
    """
    if path.is_dir():
        return _Folder(path, limit)
    with open_regular(path, _origin(path)) as file:
        start = file.read(512)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _Zip(path, limit)
    at, magic = _TAR_MAGIC
    if start.startswith(b"\x1f\x8b"):
        return _PackedTar(path, limit)
    if start[at : at + len(magic)] == magic:
        return _Tar(path, limit)
    raise LatentSetError(
        f"'{path.name}' is neither a folder nor a zip, tar or tar.gz archive; give one of these"
    )


class _Folder(FileTree):
    def files(self, wanted: Callable[[str], bool]) -> Iterator[Found]:
        stack = [(self.path, "", 0)]
        while stack:
            folder, prefix, depth = stack.pop()
            if depth > _DEEPEST:
                raise LatentSetError(
                    f"'{self.path.name}' has folders more than {_DEEPEST} deep; give the one that "
                    "holds the set"
                )
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = f"{prefix}{entry.name}"
                    if entry.is_dir():
                        self._check_link(entry)
                        stack.append((Path(entry.path), f"{name}/", depth + 1))
                    elif wanted(name):
                        yield Found(name)

    def _check_link(self, entry: os.DirEntry[str]) -> None:
        if entry.is_symlink() and lies_outside(Path(entry.path), self.path):
            raise LatentSetError(
                f"'{shortened(entry.name, 80)}' in '{self.path.name}' is a link that leaves its "
                "folder; copy the folder itself to its place, or give --follow-links"
            )

    def opened(self, files: Iterable[Found]) -> Iterator[tuple[str, Opener]]:
        for name, _ in files:

            @contextmanager
            def opener(name: str = name) -> Iterator[Stream]:
                path = self.path / name
                with open_regular(path, _origin(path), self.path) as file:
                    self._check_size(name, os.fstat(file.fileno()).st_size)
                    yield file

            yield name, opener


class _Zip(FileTree):
    _stored: dict[str, str]
    """What the archive calls a file, where that is not its name."""

    def files(self, wanted: Callable[[str], bool]) -> Iterator[Found]:
        self._stored = {}
        held = total = 0
        with self._archive() as archive:
            for info in archive.infolist():
                name = _checked(info.filename, self.path)
                held += info.compress_size
                if name.endswith("/") or not wanted(name):  # a name may be empty
                    continue
                self._check_plain(info)
                self._check_size(name, info.file_size)
                total += info.file_size
                if name != info.filename:
                    self._stored[name] = info.filename
                yield Found(name)
        if held > self.path.stat().st_size:
            raise LatentSetError(f"files of '{self.path.name}' lie in one place; copy it again")
        check_command(f"what '{self.path.name}' unpacks to", total, on_disk(self.path))

    def _check_plain(self, info: zipfile.ZipInfo) -> None:
        name = shortened(base(info.filename), 80)
        if info.flag_bits & 1:
            raise LatentSetError(
                f"{name} in '{self.path.name}' is encrypted; unpack the archive and give its folder"
            )
        if stat.S_ISLNK(info.external_attr >> 16):
            raise _no_file(name, "a link", self.path)
        if info.compress_type not in _PACKINGS:
            raise LatentSetError(
                f"{name} in '{self.path.name}' is packed in a way that is not read; pack it with "
                "zip, or give the folder"
            )

    def opened(self, files: Iterable[Found]) -> Iterator[tuple[str, Opener]]:
        with self._archive() as archive:
            for name, _ in files:

                @contextmanager
                def opener(name: str = name) -> Iterator[Stream]:
                    stored = self._stored.get(name, name)
                    with self._told(), archive.open(stored) as stream:
                        content = unpacked(stream, self.limit, lambda: _larger(name, self.limit))
                    yield io.BytesIO(content)

                yield name, opener

    @contextmanager
    def _archive(self) -> Iterator[zipfile.ZipFile]:
        with open_regular(self.path, _origin(self.path)) as file:
            with self._told():
                archive = zipfile.ZipFile(file)
            with archive:
                yield archive


class _Tar(FileTree):
    """An archive that is not packed: any file of it can be read at once."""

    def files(self, wanted: Callable[[str], bool]) -> Iterator[Found]:
        with self._stream() as stream, self._told():
            for info in members(stream):
                name = _checked(info.name, self.path)
                self._count(info)
                if info.isdir() or not wanted(name):
                    continue
                if not info.isreg() or info.issparse():
                    raise _no_file(name, _kind(info), self.path)
                self._check_size(name, info.size)
                yield Found(name, self._place(info))

    def _place(self, info: tarfile.TarInfo) -> int:
        """Where a file begins, in blocks, and how long it is, as one number."""
        return info.offset_data // tarfile.BLOCKSIZE * (self.limit + 1) + info.size

    def _count(self, info: tarfile.TarInfo) -> None:
        """Look at the size of a member before the next one is sought."""

    def opened(self, files: Iterable[Found]) -> Iterator[tuple[str, Opener]]:
        with self._stream() as stream:
            for name, place in files:

                @contextmanager
                def opener(place: int = place) -> Iterator[Stream]:
                    block, size = divmod(place, self.limit + 1)
                    with self._told():
                        content = _content(stream, block * tarfile.BLOCKSIZE, size)
                    yield io.BytesIO(content)

                yield name, opener

    @contextmanager
    def _stream(self) -> Iterator[Stream]:
        with open_regular(self.path, _origin(self.path)) as file:
            yield file


class _PackedTar(_Tar):
    """An archive that is unpacked as it is read, from its beginning on."""

    in_order = True
    _unpacked = 0

    def files(self, wanted: Callable[[str], bool]) -> Iterator[Found]:
        self._unpacked = 0
        yield from super().files(wanted)

    def _count(self, info: tarfile.TarInfo) -> None:
        self._unpacked += info.size
        check_command(f"what '{self.path.name}' unpacks to", self._unpacked, on_disk(self.path))

    @contextmanager
    def _stream(self) -> Iterator[Stream]:
        import gzip

        with (
            open_regular(self.path, _origin(self.path)) as file,
            gzip.GzipFile(fileobj=file) as stream,
        ):
            yield stream


def _content(stream: Stream, start: int, size: int) -> bytes:
    """So many bytes of a stream from a place on."""
    stream.seek(start)
    parts = []
    while size > 0:
        part = stream.read(min(size, _PART))
        if not part:
            raise EOFError("it ends early")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _checked(name: str, path: Path) -> str:
    """A name of an archive.

    Raises:
        LatentSetError: If it leads out of the archive.
    """
    plain = name.replace("\\", "/").removeprefix("./")
    parts = plain.split("/")
    if plain.startswith("/") or ".." in parts or ":" in parts[0] or "\0" in plain:
        raise LatentSetError(
            f"'{path.name}' names a file outside of itself; unpack it in a place of its own and "
            "give its folder, if you trust it"
        )
    return plain


def _kind(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return "a link"
    if info.issparse():
        return "a file with holes"
    return "no file"


def _no_file(name: str, what: str, path: Path) -> LatentSetError:
    return LatentSetError(
        f"{shortened(base(name), 80)} in '{path.name}' is {what}; expected a file: pack the files "
        "themselves"
    )


def _larger(name: str, limit: int) -> LatentSetError:
    return LatentSetError(f"{shortened(base(name), 80)} unpacks to more than {limit:,} bytes")


def _origin(path: Path) -> Origin:
    return Origin(path.name, LatentSetError, "copy it again")


def sizes_text(names: Sequence[str]) -> str:
    """A few names for an error."""
    few = ", ".join(shortened(name or ".", 40) for name in names[:5])
    if len(names) > 5:
        return f"{few}, ..."
    return few
