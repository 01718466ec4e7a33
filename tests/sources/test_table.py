from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from medfuncta.errors import ConfigError
from medfuncta.signals.signal import Signal, SignalSpec
from medfuncta.sources import table
from medfuncta.sources.source import Source, SourceInfo, SourceKind


class SpySource(Source):
    """Remembers how it was opened and holds no signals."""

    own_info = SourceInfo("spy")
    spec = SignalSpec(1, 1)
    splits = ()

    def __init__(self, location: str, options: Mapping[str, str], skip_bad: bool) -> None:
        super().__init__(skip_bad=skip_bad)
        self.location, self.options = location, options

    def _read(self, split: str) -> Iterator[Signal]:
        yield from ()


SPY = SourceKind(
    "spy",
    "A kind for these tests.",
    {"size": "pixels (default: 28)", "name": "any text"},
    SpySource,
)


@pytest.fixture(autouse=True)
def spy_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(table.FORMATS, "spy", f"{__name__}:SPY")  # type: ignore[arg-type]


def test_location_and_options_reach_the_kind() -> None:
    source = table.open_source("spy:C:/data/x.bin?size=64&name=a%26b=c", skip_bad=True)
    assert isinstance(source, SpySource) and source.skip_bad
    assert (source.location, source.options) == ("C:/data/x.bin", {"size": "64", "name": "a&b=c"})


def test_a_location_alone_has_no_options() -> None:
    source = table.open_source("spy:folder")
    assert isinstance(source, SpySource) and not source.skip_bad
    assert (source.location, source.options) == ("folder", {})


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
    code = "import sys, medfuncta.sources.table; print([m for m in ('wfdb', 'nibabel', 'pyarrow', 'pandas', 'scipy') if m in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
