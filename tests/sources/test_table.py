from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from medfuncta._src.errors import ConfigError
from medfuncta._src.sources import table
from medfuncta._src.sources.contents import Contents, Format
from medfuncta._src.sources.options import details, option
from medfuncta._src.sources.skips import Skips


@dataclass(frozen=True)
class SpyOptions:
    size: int = option(28, "pixels")
    name: str = option("", "any text")


def open_spy(location: str, options: SpyOptions, skips: Skips) -> Contents:
    """Says how it was opened, and holds no signals."""
    told = {"location": location, **details(options), "skip_bad": skips.skip_bad}
    return Contents(name="spy:nothing", items=[], read=pytest.fail, details=told)


SPY = Format("spy", "A format for these tests.", SpyOptions, open_spy)


@pytest.fixture(autouse=True)
def spy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes Python believe that a package is installed which adds the format ``spy``, and a
    ``csv`` beside ours."""
    info = tmp_path / "spies-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spies\nVersion: 1.0\n")
    rows = f"[medfuncta.sources]\nspy = {__name__}:SPY\ncsv = {__name__}:SPY\n"
    (info / "entry_points.txt").write_text(rows)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_location_and_options_reach_the_format() -> None:
    source = table.open_source("spy:C:/data/x.bin?size=64&name=a%26b=c", skip_bad=True)
    assert source.info.details == {
        "location": "C:/data/x.bin",
        "size": 64,
        "name": "a&b=c",
        "skip_bad": True,
    }


def test_a_location_alone_has_no_options() -> None:
    told = table.open_source("spy:folder").info.details
    assert told == {"location": "folder", "size": 28, "name": "", "skip_bad": False}


def test_another_package_adds_a_format_and_replaces_none() -> None:
    assert table.format_names() == [*table.FORMATS, "spy"]
    assert table.format_named("spy") is SPY
    assert table.format_named("csv") is not SPY


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("spy:", "nothing after 'spy:'; expected spy:path[?option=value]"),
        (
            "spy:x?sizze=3",
            (
                "unknown option 'sizze' of spy; did you mean 'size'? Known: citation, licence, "
                "name, "
                "size"
            ),
        ),
        (
            "spy:x?size",
            "the option 'size' of spy has no value; expected size=VALUE (pixels (default: 28))",
        ),
        ("spy:x?size=1&size=2", "the option 'size' of spy is given twice; expected it once"),
        (
            "spy:x?licence=",
            (
                "the option 'licence' of spy has no value; expected licence=VALUE (the data's "
                "licence, "
                "such as"
            ),
        ),
        (
            "spy:x?licence=%20",
            "the option 'licence' of spy is blank; expected the data's licence, such as",
        ),
    ],
)
def test_bad_text_is_one_line(text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        table.open_source(text)
    assert str(caught.value).startswith(line)


def test_text_without_a_kind_shows_the_form_and_no_folder() -> None:
    with pytest.raises(
        ConfigError, match=r"got 'scan.npz' as a source; expected kind:path"
    ) as caught:
        table.open_source("/home/jane/scan.npz")
    assert "jane" not in str(caught.value) and "did you mean 'npz'" in str(caught.value)


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown kind of source 'wfbd'; did you mean 'wfdb'"):
        table.open_source("wfbd:folder")


def test_the_table_imports_no_reader() -> None:
    """In a process of its own, since the tests around it import the readers."""
    readers = ("wfdb", "nibabel", "pyarrow", "pandas", "scipy")
    code = (
        "import sys, medfuncta._src.sources.table; "
        f"print([name for name in {readers} if name in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
