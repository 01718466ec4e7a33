"""Reading tensors out of a file that ``torch.save`` wrote, without running anything that stands in
it.

A pickle is a program: it names functions and calls them. Here every name means an inert stand-in
that keeps what it was given and does nothing, but for the few that rebuild a tensor from its
numbers, which are our own. So a pickled module becomes a tree of stand-ins whose state can be
looked at, and a hostile pickle becomes a tree that holds no tensor. What it asks for in memory is
held against the bytes of its file first.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import IO, Any, Final, cast

import torch

from medfuncta._src.door.allowance import check_command, on_disk
from medfuncta._src.door.files import Origin, open_regular, reason
from medfuncta._src.door.streams import Stream
from medfuncta._src.door.wording import counted, shortened
from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents.inert_objects import (
    PlainData,
    StandIn,
    StoredArray,
    StoredType,
    array_of,
    bytes_of,
    jax_array,
    scalar,
)

_STORAGES: Final = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_PICKLE_MEMBER: Final = "data.pkl"
_FIRST_MEMBERS: Final = 16
_SHARED: Final = 4
"""How often the numbers of a file may be part of a tensor: weights that are tied are, twice."""
_SHORT_PROGRAM: Final = 2048
"""Bytes of a pickle; that of a latent has some hundred."""
_PLACES: Final = ("PUT", "BINPUT", "LONG_BINPUT")
"""Operations of a pickle that name a place of its memory."""


def load_inert(path: Path, within: Path | None = None) -> Any:
    """What ``torch.save`` wrote: tensors, plain Python data, and a :class:`StandIn` for any other
    object.

    Args:
        path: The file.
        within: The folder that a link must not lead out of; None when the user named the file.

    Raises:
        LatentSetError: If the file is no such archive, is damaged, or is in the format before
            PyTorch 1.6.
    """
    origin = Origin(path.name, LatentSetError, "give a file that torch.save wrote")
    with open_regular(path, origin, within) as file:
        return load_inert_from(file, path.name)


def load_inert_from(file: Stream, name: str) -> Any:
    """As :func:`load_inert`, of a file that is open.

    Args:
        file: Where it is read, from its beginning on.
        name: What it is called in an error.

    Raises:
        LatentSetError: As :func:`load_inert`.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            reader = _Reader(archive)
            try:
                return reader.load()
            finally:
                reader.forget()
    except LatentSetError:
        raise
    except zipfile.BadZipFile as error:
        raise LatentSetError(
            f"{name} is not a file of torch.save since PyTorch 1.6 ({error}); save it again "
            "with a newer PyTorch or copy it again"
        ) from error
    except Exception as error:  # a hostile or damaged pickle can fail in any way it likes
        line = shortened(reason(error))
        raise LatentSetError(
            f"{name} is damaged or holds something other than tensors ({line}); copy it again"
        ) from error


def is_torch_file(path: Path) -> bool:
    """Whether a file is one that ``torch.save`` wrote, and not an archive of several such.

    Raises:
        LatentSetError: If it cannot be read.
    """
    with open_regular(path, Origin(path.name, LatentSetError, "copy it again")) as file:
        if file.read(2) != b"PK":  # a tar archive may end with such a file
            return False
        try:
            with zipfile.ZipFile(file) as archive:
                last = [name.rpartition("/")[2] for name in archive.namelist()[:_FIRST_MEMBERS]]
        except Exception:  # whatever is wrong with it is said by whoever reads it
            return False
    return _PICKLE_MEMBER in last


class _Reader(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        names = [name for name in archive.namelist() if name.rpartition("/")[2] == _PICKLE_MEMBER]
        if len(names) != 1:
            raise ValueError(f"{len(names)} members named {_PICKLE_MEMBER}, expected 1")
        self._prefix = names[0].removesuffix(_PICKLE_MEMBER)
        self._storages: dict[str, torch.Tensor] = {}
        held = sum(info.compress_size for info in archive.infolist())
        self._tensor_bytes = self._left = _SHARED * _size_of(archive)
        if held > _size_of(archive):
            raise ValueError("members that lie in one place")
        program = self._member(_PICKLE_MEMBER)
        if len(program) <= _SHORT_PROGRAM:
            _check_short(program)
        else:
            check_places(io.BytesIO(program), len(program))
        super().__init__(io.BytesIO(program), encoding="utf-8")

    def forget(self) -> None:
        """Let go of the numbers of the file: what was read keeps those that it needs, and a reader
        keeps itself until somebody looks for such circles."""
        self._storages = {}
        self.memo.clear()

    def _member(self, name: str) -> bytes:
        info = self._archive.getinfo(self._prefix + name)
        if (
            info.compress_type != zipfile.ZIP_STORED
        ):  # torch.save never compresses, and a small file must not become a huge one
            raise ValueError(f"the member {name} is compressed")
        return self._archive.read(info)

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Never imports anything. Bound methods are handed out, since a pickle cannot change
        those."""
        match module_name, global_name:
            case "torch._utils", "_rebuild_tensor_v2":
                return self._rebuild_tensor
            case "torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state":
                return self._rebuild_parameter
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch" | "torch.cuda", name if name in _STORAGES:
                return name
        return type(
            "StandIn", (StandIn,), {}
        )  # a class of its own, so that nothing done to it reaches another

    def persistent_load(self, pid: Any, /) -> torch.Tensor:
        """The numbers of one storage, ``("storage", kind, key, location, count)``, as a flat
        tensor."""
        _, kind, key, _, _ = pid
        if kind not in _STORAGES:
            raise ValueError("numbers of a type that latents do not have")
        if key not in self._storages:
            self._storages[key] = torch.frombuffer(
                bytearray(self._member(f"data/{key}")) or bytearray(8), dtype=_STORAGES[kind]
            )
        return self._storages[key]

    def _rebuild_tensor(
        self,
        storage: torch.Tensor,
        offset: int,
        size: tuple[int, ...],
        stride: tuple[int, ...],
        *_: Any,
    ) -> torch.Tensor:
        if prod(size) > storage.numel():
            raise ValueError(
                f"a tensor of {counted(prod(size), 'number')} over a storage of {storage.numel()}"
            )
        self._left -= prod(size) * storage.element_size()
        if self._left < 0:
            raise ValueError(f"its tensors claim more than {self._tensor_bytes:,} bytes")
        return torch.as_strided(storage, size, stride, offset)

    def _rebuild_parameter(self, tensor: torch.Tensor, *_: Any) -> torch.Tensor:
        return tensor


def _size_of(archive: zipfile.ZipFile) -> int:
    """The bytes of an archive on the disk."""
    assert archive.fp is not None
    return archive.fp.seek(0, io.SEEK_END)


_PLAIN: Final = {"tuple": tuple, "dict": dict, "list": list}


class _ArrayReader(pickle.Unpickler):
    """A plain pickle of arrays of NumPy's or JAX's in plain Python data."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Never imports anything; what rebuilds an array is our own."""
        match module_name.replace("_core", "core"), global_name:
            case "numpy.core.multiarray", "_reconstruct":
                return StoredArray
            case "numpy", "dtype":
                return StoredType
            case "_codecs", "encode":
                return bytes_of
            case "numpy.core.numeric", "_frombuffer":
                return array_of
            case "numpy.core.multiarray", "scalar":
                return scalar
            case module, "reconstruct_device_array" | "_reconstruct_array" if "jax" in module:
                return jax_array
            case "collections", "OrderedDict":
                return OrderedDict
            case "builtins", "tuple" | "dict" | "list":
                return _PLAIN[global_name]
        return type("StandIn", (StandIn,), {})

    def persistent_load(self, pid: Any, /) -> Any:
        raise ValueError("it names numbers outside of itself")


def load_inert_arrays(path: Path) -> Any:
    """What ``pickle`` or ``dill`` wrote of arrays and plain Python data; a :class:`StandIn` for any
    other object.

    Raises:
        LatentSetError: If the file is no pickle, or damaged.
        DataError: If it is larger than a command may read.
    """
    origin = Origin(path.name, LatentSetError, "give a file that the authors of Functa published")
    with open_regular(path, origin) as file:
        size = file.seek(0, io.SEEK_END)
        check_command(path.name, size, on_disk(path))
        try:
            file.seek(0)
            check_places(file, size)
            file.seek(0)
            return PlainData().of(_ArrayReader(file, encoding="utf-8").load())
        except Exception as error:  # a hostile or damaged pickle can fail in any way it likes
            line = shortened(reason(error))
            raise LatentSetError(
                f"{path.name} is damaged or holds something other than arrays ({line}); copy it "
                "again"
            ) from error


@lru_cache(maxsize=1024)
def _check_short(program: bytes) -> None:
    """As :func:`check_places`; the latents of a set are written by few programs, over and over."""
    check_places(io.BytesIO(program), len(program))


def check_places(program: Stream, size: int) -> None:
    """Raise where a pickle puts something into a place of its memory that lies far beyond what it
    could have filled: a reader in C makes room for all places before it.

    Args:
        program: The pickle, read to its end.
        size: Its bytes.

    Raises:
        ValueError: If it does, or is no pickle.
    """
    for operation, argument, _ in pickletools.genops(cast(IO[bytes], program)):
        if operation.name in _PLACES and isinstance(argument, int) and argument > size:
            raise ValueError(f"it names the place {argument} of its memory")
