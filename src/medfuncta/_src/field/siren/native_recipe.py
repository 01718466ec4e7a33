"""How the functions of ``native.c`` are compiled, and what the compiled file is called.

Nothing but the standard library is imported: ``hatch_build.py``, which puts compiled files into a
wheel, reads this module where PyTorch is not installed.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("native.c")
HEADER: Final = Path(__file__).with_name("native_products.h")
COMPILERS: Final = ("cc", "gcc", "clang")
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
_AVX2: Final = ("-mavx2", "-mfma")
_AVX512: Final = (*_AVX2, "-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw")
_SECONDS: Final = 60

NEEDS_ABILITY: Final = "x86_64"
"""The machine on which C is worth it with the flags of an ability only."""


def abilities_of(machine: str) -> tuple[str, ...]:
    """What processors of a machine may be able to do, as far as it makes a difference here, by
    PyTorch's names."""
    if machine == NEEDS_ABILITY:
        return ("AVX2", "AVX512")
    return ("DEFAULT",)


def flags_of(ability: str) -> tuple[str, ...]:
    """Flags of the compiler for processors with an ability, by PyTorch's name of it."""
    more = {"AVX2": _AVX2, "AVX512": _AVX512}.get(ability, ())
    return (*_FLAGS, *more)


def library_name(machine: str, flags: Sequence[str]) -> str:
    """The name of a compiled file: it holds a digest of the source, the flags and the machine, so
    that a file is never taken for that of another version.

    Args:
        machine: As ``platform.machine()`` says it.
        flags: Of the compiler.
    """
    recipe = " ".join([machine, *flags]).encode()
    digest = hashlib.sha256(SOURCE.read_bytes() + HEADER.read_bytes() + recipe)
    return f"layers-{digest.hexdigest()[:32]}.so"


def compile_library(compiler: str, flags: Sequence[str], path: Path) -> None:
    """Compile the functions into a file.

    Raises:
        SubprocessError: If the compiler fails.
        OSError: If it cannot be started.
    """
    subprocess.run(
        [compiler, *flags, str(SOURCE), "-o", str(path), "-lm"],
        check=True,
        capture_output=True,
        timeout=_SECONDS,
    )
