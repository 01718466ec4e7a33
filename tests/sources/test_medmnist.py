from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from medfuncta._src.errors import ConfigError, DataError, MedFunctaError
from medfuncta._src.sources import medmnist
from medfuncta._src.sources.download import md5_of
from medfuncta._src.sources.medmnist import registry
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source
from sources.conformance import check_source


def write(folder: Path, name: str, size: int = 28, shape: tuple[int, ...] | None = None) -> Path:
    """A file in the real layout, with three signals a split."""
    facts = registry()[name]
    row = (
        shape or {"grey": (size,) * 2, "rgb": (size, size, 3), "volume": (size,) * 3}[facts["kind"]]
    )
    rng = np.random.default_rng(0)
    arrays = {}
    for split in ("train", "val", "test"):
        arrays[f"{split}_images"] = rng.integers(0, 256, (3, *row), np.uint8)
        classes = len(facts["classes"])
        multi = facts["task"] == "multi-label"
        arrays[f"{split}_labels"] = (
            rng.integers(0, 2, (3, classes)) if multi else rng.integers(0, classes, (3, 1))
        )
    path = folder / (f"{name}.npz" if size == 28 else f"{name}_{size}.npz")
    np.savez_compressed(path, **arrays)
    return path


def opened(folder: Path, name: str, query: str = "") -> Source:
    return open_source(f"medmnist:{name}?root={folder}&verify=false&{query}")


@pytest.mark.parametrize("name", sorted(registry()))
def test_every_set_of_the_collection(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    source, facts = opened(tmp_path, name), registry()[name]
    labels = [signal.label for signal in source.signals("test")]
    assert (
        source.spec.dim == (3 if name.endswith("3d") else 2) and source.spec.task == facts["task"]
    )
    assert source.spec.label_names == tuple(facts["classes"]) and len(labels) == 3
    assert all(isinstance(label, tuple) == (facts["task"] == "multi-label") for label in labels)
    assert source.info.licence == facts["licence"] and source.info.name == f"medmnist:{name}"


@pytest.mark.parametrize(
    ("name", "size"),
    [("pathmnist", 28), ("chestmnist", 64), ("retinamnist", 64), ("nodulemnist3d", 28)],
)
def test_it_keeps_every_promise_of_a_source(tmp_path: Path, name: str, size: int) -> None:
    write(tmp_path, name, size)
    check_source(lambda: opened(tmp_path, name, f"size={size}&limit=2"))


def test_the_registry_is_whole() -> None:
    assert len(registry()) == 18
    checksums = [md5 for facts in registry().values() for md5 in facts["md5"].values()]
    assert len(set(checksums)) == 12 * 4 + 6 * 2 and all(len(md5) == 32 for md5 in checksums)
    assert {name for name, facts in registry().items() if facts["licence"] != "CC BY 4.0"} == {
        "dermamnist"
    }


def test_no_folder_is_on_record(tmp_path: Path) -> None:
    write(tmp_path, "bloodmnist")
    assert not any(
        tmp_path.name in str(value)
        for value in opened(tmp_path, "BloodMNIST").info.details.values()
    )


@pytest.mark.parametrize(
    ("text", "error", "line"),
    [
        (
            "medmnist:bloodmnst",
            ConfigError,
            "no set 'bloodmnst' in MedMNIST; did you mean 'bloodmnist'? Known: adrenalmnist3d",
        ),
        (
            "medmnist:bloodmnist?size=32",
            ConfigError,
            "no size 32 of bloodmnist; expected one of 28, 64, 128, 224",
        ),
        (
            "medmnist:organmnist3d?size=128",
            ConfigError,
            "no size 128 of organmnist3d; expected one of 28, 64",
        ),
        (
            "medmnist:bloodmnist?root=.&size=64",
            DataError,
            "no file bloodmnist_64.npz; get it with download=true, or name its folder",
        ),
    ],
)
def test_what_is_not_there_is_one_line(text: str, error: type[Exception], line: str) -> None:
    with pytest.raises(error) as caught:
        open_source(text)
    assert str(caught.value).startswith(line)


def test_another_file_under_the_name_is_one_line(tmp_path: Path) -> None:
    write(tmp_path, "pneumoniamnist")
    with pytest.raises(
        DataError, match=r"pneumoniamnist.npz has another checksum than the published 28209eda"
    ):
        open_source(f"medmnist:pneumoniamnist?root={tmp_path}")
    write(tmp_path, "pneumoniamnist", 64, shape=(28, 28))
    with pytest.raises(
        DataError,
        match=r"pneumoniamnist_64.npz holds signals of shape \(28, 28\); expected 64 along each",
    ):
        opened(tmp_path, "pneumoniamnist", "size=64")


class Server(BaseHTTPRequestHandler):
    """Serves ``content``, from where the request asks."""

    content = b""
    starts: tuple[int, ...] = ()

    def do_GET(self) -> None:
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        Server.starts += (start,)
        self.send_response(206)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        self.wfile.write(self.content[start:])

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that a server on this machine publishes as BreastMNIST; gives the folder to download
    to."""
    (tmp_path / "web").mkdir()
    path = write(tmp_path / "web", "breastmnist")
    Server.content, Server.starts = path.read_bytes(), ()
    monkeypatch.setitem(registry()["breastmnist"]["md5"], "28", md5_of(path))
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr(medmnist, "_URL", f"http://127.0.0.1:{server.server_port}/{{file}}")
        yield tmp_path / "new"
        server.shutdown()


def test_a_download_is_checked_and_used(published: Path) -> None:
    source = open_source(f"medmnist:breastmnist?root={published}&download=true")
    assert len(list(source.signals("train"))) == 3 and [
        path.name for path in published.iterdir()
    ] == ["breastmnist.npz"]
    open_source(f"medmnist:breastmnist?root={published}&download=true")
    assert Server.starts == (0,)


def test_a_download_continues_where_it_stopped(published: Path) -> None:
    published.mkdir()
    (published / "breastmnist.npz.part").write_bytes(Server.content[:1000])
    open_source(f"medmnist:breastmnist?root={published}&download=true")
    assert Server.starts == (1000,)


def test_a_download_that_arrived_whole_is_not_fetched_again(published: Path) -> None:
    published.mkdir()
    (published / "breastmnist.npz.part").write_bytes(Server.content)
    open_source(f"medmnist:breastmnist?root={published}&download=true")
    assert Server.starts == ()


def test_a_download_with_another_checksum_is_removed(published: Path) -> None:
    Server.content = bytes(3000)
    with pytest.raises(
        DataError,
        match=r"breastmnist.npz arrived with another checksum and was removed; expected MD5",
    ):
        open_source(f"medmnist:breastmnist?root={published}&download=true")
    assert list(published.iterdir()) == []


def test_a_server_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(medmnist, "_URL", "http://127.0.0.1:9/{file}")
    with pytest.raises(
        DataError,
        match=r"the download of breastmnist.npz stopped \(.*\); run the command again to continue",
    ):
        open_source(f"medmnist:breastmnist?root={tmp_path}&download=true")


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    with pytest.raises(MedFunctaError, match=r"pip install 'medfuncta\[download\]'"):
        open_source(f"medmnist:breastmnist?root={tmp_path}&download=true")
