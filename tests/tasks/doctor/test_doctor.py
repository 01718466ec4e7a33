"""The doctor tells what is there, and nothing of who uses it."""

from __future__ import annotations

import json
import platform
import socket
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch

from medfuncta._src.errors import ConfigError
from medfuncta._src.field.siren import fast_layers, native
from medfuncta._src.result import to_json
from medfuncta._src.tasks.doctor import diagnosis, examine, packages
from medfuncta._src.tasks.doctor.folders import folders, without_names

REQUIRED = [
    "torch>=2.9",
    'pydicom>=3.0; extra == "dicom"',
    "pylibjpeg>=2 ; extra == 'dicom'",
    'pytest>=8; extra == "test"',
    'medfuncta[dicom]; extra == "all"',
    'pydicom>=3.0; extra == "all"',
]


def fake_packages(monkeypatch: pytest.MonkeyPatch, **installed: str) -> None:
    """Metadata that name :data:`REQUIRED`, and these packages installed."""

    def version(name: str) -> str:
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(packages, "requires", lambda name: REQUIRED)
    monkeypatch.setattr(packages, "version", version)


def test_extras_are_installed_or_say_what_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_packages(monkeypatch, pydicom="3.0.1")
    (extra,) = packages.extras()
    assert extra.packages == [
        packages.Package("pydicom", "3.0.1"),
        packages.Package("pylibjpeg", None),
    ]
    assert extra.command == "pip install 'medfuncta[dicom]'"
    fake_packages(monkeypatch, pydicom="3.0.1", pylibjpeg="2.0")
    assert packages.extras()[0].command is None


def test_what_is_needed_is_listed_even_if_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_packages(monkeypatch, medfuncta="1.2")
    found = packages.needed_packages()
    assert found == [packages.Package("medfuncta", "1.2"), packages.Package("torch", None)]


def test_the_real_metadata_name_torch_and_the_extras() -> None:
    assert "torch" in {package.name for package in packages.needed_packages()}
    names = [extra.name for extra in packages.extras()]
    assert {"dicom", "nrrd", "onnx"} <= set(names)
    assert not {"all", "dev", "docs", "test"} & set(names)


@pytest.mark.parametrize("switch", ["0", "1"])
def test_it_tells_whether_compiled_passes_are_used(
    switch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(native.SWITCH, switch)
    passes = examine().compiled_passes
    found = native.passes_in_use()
    assert passes.in_use == (found.library is not None)
    assert (passes.came_from, passes.reason) == (found.came_from, found.reason)
    assert passes.in_use != bool(passes.reason)
    assert switch == "1" or passes.reason == "MEDFUNCTA_NATIVE=0 is set"


def test_it_tells_whether_kernels_in_triton_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(fast_layers.TRITON_SWITCH, raising=False)
    assert examine().triton_kernels == diagnosis.TritonKernels(
        False, "MEDFUNCTA_TRITON=1 is not set"
    )
    monkeypatch.setenv(fast_layers.TRITON_SWITCH, "1")
    monkeypatch.setattr(fast_layers, "lacking_for_triton", lambda device: None)
    assert examine().triton_kernels == diagnosis.TritonKernels(True, None)


def test_devices_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two graphics cards, the second of which does not work."""

    def usable(name: str) -> None:
        if name == "cuda:1":
            raise ConfigError("cannot compute on the device 'cuda:1'")

    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    monkeypatch.setattr(diagnosis, "default_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(diagnosis, "usable_device", usable)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device.index}")
    assert examine().devices == [
        diagnosis.Device("cpu", None, False, None),
        diagnosis.Device("cuda:0", "card 0", True, None),
        diagnosis.Device("cuda:1", "card 1", False, "cannot compute on the device 'cuda:1'"),
    ]


def test_without_an_accelerator_the_cpu_is_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert examine().devices == [diagnosis.Device("cpu", None, True, None)]


def test_folders_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    inner = tmp_path / "caches" / "medfuncta" / "inner"
    inner.mkdir(parents=True)
    (inner / "a").write_bytes(bytes(5))
    (inner.parent / "b").write_bytes(bytes(2))
    (inner.parent / "gone").symlink_to(tmp_path / "nowhere")
    cached, settings = folders()
    assert (cached.path, cached.files) == ("$XDG_CACHE_HOME/medfuncta", 3)
    assert cached.bytes == 7 + (inner.parent / "gone").lstat().st_size
    assert (settings.path, settings.files, settings.bytes) == ("$XDG_CONFIG_HOME/medfuncta", 0, 0)


@pytest.mark.parametrize("variable", [None, "XDG_CACHE_HOME"])
def test_no_path_names_the_user(
    variable: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "jane-doe"))
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "data-of-jane-doe"))
    assert "jane" not in json.dumps(to_json(folders()))
    assert without_names(tmp_path / "elsewhere-of-jane" / "medfuncta") == "medfuncta"


def test_nobody_and_no_host_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails says so without a name."""

    def broken(name: str) -> None:
        raise ConfigError(f"no driver in {Path.home() / 'drivers'}")

    for variable in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(variable, "jane-doe")
    monkeypatch.setenv("HOME", str(tmp_path / "jane-doe"))
    monkeypatch.setattr(socket, "gethostname", lambda: "host-of-jane")
    monkeypatch.setattr(platform, "node", lambda: "host-of-jane")
    monkeypatch.setattr(diagnosis, "usable_device", broken)
    told = examine()
    assert told.devices[0].fault == "no driver in ~/drivers"
    assert "jane" not in json.dumps(to_json(told))


def test_a_user_without_a_home_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("APPDATA", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert [(folder.path, folder.files) for folder in folders()] == [(None, 0), (None, 0)]
