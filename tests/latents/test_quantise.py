from __future__ import annotations

import numpy as np
import pytest

from latents.sets import LATENT, SetMaker, random_latents
from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents.quantise import check_dtype, quantise, restore

LATENTS = np.vstack([random_latents(5), np.zeros((1, LATENT), np.float32), 1e6 * random_latents(1)])


@pytest.mark.parametrize(
    ("dtype", "error"), [("float32", 0.0), ("float16", 2.0**-11), ("int8", 0.5 / 127)]
)
def test_stored_latents_are_as_near_as_their_bits_allow(dtype: str, error: float) -> None:
    stored, scales = quantise(LATENTS, dtype)
    assert stored.dtype == dtype
    largest = np.abs(LATENTS).max(axis=1, keepdims=True)
    assert (np.abs(restore(stored, scales) - LATENTS) <= error * largest * 1.001 + 1e-7).all()


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_a_set_gives_float32_back(make_set: SetMaker, dtype: str) -> None:
    train = make_set(train=7, dtype=dtype).split("train")
    assert train.latents.dtype == np.float32
    np.testing.assert_array_equal(train.latents, restore(*quantise(random_latents(7), dtype)))
    np.testing.assert_array_equal(train.row(5).latent, train.latents[5])


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(LatentSetError, match=r"'float8'; did you mean 'float16'|'float32'"):
        check_dtype("float8")
