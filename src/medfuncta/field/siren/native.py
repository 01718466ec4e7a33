"""The functions of ``native.c``, for float32 on the CPU: compiled in half a second by the system's
compiler when first needed, and kept.

PyTorch reads and writes every array once an operation, computes sine and cosine apart, packs
weights anew for every product, and its threads wait for Python's lock between operations;
``native.c`` does a pass in one sweep, all layers in one call, and products on weights that are
packed once. Where there is no C compiler, no AVX2 on an x86 processor, or ``MEDFUNCTA_NATIVE=0`` is
set, PyTorch's operations do the same more slowly; on macOS they always do, since its own products
run on a matrix unit that C does not reach.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from medfuncta.disk.atomic import write_atomically
from medfuncta.disk.places import make_folder, place
from medfuncta.errors import MedFunctaError

SWITCH: Final = "MEDFUNCTA_NATIVE"
"""Environment variable; ``0`` keeps to PyTorch's operations."""
_SOURCE: Final = Path(__file__).with_name("native.c")
_HEADER: Final = Path(__file__).with_name("native_products.h")
_COMPILERS: Final = ("cc", "gcc", "clang")
_FLAGS: Final = (
    "-std=gnu11",
    "-O3",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-signed-zeros",
    "-ffp-contract=fast",
    "-fPIC",
    "-shared",
)
_FLAGS_OF_PROCESSOR: Final = {  # by PyTorch's name of what the processor can do
    "AVX2": ("-mavx2", "-mfma"),
    "AVX512": ("-mavx2", "-mfma", "-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw"),
}
_COMPILE_SECONDS: Final = 60
_FOR_ME: Final = 0o700


def native_library(device: torch.device, dtype: torch.dtype) -> NativeLibrary | None:
    """The functions in C, for arrays of this kind; None where they are not to be had."""
    if device.type != "cpu" or dtype != torch.float32 or os.environ.get(SWITCH) == "0":
        return None
    return load_library()


@cache
def load_library() -> NativeLibrary | None:
    """The functions in C, compiled if need be; None where there is no compiler that works, or C
    would not be faster."""
    compiler = next((found for found in map(shutil.which, _COMPILERS) if found), None)
    flags = _FLAGS_OF_PROCESSOR.get(torch.backends.cpu.get_cpu_capability(), ())
    if (
        compiler is None
        or sys.platform in ("win32", "darwin")
        or (platform.machine() == "x86_64" and not flags)
    ):
        return None
    try:
        return NativeLibrary(ctypes.CDLL(str(_library([compiler, *_FLAGS, *flags]))))
    except (
        OSError,
        RuntimeError,  # no home folder
        subprocess.SubprocessError,
        MedFunctaError,
    ):  # a compiler that does not work, a folder that cannot be written or that others can write
        return None


def _library(command: Sequence[str]) -> Path:
    """The functions as this command compiles them, made if they are not there yet.

    Code is loaded from a folder that is the user's own and that nobody else can write, and from a
    file of which the same holds; its name tells the source, the flags and the processor.

    Raises:
        MedFunctaError: If the folder is another user's, or cannot be written.
        SubprocessError: If the compiler fails.
    """
    recipe = " ".join([platform.machine(), *command[1:]])
    digest = hashlib.sha256(
        _SOURCE.read_bytes() + _HEADER.read_bytes() + recipe.encode()
    ).hexdigest()[:32]
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = place(_own_folder(cache_home.absolute()), f"layers-{digest}.so")
    if not _is_own(path):
        write_atomically(
            path, lambda temporary: _compile([*command, str(_SOURCE), "-o", str(temporary), "-lm"])
        )
        path.chmod(_FOR_ME)
    return path


def _own_folder(cache_home: Path) -> Path:
    """The folder of the package in the user's cache, which nobody else can write.

    Raises:
        MedFunctaError: If it belongs to someone else.
        OSError: If it cannot be made.
    """
    folder = make_folder(cache_home, "medfuncta")
    if os.name == "posix" and folder.stat().st_uid == os.getuid():
        folder.chmod(_FOR_ME)
    if not _is_own(folder):
        raise MedFunctaError(
            f"'{folder.name}' in the folder of caches is not yours; name another with "
            "XDG_CACHE_HOME"
        )
    return folder


def _is_own(path: Path) -> bool:
    """Whether a file or folder is there, no link, the user's own, and not to be written by
    others."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    if os.name != "posix":
        return not path.is_symlink()
    others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return not path.is_symlink() and found.st_uid == os.getuid() and not others


def _compile(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=_COMPILE_SECONDS)


class NativeLibrary:
    """The functions of ``native.c``.

    Args:
        library: It, compiled.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        field, number, arrays = ctypes.POINTER(NativeField), ctypes.c_int64, ctypes.c_void_p
        self.forward = _function(
            library.forward, field, number, *[arrays] * 3, number, *[arrays] * 3
        )
        self.backward = _function(library.backward, field, *[number] * 3, *[arrays] * 7)
        self.shift_jacobian = _function(library.shift_jacobian, field, *[number] * 2, *[arrays] * 4)
        self.forward_tangent = _function(
            library.forward_tangent, field, *[number] * 2, *[arrays] * 6
        )
        self.backward_tangent = _function(
            library.backward_tangent, field, *[number] * 2, *[arrays] * 10
        )
        self._size_of_panels = _function(library.size_of_panels, number, number, result=number)
        self._pack = _function(library.pack, number, number, arrays, number, number, arrays)

    def panels(self, matrix: Tensor) -> Tensor:
        """A matrix ``[depth, columns]``, in any strides, as the products read it."""
        depth, columns = matrix.shape
        panels = torch.empty(self._size_of_panels(depth, columns))
        self._pack(depth, columns, matrix.data_ptr(), *matrix.stride(), panels.data_ptr())
        return panels


class NativeField(ctypes.Structure):
    """``Field`` of ``native.c``."""

    _fields_ = [
        ("forward_weights", ctypes.c_void_p),
        ("backward_weights", ctypes.c_void_p),
        *[
            (name, ctypes.c_int64)
            for name in ("layers", "inputs", "width", "first_shifted", "residual")
        ],
    ]


def _function(function: Any, *types: Any, result: Any = None) -> Any:
    """A function of the library with the types of its arguments and of its result."""
    function.argtypes, function.restype = types, result
    return function
