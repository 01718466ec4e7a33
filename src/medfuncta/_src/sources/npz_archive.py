"""Arrays of a ``.npz`` file as streams: headers without data, data block by block, and never a
pickle."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import IO, Final, Literal

import numpy as np

from medfuncta._src.door.allowance import NUMBER, check_command, check_signal, on_disk
from medfuncta._src.door.content import blaming
from medfuncta._src.door.files import reason
from medfuncta._src.errors import DataError

_PACKINGS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Those that NumPy writes; others become a million times larger."""
_DENSEST: Final = 1100
"""Bytes that one byte of a deflated array can become."""
_ONE_ARRAY: Final = b"\x93NUMPY"
_BLOCK_BYTES: Final = 2**22  # decompressed at a time, so that memory does not grow with the file


@dataclass(frozen=True)
class ArrayHeader:
    """What an array says of itself before it is read."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype


@dataclass(frozen=True)
class NpzArchive:
    """A ``.npz`` file; whatever is wrong with it is a :class:`DataError` of one line that names the
    file."""

    path: Path

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of its arrays."""
        with self._opened() as archive:
            return frozenset(name.removesuffix(".npy") for name in archive.namelist())

    def header(self, name: str) -> ArrayHeader:
        """The header of one array."""
        with self._array(name) as (header, _):
            return header

    def blocks(self, name: str) -> Iterator[np.ndarray]:
        """One array, some rows at a time; one in Fortran order lies column after column in the file
        and comes as a whole."""
        with self._array(name) as (header, stream):
            count, *row = header.shape
            row_bytes = prod(row) * header.dtype.itemsize
            rows = max(1, _BLOCK_BYTES // max(1, row_bytes))
            order: Literal["C", "F"] = "C"
            if header.fortran_order:
                rows, order = max(1, count), "F"
            for start in range(0, count, rows):
                size = min(rows, count - start)
                data = stream.read(size * row_bytes)
                if len(data) < size * row_bytes:
                    raise EOFError("the data ends early")
                yield np.frombuffer(data, header.dtype).reshape((size, *row), order=order)

    def array(self, name: str) -> np.ndarray:
        """One array as a whole."""
        header = self.header(name)
        row = header.shape[1:]
        size = prod(header.shape) * header.dtype.itemsize
        check_command(f"{name} in {self.path.name}", size, on_disk(self.path))
        none = np.empty((0, *row), np.int8)  # so that an array without rows is one too
        return np.concatenate([none, *self.blocks(name)])

    @contextmanager
    def _array(self, name: str) -> Iterator[tuple[ArrayHeader, IO[bytes]]]:
        """An array's header and the stream of its data, once it is known to hold numbers, as many
        bytes of them as it claims."""
        file = f"{name}.npy"
        with self._opened() as archive, archive.open(file) as stream:
            if np.lib.format.read_magic(stream) == (1, 0):
                header = ArrayHeader(*np.lib.format.read_array_header_1_0(stream))
            else:
                header = ArrayHeader(*np.lib.format.read_array_header_2_0(stream))
            self._check_numbers(name, header)
            self._check_packing(archive.getinfo(file))
            self._check_memory(name, header)
            needed = prod(header.shape) * header.dtype.itemsize
            found = archive.getinfo(file).file_size - stream.tell()
            if found != needed:
                raise DataError(
                    f"{name} in {self.path.name} has {found} bytes; its shape {header.shape} needs "
                    f"{needed}; get the file again"
                )
            yield header, stream

    def _check_packing(self, info: zipfile.ZipInfo) -> None:
        """Raise where an array is packed otherwise than NumPy does, or claims to hold more than its
        bytes can unpack to."""
        most = info.compress_size * _DENSEST
        if info.compress_type not in _PACKINGS or info.file_size > most + _BLOCK_BYTES:
            raise DataError(
                f"{info.filename} in {self.path.name} is packed in a way that NumPy does not "
                "write; save the file again with numpy.savez_compressed"
            )

    def _check_memory(self, name: str, header: ArrayHeader) -> None:
        """Raise where one signal of an array, or one in Fortran order as a whole, would take more
        memory than it may ask for."""
        what, held = f"{name} in {self.path.name}", on_disk(self.path)
        wide = max(header.dtype.itemsize, NUMBER)
        check_signal(f"a signal of {what}", prod(header.shape[1:]) * wide, held)
        if header.fortran_order:
            check_command(what, prod(header.shape) * wide, held)

    def _check_numbers(self, name: str, header: ArrayHeader) -> None:
        """Raise unless an array holds plain numbers along at least one axis."""
        if header.dtype.kind in "fiub" and header.shape:
            return
        what = f"{header.dtype} of shape {header.shape}"
        if header.dtype.hasobject:
            what = "Python objects, which are never loaded"
        raise DataError(
            f"{name} in {self.path.name} holds {what}; expected an array of plain numbers"
        )

    def _check_kind(self) -> None:
        """Raise where the file is an array of its own, which has no names for splits."""
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            alone = file.read(len(_ONE_ARRAY)) == _ONE_ARRAY
        if alone:
            raise DataError(
                f"{self.path.name} is one array (npy); expected an archive (npz) with "
                "train_images, such as numpy.savez makes"
            )

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        if self.path.exists() and not self.path.is_file() and not self.path.is_dir():
            raise DataError(f"{self.path.name} is a pipe or a device; expected a npz file")
        if self.path.is_dir():
            raise DataError(f"{self.path.name} is a folder; expected a npz file")
        self._check_kind()
        with blaming(self.path):
            yield from self._open_archive()

    def _open_archive(self) -> Iterator[zipfile.ZipFile]:
        """The open archive, once; what is wrong with it is told in one line."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                yield archive
        except FileNotFoundError as error:
            raise DataError(f"no file {self.path.name}; check the location") from error
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            ValueError,
            OSError,
            NotImplementedError,
            MemoryError,
            KeyError,
        ) as error:
            raise DataError(
                f"{self.path.name} is not a readable npz file ({reason(error)}); get the file again"
            ) from error
