"""The functions of ``native.c``, for float32 on the CPU: those that came compiled with the package,
or else compiled in half a second by the system's compiler when first needed, and kept.

PyTorch reads and writes every array once an operation, computes sine and cosine apart, packs
weights anew for every product, and its threads wait for Python's lock between operations;
``native.c`` does a pass in one sweep, all layers in one call, and products on weights that are
packed once. Where there is no compiled file and no C compiler, no AVX2 on an x86 processor, or
``MEDFUNCTA_NATIVE=0`` is set, PyTorch's operations do the same more slowly; on macOS they always
do, since its own products run on a matrix unit that C does not reach.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import torch
from torch import Tensor

from medfuncta._src.disk.atomic import write_atomically
from medfuncta._src.disk.places import make_folder, place
from medfuncta._src.errors import MedFunctaError
from medfuncta._src.field.siren.native_recipe import (
    COMPILERS,
    NEEDS_ABILITY,
    compile_library,
    flags_of,
    library_name,
)
from medfuncta._src.process import switched_on

SWITCH: Final = "MEDFUNCTA_NATIVE"
"""Environment variable; ``0`` keeps to PyTorch's operations."""
INSTALLED: Final = Path(__file__).with_name("compiled")
"""Where a wheel brings compiled files."""
_FOR_ME: Final = 0o700

CameFrom: TypeAlias = Literal["package", "cache"]
"""Compiled files come with the package, or are made in the user's folder of caches."""


@dataclass(frozen=True)
class Passes:
    """The functions in C, or why they are not to be had.

    Args:
        library: They, loaded; None where PyTorch does it.
        came_from: Where they were loaded from.
        reason: Why there are none, to be said behind "not in use:".
    """

    library: NativeLibrary | None = None
    came_from: CameFrom | None = None
    reason: str | None = None


def native_library(device: torch.device, dtype: torch.dtype) -> NativeLibrary | None:
    """The functions in C, for arrays of this kind; None where they are not to be had."""
    if device.type != "cpu" or dtype != torch.float32:
        return None
    return passes_in_use().library


def passes_in_use() -> Passes:
    """The functions in C as this process uses them for float32 on the CPU."""
    if not switched_on(SWITCH, default=True):
        return Passes(reason=f"{SWITCH}=0 is set")
    return load_passes()


@cache
def load_passes() -> Passes:
    """The functions in C, compiled if need be, whatever :data:`SWITCH` says; none where there is
    neither a compiled file nor a compiler that works, or C would not be faster."""
    ability = torch.backends.cpu.get_cpu_capability()
    if sys.platform in ("win32", "darwin"):
        return Passes(reason="on this system PyTorch's own operations serve")
    if platform.machine() == NEEDS_ABILITY and flags_of(ability) == flags_of("DEFAULT"):
        return Passes(reason="the processor has no AVX2")
    flags = flags_of(ability)
    return _installed(flags) or _compiled(flags)


def _installed(flags: Sequence[str]) -> Passes | None:
    """What came with the package for these flags; None where nothing did, or it does not load.

    It is as much to be trusted as the modules beside it: put there by the same installation, and
    not a link to elsewhere.
    """
    path = INSTALLED / library_name(platform.machine(), flags)
    try:
        if not _came_with(path, Path(__file__)):
            return None
        return Passes(NativeLibrary(ctypes.CDLL(str(path))), "package")
    except OSError:  # none, or a C library that is too old for it
        return None


def _came_with(path: Path, module: Path) -> bool:
    """Whether a file is no link, belongs to the owner of a module, and not everybody can write it.

    Raises:
        OSError: If there is none.
    """
    found = path.lstat()
    if os.name != "posix":
        return stat.S_ISREG(found.st_mode)
    own = found.st_uid == module.stat().st_uid
    return stat.S_ISREG(found.st_mode) and own and not found.st_mode & stat.S_IWOTH


def _compiled(flags: Sequence[str]) -> Passes:
    """What the system's compiler makes, from the folder of caches."""
    compiler = next((found for found in map(shutil.which, COMPILERS) if found), None)
    if compiler is None:
        return Passes(reason=f"no C compiler: none of {', '.join(COMPILERS)} is on the PATH")
    try:
        return Passes(NativeLibrary(ctypes.CDLL(str(_library(compiler, flags)))), "cache")
    except subprocess.SubprocessError:
        return Passes(reason="the C compiler does not work")
    except MedFunctaError as error:  # a folder that cannot be written, or that others can write
        return Passes(reason=str(error))
    except RuntimeError:
        return Passes(reason="there is no home folder to keep compiled code in")
    except OSError:
        return Passes(reason="compiled code could not be kept, or not be loaded")


def _library(compiler: str, flags: Sequence[str]) -> Path:
    """The functions as this compiler makes them, made if they are not there yet.

    Code is loaded from a folder that is the user's own and that nobody else can write, and from a
    file of which the same holds; its name tells the source, the flags and the processor.

    Raises:
        MedFunctaError: If the folder is another user's, or cannot be written.
        SubprocessError: If the compiler fails.
    """
    name = library_name(platform.machine(), flags)
    path = place(_own_folder(cache_home()), name)
    if not _is_own(path):
        write_atomically(path, lambda temporary: compile_library(compiler, flags, temporary))
        path.chmod(_FOR_ME)
    return path


def cache_home() -> Path:
    """The user's folder of caches.

    Raises:
        RuntimeError: If the user has no home folder.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute()


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
