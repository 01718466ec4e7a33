from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid, Scatter

SIDES = st.lists(st.tuples(st.integers(1, 6), st.floats(0.01, 100)), min_size=1, max_size=3)


@given(SIDES)
def test_the_longest_side_spans_the_box_and_the_others_keep_their_proportion(
    sides: list[tuple[int, float]],
) -> None:
    shape, spacing = zip(*sides, strict=True)
    grid = Grid(shape, spacing)
    lengths = np.multiply(shape, spacing)
    np.testing.assert_allclose(grid.half_sides, lengths / lengths.max())
    coordinates = grid.coordinates()
    assert coordinates.shape == (grid.points, grid.dim) and coordinates.dtype == np.float32
    np.testing.assert_allclose(coordinates.min(0), -coordinates.max(0), atol=1e-6)
    half_steps = np.array(spacing) / lengths.max()
    np.testing.assert_allclose(coordinates.max(0) + half_steps, grid.half_sides, rtol=1e-5)


@given(SIDES)
def test_a_grid_is_scattered_points_at_its_sample_centres(sides: list[tuple[int, float]]) -> None:
    shape, spacing = zip(*sides, strict=True)
    grid = Grid(shape, spacing)
    centres = (np.stack(np.unravel_index(np.arange(grid.points), shape), axis=-1) + 0.5) * spacing
    scatter = Scatter(centres, (0.0,) * grid.dim, tuple(np.multiply(shape, spacing)))
    np.testing.assert_allclose(scatter.coordinates(), grid.coordinates(), atol=1e-6)


def test_without_a_spacing_every_axis_spans_the_box() -> None:
    np.testing.assert_allclose(
        Grid((2, 4)).coordinates()[:5],
        [[-0.5, -0.75], [-0.5, -0.25], [-0.5, 0.25], [-0.5, 0.75], [0.5, -0.75]],
    )


@given(SIDES, st.data())
def test_another_shape_covers_the_same_box(
    sides: list[tuple[int, float]], data: st.DataObject
) -> None:
    shape, spacing = zip(*sides, strict=True)
    grid = Grid(shape, spacing, np.diag([2.0, 3.0, 4.0, 1.0]))
    other = grid.with_shape(data.draw(st.tuples(*[st.integers(1, 9)] * grid.dim)))
    np.testing.assert_allclose(other.half_sides, grid.half_sides)
    for one in (grid, other):
        assert one.affine is not None
    corners = [
        one.affine @ np.r_[np.full(grid.dim, -0.5), np.zeros(3 - grid.dim), 1]
        for one in (grid, other)
    ]  # type: ignore[operator]
    np.testing.assert_allclose(corners[0], corners[1], atol=1e-9)


def test_dropping_samples_moves_no_coordinate() -> None:
    positions = np.random.default_rng(0).uniform(0, 5, (9, 2))
    whole, part = (Scatter(some, (0.0, 0.0), (5.0, 5.0)) for some in (positions, positions[2:5]))
    assert np.array_equal(whole.coordinates()[2:5], part.coordinates())


@pytest.mark.parametrize(
    ("positions", "low", "high", "text"),
    [
        ([[2.0]], (0.0,), (1.0,), "1 positions outside the box"),
        ([[np.nan]], (0.0,), (1.0,), "1 positions outside the box"),
        ([[0.0]], (0.0,), (0.0,), "a box from"),
        ([[0.0]], (0.0,), (np.inf,), "a box from"),
        ([[0.0] * 4], (0.0,) * 4, (1.0,) * 4, "1 to 3 finite numbers"),
        ([[0.0, 0.0]], (0.0,) * 3, (1.0,) * 3, r"expected at least one, \[points, 3\]"),
        ([0.0], (0.0,), (1.0,), r"positions of shape \(1,\)"),
        (np.zeros((0, 1)), (0.0,), (1.0,), r"positions of shape \(0, 1\)"),
    ],
)
def test_scattered_points_that_make_no_signal_are_refused(
    positions: list[list[float]], low: tuple[float, ...], high: tuple[float, ...], text: str
) -> None:
    with pytest.raises(DataError, match=text):
        Scatter(np.array(positions), low, high)


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((), None),
        ((0,), None),
        ((2,) * 4, None),
        ((2,), (0.0,)),
        ((2,), (np.nan,)),
        ((2,), (1.0, 1.0)),
    ],
)
def test_grids_that_make_no_signal_are_refused(
    shape: tuple[int, ...], spacing: tuple[float, ...] | None
) -> None:
    with pytest.raises(DataError, match=r"a grid of shape|a spacing of"):
        Grid(shape, spacing)


@pytest.mark.parametrize("step", [1e-300, 1e-12, 5e-324])
def test_a_spacing_that_asks_for_endless_samples_is_refused_in_a_short_line(step: float) -> None:
    with pytest.raises(DataError, match=r"a spacing of .*; expected") as caught:
        Grid((4, 5), (1.0, 1.0)).with_spacing((step, 1.0))
    assert len(str(caught.value)) < 200
    assert Grid((4, 5), (1.0, 1.0)).with_spacing((1e300, 1.0)).shape == (1, 5)


@pytest.mark.parametrize("shape", [(10**25, 1), (2**40, 2), (10**400, 3)])
def test_a_shape_that_no_signal_has_is_refused_in_a_short_line(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"a shape of .*; expected 1 to 3 whole numbers") as caught:
        Grid((4, 5)).with_shape(shape)
    assert len(str(caught.value)) < 200
