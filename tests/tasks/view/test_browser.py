"""The page of a view in headless Chromium: what a person does with it, and what it never does."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars
import pytest
import torch

from medfuncta._src.disk.places import place
from medfuncta._src.latents.create import create_latent_set
from medfuncta._src.latents.decode import decode
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.run import Run
from medfuncta._src.sources.table import open_source
from medfuncta._src.tasks.search import search_set
from medfuncta._src.tasks.view import serving, write_view
from medfuncta._src.tasks.view.parts import PartWriter
from tasks.view.test_view_folder import hostile_set
from tasks.view.view_parts import HOSTILE

CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"
)

SETS: Final = {
    "ecg": ("ecg", "sample:ecg"),
    "cells": ("blood-cells", "sample:histology"),
    "volumes": ("hippocampus", "sample:volumes"),
}
"""A pretrained field, and a sample of the package that it can be fitted to."""
TOLERANCE: Final = 1e-4
SECONDS: Final = 60_000
"""Milliseconds that a step may take on a machine that does other things as well."""


@dataclass
class Seen:
    """A page that is open.

    Args:
        page: Of Playwright.
        latents: The set that it shows.
        ids: Of its signals, in the order of its rows.
        complaints: Errors that the page or the browser told.
        addresses: All that it asked for.
    """

    page: Any
    latents: LatentSet
    ids: list[str]
    complaints: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def title(self) -> str:
        return self.page.locator(".pane h2").text_content()

    def wait_title(self, title: str) -> None:
        api.expect(self.page.locator(".pane h2")).to_have_text(title, timeout=SECONDS)

    def point(self, row: int) -> None:
        self.page.mouse.move(*self.page.evaluate("row => medfunctaView.place(row)", row))

    def click(self, row: int) -> None:
        self.page.keyboard.press("Escape")
        self.point(row)
        self.page.mouse.click(*self.page.evaluate("row => medfunctaView.place(row)", row))

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield opened
        opened.close()


def see(browser: Any, address: str, latents: LatentSet) -> Seen:
    page = browser.new_page(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    page.set_default_timeout(SECONDS)
    ids = [id for name in latents.splits for id in latents.split(name).ids]
    seen = Seen(page, latents, ids)
    page.on(
        "console", lambda message: message.type == "error" and seen.complaints.append(message.text)
    )
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", lambda dialog: seen.complaints.append(dialog.message))
    page.on("request", lambda request: seen.addresses.append(request.url))
    page.goto(address)
    page.wait_for_function("window.medfunctaView !== undefined")
    return seen


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("views")


@pytest.fixture(scope="module", params=SETS)
def seen(request: pytest.FixtureRequest, browser: Any, folders: Path) -> Iterator[Seen]:
    """The view of one set, opened from disk."""
    pretrained, data = SETS[request.param]
    source = open_source(data)
    run = Run.from_pretrained(pretrained)
    latents = create_latent_set(run, source, folders / f"{request.param}-set", splits=["val"])
    view = write_view(latents, folders / request.param, data=source)
    opened = see(browser, view.page.as_uri(), latents)
    yield opened
    opened.page.close()


def test_decoded_values_are_those_of_python(seen: Seen) -> None:
    assert seen.page.evaluate("() => medfunctaView.checked") < TOLERANCE
    status = seen.page.get_by_role("status")
    assert status.text_content() == "decodes as Python does"
    for row in (0, len(seen.ids) - 1):
        found = seen.page.evaluate(
            "row => medfunctaView.decode(row).then(values => Array.from(values))", row
        )
        own = seen.latents.row(seen.ids[row])
        expected = decode(seen.latents.run.network, torch.from_numpy(own.latent), own.header.domain)
        assert np.abs(np.array(found) - expected.ravel()).max() < TOLERANCE


COLOURS = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}"""


def test_a_signal_is_decoded_where_one_points(seen: Seen) -> None:
    last = len(seen.ids) - 1
    seen.point(last)
    seen.wait_title(seen.ids[last])
    assert seen.page.locator(".tip").text_content().startswith(seen.ids[last])
    picture = seen.page.locator("canvas.picture").first
    seen.page.wait_for_function(f"({COLOURS})(document.querySelector('canvas.picture')) > 20")
    assert picture.evaluate(COLOURS) > 20
    seen.page.mouse.move(640, 2)
    seen.wait_title(seen.ids[0])  # the one that was chosen


def test_zoom_goes_past_the_samples_and_says_so(seen: Seen) -> None:
    picture = seen.page.locator("canvas.picture").first
    box = picture.bounding_box()
    seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for _ in range(5):
        seen.page.mouse.wheel(0, -400)
    note = seen.page.locator(".pane .note").last
    api.expect(note).to_contain_text("between samples the field interpolates", timeout=SECONDS)
    picture.dblclick()


def test_search_finds_a_signal_and_lists_its_neighbours(seen: Seen) -> None:
    wanted = seen.ids[2]
    seen.page.keyboard.press("/")
    seen.page.keyboard.type(wanted)
    seen.page.keyboard.press("Enter")
    seen.wait_title(wanted)
    own = seen.latents.row(wanted)
    hits = search_set(seen.latents, own.latent, 3, leave_out=own)
    names = seen.page.locator(".neighbours .name")
    api.expect(names.first).to_have_text(hits[0].id)
    assert names.all_text_contents()[:3] == [hit.id for hit in hits]
    names.first.click()
    seen.wait_title(hits[0].id)


def test_a_lasso_takes_signals_and_shows_their_mean(seen: Seen) -> None:
    area = seen.page.locator(".map").bounding_box()
    left, top = area["x"] + 6, area["y"] + 6
    right, bottom = area["x"] + area["width"] - 6, area["y"] + area["height"] - 6
    seen.page.locator(".map").focus()
    seen.page.keyboard.press("0")
    seen.page.keyboard.press("l")
    seen.page.mouse.move(left, top)
    seen.page.mouse.down()
    for corner in ((right, top), (right, bottom), (left, bottom)):
        seen.page.mouse.move(*corner)
    seen.page.mouse.up()
    seen.page.keyboard.press("l")
    bar = seen.page.locator(".lasso")
    api.expect(bar).to_contain_text(f"{len(seen.ids)} signals in the lasso")
    bar.get_by_role("button", name="Mean").click()
    seen.wait_title(f"Mean of {len(seen.ids)} signals")
    seen.page.keyboard.press("Escape")
    api.expect(bar).to_be_hidden()


def test_filters_leave_the_signals_of_a_class(seen: Seen) -> None:
    facet = seen.page.locator(".facet").filter(has_text="class")
    word = facet.locator(".word").first
    name = word.locator(".name").text_content()
    number = seen.latents.info.spec.label_names.index(name)
    count = int((seen.latents.split("val").labels == number).sum())
    word.click()
    api.expect(seen.page.locator(".count")).to_have_text(f"{count} of {len(seen.ids)} signals")
    seen.page.get_by_role("button", name="Clear filters").click()
    api.expect(seen.page.locator(".count")).to_have_text(f"{len(seen.ids)} signals")


def test_the_worst_reconstruction_is_the_first_of_its_list(seen: Seen) -> None:
    seen.tab("Lists")
    worst = seen.ids[int(np.argmin(seen.latents.split("val").psnr))]
    names = seen.page.locator(".lists .name")
    assert names.first.text_content() == worst
    seen.page.keyboard.press("n")
    seen.wait_title(worst)
    seen.tab("Neighbours")


def test_marks_are_taken_along_by_id(seen: Seen) -> None:
    wanted = seen.ids[1]
    seen.page.get_by_label("Search by id").fill(wanted)
    seen.page.keyboard.press("Enter")
    seen.wait_title(wanted)
    seen.page.locator(".map").focus()
    seen.page.keyboard.press("m")
    api.expect(seen.page.get_by_label("Marked")).to_be_checked()
    seen.page.get_by_label("Another label").fill("noise")
    seen.page.get_by_label("Note").fill('=1+1, "and more"')
    seen.page.get_by_label("Note").blur()
    seen.tab("Marks")
    with seen.page.expect_download() as download:
        seen.page.get_by_role("button", name="Save as CSV").click()
    [row] = csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8")))
    own = seen.latents.row(wanted)
    assert row == {
        "id": wanted,
        "split": "val",
        "label": seen.latents.info.spec.label_names[own.label],
        "marked": "yes",
        "new_label": "noise",
        "note": '\'=1+1, "and more"',
    }
    with seen.page.expect_download() as download:
        seen.page.get_by_role("button", name="Save as Parquet").click()
    [stored] = polars.read_parquet(Path(download.value.path()).read_bytes()).to_dicts()
    assert stored == {**row, "note": '=1+1, "and more"'}
    seen.page.reload()
    seen.page.wait_for_function("window.medfunctaView !== undefined")
    seen.tab("Marks")
    assert seen.page.locator(".marks .name").all_text_contents() == [wanted]
    seen.tab("Neighbours")


def test_the_way_from_one_signal_to_another(seen: Seen) -> None:
    first, second = seen.ids[0], seen.ids[3]
    for wanted in (first, second):
        seen.page.get_by_label("Search by id").fill(wanted)
        seen.page.keyboard.press("Enter")
        seen.wait_title(wanted)
        if wanted == first:
            seen.page.get_by_role("button", name="Pin").click()
    slider = seen.page.get_by_label("From the pinned signal to this one")
    slider.fill("0.5")
    seen.wait_title(f"50 % of the way to {second}")
    seen.page.get_by_role("button", name="Pin").click()


def test_nothing_was_complained_of_and_no_host_was_asked(seen: Seen) -> None:
    """The last of them: whatever was done before."""
    assert seen.complaints == []
    assert {address.partition(":")[0] for address in seen.addresses} <= {"file", "blob"}


def test_texts_of_strangers_stay_texts(browser: Any, folders: Path) -> None:
    latents = hostile_set(folders / "hostile-set")
    view = write_view(latents, folders / "hostile")
    seen = see(browser, view.page.as_uri(), latents)
    seen.page.evaluate("() => medfunctaView.checked")
    assert seen.page.evaluate("() => medfunctaView.ids") == list(HOSTILE)
    for text in HOSTILE:
        seen.page.get_by_label("Search by id").fill(text)
        seen.page.keyboard.press("Enter")
    for tab in ("Lists", "Details", "About"):
        seen.tab(tab)
    assert seen.page.locator(".map .tip script, #app script, #app img, #app iframe").count() == 0
    assert "<img src=x" in seen.page.locator("#app").text_content()
    shown = seen.page.locator("#app").inner_text()
    assert "\u202e" not in shown and "\u2066" not in shown
    assert seen.page.title().endswith("MedFuncta")
    seen.page.get_by_label("Search by id").blur()
    seen.page.locator(".map").focus()
    seen.page.keyboard.press("m")
    seen.tab("Marks")
    with seen.page.expect_download() as download:
        seen.page.get_by_role("button", name="Save as CSV").click()
    cells = [
        cell
        for row in csv.reader(io.StringIO(Path(download.value.path()).read_text()))
        for cell in row
    ]
    assert not [cell for cell in cells if cell[:1] in "=+-@" and cell]
    assert seen.complaints == []
    assert {address.partition(":")[0] for address in seen.addresses} <= {"file", "blob"}
    seen.page.close()


def test_a_view_that_is_served_asks_its_own_host_only(browser: Any, folders: Path) -> None:
    latents = hostile_set(folders / "served-set")
    write_view(latents, folders / "served")
    with serving(folders / "served") as address:
        seen = see(browser, address, latents)
        assert seen.page.evaluate("() => medfunctaView.checked") < TOLERANCE
        base = address.rpartition("/")[0]
        others = [url for url in seen.addresses if not url.startswith((base, "blob:"))]
        assert [url.rpartition("/")[2] for url in others] in ([], ["favicon.ico"])
        assert seen.complaints == []
        seen.page.close()


def test_a_page_that_decodes_otherwise_says_so(browser: Any, folders: Path) -> None:
    latents = hostile_set(folders / "wrong-set")
    view = write_view(latents, folders / "wrong")
    PartWriter(folders / "wrong").write("check", np.zeros(20, "<f4").tobytes())
    seen = see(browser, view.page.as_uri(), latents)
    assert seen.page.evaluate("() => medfunctaView.checked") > TOLERANCE
    api.expect(seen.page.get_by_role("status")).to_contain_text(
        "decodes otherwise than Python does"
    )
    seen.page.close()


def test_a_missing_file_is_named(browser: Any, folders: Path) -> None:
    latents = hostile_set(folders / "torn-set")
    view = write_view(latents, folders / "torn")
    place(folders / "torn", "data", "field.js").unlink()
    seen = see(browser, view.page.as_uri(), latents)
    api.expect(seen.page.get_by_role("status")).to_contain_text("data/field.js is missing")
    seen.page.close()
