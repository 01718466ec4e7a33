"""Small synthetic inputs of the kinds that bite users of medical signals, with what is right for each.

    python make_inputs.py FOLDER

writes one subfolder a case and FOLDER/expected.json. Only numpy, nibabel, pydicom, wfdb and Pillow are needed; all data is made up here.

expected.json holds for each case
    source    the text for medfuncta (``{d}`` is the case's folder)
    right     in words
    outcome   "read" (values must come out), "error" (a clear one-line refusal is right), "either" (both are acceptable)
    and, where it is "read": n (signals), shape, channels, unit, probes ([index..., channel, value]), affine, spacing, labels, splits
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import shutil
import struct
import sys
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import wfdb
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    generate_uid,
)

CASES: dict[str, tuple] = {}


def case(name, source, right, outcome="read", **more):
    def keep(function):
        CASES[name] = (function, {"source": source, "right": right, "outcome": outcome, **more})
        return function

    return keep


def probes(array, channels_last=False):
    """A few voxels with their values: ``[index..., channel, value]``."""
    array = np.asarray(array)
    if not channels_last:
        array = array[..., None]
    picks = [tuple(0 for _ in array.shape), tuple(n - 1 for n in array.shape), tuple(n // 3 for n in array.shape)]
    picks += [tuple((n - 1) * (k % 2 == 0) for k, n in enumerate(array.shape))]
    return [[*map(int, p), float(array[p])] for p in picks]


def ramp(*shape, dtype=np.int16):
    """Values that tell every place from every other, first axis fastest."""
    return np.arange(int(np.prod(shape))).reshape(shape, order="F").astype(dtype)


AFFINE = np.array([[2.0, 0, 0, -10], [0, 3.0, 0, 5], [0, 0, 4.0, 7], [0, 0, 0, 1]])
ONE = "?val=0&test=0"


# ------------------------------------------------------------------------------------------------------------------------------- NIfTI
def nii(folder, data, affine=AFFINE, name="a.nii.gz", cls=nib.Nifti1Image, sform=1, qform=1, units="mm", **header):
    image = cls(data, affine)
    if sform is not None:
        image.set_sform(affine, sform)
    if qform is not None:
        image.set_qform(affine, qform)
    image.header.set_xyzt_units(units)
    for key, value in header.items():
        image.header[key] = value
    image.to_filename(folder / name)
    return folder / name


def patch(path, **fields):
    """Write fields into the header of an uncompressed or gzipped single-file NIfTI-1."""
    zipped = path.name.endswith(".gz")
    raw = bytearray((gzip.decompress if zipped else bytes)(path.read_bytes()))
    where = {"scl_slope": (112, "<f"), "scl_inter": (116, "<f"), "sform_code": (254, "<h"), "qform_code": (252, "<h"), "vox_offset": (108, "<f"),
             "pixdim3": (88, "<f"), "pixdim1": (80, "<f"), "datatype": (70, "<h"), "bitpix": (72, "<h"), "xyzt_units": (123, "<B"),
             "dim5": (50, "<h"), "dim0": (40, "<h"), "dim4": (48, "<h"), "dim3": (46, "<h")}
    for key, value in fields.items():
        if key == "srow":
            struct.pack_into("<12f", raw, 280, *np.asarray(value, float).ravel())
        else:
            struct.pack_into(where[key][1], raw, where[key][0], value)
    path.write_bytes(gzip.compress(bytes(raw)) if zipped else bytes(raw))


V = ramp(12, 10, 8)


def nifti_case(name, right, outcome="read", options="", **more):
    return case(name, "nifti:{d}" + ONE + options, right, outcome, **more)


@nifti_case("nifti_slope_zero", "scl_slope 0 means: not scaled, whatever scl_inter says")
def _(d):
    patch(nii(d, V), scl_slope=0.0, scl_inter=99.0)
    return {"n": 1, "shape": V.shape, "probes": probes(V), "affine": AFFINE}


@nifti_case("nifti_slope_nan", "a NaN slope means: not scaled")
def _(d):
    patch(nii(d, V), scl_slope=np.nan, scl_inter=np.nan)
    return {"n": 1, "shape": V.shape, "probes": probes(V)}


@nifti_case("nifti_slope_inf", "an infinite slope is no slope (nifti_clib: not scaled); or a refusal that names the slope", "either")
def _(d):
    patch(nii(d, V), scl_slope=np.inf, scl_inter=0.0)
    return {"n": 1, "shape": V.shape, "probes": probes(V)}


@nifti_case("nifti_slope_ct", "uint16 with slope 1, intercept -1024: HU from -1024 on")
def _(d):
    patch(nii(d, V.astype(np.uint16)), scl_slope=1.0, scl_inter=-1024.0)
    return {"n": 1, "probes": probes(V - 1024.0), "dtype": "int16"}


@nifti_case("nifti_slope_fraction", "int16 with slope 0.5, intercept -100")
def _(d):
    patch(nii(d, V), scl_slope=0.5, scl_inter=-100.0)
    return {"n": 1, "probes": probes(V * 0.5 - 100), "dtype": "float32"}


@nifti_case("nifti_4d", "12 x 10 x 8 with 5 time points: 5 channels or 5 signals, values as stored")
def _(d):
    data = ramp(12, 10, 8, 5)
    nii(d, data)
    return {"n": 1, "shape": (12, 10, 8), "channels": 5, "probes": probes(data, True)}


@nifti_case("nifti_4d_one", "a time axis of one sample is no time axis")
def _(d):
    nii(d, V[..., None])
    return {"n": 1, "shape": V.shape, "channels": 1, "probes": probes(V)}


@nifti_case("nifti_5d_vector", "a field of vectors [x,y,z,1,3]: 3 channels")
def _(d):
    data = ramp(12, 10, 8, 1, 3).astype(np.float32)
    nii(d, data, intent_code=1007)
    return {"n": 1, "shape": V.shape, "channels": 3, "probes": probes(data[:, :, :, 0], True)}


@nifti_case("nifti_5d_two", "several time points of vectors: no way to read as channels; refuse clearly", "error")
def _(d):
    nii(d, ramp(6, 5, 4, 2, 3).astype(np.float32))


@nifti_case("nifti_oblique", "the affine of the sform, to float32")
def _(d):
    angle = np.deg2rad(17)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([2.0, 3.0, 4.0])
    affine[:3, 3] = (-10, 5, 7)
    nii(d, V, affine)
    return {"n": 1, "probes": probes(V), "affine": affine, "spacing": (2, 3, 4)}


@nifti_case("nifti_sheared", "a sheared sform (gantry tilt) is kept as it is")
def _(d):
    affine = AFFINE.copy()
    affine[1, 2] = 1.5
    nii(d, V, affine, qform=None)
    return {"n": 1, "probes": probes(V), "affine": affine}


@nifti_case("nifti_left_handed", "negative x axis (LAS) is kept")
def _(d):
    affine = np.diag([-2.0, 3, 4, 1])
    nii(d, V, affine)
    return {"n": 1, "probes": probes(V), "affine": affine}


@nifti_case("nifti_qform_sform_differ", "sform goes before qform (NIfTI, nibabel)")
def _(d):
    image = nib.Nifti1Image(V, AFFINE)
    image.set_sform(AFFINE, 2)
    image.set_qform(np.diag([2.0, 3, 4, 1]), 1)
    image.to_filename(d / "a.nii.gz")
    return {"n": 1, "affine": AFFINE}


@nifti_case("nifti_qform_only", "without an sform the qform holds")
def _(d):
    path = nii(d, V)
    patch(path, sform_code=0, srow=np.zeros((3, 4)))
    return {"n": 1, "affine": AFFINE}


@nifti_case("nifti_sform_zero_coded", "an sform that is marked valid but all zeros: take the valid qform, or say that the sform is zero", "either")
def _(d):
    patch(nii(d, V), sform_code=1, srow=np.zeros((3, 4)))
    return {"n": 1, "affine": AFFINE}


@nifti_case("nifti_no_codes", "neither qform nor sform: voxel sizes of pixdim")
def _(d):
    patch(nii(d, V), sform_code=0, qform_code=0, srow=np.zeros((3, 4)))
    return {"n": 1, "spacing": (2, 3, 4), "probes": probes(V)}


@nifti_case("nifti_pixdim_zero_slice", "a single slice whose pixdim[3] is 0: in-plane spacing 2 x 3 mm is known and enough", "either")
def _(d):
    path = nii(d, V[:, :, :1])
    patch(path, pixdim3=0.0, sform_code=0, srow=np.zeros((3, 4)))
    return {"n": 1, "shape": (12, 10), "spacing": (2, 3)}


@nifti_case("nifti_rgb24", "datatype 128: 3 channels of 0..255")
def _(d):
    data = np.stack([V % 251, V % 241, V % 239], axis=-1).astype(np.uint8)
    rgb = np.ascontiguousarray(data).view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    nii(d, rgb)
    return {"n": 1, "shape": V.shape, "channels": 3, "probes": probes(data, True), "dtype": "uint8"}


@nifti_case("nifti_complex", "complex numbers are refused clearly", "error")
def _(d):
    nii(d, V.astype(np.complex64))


@nifti_case("nifti_nifti2", "NIfTI-2 reads as NIfTI-1 does")
def _(d):
    nii(d, V, cls=nib.Nifti2Image)
    return {"n": 1, "probes": probes(V), "affine": AFFINE}


@nifti_case("nifti_float64_huge", "1e300 is no NaN: keep it, or say that it is too large for float32", "either")
def _(d):
    data = V.astype(np.float64)
    data[3, 3, 3] = 1e300
    nii(d, data)


@nifti_case("nifti_float64_offset", "values of 1e9 +- 0.5 (timings, counts): a loss in float32 must be told, or the values kept", "either")
def _(d):
    data = 1e9 + V.astype(np.float64) / V.max()
    nii(d, data)
    return {"n": 1, "probes": probes(data), "tolerance": 0.01}


@nifti_case("nifti_int32_large", "int32 beyond 2^24 (hash-like atlas labels): to within float32")
def _(d):
    data = V.astype(np.int32) + 2**28
    nii(d, data)
    return {"n": 1, "probes": probes(data), "tolerance": 16}


@nifti_case("nifti_uint8_mask", "a mask of 0 and 1")
def _(d):
    data = (V > 400).astype(np.uint8)
    nii(d, data)
    return {"n": 1, "probes": probes(data), "dtype": "uint8"}


@nifti_case("nifti_constant", "a constant volume is read, range of length 1")
def _(d):
    nii(d, np.full((12, 10, 8), 7, np.int16))
    return {"n": 1, "probes": [[0, 0, 0, 0, 7.0]]}


@nifti_case("nifti_single_axial", "one axial slice is an image of 12 x 10, 2 x 3 mm")
def _(d):
    nii(d, V[:, :, :1])
    return {"n": 1, "shape": (12, 10), "spacing": (2, 3)}


@case("nifti_slices_mixed", "nifti:{d}?val=0&test=0", "single slices of three orientations in one folder: all 2D")
def _(d):
    nii(d, V[:, :, :1], name="ax.nii.gz")
    nii(d, V[:, :1], name="cor.nii.gz")
    nii(d, V[:1], name="sag.nii.gz")
    return {"n": 3}


@nifti_case("nifti_pair", "a NIfTI .hdr/.img pair: read it, or say that pairs must be converted", "either")
def _(d):
    image = nib.Nifti1Pair(V, AFFINE)
    nib.save(image, d / "a.img")
    return {"n": 1, "probes": probes(V)}


@nifti_case("nifti_gz_named_nii", "a gzipped file under the name .nii: read it, or say that it is gzipped", "either")
def _(d):
    nii(d, V, name="x.nii.gz")
    (d / "x.nii.gz").rename(d / "a.nii")
    return {"n": 1, "probes": probes(V)}


@nifti_case("nifti_nii_named_gz", "a plain file under the name .nii.gz: read it, or say that it is not gzipped", "either")
def _(d):
    nii(d, V, name="x.nii")
    (d / "x.nii").rename(d / "a.nii.gz")
    return {"n": 1, "probes": probes(V)}


@nifti_case("nifti_units_unset", "no unit in xyzt_units: millimetres, as every tool assumes")
def _(d):
    nii(d, V, units=0)
    return {"n": 1, "spacing": (2, 3, 4), "affine": AFFINE}


@nifti_case("nifti_units_micron", "microns: 0.002 mm")
def _(d):
    nii(d, V, units="micron")
    return {"n": 1, "spacing": (0.002, 0.003, 0.004)}


@nifti_case("nifti_units_meter", "metres: 2000 mm")
def _(d):
    nii(d, V, units="meter")
    return {"n": 1, "spacing": (2000, 3000, 4000)}


@nifti_case("nifti_gz_trailing", "zero bytes behind the gzip stream (tape, archive padding): gzip and nibabel read it")
def _(d):
    path = nii(d, V)
    path.write_bytes(path.read_bytes() + bytes(512))
    return {"n": 1, "probes": probes(V)}


@nifti_case("nifti_gz_garbage", "other bytes behind the gzip stream: gzip warns and reads; nibabel reads", "either")
def _(d):
    path = nii(d, V)
    path.write_bytes(path.read_bytes() + b"garbage!" * 8)
    return {"n": 1, "probes": probes(V)}


@nifti_case("nifti_gz_members", "a gzip file of several members (bgzip, pigz -i, cat): all of it")
def _(d):
    path = nii(d, V)
    raw = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(raw[:700]) + gzip.compress(raw[700:]))
    return {"n": 1, "probes": probes(V)}


@nifti_case("nifti_gz_truncated", "a download cut short is refused", "error")
def _(d):
    path = nii(d, V)
    path.write_bytes(path.read_bytes()[:-200])


@nifti_case("nifti_nan_background", "NaN outside the brain (SPM): refused by default, with the option named", "error")
def _(d):
    data = V.astype(np.float32)
    data[:3] = np.nan
    nii(d, data)


@nifti_case("nifti_nan_masked", "with nan=mask the rest is read", options="&nan=mask")
def _(d):
    data = V.astype(np.float32)
    data[:3] = np.nan
    nii(d, data)
    return {"n": 1, "probes": [[11, 9, 7, 0, float(V[11, 9, 7])]]}


@nifti_case("nifti_hidden_files", "._a.nii.gz, .DS_Store and Thumbs.db of other systems are passed over")
def _(d):
    nii(d, V)
    (d / "._a.nii.gz").write_bytes(b"\0\5\26\7" + bytes(100))
    (d / ".DS_Store").write_bytes(bytes(64))
    (d / "Thumbs.db").write_bytes(bytes(64))
    (d / "__MACOSX").mkdir()
    (d / "__MACOSX" / "._a.nii.gz").write_bytes(bytes(64))
    return {"n": 1}


@nifti_case("nifti_uppercase", "A.NII.GZ and B.NII of old Windows tools")
def _(d):
    nii(d, V, name="x.nii.gz")
    (d / "x.nii.gz").rename(d / "A.NII.GZ")
    nii(d, V, name="y.nii")
    (d / "y.nii").rename(d / "B.NII")
    return {"n": 2}


@nifti_case("nifti_folder_named_nii", "a folder called case1.nii with the file in it, as macOS unpacks them")
def _(d):
    (d / "case1.nii").mkdir()
    nii(d / "case1.nii", V, name="00001_brain.nii")
    return {"n": 1}


@case("nifti_masks_beside", "nifti:{d}?val=0&test=0", "case_1.nii.gz beside case_1_seg.nii.gz, flat: masks are no images; they are told apart, or the user is told",
      "either")
def _(d):
    for k in range(4):
        nii(d, V, name=f"case_{k}.nii.gz")
        nii(d, (V > 400).astype(np.uint8), name=f"case_{k}_seg.nii.gz")
    return {"n": 4}


@nifti_case("nifti_big_endian", "a big-endian file")
def _(d):
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(np.dtype(">i2"))
    image = nib.Nifti1Image(V.astype(">i2"), AFFINE, header)
    image.to_filename(d / "a.nii")
    return {"n": 1, "probes": probes(V), "dtype": "int16"}


@nifti_case("nifti_binary_type", "datatype 1 (one bit a voxel): refused; the reason is the type and not damage", "error", says=["type", "bit", "binary"])
def _(d):
    patch(nii(d, V.astype(np.uint8), name="a.nii"), datatype=1, bitpix=1)


@nifti_case("nifti_vox_offset_zero", "vox_offset 0 in a single file (sloppy writers): 352 is meant, or refuse; never read the header as voxels", "either")
def _(d):
    patch(nii(d, V, name="a.nii"), vox_offset=0.0)
    return {"n": 1, "probes": probes(V)}


@nifti_case("nifti_claims_much", "a header that claims 30000^3 voxels is refused without asking for memory", "error")
def _(d):
    path = nii(d, V, name="a.nii")
    raw = bytearray(path.read_bytes())
    struct.pack_into("<8h", raw, 40, 3, 30000, 30000, 30000, 1, 1, 1, 1)
    path.write_bytes(bytes(raw))


@nifti_case("nifti_channels_differ", "a 3D and a 4D file in one folder: refused, the file named", "error", says=["channels"])
def _(d):
    nii(d, V, name="a.nii.gz")
    nii(d, ramp(12, 10, 8, 3), name="b.nii.gz")


@nifti_case("nifti_long_thin", "4 x 4 x 400, 0.1 x 0.1 x 20 mm")
def _(d):
    nii(d, ramp(4, 4, 400), np.diag([0.1, 0.1, 20, 1]))
    return {"n": 1, "shape": (4, 4, 400), "spacing": (0.1, 0.1, 20)}


@nifti_case("nifti_dataset_json_labels", "nnU-Net v2's dataset.json (labels by name, channel_names) beside imagesTr")
def _(d):
    (d / "imagesTr").mkdir()
    (d / "labelsTr").mkdir()
    for k in range(3):
        nii(d / "imagesTr", V, name=f"case_{k:03d}_0000.nii.gz")
        nii(d / "labelsTr", (V > 400).astype(np.uint8), name=f"case_{k:03d}.nii.gz")
    (d / "dataset.json").write_text(json.dumps({"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1}, "numTraining": 3, "file_ending": ".nii.gz"}))
    return {"n": 3}


@case("nifti_nnunet_modalities", "nifti:{d}?val=0&test=0", "nnU-Net: case_000_0000 and case_000_0001 are two channels of one case; never in two splits, or told", "either")
def _(d):
    (d / "imagesTr").mkdir()
    for k in range(4):
        for m in range(2):
            nii(d / "imagesTr", V + m, name=f"case_{k:03d}_{m:04d}.nii.gz")
    return {"n": 4, "channels": 2}


# ------------------------------------------------------------------------------------------------------------------------------- DICOM
CT, MR, PT, CR, US, NM, SC, RTDOSE, SEG = (
    UID("1.2.840.10008.5.1.4.1.1." + end) for end in ("2", "4", "128", "1", "6.1", "20", "7", "481.2", "66.4")
)
USMF, EMR, SCMF = UID("1.2.840.10008.5.1.4.1.1.3.1"), UID("1.2.840.10008.5.1.4.1.1.4.1"), UID("1.2.840.10008.5.1.4.1.1.7.4")


def uid(text):
    return generate_uid(prefix="1.2.826.0.1.3680043.8.498.", entropy_srcs=[text])


def dicom(path, pixels, *, sop=CT, modality="CT", series="s", patient="P1", number=1, syntax=ExplicitVRLittleEndian, bits=None, signed=None,
          photometric="MONOCHROME2", meta=True, drop=(), frames=None, raw=None, **tags):
    pixels = np.asarray(pixels)
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = sop
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid(str(path))
    data.file_meta.TransferSyntaxUID = syntax
    data.SOPClassUID, data.Modality = sop, modality
    data.PatientID, data.PatientName = patient, ""
    data.StudyInstanceUID, data.SeriesInstanceUID = uid("study" + patient + str(path.parent)), uid("series" + series + str(path.parent))
    data.InstanceNumber = number
    colour = photometric in ("RGB", "YBR_FULL", "YBR_FULL_422")
    shape = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    data.Rows, data.Columns = map(int, shape)
    data.SamplesPerPixel = 3 if colour else 1
    if colour:
        data.PlanarConfiguration = tags.pop("PlanarConfiguration", 0)
    if frames:
        data.NumberOfFrames = frames
    data.PhotometricInterpretation = photometric
    size = pixels.dtype.itemsize * 8
    data.BitsAllocated = size
    data.BitsStored = bits or size
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i") if signed is None else int(signed)
    for key, value in tags.items():
        setattr(data, key, value)
    if raw is None:
        raw = pixels.astype(pixels.dtype.newbyteorder(">" if syntax == ExplicitVRBigEndian else "<")).tobytes()
    data.PixelData = raw + b"\0" * (len(raw) % 2)
    data["PixelData"].VR = "OB" if size == 8 or syntax.is_compressed else "OW"
    if syntax.is_compressed:
        data["PixelData"].is_undefined_length = True
    for key in drop:
        delattr(data, key)
    if not meta:
        del data.file_meta
        buffer = io.BytesIO()
        pydicom.filewriter.write_dataset(_little(buffer), data)
        path.write_bytes(buffer.getvalue())
        return data
    pydicom.dcmwrite(path, data, enforce_file_format=True, little_endian=None, implicit_vr=None)
    return data


def _little(buffer):
    file = pydicom.filebase.DicomFileLike(buffer)
    file.is_little_endian, file.is_implicit_VR = True, True
    return file


COLUMNS, ROWS, SLICES = 10, 12, 6
W = ramp(COLUMNS, ROWS, SLICES, dtype=np.uint16)  # [column, row, slice], as nibabel would show it
NAMES = [f"IM{k}" for k in (40, 7, 333, 12, 5, 61)]  # their alphabetical order is not that of the slices
HU = W - 1024.0


def ct_affine(row_step=3.0, column_step=2.0, step=(0, 0, 5.0), corner=(-20.0, -30.0, 100.0)):
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2], affine[:3, 3] = (column_step, 0, 0), (0, row_step, 0), step, corner
    return np.diag([-1.0, -1, 1, 1]) @ affine


def ct(d, volume=W, *, step=(0, 0, 5.0), spacing=(3.0, 2.0), names=NAMES, slope=1.0, intercept=-1024.0, patient="P1", series="s", each=None, **tags):
    """Axial slices; ``spacing`` is that of rows, then of columns."""
    for k in range(volume.shape[2]):
        more = dict(tags) | (each(k) if each else {})
        drop = more.pop("drop", ())
        corner = [float(c) for c in np.array([-20.0, -30.0, 100.0]) + k * np.array(step)]
        facts = {"ImagePositionPatient": corner, "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": list(spacing), "SliceThickness": 5.0,
                 "RescaleSlope": slope, "RescaleIntercept": intercept}
        dicom(d / names[k], volume[:, :, k].T, series=series, patient=patient, number=volume.shape[2] - k, drop=drop, **(facts | more))


def dicom_case(name, right, outcome="read", options="", **more):
    return case(name, "dicom:{d}" + ONE + options, right, outcome, **more)


@dicom_case("dicom_ct", "names and instance numbers are out of order; positions decide; HU; non-square pixels 2 x 3 mm; RAS+ affine as dcm2niix but for its flip of rows")
def _(d):
    ct(d)
    return {"n": 1, "shape": W.shape, "probes": probes(HU), "affine": ct_affine(), "unit": "HU"}


@dicom_case("dicom_signed_padding", "signed numbers; -2000 is padding (PixelPaddingValue): left out of the range, or kept as any reader does", "either")
def _(d):
    volume = W.astype(np.int16)
    volume[0] = -2000
    ct(d, volume, intercept=0.0, PixelPaddingValue=-2000)
    return {"n": 1, "probes": [[5, 5, 3, 0, float(volume[5, 5, 3])]]}


@dicom_case("dicom_gantry_tilt", "slices shift along y from one to the next: sheared affine")
def _(d):
    step = (0, 1.25, 5.0)
    ct(d, step=step)
    return {"n": 1, "probes": probes(HU), "affine": ct_affine(step=step)}


@dicom_case("dicom_no_thickness", "no SliceThickness: the distance of positions")
def _(d):
    ct(d, each=lambda k: {"drop": ("SliceThickness",)})
    return {"n": 1, "affine": ct_affine()}


@dicom_case("dicom_duplicate_file", "one slice copied twice (same SOPInstanceUID and content): a copy counts once, or refuse clearly", "either")
def _(d):
    ct(d)
    shutil.copy(d / NAMES[2], d / (NAMES[2] + " (1)"))
    return {"n": 1, "shape": W.shape, "probes": probes(HU)}


@dicom_case("dicom_monochrome1", "MONOCHROME1: inverted, 4095 - stored")
def _(d):
    image = ramp(16, 20, dtype=np.uint16).T
    dicom(d / "cr.dcm", image, sop=CR, modality="CR", photometric="MONOCHROME1", bits=12, ImagerPixelSpacing=[0.2, 0.1])
    return {"n": 1, "shape": image.shape, "probes": probes(4095.0 - image), "spacing": (0.2, 0.1)}


@dicom_case("dicom_monochrome1_rescaled", "MONOCHROME1 with rescale 2 x + 10: inversion comes last, and physical values stay ordered; what the value means must not be mixed up")
def _(d):
    image = ramp(16, 20, dtype=np.uint16).T
    dicom(d / "cr.dcm", image, sop=CR, modality="CR", photometric="MONOCHROME1", bits=12, RescaleSlope=2, RescaleIntercept=10, ImagerPixelSpacing=[0.2, 0.1])
    return {"n": 1, "probes": probes((4095 * 2 + 10) + 10 - (image * 2.0 + 10))}


@dicom_case("dicom_pet_slopes", "PET: each slice has a slope of its own")
def _(d):
    slopes = [1.5, 0.5, 2.25, 1.0, 3.0, 0.75]
    ct(d, sop=PT, modality="PT", intercept=0.0, each=lambda k: {"RescaleSlope": slopes[k]}, Units="BQML")
    return {"n": 1, "probes": probes(W * np.array(slopes)), "affine": ct_affine()}


def frames_of(count, order, sop_facts):
    items = []
    for k in order:
        item = Dataset()
        position = Dataset()
        position.ImagePositionPatient = [-20.0, -30.0, 100.0 + 5.0 * k]
        item.PlanePositionSequence = Sequence([position])
        transformation = Dataset()
        transformation.RescaleSlope, transformation.RescaleIntercept = sop_facts(k)
        transformation.RescaleType = "US"
        item.PixelValueTransformationSequence = Sequence([transformation])
        items.append(item)
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [3.0, 2.0], 5.0
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Sequence([orientation]), Sequence([measures])
    return {"PerFrameFunctionalGroupsSequence": Sequence(items), "SharedFunctionalGroupsSequence": Sequence([shared])}


@dicom_case("dicom_enhanced_mr", "enhanced multi-frame, frames out of order, slope and intercept of each frame")
def _(d):
    order = [3, 0, 5, 1, 4, 2]
    pixels = np.stack([W[:, :, k].T for k in order])
    dicom(d / "e.dcm", pixels, sop=EMR, modality="MR", frames=6, **frames_of(6, order, lambda k: (1.0 + k, 10.0 * k)))
    return {"n": 1, "probes": probes(W * (1.0 + np.arange(6)) + 10.0 * np.arange(6)), "affine": ct_affine()}


@dicom_case("dicom_enhanced_4d", "enhanced multi-frame with two time points at each place: several volumes, or a refusal that says so", "either", says=["time points", "places"])
def _(d):
    order = [0, 1, 2, 0, 1, 2]
    dicom(d / "e.dcm", np.stack([W[:, :, k].T for k in range(6)]), sop=EMR, modality="MR", frames=6, **frames_of(6, order, lambda k: (1.0, 0.0)))


@dicom_case("dicom_nm_negative_spacing", "SPECT (NM, multi-frame): SpacingBetweenSlices -4.4 stacks frames the other way; 3 x 2 x 4.4 mm must not be lost")
def _(d):
    detector = Dataset()
    detector.ImagePositionPatient, detector.ImageOrientationPatient = [-20.0, -30.0, 100.0], [1, 0, 0, 0, 1, 0]
    dicom(d / "nm.dcm", np.stack([W[:, :, k].T for k in range(6)]), sop=NM, modality="NM", frames=6, PixelSpacing=[3.0, 2.0], SpacingBetweenSlices=-4.4,
          SliceThickness=4.4, DetectorInformationSequence=Sequence([detector]), ImageType=["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"])
    return {"n": 1, "shape": (COLUMNS, ROWS, 6), "spacing": (2, 3, 4.4)}


@dicom_case("dicom_rtdose", "RT dose: stored x DoseGridScaling, in Gy; frames 2.5 mm apart by GridFrameOffsetVector")
def _(d):
    dose = ramp(COLUMNS, ROWS, 4, dtype=np.uint32)
    dicom(d / "RD.dcm", np.stack([dose[:, :, k].T for k in range(4)]), sop=RTDOSE, modality="RTDOSE", frames=4, PixelSpacing=[3.0, 2.0], DoseGridScaling=1e-3, DoseUnits="GY",
          GridFrameOffsetVector=[0.0, 2.5, 5.0, 7.5], ImagePositionPatient=[-20.0, -30.0, 100.0], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    return {"n": 1, "shape": dose.shape, "probes": probes(dose * 1e-3), "spacing": (2, 3, 2.5)}


@dicom_case("dicom_ct_with_rtdose", "a radiotherapy export (CT, RTDOSE, RTSTRUCT): the CT is read; dose and structures are passed over or named, not taken for CT", "either")
def _(d):
    ct(d)
    dose = ramp(COLUMNS, ROWS, 4, dtype=np.uint32)
    dicom(d / "RD.dcm", np.stack([dose[:, :, k].T for k in range(4)]), sop=RTDOSE, modality="RTDOSE", series="dose", frames=4, PixelSpacing=[3.0, 2.0], DoseGridScaling=1e-3,
          GridFrameOffsetVector=[0.0, 2.5, 5.0, 7.5], ImagePositionPatient=[-20.0, -30.0, 100.0], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    return {"n": 1, "probes": probes(HU)}


@dicom_case("dicom_localiser_inside", "a coronal localiser within the series: refused with the reason, or left out", "either", says=["orientation", "localiser"])
def _(d):
    ct(d)
    dicom(d / "LOC", W[:, :, 0].T, ImagePositionPatient=[-20.0, 0.0, 200.0], ImageOrientationPatient=[1, 0, 0, 0, 0, -1], PixelSpacing=[3.0, 2.0],
          RescaleSlope=1, RescaleIntercept=-1024)


@dicom_case("dicom_two_orders", "slices of another size within the series: refused with the reason", "error", says=["shape", "size"])
def _(d):
    ct(d)
    dicom(d / "LOC", np.zeros((40, 40), np.uint16), ImagePositionPatient=[-20.0, -30.0, 90.0], ImageOrientationPatient=[1, 0, 0, 0, 1, 0], PixelSpacing=[3.0, 2.0],
          RescaleSlope=1, RescaleIntercept=-1024)


@dicom_case("dicom_missing_slice", "one slice of six is missing: refused with the option named", "error", says=["missing"])
def _(d):
    ct(d)
    (d / NAMES[3]).unlink()


@dicom_case("dicom_uneven", "gaps of 5, 5, 8, 5, 5 mm: refused, since no grid fits", "error", says=["uneven", "distance"])
def _(d):
    heights = [0, 5, 10, 18, 23, 28]
    ct(d, each=lambda k: {"ImagePositionPatient": [-20.0, -30.0, 100.0 + heights[k]]})


@dicom_case("dicom_no_pixel_spacing", "positions and orientation but no PixelSpacing (anonymised away): order by position still, or refuse; never by file name")
def _(d):
    ct(d, sop=MR, modality="MR", intercept=0.0, each=lambda k: {"drop": ("PixelSpacing",)})
    return {"n": 1, "shape": W.shape, "probes": probes(W)}


@dicom_case("dicom_one_without_spacing", "one slice of six lacks PixelSpacing: the others' order and spacing must not be thrown away silently", "either")
def _(d):
    ct(d, sop=MR, modality="MR", intercept=0.0, each=lambda k: {"drop": ("PixelSpacing",)} if k == 2 else {})
    return {"n": 1, "shape": W.shape, "probes": probes(W), "affine": ct_affine()}


@dicom_case("dicom_one_without_position", "one slice of six lacks its position: a series with a hole, not a volume and an image", "either", says=["missing", "position"])
def _(d):
    ct(d, sop=MR, modality="MR", intercept=0.0, each=lambda k: {"drop": ("ImagePositionPatient",)} if k == 2 else {})


@dicom_case("dicom_secondary_series", "a secondary-capture series (no positions) of six instances: six images (documented), or a stack by InstanceNumber", "either")
def _(d):
    for k in range(6):
        dicom(d / NAMES[k], W[:, :, k].T, sop=SC, modality="OT", number=k + 1)
    return {"n": 6}


@dicom_case("dicom_4d_series", "two time points in one series: refused with the reason (or read as two)", "either", says=["time points", "places"])
def _(d):
    ct(d, sop=MR, modality="MR", intercept=0.0)
    ct(d, W, sop=MR, modality="MR", intercept=0.0, names=[n + "b" for n in NAMES], TemporalPositionIdentifier=2)


@dicom_case("dicom_overlay_bits", "12 bits stored in 16; bits 12-15 hold an overlay: they are no part of the value")
def _(d):
    image = W[:, :, 2].T.copy()
    dirty = image | (np.indices(image.shape).sum(0) % 2).astype(np.uint16) << 12
    dicom(d / "a.dcm", dirty, sop=MR, modality="MR", bits=12)
    return {"n": 1, "probes": probes(image)}


@dicom_case("dicom_signed_12bit", "signed 12 bits in 16, not sign-extended: -5 is stored as 0x0FFB")
def _(d):
    image = (W[:, :, 2].T.astype(np.int16) - 300)
    dicom(d / "a.dcm", (image & 0x0FFF).astype(np.uint16), sop=MR, modality="MR", bits=12, signed=True)
    return {"n": 1, "probes": probes(image)}


@dicom_case("dicom_palette", "PALETTE COLOR: red, green and blue through the tables")
def _(d):
    image = (W[:, :, 0].T % 256).astype(np.uint8)
    tables = {}
    for name, factor in (("Red", 256), ("Green", 128), ("Blue", 64)):
        tables[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tables[f"{name}PaletteColorLookupTableData"] = (np.arange(256) * factor).astype("<u2").tobytes()
    dicom(d / "us.dcm", image, sop=US, modality="US", photometric="PALETTE COLOR", **tables)
    return {"n": 1, "channels": 3}


@dicom_case("dicom_rgb_planar", "RGB by planes")
def _(d):
    image = np.stack([W[:, :, 0].T % 250, W[:, :, 0].T % 240, W[:, :, 0].T % 230], axis=-1).astype(np.uint8)
    dicom(d / "us.dcm", image, sop=US, modality="US", photometric="RGB", PlanarConfiguration=1, raw=image.transpose(2, 0, 1).tobytes())
    return {"n": 1, "channels": 3, "probes": probes(image, True)}


@dicom_case("dicom_ybr_full", "YBR_FULL, not compressed: RGB comes out (mid-grey 128 is 128,128,128; Y 76 Cb 85 Cr 255 is about 254,0,0)")
def _(d):
    image = np.zeros((8, 8, 3), np.uint8)
    image[:] = (128, 128, 128)
    image[:4] = (76, 85, 255)
    dicom(d / "us.dcm", image, sop=US, modality="US", photometric="YBR_FULL")
    return {"n": 1, "channels": 3, "probes": [[0, 0, 0, 254.0], [0, 0, 1, 0.0], [0, 0, 2, 0.0], [7, 7, 0, 128.0], [7, 7, 2, 128.0]], "tolerance": 2}


def encapsulated(pieces):
    return pydicom.encaps.encapsulate(pieces)


@dicom_case("dicom_us_cine_jpeg", "ultrasound film, JPEG baseline, YBR_FULL_422: 5 frames, RGB out")
def _(d):
    pieces = []
    for k in range(5):
        image = np.zeros((16, 24, 3), np.uint8)
        image[:, :12] = (200, 40 * k, 0)
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=95, subsampling=1)
        pieces.append(buffer.getvalue())
    dicom(d / "us.dcm", np.zeros((5, 16, 24, 3), np.uint8), sop=USMF, modality="US", photometric="YBR_FULL_422", frames=5,
          syntax=UID("1.2.840.10008.1.2.4.50"), raw=encapsulated(pieces), FrameTime=33.0)
    return {"n": 1, "shape": (24, 16, 5), "channels": 3, "probes": [[2, 8, 0, 0, 200.0], [2, 8, 4, 1, 160.0], [2, 8, 4, 2, 0.0]], "tolerance": 8}


@dicom_case("dicom_jpeg2000", "JPEG 2000 lossless, 16 bits")
def _(d):
    image = W[:, :, 3].T.astype(np.uint16)
    image = np.kron(image, np.ones((4, 4), np.uint16))
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG2000", irreversible=False, no_jp2=True)
    dicom(d / "a.dcm", image, sop=MR, modality="MR", syntax=UID("1.2.840.10008.1.2.4.90"), raw=encapsulated([buffer.getvalue()]))
    return {"n": 1, "probes": probes(image)}


@dicom_case("dicom_rle", "RLE lossless")
def _(d):
    image = W[:, :, 3].T.astype(np.uint16)
    dicom(d / "x.dcm", image, sop=MR, modality="MR")
    data = pydicom.dcmread(d / "x.dcm")
    data.compress(pydicom.uid.RLELossless)
    data.save_as(d / "x.dcm")
    return {"n": 1, "probes": probes(image)}


@dicom_case("dicom_big_endian", "explicit VR big endian (retired)")
def _(d):
    image = W[:, :, 3].T.astype(np.uint16)
    dicom(d / "x.dcm", image, sop=MR, modality="MR", syntax=ExplicitVRBigEndian)
    return {"n": 1, "probes": probes(image)}


@dicom_case("dicom_no_preamble", "a DICOM file without the 128-byte preamble (older scanners, planning systems): read it, or say that the preamble is missing", "either",
            says=["preamble", "marker", "DICM"])
def _(d):
    dicom(d / "a.dcm", W[:, :, 3].T, sop=MR, modality="MR", meta=False)
    return {"n": 1, "probes": probes(W[:, :, 3].T)}


@dicom_case("dicom_odd_files_beside", "README.txt, index.html, Thumbs.db, .DS_Store, autorun.inf of a CD: passed over")
def _(d):
    ct(d)
    for name in ("README.txt", "index.html", "Thumbs.db", ".DS_Store", "autorun.inf"):
        (d / name).write_text("x" * 300)
    return {"n": 1, "probes": probes(HU)}


@dicom_case("dicom_no_pixel_data", "header without pixels (Rows present, PixelData absent): refused, the missing pixels named; installing decoders does not help", "error",
            says=["pixel"])
def _(d):
    dicom(d / "a.dcm", W[:, :, 3].T, sop=MR, modality="MR", drop=("PixelData",))


@dicom_case("dicom_cut_short", "pixels cut short by a transfer: refused", "error")
def _(d):
    dicom(d / "a.dcm", W[:, :, 3].T, sop=MR, modality="MR")
    raw = (d / "a.dcm").read_bytes()
    (d / "a.dcm").write_bytes(raw[:-60])


@dicom_case("dicom_decimal_comma", "PixelSpacing written '3,0' by a localised exporter: refused, the field named", "error", says=["spacing", "PixelSpacing", "number"])
def _(d):
    dicom(d / "a.dcm", W[:, :, 3].T, sop=MR, modality="MR", PixelSpacing=[3.5, 2.5])
    raw = (d / "a.dcm").read_bytes()
    (d / "a.dcm").write_bytes(raw.replace(b"3.5\\2.5", b"3,5\\2,5"))


@dicom_case("dicom_spacing_zero", "PixelSpacing 0\\0: refused clearly, or taken as unknown", "either", says=["spacing"])
def _(d):
    dicom(d / "a.dcm", W[:, :, 3].T, sop=MR, modality="MR", PixelSpacing=[0.0, 0.0])
    return {"n": 1}


@case("dicom_one_patient_id", "dicom:{d}", "all series anonymised to one PatientID: the refusal says that it is one patient and what to do", "error", says=["patient"])
def _(d):
    for k in range(4):
        ct(d, patient="ANON", series=f"s{k}", names=[f"{n}_{k}" for n in NAMES])


@case("dicom_mixed_modalities", "dicom:{d}" + ONE, "CT and MR in one folder: refused, units differ; or filter", "either", says=["HU", "form"])
def _(d):
    ct(d, series="ct")
    ct(d, series="mr", names=[n + "m" for n in NAMES], sop=MR, modality="MR", intercept=0.0)


@dicom_case("dicom_single_rows_spacing", "one CT slice alone: 12 rows x 10 columns, 3 x 2 mm, in place")
def _(d):
    ct(d, W[:, :, :1])
    return {"n": 1, "shape": (ROWS, COLUMNS), "spacing": (3, 2), "probes": probes(HU[:, :, 0].T)}


@dicom_case("dicom_scout_same_folder", "CT with its scout (another series, another orientation, single slice): the scout is 2D; told", "either", says=["dimensions", "form"])
def _(d):
    ct(d)
    dicom(d / "SCOUT", np.zeros((30, 30), np.uint16), series="scout", ImagePositionPatient=[-20.0, 0.0, 200.0], ImageOrientationPatient=[1, 0, 0, 0, 0, -1],
          PixelSpacing=[3.0, 2.0], RescaleSlope=1, RescaleIntercept=-1024)


# ------------------------------------------------------------------------------------------------------------------------------- NRRD
def nrrd(path, data, fields, encoding="raw", endian="little", data_file=None, extra=b"", newline="\n"):
    """A NRRD file by hand; ``data`` [first axis fastest]."""
    raw = np.asarray(data, order="F").astype(data.dtype.newbyteorder("<" if endian == "little" else ">")).tobytes(order="F")
    kinds = {"i2": "short", "u1": "uchar", "u2": "ushort", "f4": "float", "f8": "double", "i4": "int"}
    packed = {"raw": lambda b: b, "gzip": gzip.compress, "bzip2": bz2.compress, "ascii": lambda b: " ".join(map(str, data.ravel(order="F"))).encode(),
              "hex": lambda b: b.hex().encode()}[encoding](raw)
    lines = ["NRRD0005", f"type: {kinds[data.dtype.str[1:]]}", f"dimension: {data.ndim}", f"sizes: {' '.join(map(str, data.shape))}", f"endian: {endian}",
             f"encoding: {encoding}"]
    lines += [f"{key}: {value}" for key, value in fields.items()]
    if data_file:
        lines.append(f"data file: {data_file}")
        path.write_bytes((newline.join(lines) + newline).encode())
        (path.parent / data_file).write_bytes(extra + packed)
    else:
        path.write_bytes((newline.join(lines) + newline * 2).encode() + extra + packed)


LPS = {"space": "left-posterior-superior", "space directions": "(2,0,0) (0,3,0) (0,0,4)", "space origin": "(-10,5,7)", "kinds": "domain domain domain"}
LPS_AFFINE = np.diag([-1.0, -1, 1, 1]) @ AFFINE


def nrrd_case(name, right, outcome="read", **more):
    return case(name, "nrrd:{d}" + ONE, right, outcome, **more)


for _encoding in ("raw", "gzip", "bzip2", "ascii"):

    @nrrd_case(f"nrrd_{_encoding}", f"encoding {_encoding}, left-posterior-superior to RAS+")
    def _(d, encoding=_encoding):
        nrrd(d / "a.nrrd", V, LPS, encoding)
        return {"n": 1, "probes": probes(V), "affine": LPS_AFFINE, "spacing": (2, 3, 4)}


@nrrd_case("nrrd_hex", "encoding hex: read, or refused as an encoding that is not known", "either", says=["encoding", "hex"])
def _(d):
    nrrd(d / "a.nrrd", V, LPS, "hex")
    return {"n": 1, "probes": probes(V)}


@nrrd_case("nrrd_big_endian", "endian big")
def _(d):
    nrrd(d / "a.nrrd", V, LPS, "raw", "big")
    return {"n": 1, "probes": probes(V), "dtype": "int16"}


@nrrd_case("nrrd_ras", "right-anterior-superior stays")
def _(d):
    nrrd(d / "a.nrrd", V, LPS | {"space": "right-anterior-superior"})
    return {"n": 1, "affine": AFFINE}


@nrrd_case("nrrd_detached", "detached header and raw file")
def _(d):
    nrrd(d / "a.nhdr", V, LPS, data_file="a.raw")
    return {"n": 1, "probes": probes(V), "affine": LPS_AFFINE}


@nrrd_case("nrrd_detached_gz_line_skip", "detached gzip data, byte skip -1 for a raw file with a foreign header of 100 bytes")
def _(d):
    nrrd(d / "a.nhdr", V, LPS | {"byte skip": "-1"}, data_file="a.img", extra=bytes(100))
    return {"n": 1, "probes": probes(V)}


@nrrd_case("nrrd_dwi", "diffusion: 4 axes, the last (list) without direction: channels")
def _(d):
    data = ramp(12, 10, 8, 4)
    nrrd(d / "a.nrrd", data, LPS | {"space directions": "(2,0,0) (0,3,0) (0,0,4) none", "kinds": "domain domain domain list"})
    return {"n": 1, "channels": 4, "shape": (12, 10, 8), "probes": probes(data, True)}


@nrrd_case("nrrd_vector_first", "colour as first axis (Slicer): channels")
def _(d):
    data = ramp(3, 12, 10, 8)
    nrrd(d / "a.nrrd", data, LPS | {"space directions": "none (2,0,0) (0,3,0) (0,0,4)", "kinds": "RGB-color domain domain domain"})
    return {"n": 1, "channels": 3, "shape": (12, 10, 8), "probes": probes(np.moveaxis(data, 0, -1), True)}


@nrrd_case("nrrd_4d_domain", "SimpleITK's 4D file: four axes with directions in a 4D space: refuse with the reason, or 4 channels", "either", says=["axes"])
def _(d):
    data = ramp(6, 5, 4, 3)
    nrrd(d / "a.nrrd", data, {"space dimension": 4, "space directions": "(1,0,0,0) (0,1,0,0) (0,0,1,0) (0,0,0,1)", "space origin": "(0,0,0,0)", "kinds": "domain domain domain domain"})


@nrrd_case("nrrd_spacings", "spacings only, no space")
def _(d):
    nrrd(d / "a.nrrd", V, {"spacings": "2 3 4"})
    return {"n": 1, "spacing": (2, 3, 4), "probes": probes(V)}


@nrrd_case("nrrd_2d", "a 2D image with spacings")
def _(d):
    nrrd(d / "a.nrrd", V[:, :, 0], {"spacings": "2 3"})
    return {"n": 1, "shape": (12, 10), "spacing": (2, 3)}


@nrrd_case("nrrd_crlf", "header with Windows line ends")
def _(d):
    nrrd(d / "a.nrrd", V, LPS, "gzip", newline="\r\n")
    return {"n": 1, "probes": probes(V)}


@nrrd_case("nrrd_cut_short", "raw data cut short: refused", "error")
def _(d):
    nrrd(d / "a.nrrd", V, LPS)
    raw = (d / "a.nrrd").read_bytes()
    (d / "a.nrrd").write_bytes(raw[:-100])


@nrrd_case("nrrd_time_space", "left-posterior-superior-time: the first three are space", "either")
def _(d):
    data = ramp(6, 5, 4, 3)
    nrrd(d / "a.nrrd", data, {"space": "left-posterior-superior-time", "space directions": "(2,0,0,0) (0,3,0,0) (0,0,4,0) (0,0,0,1)", "space origin": "(0,0,0,0)",
                              "kinds": "domain domain domain time"})


# ------------------------------------------------------------------------------------------------------------------------------- WFDB
def ecg(seconds=20.0, fs=250.0, rr=0.8, amplitude=1.0, phase=0.4):
    """A trace of narrow R peaks, and their samples."""
    t = np.arange(int(seconds * fs)) / fs
    peaks = np.arange(phase, seconds - 0.2, rr)
    trace = sum(amplitude * np.exp(-(((t - p) / 0.015) ** 2)) + 0.25 * amplitude * np.exp(-(((t - p - 0.25) / 0.04) ** 2)) for p in peaks)
    return trace + 0.02 * np.sin(2 * np.pi * 0.3 * t), np.round(peaks * fs).astype(int)


def record(d, name="r1", fs=250.0, fmt="16", seconds=20.0, units=("mV",), names=("II",), ann=True, ann_fs=None, rr=0.8, comments=None, **more):
    trace, peaks = ecg(seconds, fs, rr)
    signal = np.stack([trace * (k + 1) for k in range(len(names))], axis=1)
    wfdb.wrsamp(name, fs=fs, units=list(units), sig_name=list(names), p_signal=signal, fmt=[fmt] * len(names), write_dir=str(d), comments=comments, **more)
    if ann:
        samples = peaks if ann_fs is None else np.round(peaks / fs * ann_fs).astype(int)
        wfdb.wrann(name, "atr", samples, symbol=["N"] * len(samples), fs=ann_fs, write_dir=str(d))
    return signal, peaks


def wfdb_case(name, right, outcome="read", options="", **more):
    return case(name, "wfdb:{d}" + ONE + options, right, outcome, **more)


for _fmt in ("16", "24", "32", "80", "212"):

    @wfdb_case(f"wfdb_format_{_fmt}", f"format {_fmt}: peak of about 1 mV", options="&window=20")
    def _(d, fmt=_fmt):
        signal, _ = record(d, fmt=fmt)
        return {"n": 1, "shape": (5000,), "unit": "mV", "probes": [[100, 0, float(signal[100, 0])], [2103, 0, float(signal[2103, 0])]], "tolerance": 0.02}


@wfdb_case("wfdb_format_61", "format 61 (big-endian 16 bit)", options="&window=20")
def _(d):
    trace, _ = ecg()
    (d / "r1.dat").write_bytes(np.round(trace * 1000).astype(">i2").tobytes())
    (d / "r1.hea").write_text("r1 1 250 5000\nr1.dat 61 1000/mV 16 0 0 0 0 II\n")
    return {"n": 1, "probes": [[100, 0, float(trace[100])]], "tolerance": 0.002}


@wfdb_case("wfdb_mat", "a .mat file of PhysioNet's challenges: format 16+24", options="&window=20")
def _(d):
    trace, _ = ecg()
    (d / "A0001.mat").write_bytes(bytes(24) + np.round(trace * 1000).astype("<i2").tobytes())
    (d / "A0001.hea").write_text("A0001 1 250 5000 12-May-2020 12:33:59\nA0001.mat 16+24 1000/mV 16 0 0 0 0 II\n#Age: 74\n#Sex: Male\n#Dx: 59118001\n")
    return {"n": 1, "probes": [[100, 0, float(trace[100])]], "tolerance": 0.002}


@wfdb_case("wfdb_annotation_clock", "annotations with a time resolution of their own (1000 ticks a second, record at 250): beats begin at the R peaks, each beat's first sample is its highest")
def _(d):
    record(d, ann_fs=1000, seconds=40)
    return {"n": "24..50", "first_is_peak": True}


@wfdb_case("wfdb_annotation_clock_same", "the control: the same with annotations in the record's own clock")
def _(d):
    record(d, seconds=40)
    return {"n": "24..50", "first_is_peak": True}


@wfdb_case("wfdb_multi_segment", "a record of segments (MIMIC): read as one, or refused saying that segments are not read; its parts are no records of their own", "either",
           options="&window=4")
def _(d):
    for k, seconds in ((1, 8.0), (2, 12.0)):
        record(d, name=f"m_{k:04d}", seconds=seconds, ann=False)
    (d / "m.hea").write_text("m/2 1 250 5000\nm_0001 2000\nm_0002 3000\n")
    return {"n": 5}


@wfdb_case("wfdb_variable_layout", "MIMIC's variable layout with a layout header and a gap '~': read with the gap masked, or refused with the reason; the layout header is no record", "either",
           options="&window=4")
def _(d):
    record(d, name="v_0001", seconds=8.0, ann=False)
    record(d, name="v_0002", seconds=8.0, ann=False)
    (d / "v_layout.hea").write_text("v_layout 1 250 0\n~ 0 1000/mV 16 0 0 0 0 II\n")
    (d / "v.hea").write_text("v/4 1 250 5000\nv_layout 0\nv_0001 2000\n~ 1000\nv_0002 2000\n")


@wfdb_case("wfdb_nan_gap", "two seconds marked invalid (-32768): masked", options="&window=20")
def _(d):
    trace, _ = ecg()
    samples = np.round(trace * 1000).astype("<i2")
    samples[1000:1500] = -32768
    (d / "r1.dat").write_bytes(samples.tobytes())
    (d / "r1.hea").write_text("r1 1 250 5000\nr1.dat 16 1000/mV 16 0 0 0 0 II\n")
    return {"n": 1, "masked": 500}


@wfdb_case("wfdb_gain_zero", "gain 0 means not calibrated: 200 a unit (header(5))", options="&window=20")
def _(d):
    trace, _ = ecg()
    (d / "r1.dat").write_bytes(np.round(trace * 200).astype("<i2").tobytes())
    (d / "r1.hea").write_text("r1 1 250 5000\nr1.dat 16 0 16 0 0 0 0 II\n")
    return {"n": 1, "probes": [[100, 0, float(trace[100])]], "tolerance": 0.01}


@wfdb_case("wfdb_duplicate_leads", "two leads of one name (ECG, ECG): the first, or refused; both must not be mixed", "either", options="&window=20&lead=ECG")
def _(d):
    trace, _ = ecg()
    (d / "r1.dat").write_bytes(np.stack([np.round(trace * 1000), np.round(trace * 2000)], axis=1).astype("<i2").tobytes())
    (d / "r1.hea").write_text("r1 2 250 5000\nr1.dat 16 1000/mV 16 0 0 0 0 ECG\nr1.dat 16 1000/mV 16 0 0 0 0 ECG\n")
    return {"n": 1, "probes": [[100, 0, float(trace[100])]], "tolerance": 0.01}


@wfdb_case("wfdb_duplicate_leads_units", "two leads of one name in different units (uV and mmHg named P): values and unit must belong together", "either", options="&window=20&lead=P")
def _(d):
    trace, _ = ecg()
    both = np.stack([np.round(trace * 1000), np.round(80 + 20 * np.sin(np.arange(5000) / 40))], axis=1).astype("<i2")
    (d / "r1.dat").write_bytes(both.tobytes())
    (d / "r1.hea").write_text("r1 2 250 5000\nr1.dat 16 1000/mV 16 0 0 0 0 P\nr1.dat 16 1/mmHg 16 0 0 0 0 P\n")
    return {"n": 1, "unit": "mV", "probes": [[100, 0, float(trace[100])]], "tolerance": 0.01}


@wfdb_case("wfdb_microvolts", "a lead in uV: mV out", options="&window=20")
def _(d):
    trace, _ = ecg()
    (d / "r1.dat").write_bytes(np.round(trace * 1000).astype("<i2").tobytes())
    (d / "r1.hea").write_text("r1 1 250 5000\nr1.dat 16 1/uV 16 0 0 0 0 II\n")
    return {"n": 1, "unit": "mV", "probes": [[100, 0, float(trace[100])]], "tolerance": 0.01}


@wfdb_case("wfdb_units_spelled", "uV spelled with another letter or case (UV, MV, millivolt, \u03bcV): converted, or the unit kept as written; 1000 times too large must not be called mV", "either",
           options="&window=20")
def _(d):
    trace, _ = ecg()
    (d / "r1.dat").write_bytes(np.round(trace * 1000).astype("<i2").tobytes())
    (d / "r1.hea").write_text("r1 1 250 5000\nr1.dat 16 1/\u03bcV 16 0 0 0 0 II\n", encoding="utf-8")
    return {"n": 1, "probes": [[100, 0, float(trace[100])]], "tolerance": 0.01, "unit": "mV"}


@wfdb_case("wfdb_annotation_beyond", "annotations beyond the end of the record: those beats are left out")
def _(d):
    _, peaks = ecg()
    record(d, ann=False)
    late = np.concatenate([peaks, [6000, 7000]])
    wfdb.wrann("r1", "atr", late, symbol=["N"] * len(late), write_dir=str(d))
    return {"n": "15..26", "first_is_peak": True}


@wfdb_case("wfdb_no_annotations", "no annotation file: refused, windows offered", "error", says=["window"])
def _(d):
    record(d, ann=False)


@wfdb_case("wfdb_no_length", "the header gives no number of samples: from the file", options="&window=4")
def _(d):
    trace, _ = ecg()
    (d / "r1.dat").write_bytes(np.round(trace * 1000).astype("<i2").tobytes())
    (d / "r1.hea").write_text("r1 1 250\nr1.dat 16 1000/mV 16 0 0 0 0 II\n")
    return {"n": 5}


@wfdb_case("wfdb_window_too_long", "a window longer than the record: said so, not an empty data set", "error", options="&window=60", says=["window", "short", "long"])
def _(d):
    record(d)


@wfdb_case("wfdb_crlf", "header with Windows line ends and blank lines", options="&window=20")
def _(d):
    trace, _ = ecg()
    (d / "r1.dat").write_bytes(np.round(trace * 1000).astype("<i2").tobytes())
    (d / "r1.hea").write_bytes(b"# made here\r\n\r\nr1 1 250 5000\r\nr1.dat 16 1000/mV 16 0 0 0 0 II\r\n")
    return {"n": 1, "probes": [[100, 0, float(trace[100])]], "tolerance": 0.002}


@wfdb_case("wfdb_name_with_dot", "a record called p1.2", options="&window=20")
def _(d):
    trace, _ = ecg()
    (d / "p1.2.dat").write_bytes(np.round(trace * 1000).astype("<i2").tobytes())
    (d / "p1.2.hea").write_text("p1.2 1 250 5000\np1.2.dat 16 1000/mV 16 0 0 0 0 II\n")
    return {"n": 1}


@wfdb_case("wfdb_skew", "a lead skewed by 50 samples: as wfdb reads it", options="&window=16&lead=V1", )
def _(d):
    trace, _ = ecg()
    both = np.stack([np.round(trace * 1000), np.round(np.roll(trace, 50) * 1000)], axis=1).astype("<i2")
    (d / "r1.dat").write_bytes(both.tobytes())
    (d / "r1.hea").write_text("r1 2 250 5000\nr1.dat 16 1000/mV 16 0 0 0 0 II\nr1.dat 16:50 1000/mV 16 0 0 0 0 V1\n")
    return {"n": 1, "probes": [[100, 0, float(trace[100])], [1103, 0, float(trace[1103])]], "tolerance": 0.01}


@wfdb_case("wfdb_flat", "a flat lead (electrode off): a constant signal, read", options="&window=20")
def _(d):
    (d / "r1.dat").write_bytes(np.zeros(5000, "<i2").tobytes())
    (d / "r1.hea").write_text("r1 1 250 5000\nr1.dat 16 1000/mV 16 0 0 0 0 II\n")
    return {"n": 1}


@case("wfdb_edf", "wfdb:{d}?window=4", "EDF is not WFDB: refused, the kinds of files named", "error", says=[".hea", "hea"])
def _(d):
    (d / "a.edf").write_bytes(b"0       " + b" " * 248)


@wfdb_case("wfdb_ptbxl_long_names", "PTB-XL: leads I, II, III, AVR ... in records500/00000: first lead by default, told", options="&window=10")
def _(d):
    folder = d / "records500" / "00000"
    folder.mkdir(parents=True)
    names = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
    record(folder, name="00001_hr", fs=500, seconds=10, names=names, units=("mV",) * 12, ann=False)
    return {"n": 1, "shape": (5000,)}


# ------------------------------------------------------------------------------------------------------------------------------- CSV
def rows(n=12, m=20):
    return np.round(np.random.default_rng(0).normal(size=(n, m)), 4)


def csv_rows(table, labels=None, sep=","):
    return "\n".join(sep.join(map(repr, map(float, row))) + ("" if labels is None else f"{sep}{labels[k]}") for k, row in enumerate(table)) + "\n"


def csv_case(name, right, outcome="read", options="", file="a.csv", **more):
    return case(name, "csv:{d}/" + file + ONE + options, right, outcome, **more)


@csv_case("csv_rows", "12 rows of 20 samples and a class number: 12 signals")
def _(d):
    (d / "a.csv").write_text(csv_rows(rows(), [k % 2 for k in range(12)]))
    return {"n": 12, "shape": (20,), "labels": ["0", "1"]}


@csv_case("csv_bom_no_header", "the same saved by Excel as 'CSV UTF-8' (with a byte order mark): 12 signals, none lost")
def _(d):
    (d / "a.csv").write_bytes(b"\xef\xbb\xbf" + csv_rows(rows(), [k % 2 for k in range(12)]).encode())
    return {"n": 12, "shape": (20,)}


@csv_case("csv_text_labels_no_header", "rows without a header whose last cell is the class as text: 12 signals, the first row is no header")
def _(d):
    (d / "a.csv").write_text(csv_rows(rows(), ["normal", "afib"] * 6))
    return {"n": 12, "shape": (20,), "labels": ["afib", "normal"]}


@csv_case("csv_na_later", "a cell NA in a later row: an unobserved sample, or refused with its place", "either", says=["row", "column"])
def _(d):
    lines = csv_rows(rows(), [k % 2 for k in range(12)]).splitlines()
    lines[5] = "NA" + lines[5][lines[5].index(","):]
    (d / "a.csv").write_text("\n".join(lines) + "\n")
    return {"n": 12}


def samples(sep=",", head=("time", "ecg"), decimal=".", n=50, scale=1.0):
    lines = [sep.join(head)]
    for k in range(n):
        lines.append(sep.join(f"{v:.4f}".replace(".", decimal) for v in (k / 250 * scale, np.sin(k / 5))))
    return "\n".join(lines) + "\n"


SAMPLE = "&value=ecg&time=time"


@csv_case("csv_samples", "a row a sample", options=SAMPLE)
def _(d):
    (d / "a.csv").write_text(samples())
    return {"n": 1, "probes": [[10, 0, round(float(np.sin(2)), 4)]]}


@csv_case("csv_bom_header", "a header behind a byte order mark: the column is 'time'", options=SAMPLE)
def _(d):
    (d / "a.csv").write_bytes(b"\xef\xbb\xbf" + samples().encode())
    return {"n": 1}


@csv_case("csv_semicolon", "semicolons: read, or refused with the reason (not 'no column')", "either", options=SAMPLE, says=["semicolon", "separat", "comma", "delimiter"])
def _(d):
    (d / "a.csv").write_text(samples(";"))
    return {"n": 1}


@csv_case("csv_semicolon_rows", "rows of numbers with semicolons, no header: refused with the reason", "either", says=["semicolon", "separat", "comma", "delimiter"])
def _(d):
    (d / "a.csv").write_text(csv_rows(rows(), [k % 2 for k in range(12)], ";"))
    return {"n": 12}


@csv_case("csv_decimal_comma_rows", "rows with decimal commas and semicolons: a comma must not cut a number in two silently", "either", says=["semicolon", "separat", "comma", "delimiter", "column"])
def _(d):
    (d / "a.csv").write_text(csv_rows(rows(), [k % 2 for k in range(12)], ";").replace(".", ","))
    return {"n": 12}


@csv_case("csv_tabs", "tabs (UCR's .tsv): read, or refused with the reason", "either", file="a.tsv", says=["tab", "separat", "comma", "delimiter"])
def _(d):
    (d / "a.tsv").write_text(csv_rows(rows(), [k % 2 for k in range(12)], "\t"))
    return {"n": 12}


@csv_case("csv_iso_times", "times as ISO text: refused with row and column", "error", options=SAMPLE, says=["time"])
def _(d):
    lines = ["time,ecg"] + [f"2024-05-01T12:00:00.{k * 4:03d}+02:00,{np.sin(k / 5):.4f}" for k in range(50)]
    (d / "a.csv").write_text("\n".join(lines) + "\n")


@csv_case("csv_duplicate_times", "two samples at one time: refused with the row", "error", options=SAMPLE, says=["row"])
def _(d):
    lines = samples().splitlines()
    lines.insert(10, lines[9])
    (d / "a.csv").write_text("\n".join(lines) + "\n")


@csv_case("csv_latin1_header", "a header with a mu in Latin-1 (Excel on Windows): refused as an encoding, or read", "either", options="&value=ecg (\u00b5V)&time=time", says=["encod", "UTF-8", "utf-8", "text"])
def _(d):
    (d / "a.csv").write_bytes(samples(head=("time", "ecg (\u00b5V)")).encode("latin-1"))
    return {"n": 1}


@csv_case("csv_unicode_header", "a header with unicode and a space", options="&value=\u00c9CG d\u00e9riv II&time=temps (s)")
def _(d):
    (d / "a.csv").write_text(samples(head=("temps (s)", "\u00c9CG d\u00e9riv II")), encoding="utf-8")
    return {"n": 1}


@csv_case("csv_utf16", "UTF-16 ('Unicode text' of Excel): refused as an encoding, or read", "either", options=SAMPLE, says=["encod", "UTF", "text"])
def _(d):
    (d / "a.csv").write_bytes(samples().encode("utf-16"))
    return {"n": 1}


@csv_case("csv_blank_first_line", "a blank first line: skipped, or refused; the file is not empty", "either", options=SAMPLE, says=["blank", "first line", "first row"])
def _(d):
    (d / "a.csv").write_text("\n" + samples())
    return {"n": 1}


@csv_case("csv_comment_lines", "lines of a device before the header (# device, # rate): refused with the reason, or skipped", "either", options=SAMPLE, says=["column", "row", "header"])
def _(d):
    (d / "a.csv").write_text("# Device X\n# Sampling rate 250\n" + samples())
    return {"n": 1}


@csv_case("csv_cr_only", "old Mac line ends (CR)", "either", options=SAMPLE)
def _(d):
    (d / "a.csv").write_bytes(samples().replace("\n", "\r").encode())
    return {"n": 1}


@csv_case("csv_crlf_quotes", "CRLF and every cell quoted (R's write.csv)", options=SAMPLE)
def _(d):
    lines = [",".join(f'"{cell}"' for cell in line.split(",")) for line in samples().splitlines()]
    (d / "a.csv").write_bytes(("\r\n".join(lines) + "\r\n").encode())
    return {"n": 1}


@csv_case("csv_duplicate_columns", "two columns of one name: refused, or the first; never silently the last", "either", options="&value=ecg&time=time", says=["twice", "several", "duplicate", "two"])
def _(d):
    lines = ["time,ecg,ecg"] + [f"{k / 250},{k}.0,{-k}.0" for k in range(50)]
    (d / "a.csv").write_text("\n".join(lines) + "\n")
    return {"n": 1, "probes": [[10, 0, 10.0]]}


@csv_case("csv_nan_words", "nan, NaN, NULL, empty: unobserved samples", options=SAMPLE)
def _(d):
    lines = samples().splitlines()
    for at, word in zip((5, 6, 7, 8), ("nan", "NaN", "NULL", ""), strict=True):
        lines[at] = lines[at].split(",")[0] + "," + word
    (d / "a.csv").write_text("\n".join(lines) + "\n")
    return {"n": 1, "masked": 4}


@csv_case("csv_inf", "inf (saturated amplifier): refused with its place, or masked", "either", options=SAMPLE, says=["Inf", "inf"])
def _(d):
    lines = samples().splitlines()
    lines[5] = lines[5].split(",")[0] + ",inf"
    (d / "a.csv").write_text("\n".join(lines) + "\n")


@csv_case("csv_ragged", "one row is short: refused with the row", "error", says=["row"])
def _(d):
    lines = csv_rows(rows(), [0, 1] * 6).splitlines()
    lines[4] = ",".join(lines[4].split(",")[:-3])
    (d / "a.csv").write_text("\n".join(lines) + "\n")


@csv_case("csv_labels_minus_one", "labels -1 and 1 (UCR's ECG200): two classes, or refused with the way out named", "either", says=["classes"])
def _(d):
    (d / "a.csv").write_text(csv_rows(rows(), [-1, 1] * 6))
    return {"n": 12, "labels": ["-1", "1"]}


@csv_case("csv_label_first", "UCR's layout, label in the first column: the last sample must not be taken for the class silently", "either", says=["label"])
def _(d):
    table = rows()
    (d / "a.csv").write_text("\n".join(f"{k % 2 + 1}," + ",".join(map(repr, map(float, row))) for k, row in enumerate(table)) + "\n")
    return {"n": 12, "shape": (20,)}


@csv_case("csv_spaces_after_comma", "a space behind every comma (numpy.savetxt(delimiter=', '))")
def _(d):
    (d / "a.csv").write_text(csv_rows(rows(), [0, 1] * 6, ", "))
    return {"n": 12, "shape": (20,)}


@csv_case("csv_header_spaces", "header and cells with spaces behind the commas", options=SAMPLE)
def _(d):
    (d / "a.csv").write_text(samples(", "))
    return {"n": 1}


@csv_case("csv_thousands", "1,234.5 in quotes: refused with its place", "error", options=SAMPLE, says=["row", "column"])
def _(d):
    lines = samples().splitlines()
    lines[5] = lines[5].split(",")[0] + ',"1,234.5"'
    (d / "a.csv").write_text("\n".join(lines) + "\n")


@csv_case("csv_index_column", "pandas wrote the index as a first column without a name: row number must not become a sample silently", "either", options="")
def _(d):
    table = rows()
    head = "," + ",".join(map(str, range(20))) + ",label"
    (d / "a.csv").write_text(head + "\n" + "\n".join(f"{k}," + ",".join(map(repr, map(float, row))) + f",{k % 2}" for k, row in enumerate(table)) + "\n")
    return {"n": 12, "shape": (20,)}


# ------------------------------------------------------------------------------------------------------------------------------- images
G = (ramp(24, 16).T % 256).astype(np.uint8)  # 16 rows, 24 columns
RGB = np.stack([G, 255 - G, G // 2], axis=-1)


def image_case(name, right, outcome="read", options="", **more):
    return case(name, "images:{d}" + ONE + options, right, outcome, **more)


def png(path, rows_of_bytes, width, height, depth, colour, extra=()):
    """A PNG by hand: rows of bytes without filter."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    body = b"".join(b"\0" + row for row in rows_of_bytes)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)) + b"".join(chunk(*e) for e in extra)
                     + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b""))


def tiff(path, array, photometric=1, sample_format=1, big=False, tags=()):
    """A TIFF by hand: one strip, one sample a pixel."""
    height, width = array.shape
    raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
    entries = sorted([(256, 4, width), (257, 4, height), (258, 3, array.dtype.itemsize * 8), (259, 3, 1), (262, 3, photometric), (273, 16 if big else 4, 0), (277, 3, 1),
                      (278, 4, height), (279, 16 if big else 4, len(raw)), (339, 3, sample_format), *tags])
    count = len(entries)
    offset = (16 + 8 + 20 * count + 8) if big else (8 + 2 + 12 * count + 4)
    out = (struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) + struct.pack("<Q", count)) if big else (struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", count))
    for tag, kind, value in entries:
        value = offset if tag == 273 else value
        out += struct.pack("<HHQQ", tag, kind, 1, value) if big else struct.pack("<HHII", tag, kind, 1, value)
    path.write_bytes(out + (struct.pack("<Q", 0) if big else struct.pack("<I", 0)) + raw)


@image_case("image_exif", "eight JPEGs, one for each EXIF orientation: all stand upright (top left dark, top right bright)")
def _(d):
    base = np.zeros((32, 48), np.uint8)
    base[:, 24:] = 200
    base[16:, :24] = 100
    turned = {1: base, 2: base[:, ::-1], 3: base[::-1, ::-1], 4: base[::-1], 5: base.T, 6: np.rot90(base), 7: base[::-1, ::-1].T, 8: np.rot90(base, -1)}
    for number, pixels in turned.items():
        exif = Image.Exif()
        exif[274] = number
        Image.fromarray(np.ascontiguousarray(pixels)).save(d / f"o{number}.jpg", exif=exif, quality=95)
    return {"n": 8, "shape": (32, 48), "probes": [[2, 2, 0, 0.0], [2, 45, 0, 200.0], [29, 2, 0, 100.0]], "tolerance": 6}


@image_case("image_cmyk", "CMYK JPEG as Photoshop writes it: colours right way round (red stays red)")
def _(d):
    picture = Image.new("RGB", (32, 24), (220, 20, 20)).convert("CMYK")
    picture.save(d / "a.jpg", quality=95)
    return {"n": 1, "channels": 3, "probes": [[5, 5, 0, 220.0], [5, 5, 1, 20.0]], "tolerance": 12}


@image_case("image_palette", "palette PNG: colours, not indices")
def _(d):
    picture = Image.fromarray(RGB).quantize(64)
    picture.save(d / "a.png")
    return {"n": 1, "channels": 3, "probes": [[3, 3, 0, float(np.asarray(picture.convert("RGB"))[3, 3, 0])]]}


@image_case("image_palette_grey", "a palette PNG whose colours are all grey, beside a grey PNG: one kind of image", "either", says=["channels", "grey"])
def _(d):
    Image.fromarray(G).save(d / "a.png")
    Image.fromarray(G).convert("P").save(d / "b.png")
    return {"n": 2}


@image_case("image_16bit", "16-bit grey PNG: 0..65535")
def _(d):
    data = ramp(24, 16).T.astype(np.uint16) * 100
    Image.fromarray(data).save(d / "a.png")
    return {"n": 1, "probes": probes(data), "dtype": "uint16"}


@image_case("image_16bit_alpha", "16-bit grey PNG with alpha: all 16 bits are kept (or refused), not 8 of them")
def _(d):
    data = ramp(24, 16).T.astype(np.uint16) * 100 + 7
    both = np.stack([data, np.full_like(data, 65535)], axis=-1).astype(">u2")
    png(d / "a.png", [row.tobytes() for row in both], 24, 16, 16, 4)
    return {"n": 1, "channels": 1, "probes": probes(data), "dtype": "uint16"}


@image_case("image_16bit_rgb", "16-bit RGB PNG: all 16 bits")
def _(d):
    data = np.stack([ramp(24, 16).T.astype(np.uint16) * k + 5 for k in (100, 50, 20)], axis=-1)
    png(d / "a.png", [row.astype(">u2").tobytes() for row in data], 24, 16, 16, 2)
    return {"n": 1, "channels": 3, "probes": probes(data, True)}


@image_case("image_alpha", "RGBA: three channels")
def _(d):
    Image.fromarray(np.concatenate([RGB, np.full((16, 24, 1), 255, np.uint8)], axis=-1)).save(d / "a.png")
    return {"n": 1, "channels": 3, "probes": probes(RGB, True)}


@image_case("image_multipage", "TIFF of three pages: refused with the count", "error", says=["pages"])
def _(d):
    pages = [Image.fromarray(G)] * 3
    pages[0].save(d / "a.tif", save_all=True, append_images=pages[1:])


@image_case("image_mpo", "a JPEG of a phone or camera with a second picture inside (MPO, .jpg): the first picture, as every viewer shows it; or an option named")
def _(d):
    first, second = Image.fromarray(RGB), Image.fromarray(RGB).resize((12, 8))
    first.save(d / "a.jpg", "MPO", save_all=True, append_images=[second], quality=95)
    return {"n": 1, "channels": 3, "shape": (16, 24)}


@image_case("image_apng", "an animated PNG: refused with the count, or the first frame", "either", says=["pages", "frames"])
def _(d):
    Image.fromarray(G).save(d / "a.png", save_all=True, append_images=[Image.fromarray(255 - G)])
    return {"n": 1}


@image_case("image_bigtiff", "BigTIFF")
def _(d):
    tiff(d / "a.tif", G, big=True)
    return {"n": 1, "probes": probes(G)}


@image_case("image_float_tiff", "float32 TIFF: values as stored")
def _(d):
    data = (ramp(24, 16).T / 10 - 5).astype(np.float32)
    Image.fromarray(data).save(d / "a.tif")
    return {"n": 1, "probes": probes(data), "dtype": "float32"}


@image_case("image_float64_tiff", "float64 TIFF: read, or refused as a type that is not known (not as damage)", "either", says=["type", "64", "float"])
def _(d):
    data = (ramp(24, 16).T / 10 - 5).astype(np.float64)
    tiff(d / "a.tif", data, sample_format=3)
    return {"n": 1, "probes": probes(data)}


@image_case("image_int16_tiff", "signed 16-bit TIFF (HU): -1000 stays -1000")
def _(d):
    data = ramp(24, 16).T.astype(np.int16) - 200
    tiff(d / "a.tif", data, sample_format=2)
    return {"n": 1, "probes": probes(data)}


@image_case("image_white_is_zero_8", "8-bit TIFF, 0 is white: inverted")
def _(d):
    tiff(d / "a.tif", G, photometric=0)
    return {"n": 1, "probes": probes(255.0 - G)}


@image_case("image_one_bit", "1-bit PNG and TIFF: 0 and 255")
def _(d):
    Image.fromarray(G > 128).save(d / "a.png")
    Image.fromarray(G > 128).save(d / "b.tif")
    return {"n": 2, "probes": [[0, 0, 0, 0.0]]}


@image_case("image_masks_01", "masks stored as 0 and 1 in 8 bits: PSNR on a range of 0..255 says nothing; told, or ranged", "either")
def _(d):
    for k in range(6):
        Image.fromarray((40 * k < G).astype(np.uint8)).save(d / f"m{k}.png")
    return {"n": 6, "range": [0, 1]}


@image_case("image_zero_bytes", "an empty file: refused", "error")
def _(d):
    (d / "a.png").write_bytes(b"")


@image_case("image_truncated", "a JPEG cut short: refused", "error")
def _(d):
    Image.fromarray(np.kron(RGB, np.ones((8, 8, 1), np.uint8))).save(d / "a.jpg")
    raw = (d / "a.jpg").read_bytes()
    (d / "a.jpg").write_bytes(raw[: len(raw) // 2])


@image_case("image_wrong_suffix", "a JPEG named .png: read")
def _(d):
    Image.fromarray(RGB).save(d / "a.jpg")
    (d / "a.jpg").rename(d / "a.png")
    return {"n": 1}


@image_case("image_uppercase", "A.PNG, B.JPG, C.TIF")
def _(d):
    for name in ("A.PNG", "B.JPG", "C.TIF"):
        Image.fromarray(G).save(d / name)
    return {"n": 3}


@image_case("image_odd_names", "names with spaces, umlauts, ?, &, %, #, quotes and a leading dash")
def _(d):
    for name in ("a b.png", "\u00e4\u6f22.png", "what?.png", "this & that.png", "50%25.png", "#1.png", "o'neil.png", "-x.png", "a:b.png"):
        Image.fromarray(G).save(d / name)
    return {"n": 9}


@case("image_split_folders_capital", "images:{d}", "Kaggle's brain tumour layout, Training/CLASS and Testing/CLASS: splits train and test, classes glioma and healthy")
def _(d):
    for split, count in (("Training", 6), ("Testing", 3)):
        for label in ("glioma", "healthy"):
            folder = d / split / label
            folder.mkdir(parents=True)
            for k in range(count):
                Image.fromarray(np.roll(G, k, 0)).save(folder / f"{label}_{split}_{k}.png")
    return {"labels": ["glioma", "healthy"], "test": 6}


@case("image_split_folders_only", "images:{d}", "train/ and test/ without classes: no labels")
def _(d):
    for split, count in (("train", 6), ("test", 3)):
        (d / split).mkdir()
        for k in range(count):
            Image.fromarray(np.roll(G, k, 0)).save(d / split / f"{k}.png")
    return {"labels": [], "test": 3}


@case("image_class_spaces", "images:{d}", "classes with spaces, umlauts and different depth; .DS_Store and Thumbs.db inside")
def _(d):
    for label in ("mild cognitive impairment", "Gesund \u00fc", "AD"):
        folder = d / label / "batch 1" / "x"
        folder.mkdir(parents=True)
        for k in range(4):
            Image.fromarray(np.roll(G, k, 0)).save(folder / f"{k}.png")
        (folder / ".DS_Store").write_bytes(bytes(10))
        (folder / "Thumbs.db").write_bytes(bytes(10))
    return {"labels": ["AD", "Gesund \u00fc", "mild cognitive impairment"], "n": 12}


@image_case("image_other_formats", "a folder with .png beside .webp, .jfif, .gif and .jp2: what is not read is named or counted; not left out silently", "either")
def _(d):
    for name, form in (("a.png", "PNG"), ("b.webp", "WEBP"), ("c.jfif", "JPEG"), ("d.gif", "GIF"), ("e.jp2", "JPEG2000")):
        Image.fromarray(G).save(d / name, form)
    return {"n": 5}


@image_case("image_thin", "2 x 4000 pixels")
def _(d):
    Image.fromarray(ramp(4000, 2).T.astype(np.uint8)).save(d / "a.png")
    return {"n": 1, "shape": (2, 4000)}


@image_case("image_one_pixel", "1 x 1 pixel", "either")
def _(d):
    Image.fromarray(np.array([[7]], np.uint8)).save(d / "a.png")
    return {"n": 1, "shape": (1, 1)}


@case("image_two_files", "images:{d}", "two images for three splits: refused with the way out named", "error", says=["val=0", "test=0"])
def _(d):
    for k in range(2):
        Image.fromarray(G).save(d / f"{k}.png")


@image_case("image_mixed_modes", "grey and colour in one folder: refused, the option grey named", "error", says=["grey"])
def _(d):
    Image.fromarray(G).save(d / "a.png")
    Image.fromarray(RGB).save(d / "b.png")


@image_case("image_mixed_depth", "8-bit and 16-bit grey in one folder: units differ", "either", says=["16-bit", "8-bit"])
def _(d):
    Image.fromarray(G).save(d / "a.png")
    Image.fromarray(ramp(24, 16).T.astype(np.uint16) * 100).save(d / "b.png")


@case("image_labels_excel", "images:{d}?val=0&test=0&labels=labels.csv", "labels from Excel: byte order mark and semicolons", "either", says=["separat", "comma", "row", "semicolon"])
def _(d):
    for k in range(4):
        Image.fromarray(G).save(d / f"{k}.png")
    (d / "labels.csv").write_bytes(b"\xef\xbb\xbf" + b"file;class\n" + "".join(f"{k}.png;{'ab'[k % 2]}\n" for k in range(4)).encode())
    return {"n": 4, "labels": ["a", "b"]}


@case("image_labels_no_header", "images:{d}?val=0&test=0&labels=labels.csv", "labels without a header: the first row must not be lost without a word", "either", says=["row", "header"])
def _(d):
    for k in range(4):
        Image.fromarray(G).save(d / f"{k}.png")
    (d / "labels.csv").write_text("".join(f"{k}.png,{'ab'[k % 2]}\n" for k in range(4)))
    return {"n": 4, "labels": ["a", "b"]}


@image_case("image_same_stem", "scan.png and scan.jpg: two signals with two ids", options="&ids=names")
def _(d):
    Image.fromarray(G).save(d / "scan.png")
    Image.fromarray(G).save(d / "scan.jpg")
    return {"n": 2}


# ------------------------------------------------------------------------------------------------------------------------------- npz
def npz_case(name, right, outcome="read", options="", **more):
    return case(name, "npz:{d}/a.npz" + options, right, outcome, **more)


def archive(d, images, labels=None, splits=("train", "val", "test"), **more):
    arrays = {}
    for split in splits:
        arrays[f"{split}_images"] = images
        if labels is not None:
            arrays[f"{split}_labels"] = labels
    np.savez(d / "a.npz", **(arrays | more))


IMAGES = np.stack([np.roll(G, k, 0) for k in range(8)])  # [8, 16, 24]


@npz_case("npz_flat_labels", "labels [N]")
def _(d):
    archive(d, IMAGES, np.arange(8) % 3)
    return {"n": 24, "labels": ["0", "1", "2"]}


@npz_case("npz_column_labels", "labels [N, 1]")
def _(d):
    archive(d, IMAGES, (np.arange(8) % 3)[:, None])
    return {"n": 24, "labels": ["0", "1", "2"]}


@npz_case("npz_multi_label", "labels [N, 4] of 0 and 1")
def _(d):
    archive(d, IMAGES, np.random.default_rng(0).integers(0, 2, (8, 4)))
    return {"n": 24}


@npz_case("npz_one_hot", "one-hot labels [N, 3]: classes, or told that they count as multi-label", "either")
def _(d):
    archive(d, IMAGES, np.eye(3, dtype=int)[np.arange(8) % 3])
    return {"n": 24}


@npz_case("npz_float_labels", "labels as floats 0.0, 1.0 (torch, Keras): whole numbers are classes, or refused clearly", "either", says=["label"])
def _(d):
    archive(d, IMAGES, (np.arange(8) % 2).astype(np.float32))
    return {"n": 24}


@npz_case("npz_string_labels", "labels as text: refused clearly, or classes", "either", says=["label"])
def _(d):
    archive(d, IMAGES, np.array(["a", "b"] * 4))
    return {"n": 24}


@npz_case("npz_object", "object arrays: refused, nothing is executed", "error", says=["object", "Python"])
def _(d):
    ragged = np.empty(2, object)
    ragged[0], ragged[1] = np.zeros((3, 3)), np.zeros((4, 4))
    np.savez(d / "a.npz", train_images=ragged)


@npz_case("npz_no_test", "no test split: train and val")
def _(d):
    archive(d, IMAGES, np.arange(8) % 2, splits=("train", "val"))
    return {"n": 16, "splits": ["train", "val"]}


@npz_case("npz_channel_first", "PyTorch's [N, 3, H, W]: 3 channels, or refused; not a volume three voxels thick")
def _(d):
    archive(d, np.stack([IMAGES, 255 - IMAGES, IMAGES // 2], axis=1), np.arange(8) % 2)
    return {"n": 24, "shape": (16, 24), "channels": 3}


@npz_case("npz_channel_first_grey", "PyTorch's [N, 1, H, W]: one grey channel, or refused; not a volume one voxel thick")
def _(d):
    archive(d, IMAGES[:, None], np.arange(8) % 2)
    return {"n": 24, "shape": (16, 24), "channels": 1}


@npz_case("npz_rgb_volume", "[N, D, H, W, 3]")
def _(d):
    archive(d, np.stack([IMAGES[:, :8, :8]] * 6, axis=1)[..., None].repeat(3, -1))
    return {"n": 24, "shape": (6, 8, 8), "channels": 3}


@npz_case("npz_big_endian", "big-endian int16")
def _(d):
    data = IMAGES.astype(">i2") * 10 - 500
    archive(d, data)
    return {"n": 24, "probes": probes(data[0])}


@npz_case("npz_fortran", "Fortran order")
def _(d):
    archive(d, np.asfortranarray(IMAGES))
    return {"n": 24, "probes": probes(IMAGES[0])}


@npz_case("npz_bool", "truth values as images")
def _(d):
    archive(d, IMAGES > 100)
    return {"n": 24, "probes": probes((IMAGES[0] > 100).astype(float))}


@npz_case("npz_nan", "NaN in one image: refused, the image named", "error", says=["NaN"])
def _(d):
    data = IMAGES.astype(np.float32)
    data[2, 3, 3] = np.nan
    archive(d, data)


@npz_case("npz_other_names", "x_train, y_train of Keras: refused, the expected names said", "error", says=["train_images"])
def _(d):
    np.savez(d / "a.npz", x_train=IMAGES, y_train=np.arange(8))


@npz_case("npz_counts_differ", "7 labels for 8 images: refused", "error", says=["label"])
def _(d):
    archive(d, IMAGES, np.arange(7) % 2)


@npz_case("npz_labels_from_one", "labels 1 and 2: an empty class 0 must not make three classes silently", "either")
def _(d):
    archive(d, IMAGES, np.arange(8) % 2 + 1)
    return {"n": 24}


@npz_case("npz_empty_split", "a test split of no images", "either")
def _(d):
    np.savez(d / "a.npz", train_images=IMAGES, val_images=IMAGES, test_images=IMAGES[:0])
    return {"n": 16}


@case("npz_npy", "npz:{d}/a.npy", "a plain .npy file: refused, saying that it is one", "error", says=["npz", "npy"])
def _(d):
    np.save(d / "a.npy", IMAGES)


# ------------------------------------------------------------------------------------------------------------------------------- BraTS
@case("brats_2020_misnamed_seg", "brats:{d}" + ONE, "BraTS 2020, one case's mask has another name (as case 355): the volume is read; its mask is missing, not wrong", "either")
def _(d):
    for k in (354, 355):
        folder = d / f"BraTS20_Training_{k}"
        folder.mkdir()
        for what in ("t1", "t1ce", "t2", "flair"):
            nii(folder, V, name=f"BraTS20_Training_{k}_{what}.nii")
        nii(folder, (V > 400).astype(np.uint8), name=f"BraTS20_Training_{k}_seg.nii" if k == 354 else "W39_1998.09.19_Segm.nii")
    return {"n": 2}


@case("brats_decathlon", "brats:{d}" + ONE, "the Decathlon's Task01 (BRATS_001.nii.gz, 4 channels) given as brats: refused, what is expected named", "error", says=["t1n"])
def _(d):
    (d / "imagesTr").mkdir()
    nii(d / "imagesTr", ramp(12, 10, 8, 4), name="BRATS_001.nii.gz")


# ------------------------------------------------------------------------------------------------------------------- added after a first look
@case("lidc_licence", "lidc:{d}?val=0&test=0&size=8", "LIDC-IDRI as TCIA's downloader unpacks it: a file LICENSE beside the slices of each series: passed over")
def _(d):
    folder = d / "LIDC-IDRI" / "LIDC-IDRI-0001" / "series"
    folder.mkdir(parents=True)
    ct(folder, names=[f"1-{k + 1:03d}.dcm" for k in range(6)])
    (folder / "LICENSE").write_text("CC BY 3.0")
    return {"n": 1}


@case("nifti_label_other_axes", "nifti:{d}?val=0&test=0", "image in LAS, label map in LPS, of one shape (y stored the other way): the mask must be turned with its affine, or refused; voxel order alone misplaces it",
      mask_right="voxel (5, 2, 3) of the image is 1, (5, 7, 3) is 0")
def _(d):
    (d / "imagesTr").mkdir()
    (d / "labelsTr").mkdir()
    image_affine = np.array([[-2.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    label_affine = np.array([[-2.0, 0, 0, 0], [0, -2, 0, 18.0], [0, 0, 2, 0], [0, 0, 0, 1]])
    mask = np.zeros((12, 10, 8), np.uint8)
    mask[4:7, 1:4, 2:5] = 1  # on the image's grid
    for k in range(3):
        nii(d / "imagesTr", V, image_affine, name=f"c{k}.nii.gz")
        nii(d / "labelsTr", mask[:, ::-1], label_affine, name=f"c{k}.nii.gz")
    return {"n": 3, "mask_probes": [[5, 2, 3, 1], [5, 7, 3, 0]]}


@case("nifti_nnunet_labels", "nifti:{d}?val=0&test=0", "nnU-Net v2: case_000_0000.nii.gz has its label map in labelsTr/case_000.nii.gz: found", mask_right="voxel (11, 9, 7) is 1")
def _(d):
    (d / "imagesTr").mkdir()
    (d / "labelsTr").mkdir()
    for k in range(3):
        nii(d / "imagesTr", V, name=f"case_{k:03d}_0000.nii.gz")
        nii(d / "labelsTr", (V > 400).astype(np.uint8), name=f"case_{k:03d}.nii.gz")
    return {"n": 3, "mask_probes": [[11, 9, 7, 1], [0, 0, 0, 0]]}


@wfdb_case("wfdb_micro_sign", "units \u00b5V (micro sign, UTF-8) in the header: microvolts; 10^6 times too large must not come out", "either", options="&window=20")
def _(d):
    trace, _ = ecg()
    (d / "r1.dat").write_bytes(np.round(trace * 1000).astype("<i2").tobytes())
    (d / "r1.hea").write_text("r1 1 250 5000\nr1.dat 16 1/\u00b5V 16 0 0 0 0 II\n", encoding="utf-8")
    return {"n": 1, "probes": [[100, 0, float(trace[100])]], "tolerance": 0.01, "unit": "mV"}


@wfdb_case("wfdb_zero_length_header", "the header says 0 samples (mghdb's mgh061) though 5000 lie in the file: read them, or say that the header gives no length", "either", options="&window=4",
           says=["sample", "length", "0"])
def _(d):
    trace, _ = ecg()
    (d / "r1.dat").write_bytes(np.round(trace * 1000).astype("<i2").tobytes())
    (d / "r1.hea").write_text("r1 1 250 0\nr1.dat 16 1000/mV 16 0 0 0 0 II\n")
    return {"n": 5}


@wfdb_case("wfdb_folder_in_file_name", "PTB-XL+: file names with a folder, baseline beyond 32 bits: read, or the reason named", "either", options="&window=4")
def _(d):
    trace, _ = ecg()
    (d / "r1.dat").write_bytes(np.round(trace * 1000).astype("<i4").tobytes())
    (d / "r1.hea").write_text("waves/r1 1 250 5000\nwaves/r1.dat 32 1000.0(0)/mV 32 0 0 0 0 II\n")
    return {"n": 5}


@dicom_case("dicom_float_pixels", "a parametric map of float32 (FloatPixelData)")
def _(d):
    image = (W[:, :, 3].T / 7).astype(np.float32)
    dicom(d / "a.dcm", np.zeros_like(W[:, :, 3].T), sop=UID("1.2.840.10008.5.1.4.1.1.30"), modality="MR", PixelSpacing=[1.0, 1.0])
    data = pydicom.dcmread(d / "a.dcm")
    del data.PixelData, data.BitsStored, data.HighBit, data.PixelRepresentation
    data.BitsAllocated = 32
    data.FloatPixelData = image.tobytes()
    data.save_as(d / "a.dcm")
    return {"n": 1, "probes": probes(image)}


@dicom_case("dicom_twelve_leads", "a 12-lead ECG: 500 Hz, sensitivity 4.88 uV: mV out")
def _(d):
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.9.1.1")
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid("ecg")
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.PatientID, data.Modality, data.StudyInstanceUID, data.SeriesInstanceUID = "P", "ECG", uid("a"), uid("b")
    group = Dataset()
    values = (np.arange(1000)[:, None] % 400 - 200 + np.arange(12)).astype("<i2")
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples, group.SamplingFrequency = 12, 1000, 500.0
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation, group.WaveformData = 16, "SS", values.tobytes()
    channels = []
    for _k in range(12):
        channel, unit = Dataset(), Dataset()
        unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "uV", "UCUM", "microvolt"
        channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor, channel.ChannelBaseline = 4.88, 1.0, 0.0
        channel.ChannelSensitivityUnitsSequence = Sequence([unit])
        channels.append(channel)
    group.ChannelDefinitionSequence = Sequence(channels)
    data.WaveformSequence = Sequence([group])
    pydicom.dcmwrite(d / "e.dcm", data, enforce_file_format=True)
    return {"n": 1, "shape": (1000,), "channels": 12, "unit": "mV", "spacing": (0.002,), "probes": [[0, 0, -0.976], [399, 11, (199 + 11) * 4.88e-3]]}


@image_case("image_12bit_in_16", "12-bit X-rays in 16-bit PNG: the range 0..65535 of the type makes PSNR 24 dB better than it is; told, or ranged", "either")
def _(d):
    for k in range(8):
        Image.fromarray((np.kron(np.roll(G, k, 0), np.ones((2, 2))) * 16).astype(np.uint16)).save(d / f"{k}.png")
    return {"n": 8, "range": [0, 4080]}


@image_case("image_lab_tiff", "a LAB TIFF (microscopy, Photoshop): read, or the colour space named", "either", says=["LAB", "colour", "mode"])
def _(d):
    Image.merge("LAB", [Image.fromarray(G)] * 3).save(d / "a.tif")
    return {"n": 1}


@case("nifti_dates_in_names", "nifti:{d}?val=0&test=0&ids=names", "two files of one name in two folders: two ids")
def _(d):
    for sub in ("s1", "s2"):
        (d / sub).mkdir()
        nii(d / sub, V, name="anat.nii.gz")
    return {"n": 2}


@dicom_case("dicom_deflated", "deflated explicit VR little endian (1.2.840.10008.1.2.1.99): read; a file smaller than its pixels is no sign of damage here")
def _(d):
    image = np.kron(W[:, :, 3].T, np.ones((4, 4))).astype(np.uint16)
    dicom(d / "a.dcm", image, sop=MR, modality="MR", syntax=UID("1.2.840.10008.1.2.1.99"))
    return {"n": 1, "probes": probes(image)}


@dicom_case("dicom_sagittal", "sagittal slices from right to left: order along their normal, every voxel where its header puts it")
def _(d):
    for k in range(6):
        dicom(d / NAMES[k], W[:, :, k].T, sop=MR, modality="MR", ImagePositionPatient=[10.0 + 3 * k, -30.0, 50.0], ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
              PixelSpacing=[3.0, 2.0], SliceThickness=3.0)
    # slice k lies at x = 10 + 3k (LPS); the normal points to -x, so that the last one comes first
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2], affine[:3, 3] = (0, 2, 0), (0, 0, -3), (-3, 0, 0), (25, -30, 50)
    return {"n": 1, "probes": probes(W[:, :, ::-1]), "affine": np.diag([-1.0, -1, 1, 1]) @ affine}


@dicom_case("dicom_monochrome1_modality_lut", "MONOCHROME1 with a modality table up to 1500: brighter is more, and values stay within the table's 0..1500")
def _(d):
    image = (W[:, :, 0].T % 16).astype(np.uint8)
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [16, 0, 16], "OD"
    table.LUTData = (np.arange(16) * 100).astype("<u2").tobytes()
    table["LUTData"].VR = "OW"
    dicom(d / "a.dcm", image, sop=CR, modality="CR", photometric="MONOCHROME1", ModalityLUTSequence=Sequence([table]))
    return {"n": 1, "probes": probes(1500.0 - image * 100.0)}


@wfdb_case("wfdb_frames_of_one_second", "polysomnography converted from EDF (ucddb): frames of 1 s with 128 ECG samples each: 128 samples a second, not 1", options="&window=4&lead=ECG")
def _(d):
    trace, _ = ecg(40.0, 128.0)
    slow = np.round(37 * np.ones(40)).astype("<i2")
    frames = np.concatenate([np.round(trace * 1000).astype("<i2").reshape(40, 128), slow[:, None]], axis=1)
    (d / "r1.rec").write_bytes(frames.tobytes())
    (d / "r1.hea").write_text("r1 2 1 40\nr1.rec 16x128 1000/mV 16 0 0 0 0 ECG\nr1.rec 16 1/degC 16 0 0 0 0 temp\n")
    return {"n": 10, "shape": (512,), "spacing": (1 / 128,)}


def plain(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def main(folder):
    folder = Path(folder)
    expected = {}
    for name, (make, facts) in CASES.items():
        place = folder / name
        if place.exists():
            shutil.rmtree(place)
        place.mkdir(parents=True)
        expected[name] = facts | {key: plain(value) for key, value in (make(place) or {}).items()}
    (folder / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False))
    print(f"{len(expected)} cases in {folder}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "inputs")
