"""The functions of ``native.c``, for float32 on the CPU: compiled in half a second by the system's compiler when first needed, and kept.

PyTorch reads and writes every array once an operation, computes sine and cosine apart, and its threads wait for Python's lock between
operations; ``native.c`` does a pass in one sweep and all layers in one call, with the matrix product of PyTorch's own BLAS. Where there is
no C compiler or no such BLAS, or ``MEDFUNCTA_NATIVE=0`` is set, PyTorch's operations do the same more slowly.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch

from medfuncta.atomic import write_atomically
from medfuncta.errors import MedFunctaError

SWITCH: Final = "MEDFUNCTA_NATIVE"
"""Environment variable; ``0`` keeps to PyTorch's operations."""
_SOURCE: Final = Path(__file__).with_name("native.c")
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
_BLAS: Final = (
    Path(torch.__file__).with_name("lib") / ("libtorch_cpu.dylib" if sys.platform == "darwin" else "libtorch_cpu.so"),
    Path("/System/Library/Frameworks/Accelerate.framework/Accelerate"),
)


def native_library(device: torch.device, dtype: torch.dtype) -> NativeLibrary | None:
    """The functions in C, for arrays of this kind; None where they are not to be had."""
    if device.type != "cpu" or dtype != torch.float32 or os.environ.get(SWITCH) == "0":
        return None
    return load_library()


@cache
def load_library() -> NativeLibrary | None:
    """The functions in C, compiled if need be; None where there is no compiler that works or no BLAS."""
    if sys.platform == "win32" or sys.byteorder != "little":
        return None
    compiler = next((found for found in map(shutil.which, _COMPILERS) if found), None)
    sgemm = _sgemm()
    try:
        return None if compiler is None or sgemm is None else NativeLibrary(ctypes.CDLL(str(_library(compiler))), sgemm)
    except (OSError, subprocess.SubprocessError, MedFunctaError):  # a compiler that does not work, a folder that cannot be written
        return None


def _sgemm() -> int | None:
    """Where the BLAS's product of float32 matrices is: in PyTorch, or on macOS in the system."""
    for library in _BLAS:
        try:
            return ctypes.cast(ctypes.CDLL(str(library)).sgemm_, ctypes.c_void_p).value
        except (OSError, AttributeError):  # no such library, no such function in it
            continue
    return None


def _library(compiler: str) -> Path:
    """The compiled functions, made if they are not there yet."""
    processor = torch.backends.cpu.get_cpu_capability()
    flags = [*_FLAGS, *_FLAGS_OF_PROCESSOR.get(processor, ())]
    digest = hashlib.sha256(_SOURCE.read_bytes() + " ".join([platform.machine(), *flags]).encode()).hexdigest()[:16]
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = cache_home / "medfuncta" / f"layers-{digest}.so"
    if not path.exists():
        write_atomically(path, lambda temporary: _compile([compiler, *flags, str(_SOURCE), "-o", str(temporary), "-lm"]))
    return path


def _compile(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=_COMPILE_SECONDS)


class NativeLibrary:
    """The functions of ``native.c``.

    Args:
        library: It, compiled.
        sgemm: Address of the BLAS's product of float32 matrices.
    """

    def __init__(self, library: ctypes.CDLL, sgemm: int) -> None:
        self.sgemm = sgemm
        field, number, arrays = ctypes.POINTER(NativeField), ctypes.c_int64, ctypes.c_void_p
        self.rise = _function(library.rise, field, number, *[arrays] * 3, number, *[arrays] * 3)
        self.descend = _function(library.descend, field, *[number] * 3, *[arrays] * 7)
        self.tangent_rise = _function(library.tangent_rise, field, *[number] * 2, *[arrays] * 6)
        self.tangent_descend = _function(library.tangent_descend, field, *[number] * 2, *[arrays] * 10)


class NativeField(ctypes.Structure):
    """``Field`` of ``native.c``."""

    _fields_ = [
        ("sgemm", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        *[(name, ctypes.c_int64) for name in ("layers", "inputs", "width", "first_shifted", "residual")],
    ]


def _function(function: Any, *types: Any) -> Any:
    """A function of the library with the types of its arguments."""
    function.argtypes, function.restype = types, None
    return function
