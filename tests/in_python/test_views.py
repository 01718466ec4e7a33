"""A latent set as other libraries have it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.utils.data import DataLoader, Dataset

from latents.sets import LATENT, random_latents, write_set
from medfuncta import LatentSet, MedFunctaError


@pytest.fixture(scope="module", params=["float32", "float16", "int8"])
def latent_set(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> LatentSet:
    return write_set(tmp_path_factory.mktemp("sets") / "set", dtype=request.param, train=5, val=2)


def test_a_split_and_a_set_are_data_sets_of_pytorch(latent_set: LatentSet) -> None:
    split = latent_set.split("train")
    assert isinstance(split, Dataset) and isinstance(latent_set, Dataset)
    latents, labels = next(iter(DataLoader(split, batch_size=5)))
    assert latents.shape == (5, LATENT) and latents.dtype == torch.float32
    np.testing.assert_array_equal(latents, split.latents)
    assert labels.tolist() == split.labels.tolist() and labels.dtype == torch.int64
    assert len(latent_set) == len([*latent_set]) == 7
    np.testing.assert_array_equal(latent_set[6][0], latent_set.split("val")[1][0])
    np.testing.assert_array_equal(latent_set[-1][0], latent_set[6][0])
    for index in (7, -8):
        with pytest.raises(IndexError, match=f"row {index} of 7"):
            latent_set[index]
    with pytest.raises(IndexError, match="row 5 of 5"):
        split[5]


def test_arrays_are_copies_ready_for_a_classifier(latent_set: LatentSet) -> None:
    latents, labels = latent_set.split("train").numpy()
    LogisticRegression().fit(latents, labels)
    latents[:] = 0
    assert latent_set.split("train").latents.any()
    assert [part.shape for part in latent_set.numpy()["val"]] == [(2, LATENT), (2,)]


def test_a_data_frame_has_a_row_a_signal(latent_set: LatentSet) -> None:
    frame = latent_set.pandas()
    assert list(frame.columns[:4]) == ["split", "id", "label", "psnr"]
    assert frame["split"].tolist() == ["train"] * 5 + ["val"] * 2
    assert frame["id"].tolist() == latent_set.split("train").ids + latent_set.split("val").ids
    assert frame["label"].tolist()[:2] == ["well", "ill"]
    numbers = frame.filter(like="latent_").to_numpy()
    np.testing.assert_array_equal(numbers[:5], latent_set.split("train").latents)
    assert len(latent_set.split("val").pandas()) == 2


def test_data_sets_of_hugging_face(latent_set: LatentSet) -> None:
    made = latent_set.datasets()
    assert {name: len(part) for name, part in made.items()} == {"train": 5, "val": 2}
    train = made["train"].with_format("numpy")
    np.testing.assert_array_equal(train["latent"], latent_set.split("train").latents)
    assert made["train"].features["label"].names == ["well", "ill"]
    assert list(made["val"]["id"]) == latent_set.split("val").ids
    assert made["train"].column_names == ["id", "latent", "label", "psnr"]


def test_several_classes_are_a_list_and_a_table(tmp_path: Path) -> None:
    latent_set = write_set(tmp_path / "set", task="multi-label", train=4)
    split = latent_set.split("train")
    assert split[0][1].shape == (2,) and split.numpy()[1].shape == (4, 2)
    assert split.pandas()["label"].tolist()[0] == ["well"]
    assert next(iter(split.datasets()["label"])) == [0]


@pytest.mark.parametrize(("package", "view"), [("pandas", "pandas"), ("datasets", "datasets")])
def test_a_missing_package_is_named(
    package: str, view: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latent_set = write_set(tmp_path / "set", latents=random_latents(2), train=2)
    monkeypatch.setitem(sys.modules, package, None)
    for having in (latent_set, latent_set.split("train")):
        with pytest.raises(MedFunctaError, match=rf"'{package}' is needed .*medfuncta\[tables\]"):
            getattr(having, view)()
