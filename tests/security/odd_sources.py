"""Files of a stranger that ask for what no file should: to be followed, to be counted, to be gone
through without end. Made before the readers were looked at."""

from __future__ import annotations

import gzip
import json
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np
from PIL import Image

from security.bombs import edf, png, record

Source = Callable[[Path], str]
ALONE: Final = "?val=0&test=0"
SOUND_RECORD: Final = "100 1 360 6000\n100.dat 16 200 16 0 0 0 0 I\n"


def image_chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def png_with(kind: bytes, data: bytes) -> Source:
    """A sound picture with one more chunk behind its header."""

    def put(folder: Path) -> str:
        Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(folder / "a.png")
        raw = (folder / "a.png").read_bytes()
        (folder / "a.png").write_bytes(raw[:33] + image_chunk(kind, data) + raw[33:])
        return f"images:{folder}{ALONE}"

    return put


def circular_tiff(folder: Path) -> str:
    """Its second page is its first."""
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(folder / "a.tif")
    raw = bytearray((folder / "a.tif").read_bytes())
    first = struct.unpack_from("<I", raw, 4)[0]
    count = struct.unpack_from("<H", raw, first)[0]
    struct.pack_into("<I", raw, first + 2 + 12 * count, first)
    (folder / "a.tif").write_bytes(bytes(raw))
    return f"images:{folder}{ALONE}"


def tiff_of_pages(folder: Path) -> str:
    """A hundred thousand pages of no picture."""
    raw = bytearray(b"II*\0" + struct.pack("<I", 8))
    for _ in range(100_000):
        raw += struct.pack("<HI", 0, len(raw) + 6)
    (folder / "a.tif").write_bytes(bytes(raw))
    return f"images:{folder}{ALONE}"


def circular_record(folder: Path) -> str:
    """A record of segments one of which is itself."""
    (folder / "a.hea").write_text("a/2 1 360 12000\na 6000\na 6000\n")
    return f"wfdb:{folder}{ALONE}&window=1"


def records_of_each_other(folder: Path) -> str:
    for one, other in (("a", "b"), ("b", "a")):
        (folder / f"{one}.hea").write_text(f"{one}/2 1 360 12000\n{other} 6000\n{other} 6000\n")
    return f"wfdb:{folder}{ALONE}&window=1"


def header_of_lines(folder: Path) -> str:
    lines = "\n".join(f"100.dat 16 200 16 0 0 0 0 lead{k}" for k in range(400_000))
    record(f"100 400000 360 6\n{lines}\n")(folder)
    return f"wfdb:{folder}{ALONE}&window=1"


def nested_sequences(folder: Path) -> str:
    """Sequences in sequences, of undefined length, five thousand deep."""
    head = bytes(128) + b"DICM"
    meta = b"\x02\x00\x10\x00UI\x12\x00" + b"1.2.840.10008.1.2\0"
    length = b"\x02\x00\x00\x00UL\x04\x00" + struct.pack("<I", len(meta))
    deep = struct.pack("<HHI", 0x0008, 0x1140, 0xFFFFFFFF)
    deep += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    (folder / "a.dcm").write_bytes(head + length + meta + deep * 5000)
    return f"dicom:{folder}{ALONE}"


def dicom_claiming(**claims: int) -> Source:
    def put(folder: Path) -> str:
        from sources.dicom_files import ct_slice, save

        data = ct_slice(np.zeros((4, 4), np.int16), 0.0)
        for name, value in claims.items():
            setattr(data, name, value)
        save(data, folder / "a.dcm")
        return f"dicom:{folder}{ALONE}"

    return put


def gzip_of_members(folder: Path) -> str:
    """A hundred thousand empty gzip streams before the scan."""
    scan = nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4)).to_bytes()
    (folder / "a.nii.gz").write_bytes(gzip.compress(b"") * 100_000 + gzip.compress(scan))
    return f"nifti:{folder}{ALONE}"


def nifti_two(folder: Path) -> str:
    """Axes of 2^40 voxels, which NIfTI-2 has room for."""
    raw = bytearray(nib.Nifti2Image(np.zeros((4, 4, 4), np.int16), np.eye(4)).to_bytes())
    struct.pack_into("<4q", raw, 16, 3, 2**40, 2**40, 2**40)
    (folder / "a.nii").write_bytes(bytes(raw))
    return f"nifti:{folder}{ALONE}"


def npz_of(header: bytes) -> Source:
    """An archive whose array has this text as its header."""

    def put(folder: Path) -> str:
        import zipfile

        with zipfile.ZipFile(folder / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            start = b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header))
            archive.writestr("train_images.npy", start + header + bytes(64))
        return f"npz:{folder}/a.npz"

    return put


def nrrd_of(lines: str) -> Source:
    def put(folder: Path) -> str:
        (folder / "a.nrrd").write_bytes(f"NRRD0004\ntype: uchar\n{lines}\n\n".encode() + bytes(64))
        return f"nrrd:{folder}{ALONE}"

    return put


def table_of(text: str, options: str = "") -> Source:
    def put(folder: Path) -> str:
        (folder / "a.csv").write_text(text)
        return f"csv:{folder}/a.csv{ALONE}{options}"

    return put


def described(description: object) -> Source:
    """A scan with what the Decathlon says of it."""

    def put(folder: Path) -> str:
        nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4)), folder / "a.nii")
        (folder / "dataset.json").write_text(json.dumps(description))
        return f"nifti:{folder}{ALONE}"

    return put


BOMBS: Final[dict[str, Source]] = {
    "PNG, a text of 2^28 letters": png_with(
        b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**28), 9)
    ),
    "PNG, a colour profile of 2^28 bytes": png_with(
        b"iCCP", b"a\0\0" + zlib.compress(bytes(2**28), 9)
    ),
    "PNG of no pixel": png(0, 0),
    "TIFF, a page that follows itself": circular_tiff,
    "TIFF, a hundred thousand pages": tiff_of_pages,
    "WFDB, a segment that is its record": circular_record,
    "WFDB, records in each other": records_of_each_other,
    "WFDB, a header of 400,000 leads": header_of_lines,
    "WFDB, annotations far behind the end": record(
        SOUND_RECORD, annotation=struct.pack("<HHH", 59 << 10, 0x7FFF, 0xFFFF) * 5000
    ),
    "EDF, a milliard of samples in a record": edf("1", "99999999"),
    "DICOM, sequences in sequences": nested_sequences,
    "DICOM, two milliard frames": dicom_claiming(NumberOfFrames=2**31 - 1),
    "DICOM, bits that are none": dicom_claiming(BitsStored=40_000, HighBit=39_999),
    "NIfTI, a hundred thousand streams": gzip_of_members,
    "NIfTI, axes of 2^40": nifti_two,
    "npz, brackets in brackets": npz_of(b"(" * 100_000),
    "npz, a header that is a sum": npz_of(b"9**9**9**9"),
    "npz, a type of types": npz_of(
        b"{'descr': [('a', [('b', '<f4', (65535, 65535))], (65535,))], "
        b"'fortran_order': False, 'shape': (4,)}\n"
    ),
    "NRRD of a million axes": nrrd_of(
        f"dimension: 1000000\nsizes: {'1 ' * 1_000_000}\nencoding: raw"
    ),
    "NRRD of a negative size": nrrd_of("dimension: 3\nsizes: -4 -4 4\nencoding: raw"),
    "NRRD of a thousand data files": nrrd_of(
        "dimension: 3\nsizes: 4 4 4\nencoding: raw\ndata file: a%d.raw 0 2000000000 1 2"
    ),
    "CSV, a million columns": table_of(("1," * 1_000_000 + "1\n") * 2),
    "CSV, a quote that never ends": table_of('1,2,"' + "x,\n" * 3_000_000),
    "CSV, numbers of a million digits": table_of(("1" * 1_000_000 + ",2,3\n") * 3),
    "CSV, clocks that are infinite": table_of(
        "time,v\n0,1\n1e308,2\n-1e308,3\ninf,4\n", "&value=v&time=time"
    ),
    "a description in itself": described({"labels": {str(k): {"a": [[[]]]} for k in range(9)}}),
    "a description of pairs elsewhere": described(
        {"training": [{"image": "../../../etc/passwd", "label": "/etc/shadow"}] * 3}
    ),
}

ESCAPE: Final = "\x1b]0;gotcha\x07\u202e"


def spoken_nrrd(folder: Path) -> str:
    return nrrd_of(f"dimension: 3\nsizes: 4 4 4\nencoding: {ESCAPE}")(folder)


def spoken_space(folder: Path) -> str:
    lines = f"dimension: 3\nsizes: 4 4 4\nencoding: raw\nspacings: 1 1 1\nunits: {ESCAPE}"
    return nrrd_of(f'{lines} "{ESCAPE}" "mm"')(folder)


def spoken_columns(folder: Path) -> str:
    rows = "\n".join(f"{k},{k}" for k in range(9))
    return table_of(f"a{ESCAPE},b{ESCAPE}\n{rows}\n", "&value=x&time=t")(folder)


def spoken_members(folder: Path) -> str:
    np.savez(folder / "a.npz", **{f"x{ESCAPE}": np.zeros((4, 4, 4))})
    return f"npz:{folder}/a.npz"


def spoken_modality(folder: Path) -> str:
    from sources.dicom_files import ct_slice, save

    data = ct_slice(np.zeros((4, 4), np.int16), 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are no words that DICOM has
        data.Modality = f"CT{ESCAPE}"[:12]
        data.PhotometricInterpretation = f"MONO{ESCAPE}"[:13]
    save(data, folder / "a.dcm")
    return f"dicom:{folder}{ALONE}"


def spoken_label(folder: Path) -> str:
    edf("1", "400")(folder)
    path = next(folder.glob("*.edf"))
    raw = bytearray(path.read_bytes())
    raw[256:272] = b"\x1b[31mECG\x07".ljust(16)
    path.write_bytes(bytes(raw))
    return f"edf:{folder}{ALONE}&lead=V9"


def spoken_classes(folder: Path) -> str:
    return described({"name": ESCAPE, "labels": {"0": ESCAPE, "1": f"a{ESCAPE}"}})(folder)


def spoken_file(folder: Path) -> str:
    for number in range(3):
        (folder / f"{ESCAPE}{number}.nii").write_bytes(b"none" * 200)
    return f"nifti:{folder}{ALONE}"


SPOKEN: Final[dict[str, Source]] = {
    "an encoding": spoken_nrrd,
    "a unit": spoken_space,
    "columns": spoken_columns,
    "members of an archive": spoken_members,
    "a modality": spoken_modality,
    "a lead": spoken_label,
    "classes": spoken_classes,
    "names of files": spoken_file,
}
