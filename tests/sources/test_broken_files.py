"""A corpus of broken files, made on the spot: each is refused in one line, none crashes, and none
asks for much memory."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from medfuncta._src.errors import MedFunctaError
from medfuncta._src.sources.table import format_named, open_source

nrrd = pytest.importorskip("nrrd")
pytest.importorskip("pydicom")
edfio = pytest.importorskip("edfio")
from sources.dicom_files import ct_slice, ecg, enhanced, stack  # noqa: E402

PEAK = 64e6  # bytes; every file here is a few kilobytes long
Files = Mapping[str, bytes]
VOLUME = np.random.default_rng(0).integers(0, 200, (9, 8, 7)).astype(np.int16)
HALVES = (0.02, 0.5, 0.9)


def cut(data: bytes, part: float) -> bytes:
    return data[: int(len(data) * part)]


def patched(data: bytes, start: int, *values: bytes) -> bytes:
    new = b"".join(values)
    return data[:start] + new + data[start + len(new) :]


def nii(data: np.ndarray = VOLUME) -> bytes:
    return nib.Nifti1Image(data, np.eye(4)).to_bytes()


def shorts(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}h", *values)


def nifti_files() -> dict[str, bytes]:
    """Offsets are those of the NIfTI-1 header: 40 axes, 70 type, 108 where the data starts, 280
    affine, 344 magic."""
    good = nii()
    holes = VOLUME.astype(np.float32)
    holes[0, 0, 0] = np.nan
    raw = {
        "empty": b"",
        "text": b"this is no volume\n" * 40,
        "wrong magic": patched(good, 344, b"abc"),
        "no axes": patched(good, 40, shorts(0)),
        "nine axes": patched(good, 40, shorts(9)),
        "axis of nothing": patched(good, 42, shorts(0)),
        "negative axis": patched(good, 42, shorts(-9)),
        "claims gigabytes": patched(good, 42, shorts(1000, 1000, 1000)),
        "claims terabytes": patched(good, 42, shorts(32000, 32000, 32000)),
        "unknown type": patched(good, 70, shorts(9999)),
        "data starts behind the end": patched(good, 108, struct.pack("<f", 1e6)),
        "not a number": nii(holes),
        "infinite": nii(np.where(np.isnan(holes), np.float32(np.inf), holes)),
        "nothing finite": nii(np.full_like(holes, np.nan)),
        "complex": nii(VOLUME.astype(np.complex64)),
        "channels of channels": nii(VOLUME.reshape(9, 2, 2, 2, 7)),
        "flat affine": patched(good, 312, bytes(16)),
        "affine not finite": patched(good, 280, struct.pack("<f", np.nan)),
        **{f"cut at {part}": cut(good, part) for part in HALVES},
    }
    packed = {name: gzip.compress(data) for name, data in raw.items()}
    whole = gzip.compress(good)
    packed |= {
        "stream " + name: data
        for name, data in {f"cut at {part}": cut(whole, part) for part in (*HALVES, 0.999)}.items()
    }
    packed["checksum"] = patched(whole, len(whole) - 8, b"0000")
    return {f"{n}.nii": data for n, data in raw.items()} | {
        f"{n}.nii.gz": data for n, data in packed.items()
    }


def image(kind: str, **given: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)).save(
        stream, kind, **given
    )
    return stream.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG whose header may claim what it likes."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def image_files() -> dict[str, bytes]:
    kinds = {"png": "PNG", "jpg": "JPEG", "tif": "TIFF", "bmp": "BMP"}
    files = {f"empty.{suffix}": b"" for suffix in kinds} | {
        f"text.{suffix}": b"no image" * 99 for suffix in kinds
    }
    files |= {
        f"cut at {part}.{suffix}": cut(image(kind), part)
        for suffix, kind in kinds.items()
        for part in HALVES
    }
    claims = {
        "bomb": png(60000, 60000),
        "large": png(10000, 9500),
        "too little": png(4000, 4000),
        "no width": png(0, 5),
        "odd depth": png(5, 5, 7),
    }
    files |= {f"{name}.png": data for name, data in claims.items()}
    pages = image("TIFF", save_all=True, append_images=[Image.new("RGB", (5, 5))])
    return files | {"pages.tif": pages, "checksum.png": patched(image("PNG"), 60, b"0000")}


def nrrd_bytes(**changes: object) -> bytes:
    stream = io.BytesIO()
    header = {
        "space": "left-posterior-superior",
        "space directions": np.eye(3),
        "space origin": np.zeros(3),
        **changes,
    }
    nrrd.write(stream, VOLUME, header)
    return stream.getvalue()


def nrrd_files() -> dict[str, bytes]:
    raw, packed = nrrd_bytes(encoding="raw"), nrrd_bytes(encoding="gzip")
    sizes = {
        "terabytes": b"32000 32000 32000",
        "gigabytes": b"900 900 900",
        "axis of nothing": b"9 0 7",
        "negative axis": b"-9 8 7",
        "two sizes": b"9 8",
    }
    files = {
        f"{name} {kind}": data.replace(b"9 8 7", size)
        for name, size in sizes.items()
        for kind, data in (("raw", raw), ("gz", packed))
    }
    files |= {
        f"cut at {part} {kind}": cut(data, part)
        for part in HALVES
        for kind, data in (("raw", raw), ("gz", packed))
    }
    files |= {
        "empty": b"",
        "text": b"no volume\n" * 99,
        "encoding": raw.replace(b"encoding: raw", b"encoding: zip"),
        "type": raw.replace(b"type: int16", b"type: int17"),
        "no sizes": raw.replace(b"sizes:", b"seizes:"),
        "bytes that are not packed": raw.replace(b"encoding: raw", b"encoding: gzip"),
        "other packing": raw.replace(b"encoding: raw", b"encoding: bzip2"),
        "flat": nrrd_bytes(**{"space directions": np.diag([1.0, 1.0, 0.0])}),
        "one axis": nrrd_bytes(
            **{"space directions": np.array([[1.0, 0, 0], [np.nan] * 3, [np.nan] * 3])}
        ),
        "bzip2 cut": cut(raw, 0.3) + bz2.compress(b"x" * 99)[:9],
        "data file that is not there": raw.replace(
            b"encoding: raw", b"encoding: raw\ndata file: gone.raw"
        ),
        "data file elsewhere": raw.replace(
            b"encoding: raw", b"encoding: raw\ndata file: ../../secret.raw"
        ),
        "data file at the root": raw.replace(
            b"encoding: raw", b"encoding: raw\ndata file: /etc/hostname"
        ),
    }
    return {f"{name}.nrrd": data for name, data in files.items()}


def dicom_bytes(data, **changes: object) -> bytes:
    for keyword, value in changes.items():
        if value is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, value)
    stream = io.BytesIO()
    data.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def trace(**changes: object) -> bytes:
    data = ecg(np.arange(40).reshape(20, 2))
    for keyword, value in changes.items():
        setattr(data.WaveformSequence[0], keyword, value)
    return dicom_bytes(data)


def dicom_files() -> dict[str, bytes | Files]:
    pixels = stack()
    good, traces, many = dicom_bytes(ct_slice(pixels[0], 0)), trace(), dicom_bytes(enhanced(pixels))

    def series(**last: object) -> Files:
        slices = [ct_slice(image, 3 * height) for height, image in enumerate(pixels)]
        return {
            f"{n}.dcm": dicom_bytes(data, **(last if n == 4 else {}))
            for n, data in enumerate(slices)
        }

    two_units = ecg(np.arange(40).reshape(20, 2))
    two_units.WaveformSequence[0].ChannelDefinitionSequence[0].ChannelSensitivityUnitsSequence[
        0
    ].CodeValue = "mm[Hg]"
    return {
        "empty.dcm": b"",
        "text.dcm": b"no image" * 99,
        **{
            f"cut at {part} {name}.dcm": cut(data, part)
            for part in HALVES
            for name, data in (("image", good), ("trace", traces), ("frames", many))
        },
        "cut in its name.dcm": good[:140],
        "huge.dcm": dicom_bytes(ct_slice(pixels[0], 0), Rows=60000, Columns=60000),
        "large.dcm": dicom_bytes(ct_slice(pixels[0], 0), Rows=20000, Columns=20000),
        "no rows.dcm": dicom_bytes(ct_slice(pixels[0], 0), Rows=0),
        "no pixels.dcm": dicom_bytes(ct_slice(pixels[0], 0), PixelData=None),
        "no series.dcm": dicom_bytes(ct_slice(pixels[0], 0), SeriesInstanceUID=None),
        "no size.dcm": dicom_bytes(ct_slice(pixels[0], 0), Rows=None),
        "bits.dcm": dicom_bytes(ct_slice(pixels[0], 0), BitsAllocated=13),
        "flat.dcm": dicom_bytes(ct_slice(pixels[0], 0), ImageOrientationPatient=[1, 0, 0, 1, 0, 0]),
        "spacing.dcm": dicom_bytes(ct_slice(pixels[0], 0), PixelSpacing=[0, 0]),
        "many frames.dcm": dicom_bytes(ct_slice(pixels[0], 0), NumberOfFrames=10**9),
        "doubled": series(ImagePositionPatient=[10, 20, 3]),
        "missing": {name: data for name, data in series().items() if name != "2.dcm"},
        "uneven": series(ImagePositionPatient=[10, 20, 13.4]),
        "far away": series(ImagePositionPatient=[10, 20, 1e9]),
        "mixed": series(ImageOrientationPatient=[0, 1, 0, 0, 0, 1]),
        "other spacing": series(PixelSpacing=[5, 5]),
        "many samples.dcm": trace(NumberOfWaveformSamples=2**31),
        "no samples.dcm": trace(NumberOfWaveformSamples=0),
        "no rate.dcm": trace(SamplingFrequency=0),
        "two units.dcm": dicom_bytes(two_units),
    }


def archive(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=True, **arrays)
    return stream.getvalue()


def claiming(shape: tuple[int, ...]) -> bytes:
    """An archive whose array has a header and no data."""
    member, stream = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(
        member, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    with zipfile.ZipFile(stream, "w") as zipped:
        zipped.writestr("train_images.npy", member.getvalue())
    return stream.getvalue()


def npz_files() -> dict[str, bytes]:
    images = np.random.default_rng(0).integers(0, 255, (6, 8, 9), np.uint8)
    good = archive(train_images=images, train_labels=np.zeros((6, 1), np.uint8))
    objects = np.empty(6, object)
    return {
        "empty.npz": b"",
        "text.npz": b"no archive" * 99,
        **{f"cut at {part}.npz": cut(good, part) for part in HALVES},
        "other names.npz": archive(images=images),
        "objects.npz": archive(train_images=objects),
        "words.npz": archive(train_images=np.array(["a"] * 6)),
        "labels.npz": archive(train_images=images, train_labels=np.zeros((5, 1), np.uint8)),
        "claims.npz": good.replace(b"(6, 8, 9)", b"(6, 9, 9)"),
        "one number.npz": archive(train_images=np.array(3)),
        "terabytes.npz": claiming((10**6, 2000, 2000)),
        "no pixel.npz": claiming((6, 0, 9)),
        "member elsewhere.npz": good.replace(b"train_images.npy", b"../../images.npy"),
        "three labels.npz": archive(train_images=images, train_labels=np.full((6, 3), 2, np.uint8)),
        "not a number.npz": archive(train_images=np.full((6, 8, 9), np.nan)),
    }


def wfdb_files() -> dict[str, Files]:
    head, data = (
        b"100 1 360 1000\n100.dat 16 200 16 0 0 0 0 MLII\n",
        np.zeros(1000, "<i2").tobytes(),
    )
    heads = {
        "empty": b"",
        "text": b"no record\n" * 9,
        "no rate": head.replace(b" 360 ", b" 0 "),
        "no signals": b"100 0 360 1000\n",
        "fewer lines than signals": head.replace(b"100 1 ", b"100 2 "),
        "claims terabytes": head.replace(b" 1000\n", b" 1000000000000\n"),
        "unknown format": head.replace(b" 16 200", b" 999 200"),
        "data elsewhere": head.replace(b"100.dat", b"../../secret.dat"),
    }
    files: dict[str, Files] = {
        name: {"100.hea": text, "100.dat": data} for name, text in heads.items()
    }
    return files | {
        "no data": {"100.hea": head},
        "cut": {"100.hea": head, "100.dat": data[:99]},
        "nothing": {"100.hea": head, "100.dat": b""},
    }


def edf_files() -> dict[str, bytes]:
    """Offsets are those of the header: 192 the kind, 236 data records, 244 their seconds, 252
    signals, 472 samples of the only signal in a data record, 360 its physical minimum."""
    stream = io.BytesIO()
    wave = edfio.EdfSignal(np.sin(np.arange(1000) / 30), 100, label="ECG")
    edfio.Edf([wave], data_record_duration=1).write(stream)
    good = stream.getvalue()
    raw = {
        "empty": b"",
        "text": b"0       " * 99,
        "still recorded": patched(good, 236, b"-1      "),
        "claims terabytes": patched(good, 236, b"99999999"),
        "record of gigabytes": patched(good, 472, b"99999999"),
        "no rate": patched(good, 472, b"0       "),
        "no seconds": patched(good, 244, b"0       "),
        "seconds of no length": patched(good, 244, b"1e-300  "),
        "no signal": patched(good, 252, b"0   "),
        "thousands of signals": patched(good, 252, b"9999"),
        "no scale": patched(good, 360, b"1e308   "),
        "interrupted at no time": patched(good, 192, b"EDF+D"),
        **{f"cut at {part}": cut(good, part) for part in HALVES},
    }
    return {f"{name}.edf": data for name, data in raw.items()}


def csv_files() -> dict[str, bytes]:
    return {
        "empty.csv": b"",
        "bytes.csv": bytes(range(256)) * 9,
        "words.csv": b"1,2,3,0\n1,2,three,0\n",
        "ragged.csv": b"1,2,3,0\n1,2,0\n",
        "infinite.csv": b"1,inf,3,0\n1,2,3,0\n",
        "label.csv": b"1,2,3,0.5\n1,2,3,0\n",
        "falling times.csv": b"t,v\n0,1\n2,1\n1,1\n",
        "doubled times.csv": b"t,v\n0,1\n1,1\n1,2\n",
        "no time.csv": b"t,v\n0,1\n,1\n2,1\n",
        "one place.csv": b"t,v\n0,1\n",
        "other columns.csv": b"time,value\n0,1\n1,1\n",
    }


DRAWN = "val=0&test=0"
QUERIES = {"wfdb": f"window=1&{DRAWN}", "edf": f"window=1&{DRAWN}", "npz": ""}
TIMES = f"value=v&time=t&{DRAWN}"
QUERIES |= {
    name: TIMES for name in csv_files() if "time" in name or "place" in name or "columns" in name
}
"""By kind, or by case."""
CORPUS: Mapping[str, Mapping[str, bytes | Files]] = {
    "nifti": nifti_files(),
    "images": image_files(),
    "nrrd": nrrd_files(),
    "dicom": dicom_files(),
    "npz": npz_files(),
    "wfdb": wfdb_files(),
    "edf": edf_files(),
    "csv": csv_files(),
}


def read_all(text: str) -> None:
    source = open_source(text)
    for split in source.splits:
        for _ in source.signals(split):
            pass


@pytest.mark.parametrize(
    ("kind", "case"), [(kind, case) for kind, cases in CORPUS.items() for case in cases]
)
def test_refused_in_one_line(kind: str, case: str, tmp_path: Path) -> None:
    folder = tmp_path / "somewhere"
    folder.mkdir()
    broken = CORPUS[kind][case]
    for name, data in ({case: broken} if isinstance(broken, bytes) else broken).items():
        (folder / name).write_bytes(data)
    location = folder / case if kind == "npz" else folder
    format_named(
        kind
    )  # imports what it needs, so that this is not taken for memory that a file asked for
    tracemalloc.start()
    try:
        with pytest.raises(MedFunctaError) as caught:
            read_all(f"{kind}:{location}?{QUERIES.get(case, QUERIES.get(kind, DRAWN))}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    line = str(caught.value)
    assert "\n" not in line and str(tmp_path) not in line and len(line) > 20
    assert peak < PEAK


def test_the_corpus_is_large() -> None:
    assert sum(map(len, CORPUS.values())) >= 60
