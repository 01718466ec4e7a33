"""Label maps meet their images in the world, are whole numbers, and are never guessed."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.sources.contents import LabelMap
from medfuncta._src.sources.label_maps import on_grid, whole_numbers
from medfuncta._src.sources.table import open_source

AFFINE = np.array([[-2.0, 0, 0, 9], [0, 1.5, 0, -4], [0, 0, 3, 1], [0, 0, 0, 1]])
SHAPE = (7, 6, 5)
LABELS = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(np.int32)


def turned(labels: np.ndarray, affine: np.ndarray, axes: tuple[int, ...], flips: tuple[int, ...]):
    """The same voxels in another order, at the same places of the world."""
    order = np.eye(4)
    for new, old in enumerate(axes):
        order[:3, new] = 0
        order[old, new] = -1 if new in flips else 1
        if new in flips:
            order[old, 3] = labels.shape[old] - 1
    moved = labels.transpose(axes)
    return np.flip(moved, flips) if flips else moved, affine @ order


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("flips", [(), (0,), (1,), (0, 2), (0, 1, 2)])
def test_voxels_in_another_order_are_the_same(axes, flips):
    moved, affine = turned(LABELS, AFFINE, axes, flips)
    rounded = affine.astype(np.float32).astype(float)
    grid = Grid(moved.shape, None, rounded, "mm")
    found = on_grid(LabelMap(moved, grid), Grid(SHAPE, None, AFFINE, "mm"), "the map")
    np.testing.assert_array_equal(found, LABELS)


def test_a_label_map_that_reaches_farther_is_cut():
    wide = np.pad(LABELS, 2, constant_values=99)
    around = AFFINE.copy()
    around[:3, 3] = (AFFINE @ [-2, -2, -2, 1])[:3]
    found = on_grid(
        LabelMap(wide, Grid(wide.shape, None, around, "mm")), Grid(SHAPE, None, AFFINE, "mm"), "it"
    )
    np.testing.assert_array_equal(found, LABELS)


def test_a_slice_meets_its_volume():
    part = Grid((7, 5), None, (AFFINE @ [[1, 0, 0, 0], [0, 0, 1, 3], [0, 1, 0, 0], [0, 0, 0, 1]]))
    found = on_grid(LabelMap(LABELS, Grid(SHAPE, None, AFFINE)), part, "it")
    np.testing.assert_array_equal(found, LABELS[:, 3, :])


def moved_by(millimetres: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[0, 3] += millimetres
    return affine


@pytest.mark.parametrize(
    ("affine", "shape"),
    [
        (moved_by(2.0), SHAPE),
        (moved_by(0.7), SHAPE),
        (AFFINE @ np.diag([0.5, 0.5, 0.5, 1]), (14, 12, 10)),
        (AFFINE @ np.diag([1, 1, 1.01, 1]), (7, 6, 50)),
        (AFFINE, (7, 6, 4)),
        (AFFINE @ [[1, 0, 0, 0], [0, 0.8, -0.6, 0], [0, 0.6, 0.8, 0], [0, 0, 0, 1]], SHAPE),
    ],
)
def test_what_does_not_meet_is_refused(affine, shape):
    labels = LabelMap(np.zeros(shape, np.int32), Grid(shape, None, affine, "mm"))
    image = Grid((*SHAPE[:2], shape[2] if shape[2] > 10 else 5), None, AFFINE, "mm")
    with pytest.raises(DataError, match="do not meet in the world"):
        on_grid(labels, image, "the map")


def test_without_a_place_only_equal_grids_meet():
    plain = LabelMap(LABELS, Grid(SHAPE))
    np.testing.assert_array_equal(on_grid(plain, Grid(SHAPE), "it"), LABELS)
    for other in (Grid((5, 6, 7)), Grid(SHAPE, (1.0, 1.0, 1.0)), Grid(SHAPE, None, AFFINE)):
        with pytest.raises(DataError, match="do not meet"):
            on_grid(plain, other, "it")


@pytest.mark.parametrize(
    "values",
    [
        np.array([0, 40_000, 70_000, -3]),
        np.array([0, 2**31 - 1], np.uint32),
        np.array([0.0, 12.0, 1.0001]),
        np.array([1, 0], np.uint8),
    ],
)
def test_class_numbers_are_kept(values):
    np.testing.assert_array_equal(whole_numbers("it", values), np.rint(values))


@pytest.mark.parametrize(
    "values", [[0, 0.5], [0, np.nan], [np.inf, 0], [0.0, 2.0**31], [-(2.0**40), 0]]
)
def test_what_is_no_class_number_is_refused(values):
    with pytest.raises(DataError, match="expected class numbers"):
        whole_numbers("it", np.array(values))


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine), path)


IMAGE = LABELS.astype(np.int16)
LAYOUTS = {
    "decathlon": ("imagesTr/a.nii.gz", "labelsTr/a.nii.gz"),
    "nnU-Net": ("imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"),
    "beside": ("a.nii.gz", "a_seg.nii.gz"),
    "folders": ("images/a.nii.gz", "masks/a.nii.gz"),
    "folders below": ("x/image/a.nii", "x/label/a_label.nii"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("query", ["", "&orient=LPI", "&spacing=4,3,6&crop=3,3,3"])
def test_every_layout_gives_the_mask_of_the_image(tmp_path, layout, query):
    image, labels = LAYOUTS[layout]
    save(tmp_path / image, IMAGE)
    save(tmp_path / labels, *turned(LABELS * 300, AFFINE, (1, 0, 2), (2,)))
    source = open_source(f"nifti:{tmp_path}?val=0&test=0{query}")
    (signal,) = source.signals("train")
    mask = source.mask_of(signal.id)
    assert source.label_map_of(signal.id).grid == signal.domain
    expected = source.preprocessing.apply_labels(LABELS * 300, Grid(SHAPE, (2, 1.5, 3), AFFINE))
    np.testing.assert_array_equal(mask, expected)
    assert mask.max() > 2**15


def test_a_mask_on_other_voxels_is_refused_when_it_is_asked_for(tmp_path):
    save(tmp_path / "a.nii.gz", IMAGE)
    save(tmp_path / "a_seg.nii.gz", LABELS, moved_by(9.0))
    source = open_source(f"nifti:{tmp_path}?val=0&test=0")
    (signal,) = source.signals("train")
    with pytest.raises(DataError, match=r"the label map of a\.nii\.gz .* do not meet"):
        source.mask_of(signal.id)


def test_two_masks_of_one_image_are_no_mask(tmp_path):
    for name in ("a", "a_seg", "a_mask"):
        save(tmp_path / f"{name}.nii.gz", IMAGE)
    source = open_source(f"nifti:{tmp_path}?val=0&test=0")
    (signal,) = source.signals("train")
    assert source.mask_of(signal.id) is None


def test_probabilities_are_no_class_numbers(tmp_path):
    save(tmp_path / "a.nii.gz", IMAGE)
    save(tmp_path / "a_seg.nii.gz", LABELS / 1000)
    source = open_source(f"nifti:{tmp_path}?val=0&test=0")
    (signal,) = source.signals("train")
    with pytest.raises(DataError, match="class numbers"):
        source.mask_of(signal.id)


def test_segmentations_of_slicer_meet_their_volume(tmp_path):
    nrrd = pytest.importorskip("nrrd")
    for name, data, affine in (
        ("a.nrrd", IMAGE, AFFINE),
        ("a.seg.nrrd", *turned(LABELS, AFFINE, (2, 0, 1), (1,))),
    ):
        header = {
            "space": "right-anterior-superior",
            "space directions": affine[:3, :3].T,
            "space origin": affine[:3, 3],
        }
        nrrd.write(str(tmp_path / name), np.ascontiguousarray(data), header)
    source = open_source(f"nrrd:{tmp_path}?val=0&test=0")
    (signal,) = source.signals("train")
    np.testing.assert_array_equal(source.mask_of(signal.id), LABELS)
