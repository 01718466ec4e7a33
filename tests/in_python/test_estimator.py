"""The transformer of scikit-learn."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from medfuncta import FieldEncoder, MedFunctaError

RNG = np.random.default_rng(0)
CLASSES = np.arange(30) % 2
TIME = np.linspace(0, 6, 32)
TRACES = np.sin(TIME * (1 + CLASSES[:, None]) + RNG.uniform(0, 1, (30, 1))) * 3
IMAGES = RNG.uniform(0, 255, (12, 8, 10, 3))
QUICK: dict[str, Any] = {
    "steps": 1,
    "fit_steps": 2,
    "random_state": 0,
    "device": "cpu",
    "settings": {"field": {"width": 4}, "train": {"batch": 4, "validate_signals": 4}},
}

CHECKED: dict[str, Any] = {"steps": 0, "fit_steps": 1, "random_state": 0, "device": "cpu"}
SINGLE = FieldEncoder(settings={"field": {"width": 2}}, **CHECKED)
DOUBLE = FieldEncoder(settings={"field": {"width": 2}, "train": {"dtype": "float64"}}, **CHECKED)
EXCUSED = {
    "check_methods_sample_order_invariance": "float32: the place in a batch moves the last digits",
}
"""What a network in float32 does not hold to nine digits."""


@pytest.mark.usefixtures("unchecked")
@parametrize_with_checks([SINGLE], expected_failed_checks=lambda _: EXCUSED)
def test_it_keeps_every_promise_of_an_estimator(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("name", EXCUSED)
def test_it_keeps_the_other_ones_in_float64(name: str) -> None:
    getattr(estimator_checks, name)("FieldEncoder", DOUBLE)


def test_traces_become_latents_and_come_back() -> None:
    encoder = FieldEncoder(latent_size=6, **QUICK).fit(TRACES)
    latents = encoder.transform(TRACES)
    assert latents.shape == (30, 6) and latents.dtype == np.float64
    back = encoder.inverse_transform(latents)
    assert back.shape == TRACES.shape
    assert np.sqrt(np.mean((back - TRACES) ** 2)) < 0.2
    assert encoder.n_features_in_ == 32 and encoder.run_.config.field.kind == "components"
    assert list(encoder.get_feature_names_out())[:2] == ["fieldencoder0", "fieldencoder1"]
    frame = encoder.set_output(transform="pandas").transform(TRACES)
    assert list(frame.columns) == list(encoder.get_feature_names_out())


@pytest.mark.parametrize("flat", [False, True])
def test_images_of_several_channels_keep_their_shape(flat: bool) -> None:
    given = IMAGES.reshape(12, -1) if flat else IMAGES
    shape = IMAGES.shape[1:] if flat else None
    encoder = FieldEncoder(5, signal_shape=shape, channels="last", **QUICK).fit(given)
    assert encoder.signal_shape_ == (8, 10, 3) and encoder.run_.spec.channels == 3
    assert encoder.inverse_transform(encoder.transform(given)).shape == given.shape
    first = FieldEncoder(5, channels="first", **QUICK).fit(np.moveaxis(IMAGES, -1, 1))
    moved = first.transform(np.moveaxis(IMAGES, -1, 1))
    np.testing.assert_allclose(moved, encoder.transform(given), atol=1e-5)


def test_the_closed_form_alone_needs_no_step() -> None:
    encoder = FieldEncoder(latent_size=8, **{**QUICK, "steps": 0}).fit(TRACES)
    back = encoder.inverse_transform(encoder.transform(TRACES))
    assert np.sqrt(np.mean((back - TRACES) ** 2)) < 0.1


def test_one_random_state_is_one_network() -> None:
    first, again, other = (
        FieldEncoder(4, **{**QUICK, "random_state": seed}).fit(TRACES) for seed in (3, 3, 4)
    )
    assert first.run_.fingerprint == again.run_.fingerprint != other.run_.fingerprint
    np.testing.assert_array_equal(first.transform(TRACES), again.transform(TRACES))
    generator = np.random.RandomState(3)
    drawn = FieldEncoder(4, **{**QUICK, "random_state": generator}).fit(TRACES)
    assert drawn.run_.fingerprint == first.run_.fingerprint


def test_a_fitted_one_is_pickled_as_arrays_and_settings(tmp_path: Path) -> None:
    encoder = FieldEncoder(4, **QUICK).fit(TRACES)
    written = pickle.dumps(encoder)
    assert b"torch" not in written
    again = pickle.loads(written)  # noqa: S301, what it wrote itself
    assert again.run_.fingerprint == encoder.run_.fingerprint
    np.testing.assert_array_equal(again.transform(TRACES), encoder.transform(TRACES))
    assert not hasattr(clone(again), "run_") and clone(again).get_params() == encoder.get_params()


def test_training_is_quiet_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    FieldEncoder(4, **QUICK).fit(TRACES)
    assert not [*tmp_path.iterdir()] and capfd.readouterr() == ("", "")


def test_it_is_chosen_in_a_pipeline_by_groups() -> None:
    pipeline = make_pipeline(FieldEncoder(**{**QUICK, "steps": 0}), LogisticRegression())
    search = GridSearchCV(pipeline, {"fieldencoder__latent_size": [2, 6]}, cv=GroupKFold(3))
    search.fit(TRACES, CLASSES, groups=np.arange(30) // 5)
    assert search.best_score_ > 0.9
    assert search.best_estimator_.predict(TRACES[:2]).tolist() == [0, 1]


MISTAKES: dict[str, tuple[dict[str, Any], Any, str]] = {
    "images without a word": ({}, IMAGES, "channels=None for arrays of shape (8, 10, 3)"),
    "no values": ({}, np.zeros((8, 10, 0)), "X is an array of shape (8, 10, 0); expected at least"),
    "masked values": ({}, np.ma.masked_array(TRACES, mask=True), "X is a masked array; give its v"),
    "a tensor of no memory": (
        {},
        torch.zeros(8, 32, device="meta"),
        "X is a meta tensor; expected",
    ),
    "a shape that does not fit": ({"signal_shape": (4, 9)}, TRACES, "signal_shape is [4, 9]; exp"),
    "a shape in words": ({"signal_shape": ["a"]}, TRACES, "signal_shape is ['a']; expected whole"),
    "too many numbers": ({"latent_size": 99}, TRACES, "setting 'field.latent_size' is 99"),
    "no numbers": (
        {"latent_size": 0},
        TRACES,
        "FieldEncoder: latent_size is 0; expected a whole number from 1",
    ),
    "steps below 0": (
        {"steps": -1},
        TRACES,
        "FieldEncoder: steps is -1; expected a whole number from 0",
    ),
    "half a step": ({"steps": 0.5}, TRACES, "FieldEncoder: steps is 0.5; expected a whole number"),
    "a quality": ({"quality": "good"}, TRACES, "setting 'fit.quality' is 'good'"),
    "a preset by number": ({"preset": 3}, TRACES, "FieldEncoder: preset is 3; expected text or"),
    "a preset": ({"preset": "components-4d"}, TRACES, "unknown preset 'components-4d'"),
    "a preset of images": ({"preset": "image"}, TRACES, "settings for 2D signals, but the data is"),
    "a setting": ({"settings": {"train": {"stepz": 3}}}, TRACES, "unknown setting 'train.stepz'"),
    "all held out": (
        {"validation_fraction": 1},
        TRACES,
        "FieldEncoder: validation_fraction is 1; expected a number",
    ),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_one_line(what: str) -> None:
    given, signals, line = MISTAKES[what]
    with pytest.raises(MedFunctaError) as caught:
        FieldEncoder(**{**QUICK, **given}).fit(signals)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_signals_of_another_shape_and_latents_of_another_size_are_refused() -> None:
    encoder = FieldEncoder(4, **QUICK).fit(TRACES)
    with pytest.raises(ValueError, match="X has 31 features, but FieldEncoder is expecting 32"):
        encoder.transform(TRACES[:, :31])
    with pytest.raises(MedFunctaError, match=r"latents of float64 and shape \(2, 3\)"):
        encoder.inverse_transform(np.ones((2, 3)))
    images = FieldEncoder(4, channels="last", **QUICK).fit(IMAGES)
    with pytest.raises(ValueError, match=r"X has signals of shape \(8, 9, 3\), but"):
        images.transform(IMAGES[:, :, :9])


@pytest.mark.parametrize(
    "made",
    [
        lambda values: values,
        lambda values: values.clone().requires_grad_(),
        lambda values: values.to_sparse(),
        lambda values: torch.complex(values, values).conj().real,
    ],
)
def test_a_tensor_is_taken_for_its_values(made: Callable[[torch.Tensor], torch.Tensor]) -> None:
    given = made(torch.from_numpy(TRACES))
    encoder = FieldEncoder(4, **QUICK)
    expected = encoder.fit_transform(TRACES)
    np.testing.assert_array_equal(encoder.fit(given).transform(given), expected)
