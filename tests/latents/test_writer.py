from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from latents.sets import LATENT, SetMaker, header, make_info, random_latents
from medfuncta._src.disk.places import TEMPORARY
from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents import shards
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.schema import schema_of, table_of
from medfuncta._src.latents.shards import Shard
from medfuncta._src.latents.writer import LatentSetWriter
from medfuncta._src.run import Run
from medfuncta._src.sources.source import Skipped

ROWS, BLOCK, BAD = 7, 2, 3


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def write_all(folder: Path, run: Run) -> LatentSet:
    """What a fit does: go on where the folder ends, block by block."""
    info = make_info(run)
    writer = LatentSetWriter(folder, run, info, shard_bytes=4 * 3 * LATENT)
    latents = random_latents(ROWS)
    target = writer.split("train")
    if target is not None:
        for start in range(target.consumed, ROWS, BLOCK):
            which = range(start, min(start + BLOCK, ROWS))
            assert target.last_id == (f"{start - 1}" if start else "")
            kept = [i for i in which if i != BAD]
            left_out = [Skipped(str(BAD), "NaN")] if BAD in which else []
            table = table_of(
                info,
                [header(str(i)) for i in kept],
                latents[kept],
                np.full(len(kept), 40.0, np.float32),
            )
            target.append(table, last_id=str(which[-1]), left_out=left_out)
        writer.finish_split(target, [Skipped("b.nii", "truncated")])
    return writer.finish()


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file but the weights, whose header safetensors writes in any order; the field's
    fingerprint stands in field.json too."""
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".safetensors"
    ]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture
def undisturbed(tmp_path: Path, small_run: Run) -> dict[str, bytes]:
    return files_of(write_all(tmp_path / "set", small_run).folder)


def test_what_was_left_out_is_reported(tmp_path: Path, small_run: Run) -> None:
    latent_set = write_all(tmp_path / "set", small_run)
    train = latent_set.info.splits["train"]
    assert train.signals == len(latent_set.split("train")) == ROWS - 1
    assert train.left_out == (Skipped("b.nii", "truncated"), Skipped("3", "NaN"))
    assert "`b.nii`: truncated" in (latent_set.folder / "README.md").read_text()


def die_at_change(number: int, patch: pytest.MonkeyPatch) -> None:
    """From now on the folder can be changed so many times more; then the program dies."""
    left = iter(range(number))

    def mortal(change: Callable[..., Any], harmless: str) -> Callable[..., Any]:
        def changed(*args: Any, **options: Any) -> Any:
            if not options.get(harmless) and next(left, None) is None:
                raise Killed
            return change(*args, **options)

        return changed

    patch.setattr(Path, "replace", mortal(Path.replace, ""))
    patch.setattr(Path, "unlink", mortal(Path.unlink, "missing_ok"))
    patch.setattr(shutil, "rmtree", mortal(shutil.rmtree, "ignore_errors"))


def test_a_kill_at_any_change_of_the_folder_loses_and_doubles_nothing(
    tmp_path: Path, small_run: Run, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in itertools.count():
        folder = tmp_path / f"killed-{number}" / "set"
        with monkeypatch.context() as patch:
            die_at_change(number, patch)
            try:
                write_all(folder, small_run)
                break
            except Killed:
                pass
        assert files_of(write_all(folder, small_run).folder) == undisturbed
    assert number > 15


def test_leftovers_of_a_killed_write_are_removed(
    tmp_path: Path, small_run: Run, undisturbed: dict[str, bytes]
) -> None:
    (tmp_path / "set/data" / f"{TEMPORARY}x.parquet").write_bytes(b"half")
    assert files_of(write_all(tmp_path / "set", small_run).folder) == undisturbed


def test_other_settings_are_refused_by_name(
    make_set: SetMaker, tmp_path: Path, small_run: Run
) -> None:
    make_set(train=1)
    with pytest.raises(LatentSetError, match=r"begun with dtype = 'float32', got 'int8'"):
        LatentSetWriter(tmp_path / "set", small_run, make_info(small_run, dtype="int8"))
    with pytest.raises(LatentSetError, match=r"begun with spec.label_names"):
        LatentSetWriter(tmp_path / "set", small_run, make_info(small_run, names=("a", "b")))


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path, small_run: Run) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(LatentSetError, match="exists and is not a latent set"):
        LatentSetWriter(tmp_path, small_run, make_info(small_run))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_split_can_be_added_later(make_set: SetMaker) -> None:
    make_set(train=3)
    assert make_set(train=3, val=2).splits == ("train", "val")


def test_a_split_without_a_signal_is_refused(make_set: SetMaker) -> None:
    with pytest.raises(LatentSetError, match="split 'val' has no signal that could be fitted"):
        make_set(val=0)


def test_a_set_without_a_finished_split_says_how_to_finish_it(
    tmp_path: Path, small_run: Run
) -> None:
    LatentSetWriter(tmp_path / "set", small_run, make_info(small_run))
    with pytest.raises(
        LatentSetError, match="has no finished split; run the same 'medfuncta fit' again"
    ):
        LatentSet.open(tmp_path / "set")


def test_a_block_that_fills_a_shard_becomes_one_at_once(tmp_path: Path, small_run: Run) -> None:
    info = make_info(small_run)
    writer = LatentSetWriter(tmp_path / "set", small_run, info, shard_bytes=4 * LATENT)
    target = writer.split("train")
    assert target is not None
    for start in (0, 2):
        ids = [str(start), str(start + 1)]
        target.append(
            table_of(info, [header(id) for id in ids], random_latents(2), np.ones(2, np.float32)),
            last_id=ids[-1],
        )
    assert sorted(path.name for path in (tmp_path / "set/.fitting/train").iterdir()) == [
        "shard-00000.parquet",
        "shard-00001.parquet",
    ]


def test_every_shard_names_its_field(make_set: SetMaker, small_run: Run) -> None:
    for path in (make_set(train=7).folder / "data").iterdir():
        assert small_run.fingerprint.encode() in (pq.read_schema(path).metadata or {})[b"medfuncta"]


def test_pieces_are_merged_a_row_group_at_a_time(
    tmp_path: Path, small_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard of 256 MiB would otherwise be in memory as a whole."""
    monkeypatch.setattr(shards, "_GROUP_BYTES", 10 * 4 * LATENT)
    info, latents = make_info(small_run), random_latents(35)
    target = LatentSetWriter(tmp_path / "set", small_run, info).split("train")
    assert target is not None
    for start in range(0, 35, 7):
        headers = [header(str(row)) for row in range(start, start + 7)]
        psnr = np.full(7, 40.0, np.float32)
        block = table_of(info, headers, latents[start : start + 7], psnr)
        target.append(block, last_id=headers[-1].id)
    read: list[str] = []

    def noted(part: Shard, original: Callable[[Shard], pa.Table] = Shard.read) -> pa.Table:
        read.append(part.path.name)
        return original(part)

    monkeypatch.setattr(Shard, "read", noted)
    groups = shards.joined(target._pieces, schema_of(info))
    first = next(groups)
    assert len(read) == 2  # of five
    tables = [first, *groups]
    assert [table.num_rows for table in tables] == [10, 10, 10, 5]
    together = pa.concat_tables(tables)
    assert together["id"].to_pylist() == [str(row) for row in range(35)]
    target.close([])
    written = pq.ParquetFile(tmp_path / "set/.fitting/train/shard-00000.parquet")
    sizes = [written.metadata.row_group(n).num_rows for n in range(written.num_row_groups)]
    assert sizes == [10, 10, 10, 5]
    assert written.read()["id"].to_pylist() == together["id"].to_pylist()
