"""Tiny DICOM files made on the spot, full of identifiers that must not get out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    TwelveLeadECGWaveformStorage,
    generate_uid,
)

SECRETS = (
    "DOE",
    "JANE",
    "MRN-4711",
    "19400101",
    "ACC-0815",
    "Mercy Hospital",
    "1.2.826.0.1.3680043.8.498",
)


def header(storage: str, patient: str, series: str) -> Dataset:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = storage
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.PatientName, data.PatientID, data.PatientBirthDate = (
        "DOE^JANE",
        f"MRN-4711-{patient}",
        "19400101",
    )
    data.AccessionNumber, data.InstitutionName = "ACC-0815", "Mercy Hospital"
    data.StudyInstanceUID, data.SeriesInstanceUID = (
        generate_uid(entropy_srcs=[patient]),
        generate_uid(entropy_srcs=[patient, series]),
    )
    return data


def add_pixels(data: Dataset, pixels: np.ndarray) -> Dataset:
    data.Rows, data.Columns = pixels.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.PixelData = pixels.astype("<i2").tobytes()
    return data


def ct_slice(
    pixels: np.ndarray, height: float, patient: str = "a", series: str = "1", **changes: object
) -> Dataset:
    """Rows run along +y, columns along +x (patient axes left, posterior); spacing 0.5 between rows,
    0.75 between columns."""
    data = add_pixels(header(CTImageStorage, patient, series), pixels)
    data.Modality, data.RescaleSlope, data.RescaleIntercept = "CT", 2, -1000
    data.ImageOrientationPatient, data.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [10, 20, height]
    data.PixelSpacing, data.SliceThickness = [0.5, 0.75], 3
    for keyword, value in changes.items():
        setattr(data, keyword, value)
    return data


def stack(shape: tuple[int, int, int] = (5, 4, 6), seed: int = 0) -> np.ndarray:
    """Stored numbers ``[slices, rows, columns]``."""
    return np.random.default_rng(seed).integers(0, 500, shape)


def save(data: Dataset, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, data, enforce_file_format=True)


def write_series(
    folder: Path,
    pixels: np.ndarray,
    patient: str = "a",
    series: str = "1",
    step: float = 3,
    **changes: object,
) -> None:
    """One file a slice, named so that the order of names is not that of positions."""
    for index, image in enumerate(pixels):
        data = ct_slice(image, index * step, patient, series, **changes)
        save(data, folder / f"IM{(index * 7) % 101:03d}_{patient}_{series}.dcm")


def enhanced(pixels: np.ndarray) -> Dataset:
    """All slices in one file, from the top down, each with a slope of its own."""
    data = add_pixels(header(EnhancedMRImageStorage, "e", "1"), pixels)
    data.Modality, data.NumberOfFrames = "MR", len(pixels)
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.5, 0.75], 3
    plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = (
        Sequence([measures]),
        Sequence([plane]),
    )
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    data.PerFrameFunctionalGroupsSequence = Sequence()
    for index in range(len(pixels)):
        group, position, values = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [10, 20, -3 * index]
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = index + 1, 5, "US"
        group.PlanePositionSequence, group.PixelValueTransformationSequence = (
            Sequence([position]),
            Sequence([values]),
        )
        data.PerFrameFunctionalGroupsSequence.append(group)
    return data


def ecg(samples: np.ndarray, patient: str = "w", unit: str = "uV") -> Dataset:
    """Traces ``[samples, channels]`` of 16-bit numbers at 500 Hz, 2.5 units a step."""
    data = header(TwelveLeadECGWaveformStorage, patient, "1")
    data.Modality = "ECG"
    group = Dataset()
    group.NumberOfWaveformSamples, group.NumberOfWaveformChannels = samples.shape
    group.SamplingFrequency, group.WaveformBitsAllocated, group.WaveformSampleInterpretation = (
        500,
        16,
        "SS",
    )
    group.WaveformOriginality = "ORIGINAL"
    group.ChannelDefinitionSequence = Sequence()
    for _ in range(samples.shape[1]):
        channel, code = Dataset(), Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = unit, "UCUM", unit
        channel.ChannelSensitivity, channel.ChannelSensitivityUnitsSequence = 2.5, Sequence([code])
        (
            channel.ChannelSensitivityCorrectionFactor,
            channel.ChannelBaseline,
            channel.WaveformBitsStored,
        ) = 1, 0, 16
        group.ChannelDefinitionSequence.append(channel)
    group.WaveformData = samples.astype("<i2").tobytes()
    data.WaveformSequence = Sequence([group])
    return data
