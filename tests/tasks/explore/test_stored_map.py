"""A map that is kept beside the latents: a view takes it up, a set stays what it is, and what is
wrong with it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medfuncta._src.cli.main import main
from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents.hub_folder import export_hub
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.validate import validate
from medfuncta._src.tasks.explore import make_map, store_map, stored_map, take_sample
from medfuncta._src.tasks.search import search_set
from medfuncta._src.tasks.view import contents, write_view
from tasks.blob_set import write_blob_set
from tasks.view.view_parts import manifest, table

SIZES = {"train": 25, "test": 7}


@pytest.fixture
def latents(tmp_path: Path) -> LatentSet:
    return write_blob_set(tmp_path / "set", SIZES)


def store(latents: LatentSet) -> Path:
    return store_map(latents, make_map(take_sample(latents, 1000)), "pca")


def test_it_names_neighbours_by_their_rows(latents: LatentSet) -> None:
    stored = polars.read_parquet(store(latents))
    ids = stored["id"].to_list()
    assert ids == [id for name in SIZES for id in latents.split(name).ids]
    assert stored["split"].to_list() == ["train"] * 25 + ["test"] * 7
    for row in (0, 11, 31):
        query = latents.row(ids[row])
        hits = search_set(latents, query.latent, 16, "cosine", leave_out=query)
        assert [ids[near] for near in stored["neighbors"][row]] == [hit.id for hit in hits]
        distances = [hit.distance for hit in hits]
        np.testing.assert_allclose(stored["distances"][row], distances, atol=1e-6)


def test_a_view_is_the_same_with_it_and_computes_nothing(
    latents: LatentSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_view(latents, tmp_path / "before")
    store(latents)
    monkeypatch.setattr(contents, "make_map", None)
    monkeypatch.setattr(contents, "survey", None)
    told: list[str] = []
    write_view(latents, tmp_path / "after", tell=told.append)
    assert "taking the map of map.parquet" in told
    assert manifest(tmp_path / "after") == manifest(tmp_path / "before")
    for kind in ("points", "rows"):
        assert table(tmp_path / "after", kind).equals(table(tmp_path / "before", kind))


@pytest.mark.parametrize("options", [{"limit": 12}, {"neighbours": 20}])
def test_where_it_does_not_do_a_new_one_is_made(
    latents: LatentSet, tmp_path: Path, options: dict[str, int]
) -> None:
    write_view(latents, tmp_path / "before", **options)
    store(latents)
    told: list[str] = []
    write_view(latents, tmp_path / "after", tell=told.append, **options)
    assert "laying out the map" in told
    assert ("map.parquet is of other signals than are shown, and is not used" in told) == (
        "limit" in options
    )
    assert table(tmp_path / "after", "rows").equals(table(tmp_path / "before", "rows"))


def test_another_method_is_not_taken_for_it(latents: LatentSet) -> None:
    sample = take_sample(latents, 1000)
    store_map(latents, make_map(sample), "umap")  # of that name
    found = stored_map(latents, sample)
    assert found is not None and found.method == "umap"
    told: list[str] = []
    contents.contents_of(latents, 1000, "pca", 3, told.append)
    assert told == ["laying out the map"]


def test_a_map_of_other_latents_is_none(latents: LatentSet, tmp_path: Path) -> None:
    other = write_blob_set(tmp_path / "other", {"train": 24, "test": 8})
    path = store(other)
    (latents.folder / path.name).write_bytes(path.read_bytes())
    assert stored_map(latents, take_sample(latents, 1000)) is None
    assert stored_map(other, take_sample(other, 1000)) is not None


def test_a_set_with_it_is_as_valid_and_publishes_the_same(
    latents: LatentSet, tmp_path: Path
) -> None:
    import datasets

    export_hub(latents, tmp_path / "before")
    store(latents)
    opened = LatentSet.open(latents.folder)
    validate(opened)
    export_hub(opened, tmp_path / "after")
    assert files(tmp_path / "after") == files(tmp_path / "before")
    loaded = datasets.load_dataset(str(latents.folder), cache_dir=str(tmp_path / "cache"))
    assert {name: len(split) for name, split in loaded.items()} == SIZES
    assert "neighbors" not in loaded["train"].column_names


def files(folder: Path) -> dict[str, int]:
    """The files below a folder, and how many bytes each has."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in found}


NOTE = b"medfuncta.map"


def with_note(table: pa.Table, note: bytes | str) -> pa.Table:
    return table.replace_schema_metadata({NOTE: note})


def with_method(table: pa.Table) -> pa.Table:
    note = json.loads(table.schema.metadata[NOTE])
    return with_note(table, json.dumps({**note, "method": "magic"}))


def with_doubles(table: pa.Table) -> pa.Table:
    place = table.column_names.index("x")
    return table.set_column(place, "x", table["x"].cast(pa.float64()))


def with_value(column: str, value: Any) -> Callable[[pa.Table], pa.Table]:
    def changed(table: pa.Table) -> pa.Table:
        columns = table.to_pydict()
        columns[column][3] = value
        return pa.table(columns, schema=table.schema)

    return changed


DAMAGES: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "no note": (lambda table: table.replace_schema_metadata(None), "is not JSON"),
    "long note": (lambda table: with_note(table, b"[" + b"1," * 5000), "its note has 10,001 bytes"),
    "method": (with_method, "method"),
    "column": (lambda table: table.drop_columns(["y"]), "the column 'y' is not there once"),
    "type": (with_doubles, "the column 'x' is not of type float"),
    "neighbour": (with_value("neighbors", [32] * 16), "a neighbour is no row of it"),
    "below": (with_value("neighbors", [-1] * 16), "a neighbour is no row of it"),
    "few": (with_value("neighbors", [1, 2]), "has not 16 numbers in every row"),
    "none": (with_value("neighbors", None), "has not 16 numbers in every row"),
    "one missing": (with_value("neighbors", [None, *[1] * 15]), "has not 16 numbers"),
    "NaN": (with_value("distances", [float("nan")] * 16), "a distance is not finite"),
    "no place": (with_value("x", None), "a place is not known"),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_one_is_told_in_one_line(latents: LatentSet, how: str) -> None:
    path = store(latents)
    damage, said = DAMAGES[how]
    pq.write_table(damage(pq.read_table(path)), path)
    with pytest.raises(LatentSetError, match=r"map.parquet in 'set' is damaged") as raised:
        stored_map(latents, take_sample(latents, 1000))
    assert said in str(raised.value)
    assert "remove it" in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(40) + b"PAR1"])
def test_what_is_no_parquet_is_told_in_one_line(latents: LatentSet, content: bytes) -> None:
    (latents.folder / "map.parquet").write_bytes(content)
    with pytest.raises(LatentSetError, match=r"map.parquet in 'set' is damaged"):
        stored_map(latents, take_sample(latents, 1000))


def test_a_cut_file_and_a_link_out_of_the_folder_are_refused(
    latents: LatentSet, tmp_path: Path
) -> None:
    path = store(latents)
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + whole[300:])
    with pytest.raises(LatentSetError, match="is damaged"):
        stored_map(latents, take_sample(latents, 1000))
    path.unlink()
    (tmp_path / "elsewhere.parquet").write_bytes(whole)
    path.symlink_to(tmp_path / "elsewhere.parquet")
    with pytest.raises(LatentSetError, match="link"):
        stored_map(latents, take_sample(latents, 1000))


def test_the_command_keeps_it_where_view_looks(
    latents: LatentSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(latents.folder)
    assert main(["explore", folder, "map", "--store", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["signals"] == 32
    assert main(["view", folder, "--out", str(tmp_path / "page")]) == 0
    assert "taking the map of map.parquet" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["leaks", "--store"], ["map", "--store", "--split", "test"]])
def test_nothing_else_is_kept(
    latents: LatentSet, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(["explore", str(latents.folder), *words]) == 2
    assert "got --store" in capsys.readouterr().err
    assert not (latents.folder / "map.parquet").exists()
