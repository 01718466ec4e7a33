"""What the page may do, as its files say, and that what ships is what was built."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from medfuncta._src.tasks.view.parts import ASSETS

VIEWER = Path(__file__).parents[3] / "viewer"
SHIPPED = {
    "index.html",
    "viewer.js",
    "viewer.css",
    "notebook.js",
    "runtime.wasm.gz",
    "LICENSES.txt",
}
MOST_BYTES = 5_000_000
WRITES_MARKUP = (
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser"
)
REACHES_OUT = r"\bfetch\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts|https?://"


def assets() -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in ASSETS.iterdir() if entry.is_file()}


def test_the_bundle_is_whole_and_small() -> None:
    files = assets()
    assert set(files) == SHIPPED
    assert sum(map(len, files.values())) < MOST_BYTES
    assert gzip.decompress(files["runtime.wasm.gz"])[:4] == b"\0asm"
    for package in json.loads((VIEWER / "package.json").read_text())["dependencies"]:
        assert f"{package} ".encode() in files["LICENSES.txt"]


def test_the_policy_forbids_every_other_host() -> None:
    policies = []
    addresses = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            own = dict(attrs)
            if own.get("http-equiv") == "Content-Security-Policy":
                policies.append(own["content"])
            addresses.extend(value for name, value in attrs if name in ("src", "href"))
            assert not [name for name, _ in attrs if name.startswith("on")]
            assert tag != "script" or own.get("src")

    Reader().feed(assets()["index.html"].decode())
    [policy] = policies
    rules = {}
    for rule in policy.split(";"):
        name, *allowed = rule.split()
        rules[name] = allowed
    assert rules == {
        "default-src": ["'none'"],
        "script-src": ["'self'", "'wasm-unsafe-eval'"],
        "style-src": ["'self'"],
        "img-src": ["data:", "blob:"],
        "worker-src": ["blob:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    assert addresses == ["assets/viewer.css", "assets/viewer.js"]


@pytest.mark.parametrize("path", sorted((VIEWER / "src").glob("*.ts")), ids=lambda path: path.name)
def test_text_never_becomes_markup_and_no_host_is_asked(path: Path) -> None:
    text = path.read_text()
    assert not re.search(WRITES_MARKUP, text)
    assert not re.search(REACHES_OUT, text)
    assert len(text.splitlines()) < 500


def test_versions_are_fixed_by_the_lock_file() -> None:
    package = json.loads((VIEWER / "package.json").read_text())
    lock = json.loads((VIEWER / "package-lock.json").read_text())["packages"]
    for name, version in {**package["dependencies"], **package["devDependencies"]}.items():
        assert lock[f"node_modules/{name}"]["version"] == version
    assert all(entry.get("integrity") for name, entry in lock.items() if name)


@pytest.mark.skipif(
    shutil.which("node") is None or not (VIEWER / "node_modules").is_dir(),
    reason="the viewer's packages are not installed: run npm ci in viewer",
)
def test_what_ships_is_what_the_sources_build(tmp_path: Path) -> None:
    subprocess.run(
        ["node", "build.mjs", str(tmp_path)], cwd=VIEWER, check=True, capture_output=True
    )
    for name, content in assets().items():
        built = (tmp_path / name).read_bytes()
        if name.endswith(".gz"):  # another version of zlib packs otherwise
            built, content = gzip.decompress(built), gzip.decompress(content)
        assert built == content, f"{name} is not what viewer/ builds: run npm run build there"
