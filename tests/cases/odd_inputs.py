"""Still more awkward inputs, two or more of each kind, made before the readers were looked at."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from PIL import Image
from pydicom.uid import UID

from cases.make_inputs import (
    AFFINE,
    CR,
    HU,
    V,
    W,
    csv_rows,
    ct,
    dicom,
    ecg,
    nii,
    nrrd,
    probes,
    ramp,
    record,
    rows,
)
from cases.trace_inputs import ALONE, CASES, CLASSES, PICTURE, SAMPLES, case, edf, heart, table


def dicom_case(name: str, right: str, outcome: str = "read", **more: Any) -> Any:
    return case(name, "dicom:{d}" + ALONE, right, outcome, **more)


def nifti_case(name: str, right: str, outcome: str = "read", **more: Any) -> Any:
    return case(name, "nifti:{d}" + ALONE, right, outcome, **more)


def image_case(name: str, right: str, outcome: str = "read", **more: Any) -> Any:
    return case(name, "images:{d}" + ALONE, right, outcome, **more)


# ------------------------------------------------------------------------------------------ units
@case("edf_unit_nul_padded", "edf:{d}" + ALONE + "&window=20", "a unit padded with NUL bytes")
def _(d: Path) -> dict[str, Any]:
    trace, _ = ecg()
    edf(d / "a.edf", b"uV\0\0\0\0\0\0", trace * 1000)
    return {"n": 1, "unit": "mV", "probes": [[100, 0, float(trace[100])]], "tolerance": 0.002}


@case("wfdb_unit_with_slash", "wfdb:{d}" + ALONE + "&window=20", "litres a minute keep their slash")
def _(d: Path) -> dict[str, Any]:
    trace = heart(d, b"r1.dat 16 1000/l/min 16 0 0 0 0 flow")
    return {"n": 1, "unit": "l/min", "probes": [[100, 0, float(trace[100])]], "tolerance": 0.002}


@nifti_case("nifti_microns_and_milliseconds", "units of space and of time in one byte")
def _(d: Path) -> dict[str, Any]:
    image = nib.Nifti1Image(V, AFFINE * [[1000], [1000], [1000], [1]])
    image.header.set_xyzt_units("micron", "msec")
    image.to_filename(d / "a.nii.gz")
    return {"n": 1, "spacing": (2, 3, 4), "affine": AFFINE, "probes": probes(V)}


# ------------------------------------------------------------------------------------------ DICOM
@dicom_case("dicom_imager_spacing", "a radiograph has the spacing of its detector, or it is told",
            "either", says=["spacing"])  # fmt: skip
def _(d: Path) -> dict[str, Any]:
    dicom(d / "a.dcm", W[:, :, 0].T, sop=CR, modality="CR", ImagerPixelSpacing=[3.0, 2.0])
    return {"n": 1, "shape": (12, 10), "spacing": (3, 2)}


@dicom_case("dicom_one_without_rescale", "one slice of a CT is in other numbers than the rest",
            "error", says=["RescaleSlope"])  # fmt: skip
def _(d: Path) -> None:
    def each(k: int) -> dict[str, Any]:
        return {"drop": ("RescaleSlope", "RescaleIntercept")} if k == 3 else {}

    ct(d, each=each)


@dicom_case("dicom_spacing_differs", "one slice is of another pixel size", "error",
            says=["spacing"])  # fmt: skip
def _(d: Path) -> None:
    ct(d, each=lambda k: {"PixelSpacing": [1.5, 1.0]} if k == 2 else {})


@dicom_case("dicom_monochrome1_signed", "signed stored values of MONOCHROME1: low is bright")
def _(d: Path) -> dict[str, Any]:
    stored = ramp(12, 10) - 60
    dicom(d / "a.dcm", stored, sop=CR, modality="CR", photometric="MONOCHROME1",
          PixelSpacing=[3.0, 2.0])  # fmt: skip
    return {"n": 1, "probes": probes(-1.0 - stored)}


# ----------------------------------------------------------------------------------------- clocks
@case(
    "wfdb_counter_frequency", "wfdb:{d}" + ALONE + "&window=4", "a counter of its own: 250/1000(5)"
)
def _(d: Path) -> dict[str, Any]:
    trace, _ = ecg()
    (d / "r1.dat").write_bytes(np.round(trace * 1000).astype("<i2").tobytes())
    (d / "r1.hea").write_text("r1 1 250/1000(5) 5000\nr1.dat 16 1000/mV 16 0 0 0 0 II\n")
    return {"n": 5, "spacing": (0.004,), "shape": (1000,)}


@table("csv_clock_epoch", "milliseconds since 1970", options="&value=ecg&time=timestamp_ms")
def _(d: Path) -> dict[str, Any]:
    lines = ["timestamp_ms,ecg", *(f"{1_700_000_000_000 + 4 * k},{k}.0" for k in range(50))]
    (d / "a.csv").write_text("\n".join(lines) + "\n")
    return {"n": 1, "seconds": 49 / 250, "probes": [[10, 0, 10.0]]}


@case(
    "wfdb_no_rate", "wfdb:{d}" + ALONE + "&window=4", "no sampling rate: 250 Hz, as header(5) says"
)
def _(d: Path) -> dict[str, Any]:
    trace, _ = ecg()
    (d / "r1.dat").write_bytes(np.round(trace * 1000).astype("<i2").tobytes())
    (d / "r1.hea").write_text("r1 1\nr1.dat 16 1000/mV 16 0 0 0 0 II\n")
    return {"n": 5, "spacing": (0.004,), "shape": (1000,)}


# ------------------------------------------------------------------------------------ world order
def labelled(d: Path, labels: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    """A volume and its label map, laid out as the Decathlon does."""
    for name, data, place in (("imagesTr", V, AFFINE), ("labelsTr", labels, affine)):
        (d / name).mkdir()
        nib.Nifti1Image(data, place).to_filename(d / name / "case_1.nii.gz")


CORNER = np.zeros(V.shape, np.uint8)
CORNER[11, 9, 7] = 1


@nifti_case("nifti_labels_rounded_affine", "an affine that differs by rounding is the same place")
def _(d: Path) -> dict[str, Any]:
    labelled(d, CORNER, AFFINE + 1e-5)
    return {"n": 1, "mask_probes": [[11, 9, 7, 1], [0, 0, 0, 0]]}


@nifti_case("nifti_labels_elsewhere", "a label map one voxel beside its image", "either",
            says=["label"])  # fmt: skip
def _(d: Path) -> dict[str, Any]:
    shifted = AFFINE.copy()
    shifted[0, 3] += 2.0
    labelled(d, CORNER, shifted)
    return {"n": 1, "mask_probes": []}


@nifti_case("nifti_labels_as_floats", "label maps saved as float64 with a slope (ITK-SNAP, FSL)")
def _(d: Path) -> dict[str, Any]:
    labelled(d, CORNER.astype(np.float64) * 40_000)
    return {"n": 1, "mask_probes": [[11, 9, 7, 40_000]]}


# ----------------------------------------------------------------------------------------- splits
@case("nifti_acdc", "nifti:{d}", "ACDC: two frames a patient, label maps called _gt beside them")
def _(d: Path) -> dict[str, Any]:
    for patient in range(8):
        folder = d / f"patient{patient:03d}"
        folder.mkdir()
        for frame in (1, 12):
            stem = f"patient{patient:03d}_frame{frame:02d}"
            nii(folder, V + patient + frame, name=f"{stem}.nii.gz")
            nii(folder, CORNER, name=f"{stem}_gt.nii.gz")
    return {"n": 16, "mask_probes": [[11, 9, 7, 1]], "remarks": ["patient=", "several splits"]}


@case("bids_derivatives", "nifti:{d}", "BIDS: what was computed from the scans is no scan")
def _(d: Path) -> dict[str, Any]:
    (d / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    for subject in range(6):
        name = f"sub-{subject:02d}"
        for folder, end in (
            (d / name / "anat", "T1w"),
            (d / "derivatives" / "fmriprep" / name / "anat", "desc-brain_mask"),
        ):
            folder.mkdir(parents=True)
            nii(folder, V + subject, name=f"{name}_{end}.nii.gz")
    return {"n": 6, "remarks": ["BIDS"]}


# ------------------------------------------------------------------------------------------- axes
def npz_case(name: str, right: str, outcome: str = "read", **more: Any) -> Any:
    return case(name, "npz:{d}/a.npz", right, outcome, **more)


@npz_case("npz_leads_last", "PTB-XL in one array, [N, 1000, 12]: traces of 12 leads, or told",
          "either", says=["axes", "leads", "channels"])  # fmt: skip
def _(d: Path) -> dict[str, Any]:
    traces = np.random.default_rng(0).normal(size=(6, 1000, 12)).astype(np.float32)
    np.savez(d / "a.npz", train_images=traces)
    return {"n": 6, "shape": (1000,), "channels": 12}


@npz_case("npz_leads_first", "the same as PyTorch wants it, [N, 12, 1000]", "either",
          says=["axes", "leads", "channels"])  # fmt: skip
def _(d: Path) -> dict[str, Any]:
    traces = np.random.default_rng(0).normal(size=(6, 12, 1000)).astype(np.float32)
    np.savez(d / "a.npz", train_images=traces)
    return {"n": 6, "shape": (1000,), "channels": 12}


@npz_case("npz_channel_first_volume", "PyTorch's [N, 1, D, H, W]: one grey channel")
def _(d: Path) -> dict[str, Any]:
    volumes = np.arange(6 * 16 * 18 * 20, dtype=np.int32).reshape(6, 1, 16, 18, 20)
    np.savez(d / "a.npz", train_images=(volumes % 251).astype(np.uint8))
    return {"n": 6, "shape": (16, 18, 20), "channels": 1}


# ------------------------------------------------------------------------------------------ range
@nifti_case("nifti_masks_range", "masks of 0 and 1 are told, or ranged by their values")
def _(d: Path) -> dict[str, Any]:
    nii(d, CORNER)
    return {"n": 1, "range": [0, 1]}


@image_case("image_float_unit_range", "floats from 0 to 1 in TIFF are ranged by their values")
def _(d: Path) -> dict[str, Any]:
    for k in range(3):
        picture = np.roll(PICTURE, k, 0).astype(np.float32) / 255
        Image.fromarray(picture).save(d / f"{k}.tif")
    return {"n": 3, "range": [float(PICTURE.min()) / 255, float(PICTURE.max()) / 255]}


# -------------------------------------------------------------------------------------------- CSV
@table("csv_units_row", "a row of units below the header", "either", options=SAMPLES,
       says=["row", "unit"])  # fmt: skip
def _(d: Path) -> dict[str, Any]:
    lines = ["time,ecg", "s,mV", *(f"{k / 250},{k}.0" for k in range(50))]
    (d / "a.csv").write_text("\n".join(lines) + "\n")
    return {"n": 1, "seconds": 49 / 250, "probes": [[10, 0, 10.0]]}


@table("csv_header_again", "exports put behind one another: a second header", "error",
       options=SAMPLES, says=["row"])  # fmt: skip
def _(d: Path) -> None:
    lines = ["time,ecg", *(f"{k / 250},{k}.0" for k in range(50))]
    (d / "a.csv").write_text("\n".join(lines + lines) + "\n")


@table("csv_minus_sign", "a typographic minus (U+2212), as R and Excel may write it", "either",
       options=SAMPLES, says=["row", "column"])  # fmt: skip
def _(d: Path) -> dict[str, Any]:
    lines = ["time,ecg", *(f"{k / 250},\u2212{k}.0" for k in range(50))]
    (d / "a.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"n": 1, "probes": [[10, 0, -10.0]]}


@table("csv_labels_as_floats", "classes written 0.0 and 1.0 (pandas, after a missing value)")
def _(d: Path) -> dict[str, Any]:
    (d / "a.csv").write_text(csv_rows(rows(), [float(label) for label in CLASSES]))
    return {"n": 12, "shape": (20,), "labels": ["0", "1"]}


@table("csv_fortran_exponents", "1.5D+00: read, or refused with its place", "either",
       options=SAMPLES, says=["row", "column"])  # fmt: skip
def _(d: Path) -> dict[str, Any]:
    lines = ["time,ecg", *(f"{k / 250},{k}.0D+01" for k in range(50))]
    (d / "a.csv").write_text("\n".join(lines) + "\n")
    return {"n": 1, "probes": [[10, 0, 100.0]]}


# ----------------------------------------------------------------------------------------- images
@image_case("image_grey_alpha", "grey with alpha: one channel, as it is stored")
def _(d: Path) -> dict[str, Any]:
    layers = [Image.fromarray(PICTURE), Image.fromarray(np.full_like(PICTURE, 128))]
    Image.merge("LA", layers).save(d / "a.png")
    return {"n": 1, "channels": 1, "probes": [[0, 0, 0, float(PICTURE[0, 0])]]}


@image_case("image_big_endian_tiff", "16 bits, most significant byte first")
def _(d: Path) -> dict[str, Any]:
    deep = PICTURE.astype(np.uint16) * 256 + 7
    tiff(d / "a.tif", deep, photometric=1)
    return {"n": 1, "probes": [[3, 5, 0, float(deep[3, 5])]]}


@image_case("image_white_is_zero_16", "16 bits, 0 is white", "either", says=["white"])
def _(d: Path) -> dict[str, Any]:
    deep = PICTURE.astype(np.uint16) * 256 + 7
    tiff(d / "a.tif", deep, photometric=0)
    return {"n": 1, "probes": [[3, 5, 0, 65535.0 - float(deep[3, 5])]]}


def tiff(path: Path, pixels: np.ndarray, photometric: int) -> None:
    """A TIFF of one strip in big-endian order."""
    height, width = pixels.shape
    data = pixels.astype(">u2").tobytes()
    facts = {256: width, 257: height, 258: 16, 259: 1, 262: photometric, 273: 8, 277: 1,
             278: height, 279: len(data)}  # fmt: skip
    entries = b""
    for tag, value in facts.items():
        entries += struct.pack(">HHII", tag, 4, 1, value)
    directory = struct.pack(">H", len(facts)) + entries + bytes(4)
    path.write_bytes(b"MM\0*" + struct.pack(">I", 8 + len(data)) + data + directory)


@image_case("image_palette_transparent", "a palette with a transparent entry: colours, no alpha")
def _(d: Path) -> dict[str, Any]:
    picture = Image.fromarray(PICTURE).convert("P")
    picture.putpalette([value for k in range(256) for value in (k, 255 - k, k // 2)])
    picture.save(d / "a.png", transparency=0)
    first = int(np.asarray(picture)[0, 0])
    right = [(0, first), (1, 255 - first), (2, first // 2)]
    return {"n": 1, "channels": 3, "probes": [[0, 0, c, float(value)] for c, value in right]}


# --------------------------------------------------------------------------- valid, and not usual
@nifti_case("nifti_extension", "a header extension (AFNI, cifti) between header and voxels")
def _(d: Path) -> dict[str, Any]:
    image = nib.Nifti1Image(V, AFFINE)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 1000))
    image.to_filename(d / "a.nii.gz")
    return {"n": 1, "probes": probes(V), "affine": AFFINE}


@case("nrrd_keys_and_comments", "nrrd:{d}" + ALONE, "comments, key-value pairs, a content field")
def _(d: Path) -> dict[str, Any]:
    path = d / "a.nrrd"
    nrrd(path, V, {"content": "head: of one, two", "space": "right-anterior-superior",
                   "space directions": "(2,0,0) (0,3,0) (0,0,4)",
                   "space origin": "(-10,5,7)"})  # fmt: skip
    head, body = path.read_bytes().split(b"\n\n", 1)
    path.write_bytes(head + b"\n# a comment\nDWMRI_b-value:=1000\nspacings:=none\n\n" + body)
    return {"n": 1, "probes": probes(V), "affine": AFFINE}


@dicom_case("dicom_directory_beside", "a CD's DICOMDIR beside its images is no image")
def _(d: Path) -> dict[str, Any]:
    ct(d)
    directory = UID("1.2.840.10008.1.3.10")
    dicom(d / "DICOMDIR", W[:, :, 0].T, sop=directory, drop=("PixelData", "Rows", "Columns"))
    return {"n": 1, "probes": probes(HU)}


@case("wfdb_comment_first", "wfdb:{d}" + ALONE + "&window=20", "comments above the record line")
def _(d: Path) -> dict[str, Any]:
    trace, _ = ecg()
    (d / "r1.dat").write_bytes(np.round(trace * 1000).astype("<i2").tobytes())
    (d / "r1.hea").write_text(
        "#made by a converter\n\nr1 1 250 5000\nr1.dat 16 1000/mV 16 0 0 0 0 II\n"
    )
    return {"n": 1, "probes": [[100, 0, float(trace[100])]], "tolerance": 0.002}


# --------------------------------------------------------------------------------------- messages
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 99\n"
PAGE = b"<!DOCTYPE html>\n<html><head><title>Log in</title></head></html>\n"

for _kind, _name in {
    "nifti": "a.nii.gz",
    "images": "a.png",
    "npz": "a.npz",
    "nrrd": "a.nrrd",
    "edf": "a.edf",
    "csv": "a.csv",
    "dicom": "a.dcm",
}.items():

    @case(f"{_kind}_web_page", f"{_kind}:{{d}}/{_name}" + ("" if _kind == "npz" else ALONE),
          "a page saved under a file's name", "error", says=["web page", "HTML"])  # fmt: skip
    def _(d: Path, name: str = _name) -> None:
        (d / name).write_bytes(PAGE)

    @case(f"{_kind}_lfs_pointer", f"{_kind}:{{d}}/{_name}" + ("" if _kind == "npz" else ALONE),
          "what git leaves where a large file was not fetched", "error",
          says=["git lfs", "LFS"])  # fmt: skip
    def _(d: Path, name: str = _name) -> None:
        (d / name).write_bytes(POINTER)


@case("nifti_of_dicom_folder", "nifti:{d}" + ALONE, "a folder of another format: which", "error",
      says=["dicom:"])  # fmt: skip
def _(d: Path) -> None:
    ct(d, names=[f"{k}.dcm" for k in range(6)])


@case("images_of_nifti_folder", "images:{d}" + ALONE, "a folder of another format: which", "error",
      says=["nifti:"])  # fmt: skip
def _(d: Path) -> None:
    nii(d, V)


@case("wfdb_annotations_empty", "wfdb:{d}" + ALONE, "an annotation file of no beats: told", "error",
      says=["beat", "annot"])  # fmt: skip
def _(d: Path) -> None:
    record(d, ann=False)
    (d / "r1.atr").write_bytes(bytes(2))


@nifti_case("nifti_gzip_of_nothing", "an empty file that was gzipped", "error",
            says=["empty", "early", "short"])  # fmt: skip
def _(d: Path) -> None:
    (d / "a.nii.gz").write_bytes(gzip.compress(b""))


__all__ = ["CASES"]
