from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error as sklearn_error
from sklearn.metrics import r2_score

from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.tasks.heads.left_out import LeftOut
from medfuncta._src.tasks.heads.training import Recipe
from medfuncta._src.tasks.regress import (
    Mlp,
    Ridge,
    TrainingMean,
    metadata_targets,
    regress,
    regression_picture,
    volume_targets,
)
from medfuncta._src.tasks.regress.regressors import mean_absolute_error, r_squared
from medfuncta._src.tasks.regress.targets import Measured, _size_of
from tasks.blob_set import write_blob_set
from tasks.blob_volumes import write_blobs

QUICK = Recipe(epochs=20, batch=32, learning_rate=1e-2, patience=20)


def straight(seed: int, signals: int, curve: float = 0.0) -> Measured:
    """A number that depends on two entries of the latent, with little noise."""
    generator = np.random.default_rng(seed)
    latents = generator.normal(0, 1, (signals, 5)).astype(np.float32)
    targets = (
        100
        + 10 * latents[:, 0]
        - 5 * latents[:, 1]
        + curve * latents[:, 0] ** 2
        + generator.normal(0, 0.5, signals)
    )
    return Measured([str(n) for n in range(signals)], latents, targets.astype(np.float64))


def test_metrics_are_those_of_scikit_learn() -> None:
    truth, guess = np.random.default_rng(0).normal(size=(2, 30))
    assert r_squared(truth, guess) == pytest.approx(r2_score(truth, guess))
    assert mean_absolute_error(truth, guess) == pytest.approx(sklearn_error(truth, guess))
    assert np.isnan(r_squared(np.ones(3), np.zeros(3)))


def test_ridge_finds_a_straight_line_and_the_mean_does_not() -> None:
    data = {"train": straight(0, 150), "val": straight(1, 40), "test": straight(2, 60)}
    found = regress(data, "age", "patient", (TrainingMean(), Ridge()))
    mean, ridge = found.regressors
    assert mean.r2.value == pytest.approx(0, abs=0.1)
    assert ridge.r2.value > 0.99
    assert ridge.r2.low < ridge.r2.value < ridge.r2.high
    assert ridge.mae.value < 1 < mean.mae.value
    assert ridge.parameters == 6
    result = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert result["signals"] == {"train": 150, "val": 40, "test": 60}
    assert result["split_by"] == "patient"
    left, right = regression_picture(found).axes
    assert (left.get_xlabel(), left.get_ylabel(), right.get_xlabel()) == (
        "true age",
        "predicted age",
        "true age",
    )


def test_an_mlp_finds_a_bent_line_and_is_reproducible() -> None:
    data = {"train": straight(0, 200, 20), "val": straight(1, 60, 20), "test": straight(2, 60, 20)}
    scores = [
        regress(data, "age", "file", (regressor,)).regressors[0].r2.value
        for regressor in (Ridge(), Mlp(QUICK, 32), Mlp(QUICK, 32))
    ]
    assert scores[1] > scores[0] + 0.2
    assert scores[1] == scores[2]


def test_the_penalty_is_chosen_on_validation_only() -> None:
    train, val, test = straight(0, 20), straight(1, 40), straight(2, 40)
    first, second = Ridge(), Ridge()
    first.fit(train, val)
    second.fit(train, Measured(val.ids, val.latents, np.full(40, train.targets.mean())))
    assert np.ptp(second.predict(test.latents)) < np.ptp(first.predict(test.latents))


def test_numbers_come_from_metadata_labels_and_label_maps(tmp_path: Path) -> None:
    latents, source = write_blobs(tmp_path / "balls", train=8, val=2, test=2)
    radii = metadata_targets(latents, "radius")
    assert np.allclose(radii["train"].targets, radii["train"].latents[:, 3])
    volumes = volume_targets(latents, source, "ball")
    assert len(volumes["train"].ids) == 7  # one has no label map
    assert (
        volumes["test"].targets[0] == source.mask_of("test-0").sum() * 3
    )  # voxels of 1 x 1.5 x 2 mm
    assert np.array_equal(
        volume_targets(latents, source, "1")["val"].targets, volumes["val"].targets
    )
    classes = metadata_targets(
        write_blob_set(tmp_path / "set", {"train": 4, "val": 2, "test": 2}), "label"
    )
    assert classes["train"].targets.tolist() == [0, 1, 0, 1]


def test_signals_without_the_number_are_counted_or_refused(tmp_path: Path) -> None:
    latents, source = write_blobs(tmp_path / "balls", train=8, val=2, test=2)
    counted = LeftOut()
    found = regress(
        volume_targets(latents, source, "ball", counted),
        "volume:ball",
        "patient",
        (TrainingMean(),),
        left_out=counted,
    )
    assert found.to_json()["left_out"] == {"without a label map": 1}
    with pytest.raises(DataError, match="1 of 8 signals of the split 'train' are without a label"):
        volume_targets(latents, source, "ball", LeftOut(strict=True))
    metadata_targets(latents, "radius", LeftOut(strict=True))  # every signal has one


def test_axes_of_the_picture_say_what_was_measured_and_in_which_unit(tmp_path: Path) -> None:
    latents, source = write_blobs(tmp_path / "balls", train=4, val=2, test=3)
    for structure in ("ball", "1"):
        found = regress(
            volume_targets(latents, source, structure),
            f"volume:{structure}",
            "patient",
            (TrainingMean(),),
        )
        (axes,) = regression_picture(found).axes
        assert (axes.get_xlabel(), axes.get_ylabel()) == (
            "true volume of ball (mm³)",
            "predicted volume of ball (mm³)",
        )
        assert found.to_json()["target"] == f"volume:{structure}"
    assert volume_targets(latents, source, "7")["test"].quantity == "volume of structure 7 (mm³)"
    assert metadata_targets(latents, "radius")["test"].quantity == "radius"


@pytest.mark.parametrize(
    ("grid", "quantity"),
    [
        (Grid((4, 5), (0.1, 0.1), unit="mm"), "area of disc (mm²)"),
        (Grid((4, 5)), "area of disc (pixels)"),
        (Grid((4, 5, 6)), "volume of disc (voxels)"),
        (Grid((4, 5, 6), (1.0, 1.0, 1.0)), "volume of disc"),
        (Grid((9,), (0.1,), unit="s"), "length of disc (s)"),
    ],
)
def test_sizes_are_named_by_dimension(grid: Grid, quantity: str) -> None:
    assert _size_of("disc", grid) == quantity


def test_mistakes_get_one_line(tmp_path: Path) -> None:
    latents, source = write_blobs(tmp_path / "balls", train=3, val=1, test=1)
    with pytest.raises(DataError, match="has a number 'radios'; did you mean 'radius'"):
        metadata_targets(latents, "radios")
    with pytest.raises(DataError, match="no signal of split 'train' has a number 'site'"):
        metadata_targets(latents, "site")
    with pytest.raises(DataError, match="no structure 'bal' in list:test; did you mean 'ball'"):
        volume_targets(latents, source, "bal")
    same = Measured(["a", "b"], np.zeros((2, 3), np.float32), np.ones(2))
    with pytest.raises(DataError, match="'age' is 1 for every training signal"):
        regress({"train": same, "val": same, "test": same}, "age", "file")
