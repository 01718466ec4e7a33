"""Known layouts are recognised by their names, and nothing else is."""

from __future__ import annotations

from pathlib import Path, PurePath

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from medfuncta._src.errors import DataError
from medfuncta._src.sources.file_names import channels_among, label_maps_among
from medfuncta._src.sources.table import open_source


def paths(*names: str) -> list[PurePath]:
    return [PurePath(name) for name in names]


@pytest.mark.parametrize(
    ("names", "label_maps"),
    [
        (["a.png", "a_mask.png"], ["a_mask.png"]),
        (["b 1.png", "b 1_mask.png", "b 1_mask_1.png"], ["b 1_mask.png", "b 1_mask_1.png"]),
        (["x/a.nii.gz", "x/a-label.nii.gz"], ["x/a-label.nii.gz"]),
        (["p/p_t1.nii", "p/p_flair.nii", "p/p_seg.nii"], ["p/p_seg.nii"]),
        (["images/1.png", "masks/1.png"], ["masks/1.png"]),
        (["train/images/1.png", "train/labels/1.png"], ["train/labels/1.png"]),
        (["1.png", "GroundTruth/1.png"], ["GroundTruth/1.png"]),
        (["in/ISIC_1.jpg", "out/ISIC_1_segmentation.png"], ["out/ISIC_1_segmentation.png"]),
        (["sub-1/sub-1_T1w.nii", "d/sub-1/sub-1_desc-brain_mask.nii"],
         ["d/sub-1/sub-1_desc-brain_mask.nii"]),
        # signals, whatever their names look like
        (["a_mask.png", "b_mask.png"], []),
        (["masks/1.png", "masks/2.png"], []),
        (["mask/1.png", "no_mask/1.png"], []),
        (["white_label.png", "black.png"], []),
        (["seg.png", "mask.png", "label.png"], []),
        (["labels/benign/1.png", "labels/malignant/1.png"], []),
    ],
)  # fmt: skip
def test_label_maps_are_told_by_their_partners(names, label_maps):
    assert [str(path) for path in label_maps_among(paths(*names))] == label_maps


@pytest.mark.parametrize(
    ("names", "cases"),
    [
        (["a_0000.nii", "a_0001.nii", "b_0000.nii", "b_0001.nii"], ["a.nii", "b.nii"]),
        (["imagesTr/a_0000.nii", "imagesTr/a_0001.nii"], ["imagesTr/a.nii"]),
        (
            ["imagesTr/a_0000.nii", "imagesTr/a_0001.nii", "imagesTr/b_0001.nii"],
            ["imagesTr/a.nii"],
        ),
        (["a_0000.nii", "b_0000.nii"], []),
        (["v_0000.nii", "v_0001.nii", "v_0002.nii"], []),
        (["a_0001.nii", "a_0002.nii", "b_0001.nii", "b_0002.nii"], []),
        (["a_0000.nii", "a_0001.nii", "b_0000.nii", "b_0001.nii", "b_0002.nii"], []),
        ([f"imagesTr/amos_{number:04d}.nii" for number in range(1, 9)], []),
        ([f"imagesTr/amos_{number:04d}.nii" for number in range(40)], []),
        (["a_2019.nii", "a_2020.nii", "b_2019.nii", "b_2020.nii"], []),
    ],
)
def test_channels_are_told_from_volumes_that_are_numbered(names, cases):
    assert [str(path) for path in channels_among(paths(*names))] == cases


def volume(path: Path, seed: int, affine: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(seed).integers(0, 99, (4, 5, 6)).astype(np.int16)
    nib.save(nib.Nifti1Image(data, np.eye(4) if affine is None else affine), path)


def test_channels_of_a_case_are_one_signal(tmp_path):
    for case in range(3):
        for channel in range(2):
            volume(tmp_path / f"imagesTr/c{case}_{channel:04d}.nii.gz", 2 * case + channel)
    source = open_source(f"nifti:{tmp_path}?val=0&test=0&ids=names")
    signals = list(source.signals("train"))
    assert [(signal.id, signal.channels) for signal in signals] == [
        ("c0", 2),
        ("c1", 2),
        ("c2", 2),
    ]
    alone = nib.load(tmp_path / "imagesTr/c1_0001.nii.gz").get_fdata()
    np.testing.assert_array_equal(signals[1].values[..., 1], alone)
    assert any("nnU-Net" in remark for remark in source.remarks)
    first = open_source(f"nifti:{tmp_path}?val=0&test=0&channel=0").spec
    assert first.channels == 1


@pytest.mark.parametrize(
    ("image", "label"), [("imagesTr", "labelsTr"), ("images", "masks"), ("", "")]
)
def test_volumes_that_are_numbered_from_0_have_masks_of_their_own(tmp_path, image, label):
    for number in range(3):
        volume(tmp_path / image / f"v_{number:04d}.nii.gz", number)
        mask = f"v_{number:04d}.nii.gz" if label else f"v_{number:04d}_mask.nii.gz"
        volume(tmp_path / label / mask, number)
    source = open_source(f"nifti:{tmp_path}?val=0&test=0")
    signals = list(source.signals("train"))
    assert [signal.channels for signal in signals] == [1, 1, 1]
    for signal in signals:
        np.testing.assert_array_equal(source.mask_of(signal.id), signal.values[..., 0])


def test_channels_on_other_voxels_are_refused(tmp_path):
    volume(tmp_path / "imagesTr/c_0000.nii.gz", 0)
    volume(tmp_path / "imagesTr/c_0001.nii.gz", 1, np.diag([-1.0, 1, 1, 1]))
    with pytest.raises(DataError, match=r"channel 1 of .* lies on another grid"):
        _ = open_source(f"nifti:{tmp_path}?val=0&test=0").spec


def test_sessions_of_a_subject_stay_together(tmp_path):
    for subject in range(8):
        for session in (1, 2):
            name = f"sub-{subject:02d}_ses-{session}"
            volume(tmp_path / f"sub-{subject:02d}/ses-{session}/anat/{name}_T1w.nii.gz", subject)
    source = open_source(f"nifti:{tmp_path}")
    for items in source.items.values():
        subjects = [item.name[:6] for item in items]
        assert all(subjects.count(subject) == 2 for subject in subjects)
    assert any("BIDS" in remark for remark in source.remarks)


def picture(path: Path, value: int = 9) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 5), value, np.uint8)).save(path)


@pytest.mark.parametrize("around", ["", "archive/", "archive/brain tumour/"])
@pytest.mark.parametrize(
    ("train", "test"), [("Training", "Testing"), ("TRAIN", "Test"), ("train", "test")]
)
def test_class_folders_below_folders_of_splits(tmp_path, around, train, test):
    for split, count in ((train, 6), (test, 3)):
        for label in ("glioma", "healthy"):
            for number in range(count):
                picture(tmp_path / f"{around}{split}/{label}/{number}.png")
    source = open_source(f"images:{tmp_path}")
    assert source.spec.label_names == ("glioma", "healthy")
    assert len(list(source.signals("test"))) == 6
    assert any("split" in remark for remark in source.remarks)


def test_folders_around_classes_are_no_class(tmp_path):
    for label in ("AD", "CN"):
        for number in range(4):
            picture(tmp_path / f"archive/data/{label}/{number}.png")
    source = open_source(f"images:{tmp_path}?val=0&test=0")
    assert source.spec.label_names == ("AD", "CN")


def test_masks_beside_pictures_are_neither_signals_nor_a_class(tmp_path):
    for label in ("benign", "malignant"):
        for number in range(3):
            picture(tmp_path / label / f"{label} ({number}).png")
            picture(tmp_path / label / f"{label} ({number})_mask.png")
    source = open_source(f"images:{tmp_path}?val=0&test=0")
    assert len(list(source.signals("train"))) == 6
    assert any("6 label maps" in remark for remark in source.remarks)
    both = open_source(f"images:{tmp_path}?val=0&test=0&masks=signals")
    assert len(list(both.signals("train"))) == 12


def test_what_is_passed_over_is_counted(tmp_path):
    picture(tmp_path / "a.png")
    for name in ("b.dcm", "c.dcm", "d.zip", "notes.txt", "LICENSE"):
        (tmp_path / name).write_bytes(b"x")
    source = open_source(f"images:{tmp_path}?val=0&test=0")
    assert source.remarks == [
        "passed over 2 .dcm and 1 .zip files, which are not read as signals here"
    ]
