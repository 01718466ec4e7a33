"""The development data once more in other formats and layouts, so that every kind of source has
real signals to read.

The files have the names and the form of the published sets; their signals and labels are not those
of the published sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import nibabel as nib
import nrrd
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.preprocess import Resample
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.source import SPLITS
from medfuncta._src.sources.table import open_source
from medfuncta._src.writers.table import write_signal

VOLUMES = 12
"""Volumes of a set that is made here."""


def kaggle_heartbeats(data: Path, folder: Path) -> None:
    """Beats of MIT-BIH as in the Kaggle heartbeat set: no header, a row of 187 samples in [0, 1]
    and the class a beat."""
    source = open_source(f"wfdb:{data / 'mitbih'}?limit=64&per_record=16")
    for split in ("train", "test"):
        rows = [
            [*signal.normalised().ravel(), float(str(signal.label))]
            for signal in source.signals(split)
        ]
        np.savetxt(folder / f"mitbih_{split}.csv", rows, fmt="%.18e", delimiter=",")


def nrrd_volumes(data: Path, folder: Path) -> None:
    """Hippocampus volumes as 3D Slicer writes them."""
    for path in _hippocampus(data):
        image = nib.Nifti1Image.from_filename(path)
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(image.affine)
        header = {
            "space": "left-posterior-superior",
            "space directions": affine[:3, :3].T,
            "space origin": affine[:3, 3],
        }
        kinds = {"kinds": ["domain"] * 3, "space units": ["mm"] * 3, "encoding": "gzip"}
        nrrd.write(
            str(folder / path.name.replace(".nii.gz", ".nrrd")),
            np.asarray(image.dataobj),
            {**header, **kinds},
        )


def medmnist_files(data: Path, folder: Path) -> None:
    """Cells, chest X-rays and hippocampus volumes at 28 and 64 under the names of MedMNIST's files,
    8-bit, labels ``[N, 1]``."""
    cells = dict(np.load(data / "bloodcells_64.npz"))
    rays = dict(np.load(data / "pneumoniamnist_28.npz"))
    volumes = [
        signal
        for split in SPLITS
        for signal in _first(f"nifti:{data / 'hippocampus'}?limit={VOLUMES // 3}", split)
    ]
    for size, suffix in ((28, ""), (64, "_64")):
        for name, arrays in (("bloodmnist", cells), ("pneumoniamnist", rays)):
            images = {split: _resized(arrays[f"{split}_images"], size) for split in SPLITS}
            _save_medmnist(
                folder / f"{name}{suffix}.npz",
                images,
                {split: arrays[f"{split}_labels"] for split in SPLITS},
            )
        cubes = np.split(
            np.stack([_eight_bits(Resample((size,) * 3).apply(volume)) for volume in volumes]), 3
        )
        labels = np.arange(VOLUMES)[:, None] % 2
        _save_medmnist(
            folder / f"organmnist3d{suffix}.npz",
            {split: part for split, part in zip(SPLITS, cubes, strict=True)},
            {split: labels for split in SPLITS},
        )


def brats_cases(data: Path, folder: Path) -> None:
    """Whole-brain MR as NIfTI, a folder a case; each series of the one patient stands for a case of
    its own."""
    for number, signal in enumerate(
        _first(f"dicom:{data / 'brain_mr_dicom'}?val=0&test=0&spacing=1,1,1", "train")
    ):
        case = f"BraTS-GLI-{number:05d}-000"
        (folder / case).mkdir()
        write_signal(signal, folder / case / f"{case}-t1n.nii.gz")


def lidc_scans(data: Path, folder: Path) -> None:
    """Pieces of a chest CT (they ship with the package) as DICOM series, a folder a patient."""
    for number, signal in enumerate(islice(open_source("sample:volumes").signals("train"), 4)):
        (folder / f"LIDC-IDRI-{number:04d}").mkdir()
        series = generate_uid(entropy_srcs=[signal.id])
        for height, image in enumerate(np.moveaxis(signal.values[..., 0], 2, 0)):
            data_set = _ct_slice(image, height, signal, str(number), series)
            data_set.save_as(
                folder / f"LIDC-IDRI-{number:04d}" / f"{height:03d}.dcm", enforce_file_format=True
            )


LAYOUTS: Mapping[str, Callable[[Path, Path], None]] = {
    "kaggle": kaggle_heartbeats,
    "nrrd": nrrd_volumes,
    "medmnist": medmnist_files,
    "brats": brats_cases,
    "lidc": lidc_scans,
}
"""What can be made of the development data, by the name of its folder; ``make(data, folder)``
writes into an empty one."""


def _hippocampus(data: Path) -> list[Path]:
    return sorted((data / "hippocampus" / "imagesTr").glob("*.nii.gz"))[:VOLUMES]


def _first(source: str, split: str) -> Iterable[Signal]:
    return open_source(source).signals(split)


def _eight_bits(signal: Signal) -> np.ndarray:
    return (
        np.rint(255 * signal.normalised().clip(0, 1))
        .astype(np.uint8)
        .reshape(signal.values.shape[:-1])
    )


def _resized(images: np.ndarray, size: int) -> np.ndarray:
    """The first images ``[N, side, side]`` or ``[N, side, side, 3]``, the nearest of their pixels
    taken."""
    nearest = ((np.arange(size) + 0.5) * images.shape[1] / size).astype(int)
    return images[:64, nearest][:, :, nearest]


def _save_medmnist(
    path: Path, images: dict[str, np.ndarray], labels: dict[str, np.ndarray]
) -> None:
    arrays = {f"{split}_images": part for split, part in images.items()}
    arrays |= {f"{split}_labels": labels[split][: len(part)] for split, part in images.items()}
    np.savez_compressed(path, allow_pickle=False, **arrays)


def _ct_slice(image: np.ndarray, height: int, signal: Signal, patient: str, series: str) -> Dataset:
    """One slice of a volume on NIfTI's axes as an image on DICOM's: rows run along +y, columns
    along +x."""
    assert isinstance(signal.domain, Grid) and signal.domain.spacing is not None
    stored = np.rint(image.T + 1024).astype("<u2")
    across, down, step = signal.domain.spacing
    facts: dict[str, Any] = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": generate_uid(entropy_srcs=[series, str(height)]),
        "SeriesInstanceUID": series,
        "StudyInstanceUID": generate_uid(entropy_srcs=[patient]),
        "PatientID": patient,
        "Modality": "CT",
        "Rows": stored.shape[0],
        "Columns": stored.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "RescaleType": "HU",
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [0, 0, height * step],
        "PixelSpacing": [down, across],
        "SliceThickness": step,
        "PixelData": stored.tobytes(),
    }
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID, data.file_meta.MediaStorageSOPClassUID = (
        ExplicitVRLittleEndian,
        CTImageStorage,
    )
    data.file_meta.MediaStorageSOPInstanceUID = facts["SOPInstanceUID"]
    for keyword, value in facts.items():
        setattr(data, keyword, value)
    return data
