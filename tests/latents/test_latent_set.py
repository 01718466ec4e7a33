from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from latents.sets import AFFINE, SetMaker, random_latents
from medfuncta._src.errors import ConfigError, LatentSetError
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.latents.decode import reconstruct
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import SignalSpec


def test_rows_come_back_as_they_were_written(make_set: SetMaker) -> None:
    latent_set = make_set(train=7, val=1)
    train = latent_set.split("train")

    assert latent_set.splits == ("train", "val")
    assert (len(latent_set), len(train)) == (8, 7)
    assert train.ids == [f"train-{i}" for i in range(7)]
    assert train.labels.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert train.psnr.tolist() == list(range(30, 37))
    np.testing.assert_array_equal(train.latents, random_latents(7))


def test_a_row_can_be_decoded_in_its_own_units_on_its_own_grid(make_set: SetMaker) -> None:
    row = make_set(train=7, val=1).row("train-5")
    signal = row.header.with_normalised(np.ones((20, 1), np.float32))

    assert (row.id, row.split, row.label, row.psnr) == ("train-5", "train", 1, 35.0)
    np.testing.assert_array_equal(row.latent, random_latents(7)[5])
    assert signal.domain == Grid((5, 4), (2.0, 3.0), AFFINE, "mm")
    assert signal.values.shape == (5, 4, 1)
    assert (signal.values == 500).all()
    assert (signal.unit, signal.dtype, signal.metadata) == ("HU", "int16", {"site": "Ulm"})


def test_batches_hold_every_row_once_and_only_what_was_asked_for(make_set: SetMaker) -> None:
    batches = list(make_set(train=7).split("train").batches(2, columns=["id", "psnr"]))

    assert max(map(len, batches)) <= 2
    assert [id for rows in batches for id in rows.ids] == [f"train-{i}" for i in range(7)]
    assert batches[0].table.column_names == ["id", "psnr"]


@pytest.mark.parametrize("index", range(7))
def test_a_row_by_number_is_the_row_in_order(make_set: SetMaker, index: int) -> None:
    assert make_set(train=7).split("train").row(index).id == f"train-{index}"


def test_a_row_past_the_end_is_an_index_error(make_set: SetMaker) -> None:
    with pytest.raises(IndexError, match="row 7 of 7"):
        make_set(train=7).split("train").row(7)


def test_the_field_comes_with_the_set(make_set: SetMaker, small_run: Run) -> None:
    assert make_set(train=1).run.fingerprint == small_run.fingerprint


def test_an_unknown_split_or_id_is_answered_with_the_nearest(make_set: SetMaker) -> None:
    latent_set = make_set(train=3)
    with pytest.raises(LatentSetError, match=r"no split 'trian' in 'set'; did you mean 'train'\?"):
        latent_set.split("trian")
    with pytest.raises(
        LatentSetError,
        match=r"no signal 'train-02' in 'set'; did you mean 'train-2'\? It has 3 signals",
    ):
        latent_set.row("train-02")


def test_an_id_in_two_splits_must_be_told_apart(make_set: SetMaker) -> None:
    latent_set = make_set(train=3)
    with pytest.raises(LatentSetError, match="no split 'val'"):
        latent_set.row("train-1", split="val")


def test_a_folder_that_is_no_latent_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LatentSetError, match=r"is not a latent set: no latent_set.json"):
        LatentSet.open(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "damaged"), ("[]", "expected an object"), ("{}", "not of format")]
)
def test_a_broken_description_is_refused(make_set: SetMaker, text: str, message: str) -> None:
    latent_set = make_set(train=1)
    (latent_set.folder / "latent_set.json").write_text(text)
    with pytest.raises(LatentSetError, match=message):
        LatentSet.open(latent_set.folder)


def test_a_missing_shard_is_named(make_set: SetMaker) -> None:
    latent_set = make_set(train=7)
    (latent_set.folder / "data/train-00000-of-00002.parquet").unlink()
    with pytest.raises(LatentSetError, match=r"is not whole \(train-00000-of-00002.parquet\)"):
        LatentSet.open(latent_set.folder)


def test_a_cut_shard_is_named(make_set: SetMaker) -> None:
    latent_set = make_set(train=7)
    shard = latent_set.folder / "data/train-00001-of-00002.parquet"
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(LatentSetError, match=r"train-00001-of-00002.parquet is cut or damaged"):
        LatentSet.open(latent_set.folder)


def test_a_shard_of_something_else_is_named(make_set: SetMaker, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    latent_set = make_set(train=1)
    pq.write_table(pa.table({"a": [1]}), latent_set.folder / "data/train-00000-of-00001.parquet")
    with pytest.raises(LatentSetError, match="is not a shard of a latent set"):
        LatentSet.open(latent_set.folder)


def test_a_foreign_field_is_refused(make_set: SetMaker) -> None:
    latent_set = make_set(train=1)
    other = SirenConfig(dim=2, layers=4, width=8, latent_size=6, omega_first=6, omega_last=10)
    Run(SirenField(other), Config(field=other), SignalSpec(2, 1)).save(latent_set.folder / "field")
    with pytest.raises(LatentSetError, match="use the run that they were fitted with"):
        _ = LatentSet.open(latent_set.folder).run


def test_a_signal_is_decoded_by_its_id_on_any_grid(make_set: SetMaker) -> None:
    latent_set = make_set(train=3)
    row = latent_set.row("train-1")
    own = latent_set.decode("train-1")
    assert (own.id, own.unit, own.domain) == ("train-1", "HU", row.header.domain)
    expected = reconstruct(latent_set.run, torch.from_numpy(row.latent), row.header)
    np.testing.assert_array_equal(own.values, expected.values)
    assert latent_set.decode(
        "train-1", row.header.domain.with_shape((10, 8)), split="train"
    ).values.shape == (10, 8, 1)


def test_all_signals_of_a_split_are_decoded_in_order(make_set: SetMaker) -> None:
    latent_set = make_set(train=7, val=2)
    decoded = list(latent_set.decode_all("train"))
    assert [signal.id for signal in decoded] == latent_set.split("train").ids
    for signal in decoded:
        np.testing.assert_allclose(
            signal.values, latent_set.decode(signal.id).values, rtol=1e-5, atol=1e-3
        )


def test_signals_are_decoded_on_the_device_that_was_asked_for(make_set: SetMaker) -> None:
    latent_set = make_set(train=1)
    for decode in (
        lambda: latent_set.decode("train-0", device="nowhere"),
        lambda: list(latent_set.decode_all("train", device="nowhere")),
    ):
        with pytest.raises(ConfigError, match="cannot compute on the device 'nowhere'; give cpu"):
            decode()


def test_a_split_without_rows_has_empty_columns(make_set: SetMaker) -> None:
    latent_set = make_set(train=3)
    path = latent_set.folder / "data/train-00000-of-00001.parquet"
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    info = latent_set.folder / "latent_set.json"
    info.write_text(info.read_text().replace('"signals": 3', '"signals": 0'))
    split = LatentSet.open(latent_set.folder).split("train")
    assert len(split.ids) == len(split.labels) == len(split.psnr) == len(split.latents) == 0
    assert list(LatentSet.open(latent_set.folder).decode_all("train")) == []
    assert split.find("train-0") is None
