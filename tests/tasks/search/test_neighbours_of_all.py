"""Neighbours of every latent are those that a search for each one finds."""

from __future__ import annotations

import numpy as np
import pytest

from medfuncta._src.tasks.search import neighbours
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


def distances_of(latents: np.ndarray, metric: Metric) -> np.ndarray:
    """Of all pairs, in float64; of none to itself."""
    exact = latents.astype(np.float64)
    if metric == "cosine":
        exact = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    apart = np.linalg.norm(exact[:, None] - exact[None], axis=2)
    if metric == "cosine":
        apart = apart**2 / 2
    np.fill_diagonal(apart, np.inf)
    return apart


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("count", [1, 2, 3, 33, 500])
def test_any_number_of_latents_and_of_neighbours(metric: Metric, count: int) -> None:
    """With groups that are filled up, and with more asked for than there are."""
    latents = np.random.default_rng(count).normal(3, 1, size=(count, 7)).astype(np.float32)
    apart = distances_of(latents, metric)
    for k in (1, 4, 40):
        found = neighbours_of_all(latents, k, metric)
        kept = min(k, count - 1)
        assert found.rows.shape == found.distances.shape == (count, kept)
        own = np.take_along_axis(apart, found.rows, axis=1)
        np.testing.assert_allclose(own, np.sort(apart, axis=1)[:, :kept], atol=2e-7)
        np.testing.assert_allclose(found.distances, own, rtol=1e-4, atol=2e-7)


def test_pieces_are_one_search(monkeypatch: pytest.MonkeyPatch) -> None:
    latents = np.random.default_rng(1).normal(size=(200, 5)).astype(np.float32)
    whole = neighbours_of_all(latents, 6)
    monkeypatch.setattr(neighbours, "_SCORES", 1000)
    parts = neighbours_of_all(latents, 6)
    np.testing.assert_array_equal(parts.rows, whole.rows)


def test_small_distances_are_exact_far_from_zero() -> None:
    """Products of float32 alone would say 0, or as good as anything."""
    generator = np.random.default_rng(0)
    far = generator.normal(size=50)
    latents = (1000 * far + generator.normal(0, 0.01, (80, 50))).astype(np.float32)
    found = neighbours_of_all(latents, 3, "euclidean")
    expected = np.sort(distances_of(latents, "euclidean"), axis=1)[:, :3]
    np.testing.assert_allclose(found.distances, expected, rtol=0.01)


def test_a_latent_of_zeros_is_at_distance_one() -> None:
    latents = np.array([[1, 0], [0, 0], [1, 0.1]], np.float32)
    found = neighbours_of_all(latents, 2)
    assert found.rows[0].tolist() == [2, 1]
    np.testing.assert_allclose(found.distances[1], 1)
    np.testing.assert_allclose(found.distances[:, 1], 1)
