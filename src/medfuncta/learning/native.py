"""The elementwise passes in C, for float32 on the CPU: compiled in half a second by the system's compiler when first needed, and kept.

PyTorch reads and writes every array once an operation and computes sine and cosine apart; ``native.c`` does a pass in one sweep. Where
there is no C compiler, or ``MEDFUNCTA_NATIVE=0`` is set, PyTorch's operations do the same more slowly.
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
from torch import Tensor

from medfuncta.atomic import write_atomically
from medfuncta.errors import MedFunctaError
from medfuncta.learning.passes import EagerPasses, Passes

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

EAGER: Final = EagerPasses()


def passes_for(device: torch.device, dtype: torch.dtype) -> Passes:
    """The fastest passes for arrays of this kind that need no waiting."""
    if device.type != "cpu" or dtype != torch.float32 or os.environ.get(SWITCH) == "0":
        return EAGER
    return native_passes() or EAGER


@cache
def native_passes() -> NativePasses | None:
    """The passes in C; None where they cannot be compiled."""
    if sys.platform == "win32":
        return None
    compiler = next((found for found in map(shutil.which, _COMPILERS) if found), None)
    try:
        return None if compiler is None else NativePasses(ctypes.CDLL(str(_library(compiler))))
    except (OSError, subprocess.SubprocessError, MedFunctaError):  # a compiler that does not work, a folder that cannot be written
        return None


def _library(compiler: str) -> Path:
    """The compiled passes, made if they are not there yet."""
    processor = torch.backends.cpu.get_cpu_capability()
    flags = [*_FLAGS, *_FLAGS_OF_PROCESSOR.get(processor, ())]
    digest = hashlib.sha256(_SOURCE.read_bytes() + " ".join([platform.machine(), *flags]).encode()).hexdigest()[:16]
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = cache_home / "medfuncta" / f"passes-{digest}.so"
    if not path.exists():
        write_atomically(path, lambda temporary: _compile([compiler, *flags, str(_SOURCE), "-o", str(temporary), "-lm"]))
    return path


def _compile(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=_COMPILE_SECONDS)


class NativePasses(Passes):
    """The passes in C. The interpreter is free while they run."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._wave = _function(library.wave, views=3, outputs=2)
        self._slope = _function(library.slope, views=2, outputs=1, total=True)
        self._swing = _function(library.swing, views=4, outputs=2)
        self._adjoint = _function(library.adjoint, views=6, outputs=2, total=True)
        self._nothing: dict[int, Tensor] = {}

    def wave(self, product: Tensor, offset: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor]:
        _, points, width = product.shape
        batch = max(len(product), len(offset))
        cosines = product if batch == len(product) else product.new_empty(batch, points, width)
        states = torch.empty_like(cosines)
        below = self._zeros(width) if below is None else below
        self._wave(batch, points, width, *_view(product), *_view(offset), *_view(below), states.data_ptr(), cosines.data_ptr())
        return states, cosines

    def slope(self, descent: Tensor, cosine: Tensor, total: Tensor) -> Tensor:
        slopes = torch.empty_like(descent)
        self._slope(*descent.shape, *_view(descent), *_view(cosine), slopes.data_ptr(), total.data_ptr(), total.stride(0))
        return slopes

    def swing(self, product: Tensor, offset: Tensor, cosine: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor]:
        moves = torch.empty_like(product)
        below = self._zeros(product.shape[2]) if below is None else below
        views = (*_view(product), *_view(offset), *_view(cosine), *_view(below))
        self._swing(*product.shape, *views, product.data_ptr(), moves.data_ptr())
        return product, moves

    def adjoint(
        self,
        tangent: Tensor,
        cosine: Tensor,
        descent: Tensor,
        phase: Tensor,
        above: Tensor,
        below: Tensor | None,
        total: Tensor,
    ) -> tuple[Tensor, Tensor]:
        adjoints = phase if phase.shape == tangent.shape else torch.empty_like(tangent)
        slopes = torch.empty_like(descent)
        below = self._zeros(tangent.shape[2]) if below is None else below
        views = (*_view(tangent), *_view(cosine), *_view(descent), *_view(phase), *_view(above), *_view(below))
        outputs = (adjoints.data_ptr(), slopes.data_ptr(), total.data_ptr(), total.stride(0))
        self._adjoint(*tangent.shape, *views, *outputs)
        return adjoints, slopes

    def _zeros(self, width: int) -> Tensor:
        """What a layer that is not residual adds."""
        if width not in self._nothing:
            self._nothing[width] = torch.zeros(1, 1, width)
        return self._nothing[width]


def _view(array: Tensor) -> tuple[int, int, int]:
    """Where an array is and its strides, 0 along an axis that is to be repeated."""
    batch, points, _ = array.shape
    of_batch, of_points, _ = array.stride()
    return array.data_ptr(), of_batch if batch > 1 else 0, of_points if points > 1 else 0


def _function(function: Any, *, views: int, outputs: int, total: bool = False) -> Any:
    """A function of the library with the types of its arguments."""
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    function.argtypes = [number] * 3 + [pointer, number, number] * views + [pointer] * outputs + [pointer, number] * total
    function.restype = None
    return function
