"""A latent set read by programs that know nothing of this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latents.sets import SetMaker, random_latents

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning"
)


@pytest.fixture
def load_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    return lambda folder, **options: datasets.load_dataset(
        str(folder), cache_dir=str(tmp_path / "cache"), **options
    )


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_datasets(make_set: SetMaker, load_dataset: Any, dtype: str) -> None:
    loaded = load_dataset(make_set(train=7, val=2, dtype=dtype).folder)
    train = loaded["train"]
    assert {name: len(split) for name, split in loaded.items()} == {"train": 7, "val": 2}
    assert train.features["label"].names == ["well", "ill"]
    latents = np.array(train["latent"], np.float32) * (
        np.array(train["latent_scale"])[:, None] if dtype == "int8" else 1
    )
    np.testing.assert_allclose(latents, random_latents(7), atol=2e-4)
    assert train[3]["id"] == "train-3"


def test_datasets_with_several_labels_a_row(make_set: SetMaker, load_dataset: Any) -> None:
    train = load_dataset(make_set(train=3, task="multi-label").folder, split="train")
    assert train["label"][:] == [[0], [1], [0]]
    assert train.features["label"].feature.names == ["well", "ill"]


def test_pandas(make_set: SetMaker) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.concat(
        pandas.read_parquet(path)
        for path in sorted((make_set(train=7).folder / "data").glob("*.parquet"))
    )
    np.testing.assert_array_equal(np.stack(frame["latent"]), random_latents(7))
    assert frame["unit"].unique().tolist() == ["HU"]


def test_polars(make_set: SetMaker) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.read_parquet(make_set(train=7).folder / "data" / "*.parquet")
    np.testing.assert_array_equal(np.stack(frame["latent"].to_list()), random_latents(7))


def test_duckdb(make_set: SetMaker) -> None:
    duckdb = pytest.importorskip("duckdb")
    data = make_set(train=7, val=2).folder / "data"
    rows = duckdb.sql(
        f"SELECT id, latent, metadata->>'site' FROM '{data}/train-*.parquet' WHERE psnr > 35"
    ).fetchall()
    assert [(id, site) for id, _, site in rows] == [("train-6", "Ulm")]
    np.testing.assert_array_equal(np.array(rows[0][1], np.float32), random_latents(7)[6])
