"""Arrays and tensors that lie in files: what they claim is held against the size of the file before
memory is asked for, and nothing but numbers is read."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from medfuncta._src.door.declared import Fault
from medfuncta._src.door.files import Origin, is_utf8, open_regular, reason
from medfuncta._src.door.limits import MAX_TENSOR_HEADER
from medfuncta._src.door.wording import shown

if TYPE_CHECKING:
    from numpy import ndarray
    from torch import Tensor

_ITEM_BYTES: Final[Mapping[str, int]] = {"F64": 8, "F32": 4, "F16": 2, "I64": 8, "U8": 1}
"""The types of numbers that our safetensors files have: weights, counts and the state of a
generator."""


def read_arrays(path: Path, origin: Origin, within: Path | None = None) -> dict[str, ndarray]:
    """The arrays of numbers in a small ``.npz`` file of ours, each as large as its own entry says
    before memory is asked for.

    Raises:
        MedFunctaError: As :func:`open_regular`, or if it is no such file, packed, or holds anything
            but numbers.
    """
    import numpy as np

    arrays = {}
    with open_regular(path, origin, within) as file, origin.blamed():
        try:
            with zipfile.ZipFile(file) as archive:
                for entry in archive.infolist():
                    _check_array(archive, entry)
                    with archive.open(entry) as stream:
                        name = entry.filename.removesuffix(".npy")
                        arrays[name] = np.lib.format.read_array(stream, allow_pickle=False)
        except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
            raise Fault("", f"is not an npz file: {reason(error)}") from error
    return arrays


def _check_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Raise unless an entry is stored as it is and holds the bytes that its header claims."""
    from numpy.lib import format

    with archive.open(entry) as stream:
        if format.read_magic(stream) != (1, 0):
            raise ValueError("another version of the format")
        shape, _, dtype = format.read_array_header_1_0(stream)
        needed = prod(shape) * dtype.itemsize
        held = entry.file_size - stream.tell()
    if entry.compress_type != zipfile.ZIP_STORED or dtype.kind not in "fiub" or needed != held:
        raise ValueError(f"{entry.filename} claims {needed} bytes of {dtype}, it has {held}")


class _Tensor(msgspec.Struct, forbid_unknown_fields=True):
    """What the header of a safetensors file says of a tensor."""

    dtype: str
    shape: list[Annotated[int, Meta(ge=0, lt=2**48)]]
    data_offsets: tuple[int, int]


@dataclass(frozen=True)
class TensorHeader:
    """What a safetensors file says before any number of it is read.

    Args:
        notes: Its own words, by name.
        shapes: Of each tensor.
        dtypes: ``"F32"``, ``"F64"``, ``"I64"`` or ``"U8"``, of each tensor.
    """

    notes: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    @property
    def numbers(self) -> int:
        """Of all tensors together."""
        return sum(prod(shape) for shape in self.shapes.values())

    def check(self, shapes: Mapping[str, tuple[int, ...]], dtypes: tuple[str, ...]) -> None:
        """Raise unless it has these tensors and no others, all of one of these types.

        Raises:
            Fault: At the first that is missing, unknown, or of another shape or type.
        """
        for name in shapes:
            if name not in self.shapes:
                raise Fault(f"the tensor {name}", "is missing")
        for name, shape in self.shapes.items():
            if name not in shapes:
                raise Fault(f"the tensor {shown(name)}", "is unknown")
            if shape != shapes[name]:
                expected = f"expected {list(shapes[name])}"
                raise Fault(f"the shape of {name}", f"is {shown(shape)}; {expected}")
            if self.dtypes[name] not in dtypes:
                expected = f"expected {' or '.join(dtypes)}"
                raise Fault(f"the type of {name}", f"is {self.dtypes[name]}; {expected}")


def read_tensor_header(path: Path, origin: Origin, within: Path | None = None) -> TensorHeader:
    """The header of a safetensors file, with every claim checked against the size of the file.

    safetensors itself checks that tensors lie without gaps and fill the file. It maps the file
    first, lets a header have 100 MB, and takes types that we never write.

    Raises:
        MedFunctaError: As :func:`open_regular`, or if it is no such file, is cut, or holds numbers
            of another type.
    """
    with open_regular(path, origin, within) as file, origin.blamed():
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(MAX_TENSOR_HEADER, size - 8):
            raise Fault("", "is cut, or not a safetensors file")
        try:
            entries = msgspec.json.decode(file.read(length), type=dict[str, msgspec.Raw])
            notes = msgspec.json.decode(entries.pop("__metadata__", b"{}"), type=dict[str, str])
            tensors = {
                name: msgspec.json.decode(raw, type=_Tensor) for name, raw in entries.items()
            }
        except (ValueError, RecursionError) as error:
            # What a reader of JSON says of a file that no person writes would help nobody.
            raise Fault("its header", "is not as it was written") from error
        claimed = sum(_claim(name, tensor) for name, tensor in tensors.items())
        if claimed != size - 8 - length:
            raise Fault("", f"has {size - 8 - length:,} bytes of numbers; it claims {claimed:,}")
    return TensorHeader(
        notes=notes,
        shapes={name: tuple(tensor.shape) for name, tensor in tensors.items()},
        dtypes={name: tensor.dtype for name, tensor in tensors.items()},
    )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file whose header was found sound.

    Raises:
        Fault: If it cannot be read all the same.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load, load_file

    try:
        if is_utf8(path):
            return load_file(path)
        return load(path.read_bytes())  # safetensors opens no file whose path is not UTF-8
    except (OSError, RuntimeError, SafetensorError) as error:
        raise Fault("", f"cannot be read: {reason(error)}") from error


def _claim(name: str, tensor: _Tensor) -> int:
    """The bytes of a tensor."""
    if tensor.dtype not in _ITEM_BYTES:
        known = f"expected one of {', '.join(_ITEM_BYTES)}"
        raise Fault(f"the type of {shown(name)}", f"is {shown(tensor.dtype)}; {known}")
    start, end = tensor.data_offsets
    needed = prod(tensor.shape) * _ITEM_BYTES[tensor.dtype]
    if start < 0 or end - start != needed:
        raise Fault(f"the tensor {shown(name)}", f"lies from {start} to {end}; it needs {needed}")
    return needed
