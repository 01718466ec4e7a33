"""Sets of the authors' code as people have them: archives, folders around them, views of batches;
and archives that are made to do harm."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from latents.authors_sets import (
    LATENT,
    WRITERS,
    datapoint,
    files,
    formula,
    saved,
    weights,
    write_folder,
    write_tar,
    write_zip,
)
from medfuncta._src.cli.main import main
from medfuncta._src.door.allowance import allowing
from medfuncta._src.errors import DataError, LatentSetError, MedFunctaError
from medfuncta._src.latents import import_set
from medfuncta._src.latents.import_set import import_latent_set
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.official import read_reference_field
from medfuncta._src.sources.source import SourceInfo

COUNTS = {"train": 7, "test": 2}


def imported(what: Path, out: Path, **options: object) -> LatentSet:
    path = what.parent / "w.model"
    path.write_bytes(saved(weights()))
    return import_latent_set(what, read_reference_field(path), out, SourceInfo("a"), **options)


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize(
    ("prefix", "doubled"),
    [("", False), ("MedNF/chest/", False), ("./chest/", True), ("train-set/", True)],
)
def test_a_set_is_found_in_whatever_lies_around_it(
    form: str, prefix: str, doubled: bool, tmp_path: Path
) -> None:
    name, write = WRITERS[form]
    what = write(tmp_path / name, files(COUNTS, prefix, doubled))
    assert main(["import", str(what), "--out", str(tmp_path / "out"), "--json"]) == 0
    latents = LatentSet.open(tmp_path / "out")
    assert {name: len(latents.split(name)) for name in latents.splits} == COUNTS
    train = latents.split("train")
    for id, latent in zip(train.ids, train.latents, strict=True):
        number = int(id.removeprefix("train-"))
        np.testing.assert_array_equal(latent, formula(LATENT, number).numpy())
    if form != "tar.gz":  # which is read as it lies
        assert train.ids == [f"train-{number}" for number in range(7)]


def test_labels_of_several_classes_come_out_of_an_archive(tmp_path: Path) -> None:
    what = write_zip(tmp_path / "set.zip", files({"train": 2}, label=(0, 1, 1)))
    latents = imported(what, tmp_path / "out", label_names=("a", "b", "c"))
    assert latents.split("train").labels.tolist() == [[0, 1, 1]] * 2


@pytest.mark.parametrize("form", WRITERS)
def test_numbers_may_be_written_in_any_way(form: str, tmp_path: Path) -> None:
    names = ["train/datapoint_007.pt", "train/train/datapoint_3.pt", "train/datapoint_0012.pt"]
    numbers = [7, 3, 12]
    entries = [(name, datapoint(number)) for name, number in zip(names, numbers, strict=True)]
    name, write = WRITERS[form]
    train = imported(write(tmp_path / name, iter(entries)), tmp_path / "out").split("train")
    order = numbers if form == "tar.gz" else sorted(numbers)
    assert train.ids == [f"train-{number}" for number in order]
    for number, latent in zip(order, train.latents, strict=True):
        np.testing.assert_array_equal(latent, formula(LATENT, number).numpy())


def test_names_of_many_files_take_little_memory(tmp_path: Path) -> None:
    from medfuncta._src.latents.file_tree import open_tree
    from medfuncta._src.latents.layout_of_authors import find_layout

    (tmp_path / "set" / "train").mkdir(parents=True)
    for number in range(20_000):
        (tmp_path / "set" / "train" / f"datapoint_{number}.pt").touch()
    tracemalloc.start()
    try:
        layout = find_layout(open_tree(tmp_path / "set", 100))
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert layout.splits["train"][1234].number == 1234
    assert held < 20_000 * 60  # a name alone would have 80 bytes


def test_of_several_sets_one_is_asked_for(tmp_path: Path) -> None:
    entries = [*files(COUNTS, "MedNF/chest/"), *files({"train": 1}, "MedNF/derma/")]
    what = write_zip(tmp_path / "all.zip", iter(entries))
    with pytest.raises(LatentSetError, match=r"holds 2 sets \(MedNF/chest/, MedNF/derma/\)"):
        imported(what, tmp_path / "out")
    assert len(imported(what, tmp_path / "out", inside="derma")) == 1
    with pytest.raises(LatentSetError, match=r"no set in 'retina' .*Known: MedNF/chest"):
        imported(what, tmp_path / "other", inside="retina")


def test_the_paper_s_schedule_is_taken(tmp_path: Path) -> None:
    what = write_zip(tmp_path / "set.zip", files({"train": 1}))
    words = ["--omega-first", "20", "--omega-last", "80", "--no-residual"]
    assert main(["import", str(what), "--out", str(tmp_path / "out"), *words]) == 0
    field = LatentSet.open(tmp_path / "out").run.config.field
    assert LatentSet.open(tmp_path / "out").run.network.omegas == (20, 40, 60, 80)
    assert not field.residual


def test_a_view_does_not_keep_its_batch_in_memory(tmp_path: Path) -> None:
    """Forty latents of six numbers, each in a file with a batch of 400,000."""
    import torch

    batch = torch.zeros(400_000)
    content = saved({"modulations": batch[6:12], "label": torch.tensor([1])})
    entries = [(f"train/datapoint_{number}.pt", content) for number in range(40)]
    what = write_tar(tmp_path / "set.tar", iter(entries))
    tracemalloc.start()
    try:
        imported(what, tmp_path / "out")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30 * 2**20  # all batches have 64 MB


def test_an_import_that_was_stopped_goes_on_without_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_set, "_BLOCK", 3)
    for form, (name, write) in WRITERS.items():
        what = write(tmp_path / name, files({"train": 9, "test": 4}))
        whole = imported(what, tmp_path / f"whole-{form}")
        read = import_set.datapoint_of
        left = [5]

        def stops(*words: object, left: list[int] = left, read: Callable = read) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return read(*words)

        monkeypatch.setattr(import_set, "datapoint_of", stops)
        out = tmp_path / f"out-{form}"
        for _ in range(2):
            left[0] = 5
            with pytest.raises(KeyboardInterrupt):
                imported(what, out)
        monkeypatch.setattr(import_set, "datapoint_of", read)
        again = imported(what, out)
        for split in whole.splits:
            assert again.split(split).ids == whole.split(split).ids
            np.testing.assert_array_equal(again.split(split).latents, whole.split(split).latents)


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number in range(3):
            archive.writestr(f"train/datapoint_{number}.pt", bytes(2**24))


def packed_bomb(path: Path) -> None:
    with gzip.open(path, "wb", compresslevel=1) as stream:
        info = tarfile.TarInfo("train/datapoint_0.pt")
        info.size = 2**40
        stream.write(info.tobuf())
        stream.write(bytes(2**16))


def long_header(path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**30
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(info.tobuf())
        stream.write(bytes(2**23))


def tar_member(name: str, kind: bytes, target: str = "") -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with tarfile.open(path, "w") as archive:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)

    return make


def zipped(*names: str, mode: int = 0, encrypted: bool = False) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                info = zipfile.ZipInfo(name)
                info.external_attr = mode << 16
                archive.writestr(info, datapoint(0))
        if encrypted:
            data = bytearray(path.read_bytes())
            local, central = data.index(b"PK\x03\x04"), data.rindex(b"PK\x01\x02")
            data[local + 6] |= 1
            data[central + 8] |= 1
            path.write_bytes(data)

    return make


def cut(path: Path) -> None:
    write_tar(path, files(COUNTS))
    path.write_bytes(path.read_bytes()[:3000])


def overlapping(path: Path) -> None:
    """Two names for one place."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train/datapoint_0.pt", datapoint(0))
        archive.writestr("train/datapoint_1.pt", datapoint(1))
        for info in archive.infolist():
            info.header_offset, info.file_size, info.compress_size = 0, 10**7, 10**7


FIRST = "train/datapoint_0.pt"
HARM: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a name above": ("a.zip", zipped(FIRST, "../x.pt"), "names a file outside of itself"),
    "a name above, backwards": ("a.zip", zipped(FIRST, "..\\x.pt"), "outside of itself"),
    "an absolute name": ("a.zip", zipped("/train/datapoint_0.pt"), "outside of itself"),
    "a drive": ("a.zip", zipped("c:/train/datapoint_0.pt"), "outside of itself"),
    "a name twice": ("a.zip", zipped(FIRST, FIRST), "datapoint_0.pt is twice"),
    "weights twice": ("a.zip", zipped(FIRST, "best.model", "best.model"), "best.model is twice"),
    "a number twice": ("a.zip", zipped(FIRST, "train/datapoint_00.pt"), "have one number"),
    "a link in a zip": ("a.zip", zipped(FIRST, mode=stat.S_IFLNK | 0o777), "is a link"),
    "encrypted": ("a.zip", zipped(FIRST, encrypted=True), "is encrypted"),
    "overlapping": ("a.zip", overlapping, "lie in one place"),
    "a bomb": ("a.zip", bomb, "asks for 48 MiB"),
    "a packed bomb": ("a.tar.gz", packed_bomb, "--command-budget"),
    "a long header": ("a.tar.gz", long_header, "not a sound archive"),
    "a link in a tar": ("a.tar", tar_member(FIRST, tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
    "a hard link": ("a.tar", tar_member(FIRST, tarfile.LNKTYPE, "/etc/passwd"), "is a link"),
    "a device": ("a.tar", tar_member(FIRST, tarfile.CHRTYPE), "is no file"),
    "a pipe": ("a.tar", tar_member(FIRST, tarfile.FIFOTYPE), "is no file"),
    "a tar above": ("a.tar", tar_member("../x", tarfile.REGTYPE), "outside of itself"),
    "cut": ("a.tar.gz", cut, "not a sound archive"),
    "no archive": ("a.zip", lambda path: path.write_bytes(b"hello"), "neither a folder nor a zip"),
    "nothing": ("a.zip", lambda path: path.write_bytes(b""), "neither a folder nor a zip"),
    "no set": ("a.zip", zipped("readme.txt"), "no datapoint_<i>.pt files"),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_is_made_to_do_harm_is_refused_in_one_line(
    harm: str, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    name, make, said = HARM[harm]
    with pytest.warns(UserWarning) if harm in ("a name twice", "weights twice") else _nothing():
        make(tmp_path / name)
    tracemalloc.start()
    try:
        with (
            pytest.raises((LatentSetError, DataError)) as caught,
            allowing(command_gib=0.01),
        ):
            imported(tmp_path / name, tmp_path / "out")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    line = str(caught.value)
    assert said in line and "\n" not in line and str(tmp_path) not in line
    assert peak < 64 * 2**20
    assert not (tmp_path / "out").exists()
    assert not (tmp_path.parent / "x.pt").exists()


class _nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def test_a_folder_that_links_elsewhere_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "else", files({"train": 1}))
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train").symlink_to(tmp_path / "else" / "train")
    with pytest.raises(LatentSetError, match="is a link that leaves its folder"):
        imported(folder, tmp_path / "out")
    (folder / "train").unlink()
    (folder / "train").mkdir()
    (folder / "train" / "loop").symlink_to(folder)
    with pytest.raises(LatentSetError, match="folders more than 12 deep"):
        imported(folder, tmp_path / "out")


def test_a_set_without_weights_asks_for_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = ((name, content) for name, content in files(COUNTS) if "model" not in name)
    what = write_zip(tmp_path / "set.zip", entries)
    assert main(["import", str(what), "--out", str(tmp_path / "out")]) == 2
    assert "no weights in 'set.zip'" in capsys.readouterr().err


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MedFunctaError, match="is a pipe"):
        imported(tmp_path / "pipe", tmp_path / "out")


def test_the_last_step_is_taken_where_only_steps_are_there(tmp_path: Path) -> None:
    from medfuncta._src.latents.file_tree import open_tree
    from medfuncta._src.latents.layout_of_authors import find_layout

    names = ["train/datapoint_0.pt", "step100.model", "step2000.model", "deep/step9999.model"]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(f"MedNF/{name}", b"x")
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    layout = find_layout(open_tree(tmp_path / "a.zip", 100))
    assert layout.weights == "MedNF/step2000.model"
    assert json.dumps(layout.root) == '"MedNF/"'


def test_a_tar_that_was_cut_between_two_files_is_refused(tmp_path: Path) -> None:
    """Wherever it was cut, and whichever header is damaged: a set is whole or not imported."""
    content = write_tar(tmp_path / "set.tar", files({"train": 3})).read_bytes()
    with tarfile.open(tmp_path / "set.tar") as archive:
        starts = [info.offset for info in archive]
    for start in starts[1:]:
        damaged = bytearray(content)
        damaged[start] ^= 1
        for name, odd in (("cut", content[:start]), ("damaged", bytes(damaged))):
            for suffix, packed in ((".tar", odd), (".tar.gz", gzip.compress(odd))):
                what = tmp_path / f"{name}{suffix}"
                what.write_bytes(packed)
                with pytest.raises(LatentSetError, match=r"not a sound archive \(it ends early"):
                    imported(what, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_zip_with_a_nameless_entry_is_read(tmp_path: Path) -> None:
    what = write_zip(tmp_path / "set.zip", files({"train": 2}))
    with zipfile.ZipFile(what, "a") as archive:
        archive.writestr(zipfile.ZipInfo(""), b"nothing")
    assert len(imported(what, tmp_path / "out")) == 2


def test_a_zip_whose_index_lies_before_its_beginning_is_refused(tmp_path: Path) -> None:
    what = write_zip(tmp_path / "set.zip", files({"train": 2}))
    content = bytearray(what.read_bytes())
    end = content.rfind(b"PK\x05\x06")
    content[end + 16 : end + 20] = (2**31 - 1).to_bytes(4, "little")
    what.write_bytes(bytes(content))
    with pytest.raises(LatentSetError, match=r"'set.zip' is not a sound archive"):
        imported(what, tmp_path / "out")
