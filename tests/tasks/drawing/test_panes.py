from __future__ import annotations

import numpy as np
import pytest

from medfuncta._src.signals.domain import Grid
from medfuncta._src.tasks.drawing.panes import Slice, colours_of, panes, window_of
from tasks.drawing.drawn import make


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, -1)])
def test_slices_are_upright_whatever_the_array_order(flips: tuple[int, int, int]) -> None:
    """Radiological: the patient's right is on the left, anterior or superior on top."""
    world = np.arange(5 * 6 * 7, dtype=np.float32).reshape(5, 6, 7)  # right, anterior, superior
    array = world[:: flips[0], :: flips[1], :: flips[2]].transpose(2, 0, 1)
    affine = np.zeros((4, 4))
    for world_axis, array_axis in enumerate((1, 2, 0)):
        affine[world_axis, array_axis] = flips[world_axis] * (world_axis + 1)
    affine[3, 3] = 1
    axial, coronal, sagittal = panes(Grid(array.shape, (3.0, 1.0, 2.0), affine, "mm"))
    assert [view.name for view in (axial, coronal, sagittal)] == ["axial", "coronal", "sagittal"]
    assert [(view.width, view.height) for view in (axial, coronal, sagittal)] == [
        (5, 12),
        (5, 21),
        (12, 21),
    ]
    assert isinstance(axial, Slice)
    assert isinstance(coronal, Slice)
    assert isinstance(sagittal, Slice)
    np.testing.assert_array_equal(axial.image(array), world[::-1, ::-1, 3].T)
    np.testing.assert_array_equal(coronal.image(array), world[::-1, 3, ::-1].T)
    np.testing.assert_array_equal(sagittal.image(array), world[2, ::-1, ::-1].T)


def test_colours_keep_missing_points_blank() -> None:
    mask = np.array([[True, False], [True, True]])
    grey, rgb = make(Grid((2, 2)), 1, mask), make(Grid((2, 2)), 3, mask)
    assert np.isnan(colours_of(grey)[0, 1])
    assert colours_of(rgb)[..., 3].tolist() == mask.astype(float).tolist()
    assert window_of(colours_of(grey))["vmin"] >= np.nanmin(colours_of(grey))
