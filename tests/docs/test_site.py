"""The site is built without a warning, and its made pages say what the program says."""

from __future__ import annotations

import doctest
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import medfuncta
from docs.pages import ROOT
from medfuncta._src.cli.commands import COMMANDS
from medfuncta._src.presets import PRESETS
from medfuncta._src.settings_guide import section_names, settings_of
from medfuncta._src.sources.table import FORMATS
from tools.site.pages import API, command_line, named_on_pages, settings, sources
from tools.studies_page import write_page


def test_every_command_and_option_is_on_the_page() -> None:
    page = command_line()
    for name in COMMANDS:
        assert f"\n## {name}\n" in page
    for option in ("`--json`", "`--quality {fast,paper,best}`", "`LATENTS`", "`-k K ...`"):
        assert option in page
    assert page.count("`--signal-budget FLOAT`") == 1, "common options are told once"


def test_every_source_setting_and_preset_is_on_its_page() -> None:
    for name in FORMATS:
        assert f"\n## {name}\n" in sources()
    page = settings()
    for name in [setting.name for section in section_names() for setting in settings_of(section)]:
        assert f"| `{name}` |" in page
    assert all(f"| `{name}` |" in page for name in PRESETS)


def test_every_public_name_is_on_one_page() -> None:
    assert Counter(named_on_pages()) == Counter(medfuncta.__all__)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("material") is None:
        pytest.skip("the extra 'docs' is not installed")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_the_site_is_built_without_a_warning(site: Path) -> None:
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    assert {"index.html", "method.html", "guides/ecg.html", "reference/command-line.html"} <= pages
    assert {f"api/{name}.html" for name in API} <= pages


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        for address in re.findall(r'(?:src|href)="(https?://[^"]*)"', path.read_text()):
            assert not address.endswith((".js", ".css", ".woff2", ".png")), (
                f"{path.name}: {address}"
            )


def test_formulas_are_drawn_without_a_program(site: Path) -> None:
    method = (site / "method.html").read_text()
    assert method.count("<math") > 20
    assert "arithmatex" not in method


def test_docstrings_become_markdown() -> None:
    pytest.importorskip("griffe", reason="the extra 'docs' is not installed")
    docstrings = importlib.import_module("tools.site.docstrings")
    found = doctest.testmod(docstrings)
    assert found.attempted >= 2 and not found.failed


def test_docstrings_have_no_foreign_markup(site: Path) -> None:
    for name in API:
        text = (site / "api" / f"{name}.html").read_text()
        assert not re.search(r":(class|func|data|mod):", text)
        assert "&gt;&gt;&gt;" not in re.sub(r"<pre.*?</pre>", "", text, flags=re.DOTALL)


def test_the_page_of_the_studies_shows_their_figures(tmp_path: Path) -> None:
    report = tmp_path / "report"
    (report / "one").mkdir(parents=True)
    (report / "one" / "curve.png").write_bytes(b"picture")
    (report / "report.json").write_text("{}")
    (report / "report.md").write_text("# Title\n\n![A curve](one/curve.png)\n")
    docs = tmp_path / "docs"
    page = write_page(report, docs)
    text = page.read_text()
    assert text.startswith("# Title\n\nMade by") and "![A curve](studies/curve.png)" in text
    assert (docs / "studies" / "curve.png").read_bytes() == b"picture"
    assert (docs / "studies" / "report.json").is_file()


def write_report(folder: Path, name: str, text: str, unfinished: list[str]) -> Path:
    """Of one study with one figure."""
    (folder / name).mkdir(parents=True)
    (folder / name / f"{name}.png").write_bytes(text.encode())
    studies = {name: {"title": f"About {name}", "captions": {name: "what"}}}
    found = {"studies": studies, "unfinished": unfinished}
    (folder / "report.json").write_text(json.dumps(found))
    lines = ["# Title", "", "| study | verdict |", "|---|---|", f"| {name} | {text} |", ""]
    lines += ["machine: a", "", f"## About {name}", "", text, "", f"![It]({name}/{name}.png)", ""]
    (folder / "report.md").write_text("\n".join(lines) + "\n")
    return folder


def test_studies_that_a_report_lacks_stay_on_the_page_as_earlier_ones(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    write_page(write_report(tmp_path / "first", "old", "ancient", []), docs)
    newer = write_report(tmp_path / "second", "new", "recent", ["old", "never-done"])
    for _ in range(2):  # a second time changes nothing
        text = write_page(newer, docs).read_text()
        assert text.count("ancient") == text.count("recent") == 2
        assert text.index("| new | recent |") < text.index("| old | ancient (earlier, 1 seed) |")
        section = text[text.index("## About old") :]
        assert section.count("Of an earlier report") == 1 and "(studies/old.png)" in section
        assert {path.name for path in (docs / "studies").iterdir()} == {
            *("report.json", "old.png", "new.png")
        }
    write_page(write_report(tmp_path / "third", "old", "repeated", []), docs)
    text = (docs / "studies.md").read_text()
    assert "ancient" not in text and "recent" not in text and "earlier" not in text
