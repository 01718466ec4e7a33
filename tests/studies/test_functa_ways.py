from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from medfuncta._src.errors import DataError
from medfuncta._src.learning.adapt import adapt
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.table import open_source
from medfuncta._src.studies.functa_ways import MetaSGD, cut, joined, patches_of
from studies.toy import begun_toy, toy_plan


@pytest.mark.parametrize("cuts", [1, 2, 3])
def test_patches_make_the_image_again(cuts: int) -> None:
    image = np.random.default_rng(0).random((12, 18, 3), dtype=np.float32)
    patches = cut(image, cuts)
    assert len(patches) == cuts**2
    np.testing.assert_array_equal(joined(patches, cuts), image)


def test_patches_are_signals_of_their_own(tmp_path: Path) -> None:
    _, signals, _ = begun_toy(toy_plan(tmp_path))
    patches = patches_of(signals, 2)
    assert len(patches) == 4 * len(signals) and patches.headers[0].shape == (6, 6, 1)
    image = signals.normalised(1).reshape(12, 12, 1)
    np.testing.assert_allclose(patches.normalised(7).reshape(6, 6, 1), image[6:, 6:], atol=1e-6)


def test_patches_of_what_is_no_image_are_refused() -> None:
    source = open_source("sample:ecg")
    signals = SignalSet.collect(source.spec, islice(source.signals("test"), 2))
    with pytest.raises(DataError, match=r"1D signals; COIN.*of images, 2D"):
        patches_of(signals, 2)


def test_equal_rates_are_the_inner_loop_with_that_step_size(tmp_path: Path) -> None:
    state, signals, config = begun_toy(toy_plan(tmp_path))
    sgd = MetaSGD(8, 1e-3, seed=0)
    sgd.rates.data = torch.full((8,), config.inner.step_size, dtype=torch.float64)
    points = signals.points([0, 1, 2]).to(dtype=torch.float64)
    found = sgd.adapted(state.field, points, 4, config)
    start = state.field.zero_latents(3)
    expected = adapt(state.field.objective(), start, lambda _: points, 4, config.inner).latents
    torch.testing.assert_close(found, expected)


def test_rates_are_learned_and_stay_between_0_and_1(tmp_path: Path) -> None:
    state, signals, config = begun_toy(toy_plan(tmp_path), dtype="float32")
    sgd = MetaSGD(8, 0.5, seed=0)
    before = sgd.rates.detach().clone()
    for _ in range(2):
        sgd(state, signals, config)
    assert (sgd.rates != before).all()
    assert bool((sgd.rates >= 0).all()) and bool((sgd.rates <= 1).all())
