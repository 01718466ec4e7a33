"""Versions, processor, devices, extras and folders: what somebody needs to know who is to help."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from medfuncta._src.errors import ConfigError
from medfuncta._src.field.device import default_device, usable_device
from medfuncta._src.field.siren.fast_layers import without_triton
from medfuncta._src.field.siren.native import CameFrom, passes_in_use
from medfuncta._src.result import Result
from medfuncta._src.tasks.doctor.folders import Folder, folders, home_as_tilde
from medfuncta._src.tasks.doctor.packages import Extra, Package, extras, needed_packages


@dataclass(frozen=True)
class System(Result):
    """What runs the program.

    Args:
        name: Of the operating system, such as Linux.
        machine: Kind of processor, such as x86_64.
        python: Its kind and version.
        c_library: Its kind and version, where the system tells.
    """

    name: str
    machine: str
    python: str
    c_library: str | None


@dataclass(frozen=True)
class Processor(Result):
    """What computes where there is no accelerator.

    Args:
        ability: The widest instructions that PyTorch uses: AVX512, AVX2, ..., or DEFAULT.
        cores: Those that this process may use.
        threads: Those that PyTorch starts.
    """

    ability: str
    cores: int
    threads: int


@dataclass(frozen=True)
class CompiledPasses(Result):
    """The layers in C.

    Args:
        in_use: Whether they do the work on the CPU.
        came_from: package: compiled with the wheel; cache: compiled here when first needed.
        reason: Why they are not in use.
    """

    in_use: bool
    came_from: CameFrom | None
    reason: str | None


@dataclass(frozen=True)
class TritonKernels(Result):
    """The layers in Triton.

    Args:
        in_use: Whether they do the work on a graphics card.
        reason: Why they are not in use.
    """

    in_use: bool
    reason: str | None


@dataclass(frozen=True)
class Device(Result):
    """Where PyTorch can compute.

    Args:
        name: As ``--device`` takes it.
        model: What the maker calls it, where that is known.
        default: Whether it is taken when nothing else is said.
        fault: Why it does not compute; None where it does.
    """

    name: str
    model: str | None
    default: bool
    fault: str | None


@dataclass(frozen=True)
class Diagnosis(Result):
    """What the package finds on this machine; nothing in it tells who uses it.

    Args:
        packages: This package and those that it cannot do without.
        system: What runs the program.
        processor: What computes without an accelerator.
        compiled_passes: Whether the layers in C are in use.
        triton_kernels: Whether those in Triton are.
        devices: Where PyTorch can compute.
        extras: What is installed of the packages that only some commands need.
        folders: What the package keeps for this user.
    """

    packages: Sequence[Package]
    system: System
    processor: Processor
    compiled_passes: CompiledPasses
    triton_kernels: TritonKernels
    devices: Sequence[Device]
    extras: Sequence[Extra]
    folders: Sequence[Folder]


def examine() -> Diagnosis:
    """Look at this machine; compiles the layers in C where that has not been done yet."""
    passes, no_kernels = passes_in_use(), without_triton()
    return Diagnosis(
        packages=needed_packages(),
        system=_system(),
        processor=Processor(
            torch.backends.cpu.get_cpu_capability(), _cores(), torch.get_num_threads()
        ),
        compiled_passes=CompiledPasses(passes.library is not None, passes.came_from, passes.reason),
        triton_kernels=TritonKernels(no_kernels is None, no_kernels),
        devices=_devices(),
        extras=extras(),
        folders=folders(),
    )


def _system() -> System:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    library = " ".join(platform.libc_ver()).strip()
    return System(platform.system(), platform.machine(), python, library or None)


def _cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _devices() -> list[Device]:
    """The CPU and every accelerator that PyTorch sees, each tried with one sum."""
    names = ["cpu"]
    if torch.accelerator.is_available():
        kind = default_device().type
        names += [f"{kind}:{index}" for index in range(torch.accelerator.device_count())]
    chosen = default_device()
    found = []
    for name in names:
        default = torch.device(name).type == chosen.type and name in ("cpu", f"{chosen.type}:0")
        found.append(Device(name, _model(name), default, _fault(name)))
    return found


def _model(name: str) -> str | None:
    """What the maker of a graphics card calls it."""
    device = torch.device(name)
    if device.type in ("cuda", "xpu"):
        return torch.get_device_module(device).get_device_name(device)
    return None


def _fault(name: str) -> str | None:
    try:
        usable_device(name)
    except ConfigError as error:
        return home_as_tilde(str(error))
    return None
