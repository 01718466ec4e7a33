"""One self-contained HTML page: headings, text, tables and pictures, readable on paper, phone and
dark screens.

Everything that is put on a page is escaped; pictures are embedded, and nothing is loaded from
anywhere.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from medfuncta._src.disk.atomic import write_text

_CSS: Final = """
:root {
  color-scheme: light dark;
  --ink: #1f2933; --muted: #64717e; --line: #dfe5ea;
  --paper: #ffffff; --band: #f5f7f9; --accent: #b83b4d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e4e9ee; --muted: #97a5b2; --line: #333e49;
    --paper: #161b21; --band: #1e252c; --accent: #ef8290;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 64rem; padding: 2rem 1rem 4rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 {
  font-size: 1.15rem; margin: 2.5rem 0 .6rem; padding-bottom: .3rem;
  border-bottom: 1px solid var(--line);
}
p { margin: .5rem 0; max-width: 44rem; }
.muted, figcaption, .tile span { color: var(--muted); }
.tiles {
  display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.2rem 0; padding: 0; list-style: none;
}
.tile { flex: 1 1 8rem; background: var(--band); border-radius: .6rem; padding: .7rem .9rem; }
.tile strong {
  display: block; font-size: 1.35rem; line-height: 1.3;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
.tile span { font-size: .82rem; }
.scroll { overflow-x: auto; }
table {
  border-collapse: collapse; font-variant-numeric: tabular-nums;
  font-size: .92rem; min-width: 50%;
}
th, td {
  text-align: right; padding: .35rem .9rem .35rem 0;
  border-bottom: 1px solid var(--line); white-space: nowrap;
}
th { color: var(--muted); font-weight: 600; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 7rem; }
dl {
  display: grid; grid-template-columns: minmax(7rem, max-content) 1fr;
  gap: .35rem 1.5rem; margin: .8rem 0; font-size: .92rem;
}
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 1rem 0; }
figure .scroll {
  background: #fff; border: 1px solid var(--line); border-radius: .6rem; padding: .6rem;
}
figure img { display: block; width: 100%; min-width: 36rem; height: auto; }
figcaption { font-size: .85rem; margin-top: .4rem; }
pre {
  background: var(--band); border-radius: .6rem;
  padding: .8rem 1rem; overflow-x: auto; font-size: .9rem;
}
@media print { body { max-width: none; padding: 0; } figure { break-inside: avoid; } }
"""


class Page:
    """A page that grows from top to bottom; every method adds to its end and gives the page back.

    >>> "a &lt; b" in Page("Title").text("a < b").html()
    True
    """

    def __init__(self, title: str, subtitle: str = "") -> None:
        self.title = title
        self._parts = [f"<h1>{escape(title)}</h1>"]
        if subtitle:
            self._parts.append(f'<p class="muted">{escape(subtitle)}</p>')

    def heading(self, text: str) -> Page:
        """Begin a section."""
        return self._add(f"<h2>{escape(text)}</h2>")

    def text(self, text: str) -> Page:
        """A paragraph."""
        return self._add(f"<p>{escape(text)}</p>")

    def command(self, text: str) -> Page:
        """Something to type into a terminal."""
        return self._add(f"<pre><code>{escape(text)}</code></pre>")

    def tiles(self, figures: Mapping[str, str]) -> Page:
        """A row of key figures, each large above its name."""
        items = ""
        for name, value in figures.items():
            text = f"<strong>{escape(value)}</strong><span>{escape(name)}</span>"
            items += f'<li class="tile">{text}</li>'
        return self._add(f'<ul class="tiles">{items}</ul>')

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Page:
        """A table whose first column is text and whose others are numbers."""
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
        body = ""
        for row in rows:
            cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
            body += f"<tr>{cells}</tr>"
        return self._add(
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )

    def facts(self, entries: Mapping[str, str]) -> Page:
        """Names and what they are, one a line."""
        items = ""
        for name, value in entries.items():
            items += f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
        return self._add(f"<dl>{items}</dl>")

    def picture(self, png: bytes, description: str) -> Page:
        """A PNG with its caption, which also stands in for it where it cannot be seen."""
        data = base64.b64encode(png).decode("ascii")
        text = escape(description)
        image = f'<img src="data:image/png;base64,{data}" alt="{text}">'
        return self._add(
            f'<figure><div class="scroll">{image}</div><figcaption>{text}</figcaption></figure>'
        )

    def html(self) -> str:
        """The whole document."""
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(self.title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
            + "\n".join(self._parts)
            + "\n</body>\n</html>\n"
        )

    def save(self, path: Path) -> None:
        """Write the document atomically."""
        write_text(path, self.html())

    def _add(self, part: str) -> Page:
        self._parts.append(part)
        return self
