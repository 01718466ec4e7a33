"""Links lead somewhere: to files that are there, and to headings that are on their pages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from docs.pages import DOCS, PAGES, ROOT, named, prose

MADE = {"reference/command-line.md", "reference/sources.md", "reference/settings.md"}
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in its address."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings]
    return {re.sub(r"[\s]+", "-", heading) for heading in plain}


def broken(text: str, folder: Path) -> list[str]:
    """Links of a text that lead nowhere."""
    found = []
    for link in LINK.findall(text):
        place, _, anchor = link.partition("#")
        path = (folder / place).resolve()
        if "://" in link or (path.is_relative_to(DOCS) and str(path.relative_to(DOCS)) in MADE):
            continue
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_links_of_pages(page: Path) -> None:
    text = prose(page)
    if page.name != "README.md":
        text = text.replace("](#", f"]({page.name}#")
    assert not broken(text, page.parent)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_of_notebooks(notebook: Path) -> None:
    cells = json.loads(notebook.read_text())["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells)
    assert not broken(text, notebook.parent)


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# A title: of two\n")
    text = "[a](page.md#a-title-of-two) [b](page.md#another) [c](nowhere.md)"
    assert broken(text, tmp_path) == ["page.md#another", "nowhere.md"]


def test_every_page_is_in_the_contents() -> None:
    contents = (ROOT / "mkdocs.yml").read_text()
    optional = {"representation.md"}
    for page in PAGES:
        assert f": {named(page)}\n" in contents or named(page) in optional
