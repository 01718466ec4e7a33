"""What a view writes, read back without a browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import medfuncta._src.tasks.view.folder as folder_module
from latents.sets import header, make_info, make_run
from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.latents.decode import decode_at
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.schema import table_of
from medfuncta._src.latents.writer import LatentSetWriter
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.tasks.search import search_set
from medfuncta._src.tasks.view import View, write_view
from medfuncta._src.tasks.view.parts import ASSETS
from tasks.blob_set import blob_latents, write_blob_set
from tasks.list_source import list_source
from tasks.view.view_parts import HOSTILE, PART, manifest, part, table

SIZES = {"train": 25, "test": 7}


@pytest.fixture(scope="module")
def latents(tmp_path_factory: pytest.TempPathFactory) -> LatentSet:
    return write_blob_set(tmp_path_factory.mktemp("blobs") / "set", SIZES)


@pytest.fixture(scope="module")
def written(latents: LatentSet, tmp_path_factory: pytest.TempPathFactory) -> View:
    return write_view(latents, tmp_path_factory.mktemp("view") / "view", neighbours=3)


def test_a_view_holds_every_signal_of_every_split(latents: LatentSet, written: View) -> None:
    folder = written.page.parent
    points = table(folder, "points")
    assert points["id"].to_pylist() == [id for name in SIZES for id in latents.split(name).ids]
    assert points["split"].to_pylist() == [
        name for name, count in SIZES.items() for _ in range(count)
    ]
    np.testing.assert_array_equal(
        points["psnr"].to_numpy(), np.concatenate([latents.split(name).psnr for name in SIZES])
    )
    assert set(points["label"].to_pylist()) == {"well", "ill"}
    facts = manifest(folder)
    assert facts["signals"] == written.signals == sum(SIZES.values())
    assert facts["left_out"] == written.left_out == 0
    assert facts["label_names"] == ["well", "ill"]
    sizes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert written.bytes == sizes


def test_rows_hold_what_decoding_takes(latents: LatentSet, written: View) -> None:
    rows = table(written.page.parent, "rows").to_pylist()
    stored = np.stack([np.frombuffer(row["latent"], "<f4") for row in rows])
    expected = np.concatenate([latents.split(name).latents for name in SIZES])
    np.testing.assert_array_equal(stored, expected)
    last = latents.row("test-6")
    assert rows[-1]["shape"] == [5, 4]
    assert rows[-1]["spacing"] == [2.0, 3.0]
    assert rows[-1]["affine"] == last.header.domain.affine.ravel().tolist()
    assert (rows[-1]["value_low"], rows[-1]["value_high"]) == (-1000.0, 500.0)
    assert rows[-1]["metadata"] == '{"site": "Ulm"}'


def test_neighbours_are_those_of_search(latents: LatentSet, written: View) -> None:
    folder = written.page.parent
    ids = table(folder, "points")["id"].to_pylist()
    rows = table(folder, "rows").to_pylist()
    for place in (0, 11, 31):
        query = latents.row(ids[place])
        hits = search_set(latents, query.latent, 3, "cosine", leave_out=query)
        assert [ids[row] for row in rows[place]["neighbors"]] == [hit.id for hit in hits]
        distances = [hit.distance for hit in hits]
        np.testing.assert_allclose(rows[place]["distances"], distances, atol=1e-6)


def test_the_stored_value_to_compare_with_is_what_the_field_decodes(
    latents: LatentSet, written: View
) -> None:
    """By ONNX Runtime, on the coordinates that the page computes."""
    folder = written.page.parent
    facts = manifest(folder)["check"]
    assert facts == {"row": 0, "step": 1}
    first = latents.row("train-0")
    grid = first.header.domain
    session = onnxruntime.InferenceSession(part(folder, "field"))
    inputs = {"coordinates": grid.coordinates()[None], "latents": first.latent[None]}
    [values] = session.run(None, inputs)
    stored = np.frombuffer(part(folder, "check"), "<f4")
    np.testing.assert_allclose(stored, values.ravel(), atol=1e-5)
    decoded = decode_at(
        latents.run.network, torch.from_numpy(first.latent)[None], grid.coordinates()
    )
    np.testing.assert_array_equal(stored, decoded.ravel())


def test_leaks_are_listed_by_their_rows(tmp_path: Path) -> None:
    run = make_run()
    info = make_info(run)
    writer = LatentSetWriter(tmp_path / "set", run, info)
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(8, 6)).astype(np.float32)
    rows[6] = rows[1]
    for split, part_of in (("train", range(4)), ("test", range(4, 8))):
        headers = [header(f"s{number}") for number in part_of]
        target = writer.split(split)
        assert target is not None
        of_split = rows[part_of.start : part_of.stop]
        psnr = np.full(4, 30, np.float32)
        target.append(table_of(info, headers, of_split, psnr), last_id=headers[-1].id)
        writer.finish_split(target)
    write_view(writer.finish(), tmp_path / "view", leaks_across="split")
    leaks = manifest(tmp_path / "view")["leaks"]
    assert leaks["between"] == "split"
    first = leaks["pairs"][0]
    assert {first["first"], first["second"]} == {1, 6}
    assert first["difference"] < 1e-3


def test_fewer_signals_are_spread_over_the_set(latents: LatentSet, tmp_path: Path) -> None:
    written = write_view(latents, tmp_path / "view", limit=8)
    assert (written.signals, written.left_out) == (8, 24)
    points = table(tmp_path / "view", "points")
    assert points["id"].to_pylist()[:3] == ["train-0", "train-4", "train-8"]
    assert len(table(tmp_path / "view", "rows")) == 8
    stored = np.frombuffer(table(tmp_path / "view", "rows")["latent"][1].as_py(), "<f4")
    np.testing.assert_array_equal(stored, latents.row("train-4").latent)


def test_many_parts_are_one_set(
    latents: LatentSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write_view(latents, tmp_path / "whole")
    monkeypatch.setattr(folder_module, "_MOST_ROWS", 5)
    monkeypatch.setattr(folder_module, "_POINTS_A_PART", 9)
    write_view(latents, tmp_path / "parts")
    facts = manifest(tmp_path / "parts")
    assert facts["rows"] == {"each": 5, "parts": 7}
    assert facts["points"] == [f"points-{number:05d}" for number in range(4)]
    for kind in ("rows", "points"):
        assert (
            table(tmp_path / "parts", kind).to_pylist()
            == table(whole.page.parent, kind).to_pylist()
        )


def hostile_set(folder: Path) -> LatentSet:
    """Ids, classes, metadata and the source's words that a page could take for markup."""
    run = make_run()
    info = make_info(run, names=HOSTILE[:2])
    writer = LatentSetWriter(folder, run, info)
    headers = []
    for place, text in enumerate(HOSTILE):
        own = header(text, label=place % 2)
        metadata = {HOSTILE[0]: text, "__proto__": place}
        headers.append(
            Signal.of(
                own.id,
                np.zeros((5, 4, 1), np.float32),
                own.domain,
                own.range,
                label=own.label,
                metadata=metadata,
            ).header
        )
    target = writer.split("test")
    assert target is not None
    values = blob_latents(np.arange(len(headers)) % 2)
    target.append(
        table_of(info, headers, values, np.full(len(headers), 30.0)), last_id=headers[-1].id
    )
    writer.finish_split(target)
    return writer.finish()


def test_no_word_of_the_data_is_ever_code(tmp_path: Path) -> None:
    """Every file of data is one call with a name of ours and base64; names of files are ours."""
    write_view(hostile_set(tmp_path / "set"), tmp_path / "view")
    files = [path for path in (tmp_path / "view").rglob("*") if path.is_file()]
    data = [path for path in files if path.parent.name == "data"]
    for path in data:
        match = PART.fullmatch(path.read_text("ascii"))
        assert match is not None and match[1] == path.stem
    others = {path.relative_to(tmp_path / "view").as_posix() for path in files if path not in data}
    assert others == {"index.html", "assets/viewer.js", "assets/viewer.css"}
    for name in others:
        assert (tmp_path / "view" / name).read_bytes() == (
            ASSETS.joinpath(name.rpartition("/")[2]).read_bytes()
        )
    assert table(tmp_path / "view", "points")["id"].to_pylist() == list(HOSTILE)


def signals(count: int) -> list[Signal]:
    grid = Grid((5, 4), (2.0, 3.0), unit="mm")
    generator = np.random.default_rng(0)
    made = []
    for place in range(count):
        values = generator.uniform(-1000, 500, (5, 4, 1)).astype(np.float32)
        made.append(Signal.of(f"test-{place}", values, grid, ValueRange(-1000, 500), "HU"))
    return made


def test_originals_lie_beside_their_rows_whatever_their_order(
    latents: LatentSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "_MOST_ROWS", 4)
    given = signals(7)
    source = list_source(SignalSpec(2, 1, unit="HU"), {"test": given[::-1]})
    written = write_view(latents, tmp_path / "view", data=source)
    assert written.originals == 7
    rows = {row["row"]: row for row in table(tmp_path / "view", "originals").to_pylist()}
    assert sorted(rows) == list(range(25, 32))
    for place, signal in enumerate(given):
        row = rows[25 + place]
        levels = np.frombuffer(row["values"], "<u2").reshape(*row["shape"], 1)
        restored = row["low"] + levels / 65534 * (row["high"] - row["low"])
        np.testing.assert_allclose(restored, signal.values, atol=1500 / 65534)


@pytest.mark.parametrize(
    ("detail", "shape", "stride"), [("full", [130], [1]), ("small", [65], [2])]
)
def test_small_originals_keep_every_second_sample(
    detail: str, shape: list[int], stride: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from medfuncta._src.tasks.view import originals

    monkeypatch.setitem(originals._SMALL, 1, 100)
    values = np.arange(130, dtype=np.float32)[:, None]
    mask = np.arange(130) != 4
    signal = Signal.of("a", values, Grid((130,)), ValueRange(0, 130), mask=mask)
    kept = originals._kept(signal, detail)  # type: ignore[arg-type]
    assert (list(kept["shape"]), kept["stride"]) == (shape, stride)
    levels = np.frombuffer(kept["values"], "<u2")
    assert levels[4 // stride[0]] == 65535
    assert (levels == 65535).sum() == 1
    assert (kept["low"], kept["high"]) == (0.0, float(130 - stride[0]))


OTHERWISE_SAMPLED = Signal.of(
    "test-3", np.zeros((4, 4, 1), np.float32), Grid((4, 4)), ValueRange(0, 1), "HU"
)


@pytest.fixture
def nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes minutes of a large set fails."""
    monkeypatch.setattr(folder_module, "_field_bytes", None)
    monkeypatch.setattr(folder_module, "contents_of", None)


@pytest.mark.usefixtures("nothing_is_done")
@pytest.mark.parametrize(
    ("splits", "said"),
    [
        ({"test": [OTHERWISE_SAMPLED]}, "'test-3' has 4 x 4 samples in the data and 5 x 4"),
        ({"val": []}, "the data has the splits val; expected one of the set's, train, test"),
    ],
)
def test_data_that_cannot_be_it_is_refused_before_anything_is_done(
    latents: LatentSet, tmp_path: Path, splits: dict[str, list[Signal]], said: str
) -> None:
    source = list_source(SignalSpec(2, 1, unit="HU"), splits)
    with pytest.raises(DataError, match=said):
        write_view(latents, tmp_path / "view", data=source)


@pytest.mark.usefixtures("nothing_is_done")
def test_leaks_that_cannot_be_looked_for_are_refused_before_anything_is_done(
    latents: LatentSet, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no signal says its 'patient'"):
        write_view(latents, tmp_path / "view", leaks_across="patient")
    with pytest.raises(DataError, match="all 32 signals are of one site"):
        write_view(latents, tmp_path / "view", leaks_across="site")


def test_data_of_another_form_is_refused(latents: LatentSet, tmp_path: Path) -> None:
    source = list_source(SignalSpec(1, 1), {"test": []})
    with pytest.raises(DataError, match="1 dimension and"):
        write_view(latents, tmp_path / "view", data=source)
    assert not (tmp_path / "view").exists()


def test_data_that_was_resampled_otherwise_is_refused(latents: LatentSet, tmp_path: Path) -> None:
    other = signals(1)[0].with_values(np.zeros((4, 4, 1), np.float32), domain=Grid((4, 4)))
    source = list_source(SignalSpec(2, 1, unit="HU"), {"test": [other]})
    with pytest.raises(DataError, match="'test-0' has 4 x 4 samples in the data and 5 x 4"):
        write_view(latents, tmp_path / "view", data=source)


def test_a_folder_that_holds_something_is_left_alone(latents: LatentSet, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(ConfigError, match="there already"):
        write_view(latents, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_two_signals_make_no_map(tmp_path: Path) -> None:
    two = write_blob_set(tmp_path / "set", {"test": 2})
    with pytest.raises(DataError, match="at least 3"):
        write_view(two, tmp_path / "view")
