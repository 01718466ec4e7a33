"""``medfuncta view``."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from msgspec import Meta

from medfuncta._src.cli.command import Command
from medfuncta._src.cli.terminal import facts, tell
from medfuncta._src.door.limits import Some as Count

if TYPE_CHECKING:
    from medfuncta._src.sources.source import Source
    from medfuncta._src.tasks.view import View as Written


@dataclass(kw_only=True)
class View(Command):
    """Look at a latent set in the browser: a map of its signals, each decoded where one points,
    with its neighbours, filters, and marks to take along.

    Without --out the page is served on the loopback address until Ctrl-C; with it, a folder is
    written that opens from disk or from any server of files. It asks no other host for anything.
    """

    latents: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="LATENTS")]
    """A latent set, as 'medfuncta fit' writes it."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """A new folder for the page; open its index.html."""
    data: str | None = None
    """The source that the set was made of, kind:path[?option=value], to show originals and errors
    beside; they are copied into the page."""
    originals: Literal["full", "small"] = "full"
    """How much of each original is copied: all samples, or at most 64 along an axis (512 of a
    trace, 32 of a volume)."""
    limit: Count = 100_000
    """Signals shown, evenly spread over the set."""
    method: Literal["pca", "umap"] | None = None
    """How the map is made; the one that 'medfuncta explore LATENTS map --store' has left beside the
    latents when not given, else pca."""
    neighbours: Annotated[int, Meta(ge=1, le=100)] = 8
    """Nearest signals that are listed for each."""
    leaks: str | None = None
    """List signals that are nearly the same, across split or an entry of the signals' metadata such
    as a patient's number; see 'medfuncta explore LATENTS leaks'."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """Where to serve; a free port when 0."""
    browser: bool = True
    """Open the browser."""

    def when_stopped(self) -> str:
        if self.out is None:
            return "the page is no longer served"
        return "nothing was written; start the same command again"

    def answer(self) -> Written:
        return self.run()  # the folder is held by what writes it, which needs it to be new

    def run(self) -> Written:
        from tempfile import TemporaryDirectory

        with ExitStack() as stack:
            if self.out is not None:
                return self._written(self.out)
            aside = stack.enter_context(TemporaryDirectory(prefix="medfuncta-view-"))
            written = self._written(Path(aside) / "view")
            self._serve(written.page.parent)
            return written

    def summary(self, result: Written) -> str:
        known = {"page": result.page, "signals": f"{result.signals:,}"}
        if result.left_out:
            known["beyond --limit"] = f"{result.left_out:,}"
        if self.data is not None:
            known["originals"] = f"{result.originals:,}"
        known["size"] = f"{result.bytes / 1e6:.1f} MB"
        return facts(known)

    def _written(self, folder: Path) -> Written:
        from medfuncta._src.latents.latent_set import LatentSet
        from medfuncta._src.tasks.view import write_view

        latents = LatentSet.open(self.latents)
        return write_view(
            latents,
            folder,
            limit=self.limit,
            method=self.method,
            neighbours=self.neighbours,
            data=self._source(),
            detail=self.originals,
            leaks_across=self.leaks,
            tell=tell,
        )

    def _source(self) -> Source | None:
        from medfuncta._src.sources.table import open_source

        if self.data is None:
            return None
        return open_source(self.data)

    def _serve(self, folder: Path) -> None:
        """Serve until Ctrl-C or SIGTERM, which the entry point turns into its line."""
        import webbrowser
        from threading import Event

        from medfuncta._src.tasks.view import serving

        with serving(folder, self.port) as address:
            tell(f"serving {address} until Ctrl-C")
            if self.browser and not webbrowser.open(address):
                tell("no browser could be opened; open the address yourself")
            Event().wait()
