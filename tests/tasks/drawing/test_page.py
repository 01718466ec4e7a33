from __future__ import annotations

import base64
from html.parser import HTMLParser
from pathlib import Path

from medfuncta._src.tasks.drawing.page import Page

NASTY = "<script>alert(\"x\")</script> & 'co'"


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def read(page: Page) -> Reader:
    reader = Reader()
    reader.feed(page.html())
    return reader


def test_every_text_is_escaped() -> None:
    page = (
        Page(NASTY, NASTY)
        .heading(NASTY)
        .text(NASTY)
        .command(NASTY)
        .tiles({NASTY: NASTY})
        .table([NASTY], [[NASTY]])
        .picture(b"png", NASTY)
    )
    reader = read(page)
    assert not [tag for tag, _ in reader.tags if tag == "script"]
    assert (
        reader.words.count(NASTY) == 11
    )  # twice the title; the caption, but not the alternative text, is data
    assert next(attributes["alt"] for tag, attributes in reader.tags if tag == "img") == NASTY


def test_nothing_is_loaded_from_elsewhere() -> None:
    page = Page("t").picture(b"\x89PNG bytes", "a picture")
    tags = read(page).tags
    sources = [attributes["src"] for _, attributes in tags if "src" in attributes]
    assert [
        s for s in sources if s is not None and not s.startswith("data:image/png;base64,")
    ] == []
    assert sources[0] is not None
    assert base64.b64decode(sources[0].split(",")[1]) == b"\x89PNG bytes"
    assert not {"link", "script", "iframe"} & {tag for tag, _ in tags}
    assert "url(" not in page.html()
    assert "@import" not in page.html()


def test_a_table_keeps_its_cells_in_order() -> None:
    reader = read(Page("t").table(["class", "PSNR"], [["cat", "30.1"], ["dog", "28.4"]]))
    assert "classPSNRcat30.1dog28.4" in reader.words
    assert sum(tag == "tr" for tag, _ in reader.tags) == 3


def test_a_page_suits_phones_and_dark_screens(tmp_path: Path) -> None:
    Page("t").save(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert 'name="viewport"' in text
    assert "prefers-color-scheme: dark" in text
