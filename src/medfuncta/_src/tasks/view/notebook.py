"""A view below a cell of a notebook: the page in a frame of its own, which is handed its parts over
the channel that a notebook has to its kernel anyway. No server, no port, and no file beside the
notebook, so that it is the same in Jupyter, in VS Code and on a machine far away."""

from __future__ import annotations

import re
import secrets
import weakref
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from msgspec import Meta

from medfuncta._src.door.callers import expecting
from medfuncta._src.door.limits import Some
from medfuncta._src.errors import missing_extra
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.sources.source import Source
from medfuncta._src.tasks.explore.map import MapMethod
from medfuncta._src.tasks.view.folder import write_view
from medfuncta._src.tasks.view.originals import Detail
from medfuncta._src.tasks.view.parts import ASSETS, PAGE_FILE, read_part

if TYPE_CHECKING:
    from anywidget import AnyWidget

_PAGE: Final = "page"
"""What a frame asks for first."""
_Height: TypeAlias = Annotated[int, Meta(ge=200, le=10_000)]


@expecting
def view(
    latents: LatentSet,
    *,
    height: _Height = 760,
    limit: Some = 100_000,
    method: MapMethod | None = None,
    neighbours: Some = 8,
    data: Source | None = None,
    detail: Detail = "full",
    leaks_across: str | None = None,
) -> AnyWidget:
    """Look at a latent set in a notebook: a map of its signals, each decoded in the browser where
    one points, with its neighbours, filters, and marks.

    Args:
        latents: The set.
        height: Of the page below the cell, in pixels; its lower edge can be drawn.
        limit, method, neighbours, data, detail, leaks_across: As
            :func:`~medfuncta._src.tasks.view.write_view` takes them.

    Returns:
        A widget, which a notebook shows where a cell ends with it. Its ``marks`` are what was
        marked on the page so far, a dictionary a signal with ``id``, ``split``, ``label``,
        ``marked``, ``new_label`` and ``note``; ``close()`` lets go of its files.

    Raises:
        MedFunctaError: If ``anywidget`` is not installed, or as ``write_view``.
    """
    kind = _widget_class()
    aside = TemporaryDirectory(prefix="medfuncta-view-")
    try:
        write_view(
            latents,
            Path(aside.name) / "view",
            limit=limit,
            method=method,
            neighbours=neighbours,
            data=data,
            detail=detail,
            leaks_across=leaks_across,
        )
    except BaseException:
        aside.cleanup()
        raise
    return kind(aside, height=height)


@cache
def _widget_class() -> type:
    """The class of the widget, made when anywidget is there."""
    try:
        from anywidget import AnyWidget
        from traitlets import Dict, Int, List
    except ImportError as error:
        raise missing_extra("anywidget", "notebook") from error

    class ViewWidget(AnyWidget):
        """A view in a notebook.

        Args:
            aside: The folder that holds the view's.
        """

        _esm = (ASSETS / "notebook.js").read_text(encoding="utf-8")
        height = Int().tag(sync=True)
        marks = List(Dict()).tag(sync=True)

        def __init__(self, aside: TemporaryDirectory[str], **traits: Any) -> None:
            super().__init__(**traits)
            self._folder = Path(aside.name) / "view"
            self._gone = weakref.finalize(self, aside.cleanup)
            self.on_msg(self._answer)

        def _answer(self, _: Any, asked: Any, buffers: Any) -> None:
            """Give a frame the part that it asks for."""
            name = str(asked.get("part"))
            answer = {"view": asked.get("view"), "part": name}
            try:
                content = page() if name == _PAGE else read_part(self._folder, name)
            except KeyError:
                self.send({**answer, "error": "there is no such part; run the cell again"})
                return
            self.send(answer, [content])

        def close(self) -> None:
            super().close()
            self._gone()

    return ViewWidget


def page() -> bytes:
    """The page in one piece, for a frame: its code and style stand in it, and its policy lets in
    these alone, by a word that nobody can guess."""
    word = secrets.token_urlsafe(16)
    code, style = _asset("viewer.js"), _asset("viewer.css")
    assert "</script" not in code and "</style" not in style
    link = '<link rel="stylesheet" href="assets/viewer.css">'
    inside = {
        "'self'": f"'nonce-{word}'",
        link: f'<style nonce="{word}">{style}</style>',
        '<script src="assets/viewer.js"></script>': f'<script nonce="{word}">{code}</script>',
        "<html ": "<html data-notebook ",
    }
    either = re.compile("|".join(map(re.escape, inside)))
    return either.sub(lambda found: inside[found[0]], _asset(PAGE_FILE)).encode()


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
