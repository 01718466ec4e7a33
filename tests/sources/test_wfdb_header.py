"""Headers that the field's library would misread are put before it in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from medfuncta._src.errors import DataError
from medfuncta._src.sources.wfdb_header import read_header, readable


def header(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    (folder / "r.hea").write_bytes(text.encode(encoding))
    return folder / "r"


def seen(path: Path) -> list[str]:
    """The lines that the library gets to see."""
    with readable(path, read_header(path)) as name:
        return Path(f"{name}.hea").read_text().splitlines()


@pytest.mark.parametrize(
    ("unit", "encoding"), [("µV", "utf-8"), ("µV", "latin-1"), ("μV", "utf-8"), ("dB(A)", "ascii")]
)
def test_a_unit_comes_through_that_the_library_would_cut(
    tmp_path: Path, unit: str, encoding: str
) -> None:
    path = header(tmp_path, f"r 1 250 9\nr.dat 16 2(7)/{unit} 16 0 0 0 0 II\n", encoding)
    assert read_header(path).units == [unit]
    assert seen(path) == ["r 1 250 9", "r.dat 16 2(7)/NU 16 0 0 0 0 II"]


def test_a_plain_header_is_read_where_it_lies(tmp_path: Path) -> None:
    path = header(tmp_path, "# for all\nr 1 250 9\nr.dat 16 200/mV 16 0 0 0 0 II\n# some\n")
    with readable(path, read_header(path)) as name:
        assert name == str(path)


@pytest.mark.parametrize("gain", ["", " 200", " 200(0)", " 200/"])
def test_a_unit_that_is_not_given_is_millivolts(tmp_path: Path, gain: str) -> None:
    assert read_header(header(tmp_path, f"r 1 250\nr.dat 16{gain}\n")).units == ["mV"]


def test_names_that_the_library_does_not_know_become_links(tmp_path: Path) -> None:
    (tmp_path / "a.b.dat").write_bytes(b"abc")
    text = "r.1 2 250 0 10:00:00\na.b.dat 16 1/mV 16\na.b.dat 16 1/mV 16\n"
    path = header(tmp_path, text)
    with readable(path, read_header(path)) as name:
        assert Path(name).with_name("signals0.dat").read_bytes() == b"abc"
    assert seen(path) == ["record 2 250"] + ["signals0.dat 16 1/mV 16"] * 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.b.dat", "r.hea"]


@pytest.mark.parametrize("file", ["/etc/passwd", "../r.dat", "x/../../r.dat"])
def test_no_file_outside_of_the_folder(tmp_path: Path, file: str) -> None:
    path = header(tmp_path, f"r 1 250 9\n{file} 16 1/µV 16\n")
    with pytest.raises(DataError, match=r"r\.hea names a file outside of its folder"):
        seen(path)


def test_segments_and_layouts(tmp_path: Path) -> None:
    joined = read_header(header(tmp_path, "r/3 1 250 90\nr_1 40\n~ 10\nr_2 40\n"))
    assert joined.joins_segments and joined.segments == ["r_1", "r_2"]
    assert not joined.is_layout
    assert read_header(header(tmp_path, "r 1 250 0\n~ 0 200/mV 16\n")).is_layout


@pytest.mark.parametrize("text", ["\n", "\n\n", "# only a remark\n", "r\n"])
def test_what_is_no_header(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"r\.hea is not a WFDB header; check the file"):
        read_header(header(tmp_path, text))
