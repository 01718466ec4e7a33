"""Text in pictures: all of it is literal, short, and made of letters that the font has.

Names of classes, ids and units are other people's text. It is looked at where glyphs are drawn and
measured, the one place that every label, title, tick and legend goes through.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.font_manager import FontProperties, fontManager, get_font

from medfuncta._src.door.wording import shortened

LONGEST: Final = 100
"""Characters of a line in a picture."""
_PLACEHOLDER: Final = "\N{WHITE SQUARE}"
"""Stands for a letter that the font has not."""


class LiteralCanvas(FigureCanvasAgg):
    """A canvas whose renderer draws text as :func:`drawable` has it."""

    def get_renderer(self) -> RendererAgg:
        width, height = self.get_width_height(physical=True)
        key = width, height, self.figure.dpi
        if getattr(self, "_made_for", None) != key:
            self.renderer = _LiteralRenderer(width, height, self.figure.dpi)
            self._made_for = key
        return self.renderer


class _LiteralRenderer(RendererAgg):
    """Draws and measures no text but what :func:`drawable` gives."""

    def draw_text(  # type: ignore[override]
        self,
        gc: Any,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        del ismath  # a formula is text as well
        super().draw_text(gc, x, y, drawable(s, prop), prop, angle, False, mtext)

    def get_text_width_height_descent(
        self, s: str, prop: FontProperties, ismath: Any
    ) -> tuple[float, float, float]:
        del ismath
        return super().get_text_width_height_descent(drawable(s, prop), prop, False)


def drawable(text: str, font: FontProperties) -> str:
    """A line as it is drawn in a font: cut, printable, with a placeholder for what the font has
    not."""
    line = shortened(text, LONGEST)
    if line.isascii():
        return line
    return "".join(letter if _has(letter, font) else _PLACEHOLDER for letter in line)


def _has(letter: str, font: FontProperties) -> bool:
    return any(ord(letter) in _letters(path) for path in _files_of(font))


def _files_of(font: FontProperties) -> list[str]:
    """The files in which letters of a font are looked for, one after the other."""
    manager: Any = fontManager
    return [str(path) for path in manager._find_fonts_by_props(font)]


@cache
def _letters(path: str) -> frozenset[int]:
    """The letters that a file has."""
    return frozenset(get_font(path).get_charmap())
