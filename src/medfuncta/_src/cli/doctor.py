"""``medfuncta doctor``: what is installed, and what the package finds on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medfuncta._src.cli.command import Command
from medfuncta._src.cli.terminal import facts

if TYPE_CHECKING:
    from medfuncta._src.tasks.doctor import Diagnosis
    from medfuncta._src.tasks.doctor.diagnosis import CompiledPasses, Device, TritonKernels
    from medfuncta._src.tasks.doctor.folders import Folder
    from medfuncta._src.tasks.doctor.packages import Extra


@dataclass(kw_only=True)
class Doctor(Command):
    """Say what is installed, what this machine can do and what is used of it, and where files of
    the package lie.

    The result holds no name of a user, a host or a folder above the home folder, so that it can go
    into a report as it is.
    """

    def run(self) -> Diagnosis:
        from medfuncta._src.tasks.doctor import examine

        return examine()

    def summary(self, result: Diagnosis) -> str:
        from medfuncta._src.door.wording import counted

        system, processor = result.system, result.processor
        cores, threads = counted(processor.cores, "core"), counted(processor.threads, "thread")
        known = {
            "system": f"{system.name}, {system.machine}",
            "python": system.python,
            "C library": system.c_library or "not known",
            "processor": f"{processor.ability}, {cores}, {threads}",
            "compiled passes": _passes(result.compiled_passes),
            "Triton kernels": _kernels(result.triton_kernels),
        }
        for device in result.devices:
            known[f"device {device.name}"] = _device(device)
        for folder in result.folders:
            known[folder.holds] = _folder(folder)
        versions = {package.name: package.version or "missing" for package in result.packages}
        extras = {f"extra {extra.name}": _extra(extra) for extra in result.extras}
        return "\n\n".join([facts(known), facts(versions), facts(extras)])


def _passes(passes: CompiledPasses) -> str:
    if not passes.in_use:
        return f"not in use: {passes.reason}"
    places = {"package": "came with the package", "cache": "compiled here"}
    return f"in use, {places[passes.came_from or 'cache']}"


def _kernels(kernels: TritonKernels) -> str:
    return "in use" if kernels.in_use else f"not in use: {kernels.reason}"


def _device(device: Device) -> str:
    words = []
    if device.model is not None:
        words.append(device.model)
    words.append(device.fault or "works")
    if device.default:
        words.append("taken when nothing else is said")
    return ", ".join(words)


def _folder(folder: Folder) -> str:
    from medfuncta._src.door.wording import counted

    if folder.path is None:
        return "nowhere: there is no home folder"
    return f"{folder.path}: {counted(folder.files, 'file')}, {folder.bytes / 1e6:,.1f} MB"


def _extra(extra: Extra) -> str:
    if extra.command is not None:
        missing = [package.name for package in extra.packages if package.version is None]
        return f"without {', '.join(missing)}; {extra.command}"
    return ", ".join(f"{package.name} {package.version}" for package in extra.packages)
