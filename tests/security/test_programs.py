"""No file starts a program or brings code: Pillow opens the formats that are stated, and compiled
passes come from a folder of the user's own."""

from __future__ import annotations

import ast
import ctypes
import os
import stat
from pathlib import Path

import pytest

import medfuncta
from hostile.bench import Bench
from medfuncta._src.errors import DataError, MedFunctaError
from medfuncta._src.field.siren import native, native_recipe
from medfuncta._src.sources.image_files import read_image
from security.test_bombs import refused

ROOT = Path(medfuncta.__file__).parent / "_src"
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"
OTHERS = {
    "PostScript": POSTSCRIPT,
    "PPM": b"P6 1 1 255\n\0\0\0",
    "XPM": b"/* XPM */\n",
    "SGI": b"\x01\xda" + bytes(510),
    "PDF": b"%PDF-1.7\n",
}


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Ghostscript that leaves a mark when it is started."""
    mark, folder = tmp_path / "started", tmp_path / "bin"
    folder.mkdir()
    for name in ("gs", "gswin32c", "gswin64c"):
        program = folder / name
        program.write_text(f"#!/bin/sh\ntouch {mark}\nexit 0\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return mark


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp"])
@pytest.mark.parametrize("kind", OTHERS)
def test_a_picture_of_another_kind_starts_nothing(
    kind: str, suffix: str, tmp_path: Path, ghostscript: Path
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(OTHERS[kind])
    with pytest.raises(
        DataError, match=rf"a\{suffix} is (not a readable image|a \w+ document; convert it)"
    ):
        read_image(path)
    assert not ghostscript.exists()


@pytest.mark.parametrize("what", ["images:{f}", "dicom:{f}", "nifti:{f}"])
def test_a_command_starts_nothing(what: str, tmp_path: Path, bench: Bench) -> None:
    (tmp_path / "data").mkdir()
    for suffix in (".png", ".dcm", ".nii", ".eps.png"):
        (tmp_path / "data" / f"a{suffix}").write_bytes(POSTSCRIPT)
    source = what.format(f=tmp_path / "data")
    words = ["train", "--data", source, "--out", str(tmp_path / "run")]
    (answer,) = bench.answers([words])
    refused(answer)


def test_every_use_of_pillow_states_its_formats() -> None:
    seen = 0
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Image.open"):
                seen += 1
                assert "formats" in {word.arg for word in node.keywords}, path.name
    assert seen >= 2


# --- compiled passes


def compiled(*flags: str) -> Path:
    return native._library("cc", flags or ["-shared", "-fPIC", "-march=native"])


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of caches, and a compiler that takes no time."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def compile_(compiler: str, flags: object, path: Path) -> None:
        path.write_text("compiled")

    monkeypatch.setattr(native, "compile_library", compile_)
    return tmp_path / "cache" / "medfuncta"


def test_only_the_user_can_write_where_code_comes_from(cache: Path) -> None:
    before = os.umask(0)
    try:
        path = compiled()
    finally:
        os.umask(before)
    for each in (cache, path):
        assert stat.S_IMODE(each.stat().st_mode) == 0o700
        assert each.stat().st_uid == os.getuid()
    assert path.parent == cache


def test_the_name_holds_source_flags_and_processor(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [compiled().name, compiled("-shared", "-O0").name]
    monkeypatch.setattr(native.platform, "machine", lambda: "another")
    names.append(compiled().name)
    other = tmp_path / "native.c"
    other.write_text("int x;")
    monkeypatch.setattr(native_recipe, "SOURCE", other)
    names.append(compiled().name)
    monkeypatch.setattr(native_recipe, "HEADER", other)
    names.append(compiled().name)
    assert len(set(names)) == 5


@pytest.mark.parametrize("harm", ["writable by the group", "writable by all", "a link"])
def test_a_file_that_others_could_have_written_is_made_anew(harm: str, cache: Path) -> None:
    path = compiled()
    path.write_text("planted")
    if harm == "a link":
        planted = cache.parent / "planted.so"
        path.rename(planted)
        path.symlink_to(planted)
        with pytest.raises(MedFunctaError, match="is a link"):
            compiled()
        return
    path.chmod(0o770 if "group" in harm else 0o707)
    assert compiled().read_text() == "compiled"


def test_a_folder_that_others_can_write_is_closed_first(cache: Path) -> None:
    cache.mkdir(parents=True, mode=0o777)
    cache.chmod(0o777)
    path = compiled()
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700 and path.read_text() == "compiled"


def test_a_folder_of_somebody_else_is_not_used(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = os.getuid()
    cache.mkdir(parents=True)
    monkeypatch.setattr(native.os, "getuid", lambda: own + 1)
    with pytest.raises(MedFunctaError, match="not yours"):
        compiled()
    assert not list(cache.iterdir())


def test_a_folder_that_is_a_link_is_not_used(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    cache.parent.mkdir()
    cache.symlink_to(tmp_path / "shared")
    with pytest.raises(MedFunctaError, match="is a link"):
        compiled()
    assert not list((tmp_path / "shared").iterdir())


def test_nothing_is_loaded_from_such_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And work goes on without it."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "shared").mkdir()
    (tmp_path / "cache" / "medfuncta").symlink_to(tmp_path / "shared")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def load(*_: object) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(native, "INSTALLED", tmp_path / "none")
    assert native.load_passes.__wrapped__().library is None
