"""Which axis counts channels: told, or plain from the lengths, or asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medfuncta._src.errors import DataError
from medfuncta._src.sources.arrays import from_arrays
from medfuncta._src.sources.axes import Layout
from medfuncta._src.sources.table import open_source


@pytest.mark.parametrize(
    ("array", "kind", "channels", "shape", "count", "first", "said"),
    [
        ((9, 28, 28), "", "", (28, 28), 1, False, False),
        ((9, 28, 28, 3), "", "", (28, 28), 3, False, False),
        ((9, 28, 28, 1), "", "", (28, 28), 1, False, False),
        ((9, 28, 28, 28), "", "", (28, 28, 28), 1, False, False),
        ((9, 8, 28, 28), "", "", (8, 28, 28), 1, False, False),
        ((9, 3, 28, 20), "", "", (28, 20), 3, True, True),
        ((9, 1, 28, 28), "", "", (28, 28), 1, True, True),
        ((9, 4, 28, 28), "", "", (28, 28), 4, True, True),
        ((9, 28, 28, 4), "", "", (28, 28), 4, False, True),
        ((9, 1, 28, 28, 28), "", "", (28, 28, 28), 1, True, True),
        ((9, 28, 28, 28, 2), "", "", (28, 28, 28), 2, False, False),
        ((9, 64, 64, 30, 12), "", "", (64, 64, 30), 12, False, True),
        ((9, 1, 500), "", "", (500,), 1, True, True),
        ((9, 500, 1), "", "", (500,), 1, False, False),
        ((9, 12, 500), "trace", "", (500,), 12, True, True),
        ((9, 500, 12), "trace", "", (500,), 12, False, True),
        ((9, 3, 28, 28), "rgb", "", (28, 28), 3, True, True),
        ((9, 3, 28, 28), "volume", "", (3, 28, 28), 1, False, False),
        ((9, 28, 28, 4), "volume", "", (28, 28, 4), 1, False, False),
        ((9, 1, 28, 28), "grey", "", (28, 28), 1, True, True),
        ((9, 2, 28, 28), "", "first", (28, 28), 2, True, False),
        ((9, 2, 28, 28), "", "none", (2, 28, 28), 1, False, False),
        ((9, 28, 3), "", "last", (28,), 3, False, False),
        ((9, 3, 28, 3), "rgb", "first", (28, 3), 3, True, False),
    ],
)
def test_layouts(array, kind, channels, shape, count, first, said):
    found = Layout.of(array, kind, channels)
    assert (found.shape, found.channels, found.first) == (shape, count, first)
    assert bool(found.remark) == said
    values = np.arange(np.prod(array[1:])).reshape(array[1:])
    moved = found.channels_last(values)
    assert moved.shape == (*shape, count)
    if count > 1:
        one = values[1] if first else values[..., 1]
        np.testing.assert_array_equal(moved[..., 1], one)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        ((9, 2, 28, 28), "2 channels or volumes 2 voxels thick"),
        ((9, 28, 28, 2), "2 channels or volumes 2 voxels thick"),
        ((9, 3, 28, 3), "pictures of 3 channels or volumes"),
        ((9, 3, 28, 28, 1), "two axes that may count channels"),
        ((9, 12, 500), "traces of 12 channels or pictures"),
        ((9, 500, 2), "traces of 2 channels or pictures"),
    ],
)
def test_what_the_lengths_leave_open_is_asked_for(array, said):
    with pytest.raises(DataError, match=said) as caught:
        Layout.of(array)
    assert "channels=" in str(caught.value) and "kind=" in str(caught.value)


@pytest.mark.parametrize(
    ("array", "kind", "channels"),
    [((9, 28, 28), "rgb", ""), ((9,), "", ""), ((9, 5, 6, 7, 8), "", "none"), ((9, 8), "", "first"),
     ((9, 28, 28, 3), "grey", ""), ((9, 28, 28), "volume", "last")],
)  # fmt: skip
def test_what_does_not_fit_is_refused(array, kind, channels):
    with pytest.raises(DataError, match="an array of shape"):
        Layout.of(array, kind, channels)


def archive(path: Path, images: np.ndarray, **more: np.ndarray) -> str:
    np.savez(path, train_images=images, **more)
    return f"npz:{path}"


def test_channels_first_reach_the_signals_and_are_said(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (4, 3, 8, 9), np.uint8)
    source = open_source(archive(tmp_path / "a.npz", images))
    signals = list(source.signals("train"))
    np.testing.assert_array_equal(signals[2].values, images[2].transpose(1, 2, 0))
    assert "3 channels (the first axis" in source.remarks[0]
    told = open_source(archive(tmp_path / "a.npz", images) + "?channels=none")
    assert told.spec.shape == (3, 8, 9) and not told.remarks


@pytest.mark.parametrize(
    ("shape", "channels", "said"),
    [
        ((4, 3, 28, 28), "none", "3 voxels thick"),
        ((4, 28, 28, 4), "none", "4 voxels thick"),
        ((4, 3, 28, 28), "last", "28 channels of 3 x 28"),
        ((4, 28, 28, 3), "first", "28 channels of 28 x 3"),
        ((4, 3, 28, 28), "first", ""),
        ((4, 28, 28, 28), "none", ""),
        ((4, 12, 500), "first", ""),
    ],
)
def test_arrays_whose_shape_hints_at_another_axis_are_said(shape, channels, said):
    source = from_arrays(np.random.default_rng(0).random(shape), channels=channels)
    assert bool(source.remarks) == bool(said)
    assert all(said in remark for remark in source.remarks)


def test_labels_that_are_whole_floats_are_classes(tmp_path):
    images = np.zeros((4, 8, 9), np.uint8)
    labels = np.array([[0.0], [1.0], [1.0], [0.0]], np.float32)
    source = open_source(archive(tmp_path / "a.npz", images, train_labels=labels))
    assert [signal.label for signal in source.signals("train")] == [0, 1, 1, 0]


def test_numbers_that_float32_cannot_hold_are_refused_or_said(tmp_path):
    images = np.full((2, 8, 9), 1e9) + np.arange(9) / 8
    with pytest.raises(DataError, match="subtract an offset"):
        list(open_source(archive(tmp_path / "a.npz", images)).signals("train"))
    with pytest.raises(DataError, match="beyond float32"):
        list(from_arrays(images * 1e290, channels="none", val=0, test=0).signals("train"))
    whole = 2**25 + 3 * np.arange(72).reshape(1, 8, 9)
    source = open_source(archive(tmp_path / "a.npz", whole))
    list(source.signals("train"))
    assert "rounded to float32" in source.remarks[0]


def test_an_array_without_names_and_a_folder_say_so(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 8, 9)))
    with pytest.raises(DataError, match=r"a\.npy is one array .* archive \(npz\)"):
        open_source(f"npz:{tmp_path / 'a.npy'}")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="folder is a folder; expected a npz file"):
        open_source(f"npz:{tmp_path / 'folder'}")
