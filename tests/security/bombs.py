"""Small files that ask for a lot of memory or time, and files that a reader would wait for."""

from __future__ import annotations

import bz2
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

GIB: Final = 2**30
Bomb = Callable[[Path], str]
"""Puts files into a folder and gives the source that leads to them."""


def zeros(size: int) -> bytes:
    """So many zeros, deflated, made in no time: blocks that can stand one after the other."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (size // 2**24)


def gzipped(start: bytes, size: int) -> bytes:
    """A gzip stream of a start and so many zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH) + zeros(size)
    check = zlib.crc32(start)
    for _ in range(size // 2**24):
        check = zlib.crc32(bytes(2**24), check)
    end = struct.pack("<II", check, (len(start) + size) % 2**32)
    return b"\x1f\x8b\x08\0\0\0\0\0\2\xff" + packed + b"\3\0" + end


def npy_header(shape: tuple[int, ...], dtype: str, *, fortran: bool = False) -> bytes:
    stream = io.BytesIO()
    header = {"descr": dtype, "fortran_order": fortran, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


def deflated_member(name: str, start: bytes, size: int) -> tuple[str, int, bytes]:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH) + zeros(size) + b"\3\0"
    return name, len(start) + size, packed


def zip_of(path: Path, *members: tuple[str, int, bytes]) -> None:
    """An archive of deflated members that claim these sizes."""
    data, directory = b"", b""
    for name, size, packed in members:
        fixed = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0, 0, len(packed), size, len(name), 0)
        entry = struct.pack("<HHHII", 0, 0, 0, 0, len(data))
        directory += b"PK\1\2" + struct.pack("<H", 20) + fixed + entry + name.encode()
        data += b"PK\3\4" + fixed + name.encode() + packed
    count = len(members)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(data), 0)
    path.write_bytes(data + directory + b"PK\5\6" + end)


def npz(*members: tuple[str, bytes, int]) -> Bomb:
    """Arrays by name, header and how many zeros follow."""

    def put(folder: Path) -> str:
        zip_of(folder / "a.npz", *(deflated_member(*member) for member in members))
        return f"npz:{folder / 'a.npz'}"

    return put


def npz_by_bzip2(folder: Path) -> str:
    """1.6 GB in some thousand bytes, as no NumPy writes it."""
    path = folder / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        start = npy_header((200, 1000, 1000), "|u1")
        with archive.open("train_images.npy", "w") as member:
            member.write(start)
            for _ in range(200):
                member.write(bytes(10**6))
    return f"npz:{path}"


def npz_members() -> dict[str, Bomb]:
    small = ("train_images.npy", npy_header((4, 2**22), "|u1"), 2**24)
    one = npy_header((1, 2**15, 2**16), "|u1")
    many = npy_header((2**31 // 4096, 64, 64), "|u1")
    labels = npy_header((4, 3 * 2**27 // 4), "|i4")
    column = npy_header((2**30, 3), "|u1", fortran=True)
    return {
        "npz, one signal of 2 GiB": npz(("train_images.npy", one, 2**31)),
        "npz, 500,000 signals": npz(("train_images.npy", many, 2**31)),
        "npz, labels of 1.5 GB": npz(small, ("train_labels.npy", labels, 3 * 2**29)),
        "npz, column by column": npz(("train_images.npy", column, 3 * GIB)),
        "npz by bzip2": npz_by_bzip2,
    }


def nifti(shape: tuple[int, ...], size: int, **fields: object) -> Bomb:
    def put(folder: Path) -> str:
        header = nib.Nifti1Header()
        header.set_data_shape(shape)
        header.set_data_dtype(np.uint8)
        header["magic"], header["vox_offset"] = b"n+1", 352
        for name, value in fields.items():
            header[name] = value
        (folder / "a.nii.gz").write_bytes(gzipped(header.binaryblock + bytes([1, 0, 0, 0]), size))
        return f"nifti:{folder}?val=0&test=0"

    return put


def nifti_of_long_extensions(folder: Path) -> str:
    header = nib.Nifti1Header()
    header.set_data_shape((4, 4, 4))
    header["magic"], header["vox_offset"] = b"n+1", 2**31 - 2**10
    start = header.binaryblock + bytes([1, 0, 0, 0]) + struct.pack("<ii", 2**31 - 2**11, 4)
    (folder / "a.nii.gz").write_bytes(gzipped(start, 2**31))
    return f"nifti:{folder}?val=0&test=0"


def nrrd(sizes: str, encoding: str, body: Callable[[], bytes], more: str = "") -> Bomb:
    def put(folder: Path) -> str:
        header = (
            f"NRRD0004\ntype: uchar\ndimension: 3\nsizes: {sizes}\nencoding: {encoding}\n{more}\n"
        )
        (folder / "a.nrrd").write_bytes(header.encode() + body())
        return f"nrrd:{folder}?val=0&test=0"

    return put


def bzipped(size: int) -> bytes:
    packer, packed = bz2.BZ2Compressor(), b""
    for _ in range(size // 2**24):
        packed += packer.compress(bytes(2**24))
    return packed + packer.flush()


def deflated_dicom(folder: Path) -> str:
    from sources.dicom_files import ct_slice, stack

    data = ct_slice(stack()[0], 0.0)
    stream = io.BytesIO()
    data.save_as(stream, enforce_file_format=True)
    plain = stream.getvalue()
    mark = b"1.2.840.10008.1.2.1\0"
    length = int.from_bytes(plain[140:144], "little")
    meta = plain[: 144 + length]
    uid = b"1.2.840.10008.1.2.1.99"
    grown = meta.replace(struct.pack("<H", len(mark)) + mark, struct.pack("<H", len(uid)) + uid)
    grown = grown[:140] + struct.pack("<I", length + len(uid) - len(mark)) + grown[144:]
    # A private element of 2 GiB in front of the pixels.
    private = b"\x09\0\x10\x10OB\0\0" + struct.pack("<I", 2**31)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(private) + packer.flush(zlib.Z_FULL_FLUSH)
    (folder / "a.dcm").write_bytes(grown + packed + zeros(2**31) + b"\3\0")
    return f"dicom:{folder}?val=0&test=0"


def claiming_dicom(syntax: str, frame: bytes, rows: int, columns: int) -> Bomb:
    def put(folder: Path) -> str:
        from pydicom.encaps import encapsulate
        from pydicom.uid import UID

        from sources.dicom_files import ct_slice, save, stack

        data = ct_slice(stack()[0], 0.0)
        data.file_meta.TransferSyntaxUID = UID(syntax)
        data.PixelData = encapsulate([frame])
        data["PixelData"].is_undefined_length = True
        data.Rows, data.Columns = rows, columns
        save(data, folder / "a.dcm")
        return f"dicom:{folder}?val=0&test=0"

    return put


RLE_FRAME: Final = struct.pack("<16I", 2, 64, 2**19, *[0] * 13) + b"\x81\0" * 2**19
JPEG_FRAME: Final = b"\xff\xd8\xff\xc0\0\x0b\x08\xff\xff\xff\xff\1\1\x11\0\xff\xda\0\x08\1\1\0\0?\0"
JPEG_2000_FRAME: Final = (
    b"\xff\x4f\xff\x51\0\x29\0\0" + struct.pack(">IIII", 60000, 60000, 0, 0) + bytes(64)
)


def record(header: str, size: int = 12000, annotation: bytes | None = None) -> Bomb:
    def put(folder: Path) -> str:
        (folder / "100.hea").write_text(header)
        (folder / "100.dat").write_bytes(bytes(range(1, 121)) * (size // 120))
        if annotation is not None:
            (folder / "100.atr").write_bytes(annotation)
        return f"wfdb:{folder}?val=0&test=0&window=10&rate=125"

    return put


def edf(seconds: str, samples: str) -> Bomb:
    def put(folder: Path) -> str:
        count = int(samples)
        head = b"0       " + b" " * 160 + b"01.01.7000.00.00512     " + b" " * 44
        head += b"1       " + seconds.encode().ljust(8) + b"1   "
        signal = b"EEG Fpz-Cz".ljust(16) + b" " * 80 + b"uV      " + b"-100    100     "
        signal += b"-2048   2047    " + b" " * 80 + samples.encode().ljust(8) + b" " * 32
        (folder / "a.edf").write_bytes(head + signal + bytes(range(100)) * (count * 2 // 100))
        return f"edf:{folder}?val=0&test=0&window=10&rate=100"

    return put


def png(width: int, height: int) -> Bomb:
    def put(folder: Path) -> str:
        def chunk(kind: bytes, data: bytes) -> bytes:
            return (
                struct.pack(">I", len(data))
                + kind
                + data
                + struct.pack(">I", zlib.crc32(kind + data))
            )

        header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        body = b"\x78\xda" + zeros(2**28) + b"\3\0" + bytes(4)
        start = b"\x89PNG\r\n\x1a\n"
        (folder / "a.png").write_bytes(start + header + chunk(b"IDAT", body) + chunk(b"IEND", b""))
        return f"images:{folder}?val=0&test=0"

    return put


def csv_of_a_long_label(folder: Path) -> str:
    rows = [f"{number},{number + 1},{'W' * 1_000_000}" for number in range(10)]
    (folder / "a.csv").write_text("x,y,label\n" + "\n".join(rows))
    return f"csv:{folder / 'a.csv'}?val=0&test=0"


SOURCES: Final[dict[str, Bomb]] = {
    **npz_members(),
    "NIfTI, 1 GiB of zeros": nifti((1024, 1024, 1024), GIB),
    "NIfTI, extensions of 2 GiB": nifti_of_long_extensions,
    "NIfTI, voxels of a kilometre": nifti(
        (64, 64, 64), 2**24, pixdim=[1, 1e6, 1e6, 1e6, 1, 1, 1, 1]
    ),
    "NRRD, 1 GiB by gzip": nrrd("1024 1024 1024", "gzip", lambda: gzipped(b"", GIB)),
    "NRRD, 1 GiB by bzip2": nrrd("1024 1024 1024", "bzip2", lambda: bzipped(2**28)),
    "NRRD, lines without end": nrrd(
        "4 4 4", "raw", lambda: bytes(64), "line skip: 1000000000000\n"
    ),
    "DICOM, deflated": deflated_dicom,
    "DICOM, RLE": claiming_dicom("1.2.840.10008.1.2.5", RLE_FRAME, 32768, 32768),
    "DICOM, a JPEG that is larger": claiming_dicom("1.2.840.10008.1.2.4.50", JPEG_FRAME, 4, 6),
    "DICOM, a JPEG 2000 that is larger": claiming_dicom(
        "1.2.840.10008.1.2.4.90", JPEG_2000_FRAME, 4, 6
    ),
    "WFDB, a sample in eleven days": record("100 1 1e-6 6000\n100.dat 16 200 16 0 0 0 0 I\n"),
    "WFDB, a sample in a minute": record(
        "100 1 0.0126 600000\n100.dat 16 200 16 0 0 0 0 I\n", 1_200_000
    ),
    "WFDB, a milliard of signals": record("100 1000000000 360 6000\n100.dat 16 200 16 0 0 0 0 I\n"),
    "WFDB, a milliard samples a frame": record(
        "100 1 360 6\n100.dat 16x1000000000 200 16 0 0 0 0 I\n"
    ),
    "WFDB, shifted by a milliard": record(
        "100 1 360 6000\n100.dat 16:1000000000 200 16 0 0 0 0 I\n"
    ),
    "WFDB, packed": record("100 1 360 1000000000\n100.dat 516 200 16 0 0 0 0 I\n"),
    "EDF, a sample in a month": edf("99999999", "400"),
    "PNG of 20,000 x 20,000": png(20_000, 20_000),
    "PNG of 9,000 x 9,000": png(9_000, 9_000),
    "CSV, a class of a million letters": csv_of_a_long_label,
}
"""Told by what asks."""
WITH_OPTIONS: Final = {"NIfTI, voxels of a kilometre": "&spacing=1,1,1"}


# --- pickles


def pickled(path: Path, program: bytes, storages: dict[str, bytes] | None = None) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        for key, data in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", data)


def far_place(path: Path) -> None:
    """Puts a number into the two milliardth place of the reader's memory."""
    pickled(path, b"\x80\x02K\x01r\xff\xff\xff\x7f.")


def shared_storage(path: Path) -> None:
    """A thousand tensors of one storage of 4 MB."""
    numbers = torch.zeros(2**20)
    torch.save({f"layers.{number}.linear.weight": numbers for number in range(1000)}, path)


def cyclic_module(path: Path) -> None:
    """A module that is its own module."""
    module = torch.nn.Module()
    module._modules["model"] = module
    module._modules["layers"] = module
    torch.save(module, path)


def tower_of_modules(path: Path) -> None:
    """Sixty modules each of which is there twice in the next: 2^60 ways through it."""
    module = torch.nn.Module()
    for _ in range(60):
        upper = torch.nn.Module()
        upper._modules["a"] = upper._modules["b"] = module
        module = upper
    torch.save(module, path)


def deep_module(path: Path) -> None:
    module = torch.nn.Module()
    for _ in range(150):
        upper = torch.nn.Module()
        upper._modules["model"] = module
        module = upper
    torch.save(module, path)


def odd_grid(path: Path) -> None:
    torch.save({"grid": torch.zeros(3), "model.layers.0.linear.weight": torch.zeros(2)}, path)


def odd_ranks(path: Path) -> None:
    names = ("linear.weight", "linear.bias", "modulate_shift_layer.weight")
    state = {f"model.layers.0.{name}": torch.zeros(2, 2, 2) for name in names}
    state |= {f"model.last_layer.linear.{kind}": torch.zeros(()) for kind in ("weight", "bias")}
    torch.save({"grid": torch.zeros(4, 1), **state}, path)


def many_layers(path: Path) -> None:
    """Layers that claim by their names to be as wide as the first."""
    state = {
        "grid": torch.linspace(-1, 1, 4)[:, None],
        "model.last_layer.linear.bias": torch.zeros(1),
    }
    state["model.last_layer.linear.weight"] = torch.zeros(1, 1)
    state["model.layers.0.linear.weight"] = torch.zeros(30_000, 1)
    state["model.layers.0.modulate_shift_layer.weight"] = torch.zeros(1, 4)
    for layer in range(1, 200):
        state[f"model.layers.{layer}.linear.weight"] = torch.zeros(1)
    torch.save(state, path)


def a_list(path: Path) -> None:
    torch.save([torch.zeros(4)] * 3, path)


def names_that_are_numbers(path: Path) -> None:
    torch.save({1: torch.zeros(4), None: torch.zeros(3)}, path)


PICKLES: Final[dict[str, Callable[[Path], None]]] = {
    "a far place": far_place,
    "one storage a thousand times": shared_storage,
    "a module in itself": cyclic_module,
    "a tower of modules": tower_of_modules,
    "modules in modules": deep_module,
    "a grid of one axis": odd_grid,
    "tensors of odd ranks": odd_ranks,
    "layers that are not there": many_layers,
    "a list": a_list,
    "names that are numbers": names_that_are_numbers,
}


def pipe(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


# --- rows of a latent set


def long_texts(column: str) -> Callable[[pa.Table], pa.Table]:
    """One text of 50 MB in all rows, which a dictionary holds once."""

    def change(table: pa.Table) -> pa.Table:
        values = pa.array(["x" * 50_000_000] * len(table))
        return table.set_column(table.column_names.index(column), column, values)

    return change


def long_lists(column: str) -> Callable[[pa.Table], pa.Table]:
    """One list of ten million equal numbers in all rows."""

    def change(table: pa.Table) -> pa.Table:
        where = table.column_names.index(column)
        kind = table.schema.field(column).type
        values = pa.array([[1] * 2_000_000] * len(table), kind)
        return table.set_column(where, column, values)

    return change


def large_shapes(side: int) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        where = table.column_names.index("shape")
        values = pa.array([[side]] * len(table), table.schema.field("shape").type)
        spacing = pa.array([[1.0]] * len(table), table.schema.field("spacing").type)
        table = table.set_column(where, "shape", values)
        return table.set_column(table.column_names.index("spacing"), "spacing", spacing)

    return change


ROWS: Final[dict[str, Callable[[pa.Table], pa.Table]]] = {
    "ids of 50 MB": long_texts("id"),
    "units of 50 MB": long_texts("unit"),
    "metadata of 50 MB": long_texts("metadata"),
    "affines of two million numbers": long_lists("affine"),
    "shapes of two million axes": long_lists("shape"),
    "a shape of 2^30": large_shapes(2**30),
    "a shape of 2^27": large_shapes(2**27),
}


def change_rows(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows of all shards of a set; what repeats is stored once."""
    for path in (folder / "data").glob("*.parquet"):
        with path.open("rb") as file:
            table = pq.read_table(file)
        changed = change(table).replace_schema_metadata(table.schema.metadata)
        pq.write_table(changed, path, compression="zstd")
