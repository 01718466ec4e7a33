"""What is built is whole, and holds nothing else; compiled passes in it need no compiler later."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

import medfuncta
from medfuncta._src.field.siren.native import passes_in_use
from medfuncta._src.field.siren.native_recipe import abilities_of

ROOT = Path(__file__).parents[2]
PACKAGE = Path(medfuncta.__file__).parent
UNWANTED = ("__pycache__", ".pyc", "tests/", ".ci/", "conftest")

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("hatchling") is None, reason="hatchling is not installed"
    ),
    pytest.mark.skipif(
        not (ROOT / "pyproject.toml").exists(), reason="not in a checkout of the repository"
    ),
]


def built(kind: str, folder: Path, **variables: str) -> Path:
    """The one file that a build of this kind makes."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    environment = {**os.environ, "MEDFUNCTA_WHEEL_PASSES": "0", **variables}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    (path,) = folder.iterdir()
    return path


def sources() -> set[str]:
    """Every file of the package that is no product of running it."""
    paths = [path for path in PACKAGE.rglob("*") if path.is_file()]
    names = {path.relative_to(PACKAGE.parent).as_posix() for path in paths}
    return {name for name in names if "__pycache__" not in name}


def test_the_wheel_is_the_package_and_nothing_else(tmp_path: Path) -> None:
    path = built("wheel", tmp_path)
    assert path.name.endswith("-py3-none-any.whl")
    with ZipFile(path) as wheel:
        names = set(wheel.namelist())
    package = {name for name in names if name.startswith("medfuncta/")}
    assert package == sources()
    others = {Path(name).name for name in names - package}
    assert others == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "LICENSE"}
    for needed in ("py.typed", "_src/field/siren/native.c", "_src/sources/samples/LICENSES.md"):
        assert f"medfuncta/{needed}" in package


def test_the_source_archive_builds_the_wheel(tmp_path: Path) -> None:
    path = built("sdist", tmp_path)
    with tarfile.open(path) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {f"src/{name}" for name in sources()} <= set(names)
    for needed in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "CHANGELOG.md"):
        assert needed in names
    assert not [name for name in names if any(part in name for part in UNWANTED)]


@pytest.mark.skipif(passes_in_use().library is None, reason="no C compiler here")
def test_a_wheel_with_compiled_passes_needs_no_compiler(tmp_path: Path) -> None:
    path = built("wheel", tmp_path / "dist", MEDFUNCTA_WHEEL_PASSES="1")
    assert "-py3-none-" in path.name and "-any" not in path.name
    with ZipFile(path) as wheel:
        names = [name for name in wheel.namelist() if name.endswith(".so")]
        wheel.extractall(tmp_path / "installed")
    assert len(names) == len(abilities_of(platform.machine()))
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path / "installed"),
        "PATH": str(tmp_path / "nothing"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "medfuncta", "doctor", "--json"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    passes = json.loads(done.stdout)["compiled_passes"]
    assert passes == {"in_use": True, "came_from": "package", "reason": None}
    assert not (tmp_path / "cache").exists()


@pytest.mark.skipif(passes_in_use().library is None, reason="no C compiler here")
def test_without_a_compiler_compiled_passes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="MEDFUNCTA_WHEEL_PASSES=1 needs a C compiler"):
        built("wheel", tmp_path / "dist", MEDFUNCTA_WHEEL_PASSES="1", PATH=str(tmp_path))
