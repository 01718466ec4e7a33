"""Neighbours of every latent are those that a search for each one finds."""

from __future__ import annotations

import numpy as np
import pytest

from medfuncta._src.tasks.search.neighbours import Metric, nearest, neighbours_of_all


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbours_of_all_are_those_of_each(metric: Metric) -> None:
    latents = np.random.default_rng(0).normal(size=(300, 12)).astype(np.float32)
    found = neighbours_of_all(latents, 5, metric)
    each = nearest(latents, [latents], 6, metric)
    np.testing.assert_array_equal(found.rows, each.rows[:, 1:])
    np.testing.assert_allclose(found.distances, each.distances[:, 1:], atol=2e-6)


def test_equals_are_neighbours_and_none_is_its_own() -> None:
    latents = np.ones((6, 3), np.float32)
    found = neighbours_of_all(latents, 9)
    assert found.rows.shape == (6, 5)
    for row, others in enumerate(found.rows.tolist()):
        assert sorted([row, *others]) == list(range(6))
    np.testing.assert_allclose(found.distances, 0, atol=1e-6)
