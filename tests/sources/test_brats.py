"""BraTS folders give the paper's volumes, and their header and label maps stay."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.signals.preprocess import InputGrid
from medfuncta._src.sources.brats import brats_steps
from medfuncta._src.sources.table import open_source

AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])
SHAPE = (24, 24, 15)


def write_cases(
    folder: Path, names: list[str], sequence: str = "t1n", mask: str = "seg", separator: str = "-"
) -> str:
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        image = np.random.default_rng(number).gamma(2, 100, SHAPE).astype(np.int16)
        image[:4] = 0
        for what, data in (
            (sequence, image),
            ("t2w", image // 2),
            (mask, (image > 300).astype(np.uint8)),
        ):
            nib.save(
                nib.Nifti1Image(data, AFFINE), folder / name / f"{name}{separator}{what}.nii.gz"
            )
    return f"brats:{folder}"


@pytest.fixture
def cases(tmp_path: Path) -> str:
    return write_cases(
        tmp_path / "brats",
        [f"BraTS-GLI-{patient:05d}-{visit:03d}" for patient in range(4) for visit in range(2)],
    )


def test_volumes_are_the_papers(cases, tmp_path):
    source = open_source(cases)
    signal = next(source.signals("train"))
    (path,) = (item.paths[0] for item in source.items["train"] if item.id == signal.id)
    image = nib.load(path).get_fdata()
    low, high = np.quantile(image, [0.001, 0.999])
    padded = np.zeros((256, 256, 256), np.float32)
    padded[116:140, 116:140, 120:135] = (np.clip(image, low, high) - low) / (high - low)
    expected = padded.reshape(32, 8, 32, 8, 32, 8).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(signal.range.normalise(signal.values[..., 0]), expected, atol=1e-5)
    assert source.spec.shape == (32, 32, 32)
    before = InputGrid.of(signal.header, source.preprocessing)
    assert before.grid.shape == SHAPE
    np.testing.assert_array_equal(before.grid.affine, AFFINE)


def test_visits_of_a_patient_stay_together_and_masks_follow(cases):
    source = open_source(cases)
    for items in source.items.values():
        assert len(items) % 2 == 0 and all(item.name.endswith("t1n.nii.gz") for item in items)
    mask = source.mask_of(source.items["test"][0].id)
    assert mask.shape == (32, 32, 32) and set(np.unique(mask)) == {0, 1}
    assert source.info.details["sequence"] == "t1n" and source.info.split_by == "patient"


def test_names_of_earlier_years(tmp_path):
    text = write_cases(
        tmp_path / "brats", [f"BraTS2021_{case:05d}" for case in range(4)], "t1", separator="_"
    )
    source = open_source(text)
    assert sum(map(len, source.items.values())) == 4
    assert source.mask_of(source.items["test"][0].id) is not None


def test_mistakes(cases):
    with pytest.raises(ConfigError, match="expected 256 or a whole part"):
        open_source(f"{cases}?size=33")
    with pytest.raises(DataError, match="no t2f volume"):
        open_source(f"{cases}?sequence=t2f")
    assert [step.name for step in brats_steps(64).steps] == ["quantiles", "crop-pad", "resample"]
