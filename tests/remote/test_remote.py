"""Runs, sources and latent sets in an object store: fsspec's own in memory, and a server of S3's
protocol on this machine where there is one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image

import medfuncta
from latents.sets import make_run, write_set
from latents.test_kill import files_of
from medfuncta._src.cli.main import main
from medfuncta._src.errors import MedFunctaError
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.remote.address import address_of, check_place, local_path
from medfuncta._src.remote.fetching import cache_folder, fetched
from medfuncta._src.remote.publishing import published
from medfuncta._src.run import Run
from medfuncta._src.sources.table import open_source


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["memory", "s3"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """An empty store, and a cache of one's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if request.param == "memory":
        files = fsspec.filesystem("memory")
        yield "memory://bucket"
        files.store.clear()
        files.pseudo_dirs[:] = [""]
        return
    pytest.importorskip("s3fs")
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3_server"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = f"bucket{abs(hash(tmp_path))}"
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    files.mkdir(bucket)
    yield f"s3://{bucket}"


def put(store: str, folder: Path, name: str) -> str:
    files = fsspec.filesystem(store.partition(":")[0], skip_instance_cache=True)
    for path in folder.rglob("*"):
        if path.is_file():
            files.put_file(str(path), f"{store}/{name}/{path.relative_to(folder).as_posix()}")
    return f"{store}/{name}"


@pytest.mark.parametrize("text", ["s3://b/x", "s3:/b/x", "s3://b/x/", "gs://b/x", "memory://b/x"])
def test_an_address_is_known_however_often_it_was_a_path(text: str) -> None:
    address = address_of(text)
    assert address is not None
    assert address == f"{text.partition(':')[0]}://b/x"
    assert address_of(Path(text)) == address == address_of(Path(str(Path(text))))


@pytest.mark.parametrize(
    "text", ["scans", "/scans/s3", "file:///scans", "C:/scans", "hub:a/b", "nifti:/scans", "s3"]
)
def test_all_else_is_a_path(text: str) -> None:
    assert address_of(text) is None
    assert local_path(text) == Path(text.replace("file://", ""))


@pytest.mark.parametrize("text", ["foo://bucket/set", "http://host/x", "S3://b/x", "foo:/x"])
def test_a_store_that_nobody_knows_is_no_folder(text: str) -> None:
    with pytest.raises(MedFunctaError, match="expected a path, file://, or one of s3, gs"):
        check_place(text)
    with pytest.raises(MedFunctaError, match="no store"), published(Path(text), ["a"]):
        pytest.fail("it is taken")


def test_a_folder_with_a_colon_in_its_name_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run, source = medfuncta.Run.load("pretrained:ecg"), medfuncta.open_source("sample:ecg")
    latents = medfuncta.create_latent_set(run, source, "a:b", splits=["val"])
    assert len(medfuncta.LatentSet.open(Path("a:b"))) == len(latents) > 0


def test_a_run_and_a_set_are_those_that_were_put_there(store: str, tmp_path: Path) -> None:
    run = make_run()
    run.save(tmp_path / "run")
    (tmp_path / "run" / "checkpoints").mkdir()
    (tmp_path / "run" / "checkpoints" / "large").write_bytes(b"not wanted")
    write_set(tmp_path / "set", train=5, test=2)
    there = put(store, tmp_path / "run", "run"), put(store, tmp_path / "set", "set")
    for name in (there[0], Path(there[0])):
        assert Run.load(name).fingerprint == run.fingerprint
    assert Run.from_pretrained(there[0]).fingerprint == run.fingerprint
    assert not list(cache_folder().rglob("large"))
    opened, local = LatentSet.open(there[1]), LatentSet.open(tmp_path / "set")
    assert opened.info == local.info
    np.testing.assert_array_equal(opened.split("train").latents, local.split("train").latents)


@pytest.mark.parametrize("name", ["folder", "folder/a.npz"])
def test_a_source_is_read_as_if_it_lay_here(store: str, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    generator = np.random.default_rng(0)
    splits = {f"{split}_images": generator.random((3, 6, 6)) for split in ("train", "val", "test")}
    np.savez(folder / "a.npz", **splits)
    for number in range(4):
        Image.fromarray(generator.integers(0, 255, (6, 6), np.uint8)).save(folder / f"{number}.png")
    put(store, folder, "folder")
    kind = "npz:{}" if name.endswith("npz") else "images:{}"
    here = open_source(kind.format(tmp_path / name))
    there = open_source(kind.format(f"{store}/{name}"))
    assert there.info == here.info
    for one, other in zip(here.signals("all"), there.signals("all"), strict=True):
        assert one.header.id == other.header.id
        np.testing.assert_array_equal(one.values, other.values)
    assert there.reopening is not None
    assert f"{store}/{name}" in there.reopening.text


def test_what_is_there_is_copied_once_and_what_changes_again(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.txt").write_text("one")
    (folder / "inner" / "b.txt").write_text("two")
    there = put(store, folder, "folder")
    first = fetched(there)
    assert files_of(first) == files_of(folder)
    assert cache_folder().stat().st_mode & 0o077 == 0
    (first / "a.txt").unlink()  # as if a download had been stopped
    assert fetched(there) == first
    assert files_of(first) == files_of(folder)
    (folder / "a.txt").write_text("new")
    put(store, folder, "folder")
    second = fetched(there)
    assert second != first
    assert (second / "a.txt").read_text() == "new"
    assert (first / "a.txt").read_text() == "one"


def test_a_file_brings_those_beside_it_that_belong_to_it(store: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("scan.hdr", "scan.img", "other.img"):
        (folder / name).write_text(name)
    found = fetched(put(store, folder, "folder") + "/scan.hdr")
    assert found.name == "scan.hdr"
    assert {path.name for path in found.parent.iterdir()} == {"scan.hdr", "scan.img"}


def test_what_is_not_there_gets_one_line(store: str, tmp_path: Path) -> None:
    for act in (Run.load, LatentSet.open, fetched):
        with pytest.raises(MedFunctaError, match=r"'nothing'.*check the address"):
            act(f"{store}/nothing")
    with pytest.raises(MedFunctaError, match="'nothing'"):
        open_source(f"images:{store}/nothing")


@pytest.mark.parametrize("name", ["../up", "a/../../up", "a\\b"])
def test_a_name_that_leads_elsewhere_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hostile:
        def isfile(self, path: str) -> bool:
            return False

        def find(self, path: str, detail: bool) -> dict[str, Any]:
            return {f"bucket/x/{name}": {"size": 3}}

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "medfuncta._src.remote.fetching.store_of", lambda address: (Hostile(), "bucket/x")
    )
    with pytest.raises(MedFunctaError, match="leads out of its folder"):
        fetched("s3://bucket/x")


def test_a_store_that_says_more_than_it_gives_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short:
        size = 10

        def isfile(self, path: str) -> bool:
            return False

        def find(self, path: str, detail: bool) -> dict[str, Any]:
            return {"bucket/x/a": {"size": self.size}}

        def get(self, remote: list[str], local: list[str]) -> None:
            for path in local:
                Path(path).write_text("short")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "medfuncta._src.remote.fetching.store_of", lambda address: (Short(), "bucket/x")
    )
    with pytest.raises(MedFunctaError, match="a arrived with 5 bytes; expected 10"):
        fetched("s3://bucket/x")
    with pytest.raises(MedFunctaError, match="a has 10 bytes; expected at most 9"):
        fetched("s3://bucket/x", lambda name: 9)
    Short.size = 2**60
    with pytest.raises(MedFunctaError, match="GiB are free"):
        fetched("s3://bucket/x")


def test_a_set_is_written_to_a_store_whole_or_not_at_all(
    store: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["fit", "pretrained:ecg", "--data", "sample:ecg", "--splits", "val"]
    words += ["--steps", "1", "--json", "--out"]
    out = f"{store}/sets/mine"
    kind = type(fsspec.filesystem(store.partition(":")[0], skip_instance_cache=True))
    put_file = kind.put_file
    order: list[str] = []

    def failing(self: Any, source: str, target: str, **options: Any) -> Any:
        order.append(target.rpartition("sets/mine/")[2])
        if order[-1] == "README.md" and order.count("README.md") == 1:
            raise OSError("the connection broke")
        return put_file(self, source, target, **options)

    monkeypatch.setattr(kind, "put_file", failing)
    assert main([*words, out]) == 2
    assert "the connection broke" in capsys.readouterr().err
    with pytest.raises(MedFunctaError):
        LatentSet.open(out)
    assert main([*words, out]) == 0
    there = json.loads(capsys.readouterr().out)
    assert there["latents"] == out
    assert order[-2:] == ["README.md", "latent_set.json"]
    assert main([*words, str(tmp_path / "set")]) == 0
    here = json.loads(capsys.readouterr().out)
    assert {**here, "latents": out} == there
    assert files_of(LatentSet.open(out).folder) == files_of(tmp_path / "set")
    assert not list((cache_folder() / "out").iterdir())
    assert main([*words, out]) == 2
    assert "'mine' is in the store already" in capsys.readouterr().err
