"""A third round of awkward inputs, two or more of each kind, made before the readers were looked
at."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from PIL import Image

from cases.make_inputs import AFFINE, CR, CT, V, W, csv_rows, ct, dicom, ecg, nii, probes, rows
from cases.odd_inputs import CORNER, dicom_case, image_case, labelled, nifti_case, npz_case
from cases.trace_inputs import ALONE, PICTURE, SAMPLES, case, edf, heart, table
from cases.trace_inputs import CASES as CASES

COLOURS = np.stack([PICTURE, 255 - PICTURE, PICTURE // 2], axis=-1)


# ------------------------------------------------------------------------------------------ units
@case("edf_turned_over", "edf:{d}" + ALONE + "&window=20", "the physical minimum above the maximum")
def _(d: Path) -> dict[str, Any]:
    trace, _ = ecg()
    edf(d / "a.edf", b"mV", trace)
    raw = bytearray((d / "a.edf").read_bytes())
    raw[256 + 104 : 256 + 120] = b"2000    -2000   "
    (d / "a.edf").write_bytes(bytes(raw))
    return {"n": 1, "unit": "mV", "probes": [[100, 0, -float(trace[100])]], "tolerance": 0.07}


@case("wfdb_gain_by_exponent", "wfdb:{d}" + ALONE + "&window=20", "a gain of 1.0e+03")
def _(d: Path) -> dict[str, Any]:
    trace = heart(d, b"r1.dat 16 1.0e+03/mV 16 0 0 0 0 II")
    return {"n": 1, "unit": "mV", "probes": [[100, 0, float(trace[100])]], "tolerance": 0.002}


@case("wfdb_slope_of_a_voltage", "wfdb:{d}" + ALONE + "&window=20", "mV a second are no mV")
def _(d: Path) -> dict[str, Any]:
    trace = heart(d, b"r1.dat 16 1000/uV/s 16 0 0 0 0 dV")
    return {"n": 1, "unit": "uV/s", "probes": [[100, 0, float(trace[100])]], "tolerance": 0.002}


# ------------------------------------------------------------------------------------------ DICOM
@dicom_case("dicom_spacing_zero", "a pixel spacing of zero is none", "either", says=["spacing"])
def _(d: Path) -> dict[str, Any]:
    dicom(d / "a.dcm", W[:, :, 0].T, sop=CR, modality="CR", PixelSpacing=[0.0, 0.0])
    return {"n": 1, "shape": (12, 10)}


@dicom_case("dicom_two_in_one_place", "two acquisitions of one place in one series", "error",
            says=["place", "position"])  # fmt: skip
def _(d: Path) -> None:
    ct(d)
    ct(d, W + 7, names=[f"b{k}.dcm" for k in range(W.shape[2])])


@dicom_case("dicom_gap", "one slice of a series is missing", "either", says=["missing", "apart"])
def _(d: Path) -> dict[str, Any]:
    ct(d)
    for path in sorted(d.iterdir()):
        import pydicom

        if pydicom.dcmread(path).ImagePositionPatient[2] == 110.0:
            path.unlink()
    return {"n": 0}


# ----------------------------------------------------------------------------------------- clocks
@case("edf_half_second_records", "edf:{d}" + ALONE + "&window=4", "records of half a second")
def _(d: Path) -> dict[str, Any]:
    trace, _ = ecg()
    edf(d / "a.edf", b"mV", trace)
    raw = bytearray((d / "a.edf").read_bytes())
    raw[236:244], raw[244:252] = b"40      ", b"0.5     "
    raw[256 + 216 : 256 + 224] = b"125     "
    (d / "a.edf").write_bytes(bytes(raw))
    return {"n": 5, "spacing": (0.004,), "shape": (1000,)}


for _name, _scale in {"time_us": 1e6, "Time (ms)": 1e3, "time [s]": 1, "t_min": 1 / 60}.items():

    @table(f"csv_clock_of_{_scale}", "the unit of a time column", "either",
           options=f"&value=ecg&time={_name}", says=["time"])  # fmt: skip
    def _(d: Path, name: str = _name, scale: float = _scale) -> dict[str, Any]:
        lines = [f"{name},ecg", *(f"{k / 250 * scale!r},{k}.0" for k in range(50))]
        (d / "a.csv").write_text("\n".join(lines) + "\n")
        return {"n": 1, "seconds": 49 / 250}


# ------------------------------------------------------------------------------------ world order
@nifti_case("nifti_labels_coarser", "a label map of half the resolution", "either", says=["label"])
def _(d: Path) -> dict[str, Any]:
    coarse = AFFINE @ np.diag([2, 2, 2, 1])
    labelled(d, np.ones((6, 5, 4), np.uint8), coarse)
    return {"n": 1, "mask_probes": []}


@nifti_case("nifti_labels_by_qform", "the place of a label map in its qform only")
def _(d: Path) -> dict[str, Any]:
    (d / "imagesTr").mkdir()
    (d / "labelsTr").mkdir()
    turned = AFFINE @ np.diag([1, -1, 1, 1])
    turned[:3, 3] += AFFINE[:3, :3] @ [0, 9, 0]
    nii(d / "imagesTr", V, name="case_1.nii.gz")
    nii(d / "labelsTr", CORNER[:, ::-1], turned, name="case_1.nii.gz", sform=0)
    return {"n": 1, "mask_probes": [[11, 9, 7, 1], [11, 0, 7, 0]]}


@nifti_case("nifti_labels_int64", "labels beyond 16 bits in int64")
def _(d: Path) -> dict[str, Any]:
    labelled(d, CORNER.astype(np.int32) * 70_000)
    return {"n": 1, "mask_probes": [[11, 9, 7, 70_000]]}


# ----------------------------------------------------------------------------------------- splits
@case("wfdb_patient_folders", "wfdb:{d}?window=4", "PTB: two recordings in the folder of a patient")
def _(d: Path) -> dict[str, Any]:
    for patient in range(8):
        folder = d / f"patient{patient:03d}"
        folder.mkdir()
        heart(folder, b"r1.dat 16 1000/mV 16 0 0 0 0 II")
        for name in (f"s{patient:04d}_re", f"s{patient + 50:04d}_re"):
            (folder / f"{name}.dat").write_bytes((folder / "r1.dat").read_bytes())
            header = (folder / "r1.hea").read_text().replace("r1", name)
            (folder / f"{name}.hea").write_text(header)
        (folder / "r1.dat").unlink()
        (folder / "r1.hea").unlink()
    return {"n": 80, "remarks": ["patient|folder"]}


@case("images_split_capitals", "images:{d}", "Train, Validation and Test, one class in test alone")
def _(d: Path) -> dict[str, Any]:
    for split, names in {"Train": "ab", "Validation": "ab", "Test": "abc"}.items():
        for name in names:
            (d / split / name).mkdir(parents=True)
            for k in range(3):
                Image.fromarray(np.roll(PICTURE, k, 0)).save(d / split / name / f"{k}.png")
    return {"n": 21, "splits": ["train", "val", "test"], "labels": ["a", "b", "c"]}


# ------------------------------------------------------------------------------------------- axes
@npz_case("npz_two_channels", "[N, H, W, 2]: phase and magnitude", "either",
          says=["axes", "channels"])  # fmt: skip
def _(d: Path) -> dict[str, Any]:
    np.savez(d / "a.npz", train_images=np.full((6, 16, 18, 2), [1.0, 2.0], np.float32))
    return {"n": 6, "shape": (16, 18), "channels": 2}


@npz_case("npz_one_channel_traces", "[N, 1, L] of PyTorch", "either", says=["axes", "channels"])
def _(d: Path) -> dict[str, Any]:
    traces = np.random.default_rng(0).normal(size=(6, 1, 1000)).astype(np.float32)
    np.savez(d / "a.npz", train_images=traces)
    return {"n": 6, "shape": (1000,), "channels": 1}


# ------------------------------------------------------------------------------------------ range
@dicom_case("dicom_masks_range", "a mask in 16 bits is told, or ranged by its values")
def _(d: Path) -> dict[str, Any]:
    dicom(d / "a.dcm", (W[:, :, 0].T > 30).astype(np.uint16), sop=CR, modality="CR",
          PixelSpacing=[3.0, 2.0])  # fmt: skip
    return {"n": 1, "range": [0, 1]}


@npz_case("npz_few_of_16_bits", "a thousandth of 16 bits is told, or ranged by its values")
def _(d: Path) -> dict[str, Any]:
    images = (np.arange(6 * 256) % 60).astype(np.uint16).reshape(6, 16, 16)
    np.savez(d / "a.npz", train_images=images)
    return {"n": 6, "range": [0, 59]}


# -------------------------------------------------------------------------------------------- CSV
@table("csv_quoted_numbers", "every cell in quotes")
def _(d: Path) -> dict[str, Any]:
    lines = []
    for k, row in enumerate(rows()):
        cells = [*(f'"{value}"' for value in row), f'"{k % 2}"']
        lines.append(",".join(cells))
    (d / "a.csv").write_text("\r\n".join(lines) + "\r\n")
    return {"n": 12, "shape": (20,), "labels": ["0", "1"]}


@table("csv_old_mac", "lines that end with a carriage return alone", "either", says=["line"])
def _(d: Path) -> dict[str, Any]:
    text = csv_rows(rows(), [k % 2 for k in range(12)])
    (d / "a.csv").write_bytes(text.replace("\n", "\r").encode())
    return {"n": 12, "shape": (20,), "labels": ["0", "1"]}


@table("csv_blank_lines", "blank lines within and behind", "either", says=["row"])
def _(d: Path) -> dict[str, Any]:
    text = csv_rows(rows(), [k % 2 for k in range(12)])
    (d / "a.csv").write_text(text.replace("\n", "\n\n", 3) + "\n\n\n")
    return {"n": 12, "shape": (20,), "labels": ["0", "1"]}


@table("csv_thousands", "1,234.5 in quotes is no number to guess", "either", options=SAMPLES,
       says=["row", "column"])  # fmt: skip
def _(d: Path) -> dict[str, Any]:
    lines = ["time,ecg", *(f'{k / 250},"1,{k:03d}.5"' for k in range(50))]
    (d / "a.csv").write_text("\n".join(lines) + "\n")
    return {"n": 1, "probes": [[10, 0, 1010.5]]}


# ----------------------------------------------------------------------------------------- images
def deep_png(path: Path, pixels: np.ndarray, colour: int) -> None:
    """A PNG of 16 bits a channel, by hand."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    height, width = pixels.shape[:2]
    lines = pixels.astype(">u2").reshape(height, -1)
    body = b"".join(b"\0" + line.tobytes() for line in lines)
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


@image_case("image_colour_16", "16 bits a colour: all of them, or a word", "either",
            says=["16", "bits"])  # fmt: skip
def _(d: Path) -> dict[str, Any]:
    deep = COLOURS.astype(np.uint16) * 256 + 19
    deep_png(d / "a.png", deep, 2)
    return {"n": 1, "channels": 3, "probes": [[3, 5, 0, float(deep[3, 5, 0])]]}


@image_case("image_grey_alpha_16", "16 bits of grey and of alpha", "either", says=["16", "bits"])
def _(d: Path) -> dict[str, Any]:
    deep = np.stack([PICTURE.astype(np.uint16) * 256 + 19, np.full(PICTURE.shape, 65535)], -1)
    deep_png(d / "a.png", deep, 4)
    return {"n": 1, "channels": 1, "probes": [[3, 5, 0, float(deep[3, 5, 0])]]}


@image_case("image_deflated_tiff", "a TIFF of strips, deflated with a predictor")
def _(d: Path) -> dict[str, Any]:
    Image.fromarray(COLOURS).save(d / "a.tif", compression="tiff_adobe_deflate",
                                  tiffinfo={317: 2})  # fmt: skip
    return {"n": 1, "channels": 3, "probes": [[3, 5, 1, float(COLOURS[3, 5, 1])]]}


# --------------------------------------------------------------------------- valid, and not usual
@nifti_case("nifti_dims_of_zero", "axes that are not there have a length of 0")
def _(d: Path) -> dict[str, Any]:
    path = nii(d, V, name="a.nii")
    raw = bytearray(path.read_bytes())
    raw[48:56] = bytes(8)
    path.write_bytes(bytes(raw))
    return {"n": 1, "shape": V.shape, "probes": probes(V)}


@case("edf_unknown_length", "edf:{d}" + ALONE + "&window=20", "-1 records: a recording not closed",
      "either", says=["number of data records"])  # fmt: skip
def _(d: Path) -> dict[str, Any]:
    trace, _ = ecg()
    edf(d / "a.edf", b"mV", trace)
    raw = bytearray((d / "a.edf").read_bytes())
    raw[236:244] = b"-1      "
    (d / "a.edf").write_bytes(bytes(raw))
    return {"n": 1, "shape": (5000,)}


@case("wfdb_windows_lines", "wfdb:{d}" + ALONE + "&window=20", "a header with Windows' lines")
def _(d: Path) -> dict[str, Any]:
    trace = heart(d, b"r1.dat 16 1000/mV 16 0 0 0 0 II")
    header = (d / "r1.hea").read_bytes()
    (d / "r1.hea").write_bytes(header.replace(b"\n", b"\r\n") + b"# age: 1\r\n")
    return {"n": 1, "unit": "mV", "probes": [[100, 0, float(trace[100])]], "tolerance": 0.002}


# ------------------------------------------------------------------------------ words that mislead
@table("csv_is_excel", "a workbook by the name of a table", "error", says=["Excel", "workbook"])
def _(d: Path) -> None:
    with zipfile.ZipFile(d / "a.csv", "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")


@npz_case("npz_is_hdf5", "MATLAB's or Keras's HDF5 by the name of an archive", "error",
          says=["HDF5"])  # fmt: skip
def _(d: Path) -> None:
    (d / "a.npz").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(2000))


@nifti_case("nifti_is_a_zip", "a zip archive of a scan by the name of one", "error", says=["zip"])
def _(d: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.nii", nib.Nifti1Image(V, AFFINE).to_bytes())
    (d / "a.nii.gz").write_bytes(packed.getvalue())


@case("edf_is_bdf", "edf:{d}" + ALONE + "&window=20", "BioSemi's 24 bits by EDF's name", "error",
      says=["BDF"])  # fmt: skip
def _(d: Path) -> None:
    trace, _ = ecg()
    edf(d / "a.edf", b"uV", trace)
    raw = bytearray((d / "a.edf").read_bytes())
    raw[:8] = b"\xffBIOSEMI"
    (d / "a.edf").write_bytes(bytes(raw))


@dicom_case("dicom_only_a_report", "a structured report has no image", "error",
            says=["image", "pixel", "report"])  # fmt: skip
def _(d: Path) -> None:
    import pydicom

    dicom(d / "a.dcm", W[:, :, 0].T, sop=CT)
    data = pydicom.dcmread(d / "a.dcm")
    report = "1.2.840.10008.5.1.4.1.1.88.11"
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = report
    data.Modality = "SR"
    for name in ("PixelData", "Rows", "Columns", "BitsAllocated"):
        delattr(data, name)
    data.save_as(d / "a.dcm")
