"""A file that is something else than its name says tells so itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from medfuncta._src.door.content import blaming, cause_in, check_itself
from medfuncta._src.errors import DataError

CONTENTS = {
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n",
    "git-annex": b"/annex/objects/SHA256E-s12345--00.nii.gz\n",
    "a web page": b"\n<!DOCTYPE html>\n<html><head><title>Log in</title></head></html>",
    "refusal": b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>',
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(99),
    "a workbook of Excel": b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml",
    "a zip archive.*unpack": b"PK\x03\x04" + bytes(26) + b"scan.nii",
    "packed by xz.*unpack": b"\xfd7zXZ\0" + bytes(99),
    "a BDF file.*convert": b"\xffBIOSEMI" + bytes(99),
    "empty": b"",
}


@pytest.mark.parametrize("word", CONTENTS)
def test_the_cause_is_told_in_place_of_what_a_reader_says(word: str, tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(CONTENTS[word])

    with pytest.raises(DataError, match=f"^the scan is .*{word}"), blaming(path, "the scan"):
        raise DataError("a.nii.gz is damaged; get it again")
    if word != "empty":  # left to the reader
        with pytest.raises(DataError, match=rf"^a\.nii\.gz is .*{word}"):
            check_itself(path)


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08", b"time,ecg\n", b"<svg></svg>", b"version 2"])
def test_what_tells_nothing_is_left_to_the_reader(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)

    with pytest.raises(DataError, match=r"^mine$"), blaming(path, listed=True):
        raise DataError("mine")
    check_itself(path)


def test_an_archive_of_arrays_is_a_zip_by_right(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"PK\x03\x04" + bytes(99))

    assert not cause_in(path)


def test_a_file_that_is_gone_is_blamed_only_where_it_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"

    gone = "was there when its folder was listed and is gone"
    with pytest.raises(DataError, match=gone), blaming(path, listed=True):
        path.open("rb")
    with pytest.raises(FileNotFoundError), blaming(path):
        path.open("rb")


def test_nothing_waits_for_a_pipe(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")

    assert not cause_in(tmp_path / "pipe")
