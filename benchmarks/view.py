"""How soon a page of a latent set is seen, how smoothly it follows the pointer, and how fast it
decodes, in headless Chromium: ``python -m benchmarks.view``."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from msgspec import Meta

from benchmarks.command import main
from benchmarks.measure import Row, rows_table
from medfuncta._src.cli.command import Command
from medfuncta._src.errors import MedFunctaError
from medfuncta._src.latents.info import SetInfo
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.schema import table_of
from medfuncta._src.latents.writer import LatentSetWriter
from medfuncta._src.run import Run
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import SignalHeader, SignalSpec, ValueRange
from medfuncta._src.sources.source import SourceInfo
from medfuncta._src.tasks.view import write_view

_CLASSES: Final = 6
_BLOCK: Final = 4096
_DECODED: Final = {
    "a beat": ("ecg", (187,), 1),
    "a 64 x 64 cell": ("blood-cells", (64, 64), 1),
    "as many points as a plane of a volume has (32 x 44)": ("hippocampus", (45, 32, 44), 45),
    "a volume (45 x 32 x 44)": ("hippocampus", (45, 32, 44), 1),
}
"""A pretrained field, the shape of its signals, and every which of their samples is decoded."""
_DECODINGS: Final = 15
_CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome")
_WAIT: Final = 120_000
"""Milliseconds that a step of the browser may take."""

COUNT_FRAMES: Final = """() => {
  const counted = { frames: 0, first: performance.now(), last: performance.now() };
  const next = (now) => { counted.frames += 1; counted.last = now; requestAnimationFrame(next); };
  requestAnimationFrame(next);
  window.countedFrames = counted;
}"""
FRAMES: Final = "() => 1000 * countedFrames.frames / (countedFrames.last - countedFrames.first)"
DECODE: Final = """async ([row, step]) => {
  await medfunctaView.decode(row, step);
  return medfunctaView.lastDecoding();
}"""


@dataclass(kw_only=True)
class ViewBenchmark(Command):
    """Write made-up sets as pages, open them from disk and point at their signals; then decode
    signals of each kind. Everything is removed afterwards."""

    signals: Annotated[tuple[Annotated[int, Meta(ge=20)], ...], Meta(min_length=1)] = (
        *(500, 30_000, 100_000),
    )
    """Of each set."""
    seconds: Annotated[float, Meta(gt=0, le=60)] = 5
    """Of pointing, and of moving the map."""
    seed: int = 0
    """Of latents and of the pointer's way."""

    def run(self) -> dict[str, Any]:
        rows: list[Row] = []
        with tempfile.TemporaryDirectory() as name, _browser() as browser:
            folder = Path(name)
            for count in self.signals:
                rows += self._page_rows(browser, folder, count)
            for what, (pretrained, shape, step) in _DECODED.items():
                rows.append(self._decoding_row(browser, folder, what, pretrained, shape, step))
            machine = {
                "processor": _processor(),
                "cores": os.cpu_count(),
                "browser": f"Chromium {browser.version}",
            }
        return {"rows": [asdict(row) for row in rows], "machine": machine}

    def summary(self, result: dict[str, Any]) -> str:
        lines = [rows_table(Row(**row) for row in result["rows"])]
        lines += [f"{name}: {value}" for name, value in result["machine"].items()]
        return "\n".join(lines)

    def _page_rows(self, browser: Any, folder: Path, count: int) -> list[Row]:
        """Of one made-up set."""
        run = Run.from_pretrained("ecg")
        latents = made_up(run, folder / f"set-{count}", (187,), count, self.seed)
        start = time.perf_counter()
        view = write_view(latents, folder / f"page-{count}")
        written = time.perf_counter() - start
        with _opened(browser, view.page) as page:
            mapped = page.evaluate("() => medfunctaView.milliseconds.map")
            compared = page.evaluate("() => medfunctaView.checked.then(() => performance.now())")
            pointing = self._frames(page, drag=False)
            moving = self._frames(page, drag=True)
        of = f"{count:,} signals"
        return [
            Row(f"{of}: the page is written", "s", written, note=f"{view.bytes / 1e6:.0f} MB"),
            Row(f"{of}: first map", "s", mapped / 1000),
            Row(f"{of}: a decoded signal compared", "s", compared / 1000),
            Row(f"{of}: pointing", "frames/s", pointing),
            Row(f"{of}: moving the map", "frames/s", moving),
        ]

    def _frames(self, page: Any, drag: bool) -> float:
        """Frames a second while the pointer moves over the map from signal to signal."""
        generator = np.random.default_rng(self.seed)
        count = page.evaluate("() => medfunctaView.ids.length")
        page.mouse.move(*page.evaluate("() => medfunctaView.place(0)"))
        if drag:
            page.mouse.down()
        page.evaluate(COUNT_FRAMES)
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            row = int(generator.integers(count))
            x, y = page.evaluate("row => medfunctaView.place(row)", row)
            if drag:
                x, y = generator.uniform((300, 100), (700, 600)).tolist()
            page.mouse.move(x, y, steps=4)
        frames = page.evaluate(FRAMES)
        if drag:
            page.mouse.up()
        return frames

    def _decoding_row(
        self,
        browser: Any,
        folder: Path,
        what: str,
        pretrained: str,
        shape: tuple[int, ...],
        step: int,
    ) -> Row:
        """The median time of decoding one signal, or some of its points."""
        name = f"{pretrained}-{step}"
        run = Run.from_pretrained(pretrained)
        latents = made_up(run, folder / f"set-{name}", shape, 20, self.seed)
        view = write_view(latents, folder / f"page-{name}")
        with _opened(browser, view.page) as page:
            page.evaluate("() => medfunctaView.checked")
            times = [page.evaluate(DECODE, [row % 20, step]) for row in range(_DECODINGS)]
        points = -(-prod(shape) // step)
        return Row(f"decoding {what}", "ms", statistics.median(times), note=f"{points:,} points")


def made_up(run: Run, folder: Path, shape: tuple[int, ...], signals: int, seed: int) -> LatentSet:
    """A set of random latents about the centres of some classes, as a run decodes them."""
    generator = np.random.default_rng(seed)
    channels, latent_size = run.spec.channels, run.config.field.latent_size
    names = tuple(f"class {number}" for number in range(_CLASSES))
    spec = SignalSpec(len(shape), channels, shape, label_names=names, task="multi-class")
    info = SetInfo(run.fingerprint, latent_size, spec, SourceInfo("made up", "CC0 1.0"))
    centres = generator.normal(0, 1, (_CLASSES, latent_size))
    grid = Grid(shape)
    writer = LatentSetWriter(folder, run, info)
    target = writer.split("train")
    assert target is not None
    for start in range(0, signals, _BLOCK):
        count = min(_BLOCK, signals - start)
        labels = generator.integers(_CLASSES, size=count)
        rows = centres[labels] + generator.normal(0, 0.7, (count, latent_size))
        headers = []
        for number, label in enumerate(labels.tolist(), start=start):
            header = SignalHeader(f"s{number}", grid, channels, ValueRange(0, 1), label=label)
            headers.append(header)
        psnr = generator.normal(35, 3, count)
        table = table_of(info, headers, rows.astype(np.float32), psnr)
        target.append(table, last_id=headers[-1].id)
    writer.finish_split(target)
    return writer.finish()


@contextmanager
def _browser() -> Iterator[Any]:
    """Chromium without a window.

    Raises:
        MedFunctaError: If it or playwright is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise MedFunctaError("playwright is not installed; run: pip install playwright") from error
    path = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if path is None:
        raise MedFunctaError("there is no Chromium on this machine; install it first")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def _opened(browser: Any, path: Path) -> Iterator[Any]:
    """A page that shows its map."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(_WAIT)
    try:
        page.goto(path.as_uri())
        page.wait_for_function("window.medfunctaView !== undefined")
        yield page
    finally:
        page.close()


def _processor() -> str:
    """The model of the machine's processor, where the system tells it."""
    told = Path("/proc/cpuinfo")
    if told.is_file():
        for line in told.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main(ViewBenchmark))
