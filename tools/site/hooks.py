"""What MkDocs calls: made pages are added, links that leave the folder of documents are followed,
and a page that is not written yet is left out of the contents."""

from __future__ import annotations

import posixpath
import re
import sys
from html import unescape
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from latex2mathml.converter import convert  # noqa: E402
from mkdocs.structure.files import File, Files  # noqa: E402

from tools.site.pages import made_pages  # noqa: E402

_LINK: Final = re.compile(r"(\]\()([^)#:\s]+)")
_FORMULA: Final = re.compile(
    r"""<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>""", re.DOTALL
)
_OPTIONAL: Final = {"representation.md": "What a number of a latent is worth"}
"""Pages that stand in the contents when they are there."""
_COPIES: Final = "repository"
"""Where files of the repository lie that pages link to."""


def on_config(config: Any) -> Any:
    """Add the optional pages to the contents."""
    for name, title in _OPTIONAL.items():
        if (Path(config.docs_dir) / name).exists():
            config.nav[-1]["Background"].insert(0, {title: name})
    return config


def on_files(files: Files, *, config: Any) -> Files:
    """Add the made pages, and the files outside that pages link to."""
    for place, text in made_pages().items():
        files.append(File.generated(config, place, content=text))
    wanted: set[str] = set()
    for file in files.documentation_pages():
        wanted |= outside(file.src_uri, file.content_string)
    for path in sorted(wanted):
        copy = f"{_COPIES}/{path}"
        files.append(File.generated(config, copy, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Lead links to files outside to their copies."""

    def led(link: re.Match[str]) -> str:
        path = _outside(page.file.src_uri, link[2])
        if path is None:
            return link[0]
        here = posixpath.dirname(page.file.src_uri) or "."
        return f"{link[1]}{posixpath.relpath(f'{_COPIES}/{path}', here)}"

    return _LINK.sub(led, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Draw formulas as MathML, which browsers show without a program."""

    def drawn(formula: re.Match[str]) -> str:
        written = unescape(formula[3]).strip()
        if formula[2] == "(":
            return convert(written)
        return f'<div class="formula">{convert(written, display="block")}</div>'

    return _FORMULA.sub(drawn, html)


def outside(page: str, markdown: str) -> set[str]:
    """The files of the repository, outside the folder of documents, that a page links to."""
    found = set()
    for link in _LINK.finditer(markdown):
        path = _outside(page, link[2])
        if path is not None:
            found.add(path)
    return found


def _outside(page: str, target: str) -> str | None:
    """Where a link leads from the root of the repository; None where it stays among documents."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
    if path.startswith(("docs/", "..")) or not (ROOT / path).is_file():
        return None
    return path
