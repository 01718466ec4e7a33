"""The samples ``slices`` and ``volumes``: brain MR and chest CT."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
from nibabel.processing import resample_from_to, smooth_image
from sample_file import Card, Split, write_sample
from scipy import ndimage

from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.sources.source import SourceInfo


def read_volume(path: Path) -> nib.Nifti1Image:
    """A NIfTI or NRRD file in RAS+ orientation."""
    if path.suffix == ".nrrd":
        data, header = nrrd.read(str(path))
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = header["space directions"].T, header["space origin"]
        image = nib.Nifti1Image(
            data.astype(np.float32), np.diag([-1, -1, 1, 1]) @ affine
        )  # LPS+ to RAS+
    else:
        loaded = nib.load(path)
        image = nib.Nifti1Image(np.asarray(loaded.dataobj, np.float32), loaded.affine)
    return nib.as_closest_canonical(image)


def resampled(
    image: nib.Nifti1Image,
    shape: tuple[int, int, int],
    spacing: float,
    centre: np.ndarray,
    outside: float,
) -> nib.Nifti1Image:
    """The volume on an isotropic grid about ``centre`` (mm), blurred first where the new grid is
    coarser."""
    zooms = np.array(image.header.get_zooms()[:3])
    blurred = smooth_image(image, np.sqrt(np.maximum(spacing**2 - zooms**2, 0)), mode="nearest")
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = centre - spacing * (np.array(shape) - 1) / 2
    return resample_from_to(blurred, (shape, affine), order=1, cval=outside)


def body_centre(image: nib.Nifti1Image, threshold: float) -> np.ndarray:
    """World coordinates in mm of the centre of the tissue along x and y and of the volume along
    z."""
    data = image.get_fdata(dtype=np.float32)
    x, y, _ = ndimage.center_of_mass(data > threshold)
    return nib.affines.apply_affine(image.affine, [x, y, (data.shape[2] - 1) / 2])


# file: (class name, train or test, tissue threshold, spacing in mm, value of the surroundings)
SLICE_VOLUMES = {
    "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz": ("brain MR", "test", 1.0, 3.0, 0.0),
    "ch2bet.nii.gz": ("brain MR", "train", 1.0, 3.0, 0.0),
    "lung1_image.nrrd": ("chest CT", "train", -200.0, 3.75, -1024.0),
    "lung2_image.nrrd": ("chest CT", "test", -200.0, 3.75, -1024.0),
}
PLANES = ("sagittal", "coronal", "axial")
CT_WINDOW = (-1000.0, 400.0)
SIDE = 64


def slices(folder: Path) -> None:
    """Grey slices in three planes of four volumes, shown as radiologists do (the patient's right on
    the left)."""
    names = [f"{organ} {plane}" for organ in ("brain MR", "chest CT") for plane in PLANES]
    splits = {name: Split() for name in ("train", "val", "test")}
    for file, (organ, split, threshold, spacing, outside) in SLICE_VOLUMES.items():
        image = read_volume(folder / file)
        cube = resampled(
            image, (SIDE,) * 3, spacing, body_centre(image, threshold), outside
        ).get_fdata(dtype=np.float32)
        low, high = (
            CT_WINDOW
            if organ == "chest CT"
            else (0.0, float(np.percentile(cube[cube > threshold], 99.5)))
        )
        grey = np.round(np.clip((cube - low) / (high - low), 0, 1) * 255).astype(np.uint8)[
            ::-1, ::-1, ::-1
        ]
        for axis, plane in enumerate(PLANES):
            tissue = (cube[::-1, ::-1, ::-1] > threshold).mean(
                axis=tuple(a for a in range(3) if a != axis)
            )
            kept = np.flatnonzero(tissue > 0.15)
            if "_sym_" in file and plane == "sagittal":
                kept = kept[kept < SIDE // 2]  # this brain is its own mirror image
            for which, index in _slice_splits(kept, split):
                picture = np.take(grey, index, axis).T[:, :, None]
                origin = f"{file.split('_')[0].split('.')[0]} {plane} {index}"
                splits[which].add(picture, names.index(f"{organ} {plane}"), (0, 255), origin)
    card = Card(
        SignalSpec(2, 1, (SIDE, SIDE), "8-bit", "mr and ct", tuple(names), "multi-class"),
        SourceInfo(
            name="sample:slices",
            licence=(
                "MNI permissive notice (brain MR), BSD-3-Clause distribution (chest CT); see "
                "LICENSES.md beside the file"
            ),
            citation=(
                "Fonov et al. 2009 (MNI ICBM152); Holmes et al. 1998 (Colin 27); van Griethuysen "
                "et al. 2017 (PyRadiomics test cases)"
            ),
            split_by="volume",
            details={
                "volumes": (
                    "train and val: Colin 27 brain, CT lung1; test: MNI ICBM152 average brain, CT "
                    "lung2"
                ),
                "splits": (
                    "test is of other people than train; val is a slab of the training volumes, "
                    "two slices from train"
                ),
                "grey": "CT: -1000 to 400 HU; MR: 0 to the 99.5th percentile of tissue",
                "grid": "64 x 64, brain 3 mm, chest 3.75 mm",
            },
        ),
    )
    write_sample("slices", card, splits)


def _slice_splits(kept: np.ndarray, split: str) -> Iterator[tuple[str, int]]:
    """Test volumes give every third slice; of a training volume a slab at 60 to 75 % of the way is
    for validation, with gaps."""
    if split == "test":
        yield from (("test", int(index)) for index in kept[::3])
        return
    low, high = round(0.6 * len(kept)), round(0.75 * len(kept))
    yield from (
        ("train", int(index)) for index in np.concatenate([kept[: low - 2], kept[high + 2 :]])
    )
    yield from (("val", int(index)) for index in kept[low:high:2])


PATCH, PATCH_SPACING, AIR, LUNG_SHARE = 32, 2.0, -500.0, 0.4
HU_RANGE = (-1024.0, 1024.0)


def volumes(folder: Path) -> None:
    """Chest CT in cubes of 64 mm in Hounsfield units; neighbours do not overlap."""
    splits = {name: Split() for name in ("train", "val", "test")}
    for file, split in (("lung1_image.nrrd", "train"), ("lung2_image.nrrd", "test")):
        image = read_volume(folder / file)
        counts = np.floor(
            np.array(image.shape) * image.header.get_zooms()[:3] / (PATCH * PATCH_SPACING)
        ).astype(int)
        fine = resampled(
            image, tuple(counts * PATCH), PATCH_SPACING, body_centre(image, -200.0), -1024.0
        )
        data = np.clip(np.round(fine.get_fdata(dtype=np.float32) / 4) * 4, *HU_RANGE).astype(
            np.int16
        )
        outside = _outside_air(data)
        for number, (i, j, k) in enumerate(np.ndindex(*counts)):
            corner = np.array([i, j, k]) * PATCH
            box = tuple(slice(start, start + PATCH) for start in corner)
            affine = fine.affine.copy()
            affine[:3, 3] = nib.affines.apply_affine(fine.affine, corner)
            if outside[box].mean() > 0.2 or (split == "test" and number % 3):
                continue
            which = "val" if split == "train" and i == counts[0] - 1 else split
            label = int((data[box] < AIR).mean() < LUNG_SHARE)
            splits[which].add(
                data[box][..., None], label, HU_RANGE, f"{file.split('_')[0]} {i} {j} {k}", affine
            )
    card = Card(
        SignalSpec(3, 1, (PATCH,) * 3, "HU", "ct", ("lung", "soft tissue"), "binary-class"),
        SourceInfo(
            name="sample:volumes",
            licence="BSD-3-Clause distribution; see LICENSES.md beside the file",
            citation="van Griethuysen et al. 2017 (PyRadiomics test cases)",
            split_by="volume",
            details={
                "volumes": "train and val: CT lung1; test: CT lung2",
                "splits": (
                    "test is of another person than train; val is the rightmost layer of the "
                    "training volume"
                ),
                "labels": "by rule: lung where at least 40 % of the voxels are below -500 HU",
                "grid": (
                    "32 x 32 x 32 at 2 mm from slices of 5 mm, rounded to 4 HU, clipped to -1024 "
                    "to 1024 HU"
                ),
            },
        ),
        (PATCH_SPACING,) * 3,
        "mm",
    )
    write_sample("volumes", card, splits)


def _outside_air(data: np.ndarray) -> np.ndarray:
    """True in the air around the body: what hangs together with one of the volume's four upright
    faces."""
    regions, _ = ndimage.label(data < AIR)
    faces = np.concatenate([regions[[0, -1]].ravel(), regions[:, [0, -1]].ravel()])
    return np.isin(regions, faces[faces > 0])
