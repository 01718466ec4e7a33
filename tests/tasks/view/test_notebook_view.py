"""A view in a notebook: what the widget and its frame say to each other, in Python and in
Chromium."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import medfuncta
from medfuncta._src.errors import MedFunctaError
from medfuncta._src.latents.decode import decode
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.tasks.view import notebook
from medfuncta._src.tasks.view.parts import ASSETS, PartWriter, read_part
from tasks.blob_set import write_blob_set
from tasks.view.test_browser import CHROMIUM, SECONDS, TOLERANCE
from tasks.view.test_view_folder import hostile_set
from tasks.view.view_parts import HOSTILE

pytest.importorskip("anywidget", reason="anywidget is not installed")


class Comm:
    """A channel to a notebook, as a kernel has it."""

    comm_id = "one"

    def __init__(self, **opened: Any) -> None:
        self.opened = opened
        self.sent: list[dict[str, Any]] = []

    def send(self, data: Any, buffers: Any = None) -> None:
        self.sent.append({**data, "buffers": buffers})

    def on_msg(self, take: Any) -> None:
        self.take = take

    def close(self, *_: Any) -> None:
        pass

    def ask(self, **content: Any) -> tuple[dict[str, Any], bytes | None]:
        """Send a message as a page does; the answer, and its bytes."""
        self.sent.clear()
        self.take({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})
        [answer] = self.sent
        assert answer["method"] == "custom"
        buffers = answer["buffers"]
        return answer["content"], bytes(buffers[0]) if buffers else None

    def change(self, **state: Any) -> None:
        data = {"method": "update", "state": state}
        self.take({"content": {"data": data}, "buffers": []})


@pytest.fixture
def latents(tmp_path: Path) -> LatentSet:
    return write_blob_set(tmp_path / "set", {"train": 12, "test": 5})


@pytest.fixture
def comms(monkeypatch: pytest.MonkeyPatch) -> list[Comm]:
    """The channels that widgets open."""
    import comm

    opened: list[Comm] = []

    def create(**options: Any) -> Comm:
        opened.append(Comm(**options))
        return opened[-1]

    monkeypatch.setattr(comm, "create_comm", create)
    return opened


def channel_of(comms: list[Comm]) -> Comm:
    """That of the view; others are of its layout."""
    [channel] = [each for each in comms if "_esm" in each.opened["data"]["state"]]
    return channel


def test_a_frame_is_handed_the_page_and_the_parts_of_the_view(
    latents: LatentSet, comms: list[Comm]
) -> None:
    widget = medfuncta.view(latents, height=500, limit=10)
    channel = channel_of(comms)
    state = channel.opened["data"]["state"]
    assert (state["height"], state["marks"]) == (500, [])
    assert "sandbox" in state["_esm"]
    answer, page = channel.ask(view="a", part="page")
    assert answer == {"view": "a", "part": "page"}
    assert page is not None and page.startswith(b"<!doctype html>\n<html data-notebook ")
    answer, content = channel.ask(view="b", part="manifest")
    assert answer == {"view": "b", "part": "manifest"}
    assert content is not None and json.loads(content)["signals"] == 10
    assert channel.ask(view="b", part="rows-00000")[1] is not None
    widget.close()


@pytest.mark.parametrize(
    "part",
    ["rows-00009", "nothing", "../latent_set", "/etc/passwd", "", None, 7, ["page"], "manifest.js"],
)
def test_there_is_nothing_else(latents: LatentSet, comms: list[Comm], part: Any) -> None:
    widget = medfuncta.view(latents)
    answer, content = channel_of(comms).ask(view="a", part=part)
    assert answer["error"] == "there is no such part; run the cell again"
    assert content is None
    widget.close()


def test_marks_come_back_to_python(latents: LatentSet, comms: list[Comm]) -> None:
    widget = medfuncta.view(latents)
    mark = {"id": "test-1", "split": "test", "label": "ill", "marked": True}
    channel_of(comms).change(marks=[{**mark, "new_label": "", "note": "odd"}])
    assert widget.marks == [{**mark, "new_label": "", "note": "odd"}]
    widget.close()


def test_its_files_go_with_it(latents: LatentSet, comms: list[Comm]) -> None:
    widget = medfuncta.view(latents)
    folder = widget._folder
    assert (folder / "index.html").is_file()
    widget.close()
    assert not folder.parent.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"height": 3}, "height is 3"),
        ({"leaks_across": "patient"}, "no signal says its 'patient'"),
        ({"limit": 0}, "limit is 0"),
    ],
)
def test_a_mistake_is_told_in_one_line_and_leaves_nothing(
    latents: LatentSet,
    comms: list[Comm],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    said: str,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(MedFunctaError, match=said):
        medfuncta.view(latents, **options)
    assert comms == []
    assert not list(tmp_path.glob("medfuncta-view-*"))


def test_without_anywidget_the_extra_is_named(
    latents: LatentSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "anywidget", None)
    notebook._widget_class.cache_clear()
    with pytest.raises(MedFunctaError, match=r"pip install 'medfuncta\[notebook\]'"):
        medfuncta.view(latents)


def test_the_page_in_one_piece_keeps_its_policy() -> None:
    first, second = notebook.page().decode(), notebook.page().decode()
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', first)
    [word] = set(re.findall(r"'nonce-([^']*)'", policy))
    assert len(word) >= 20 and word not in second
    separate = ASSETS.joinpath("index.html").read_text()
    [apart] = re.findall(r'Content-Security-Policy" content="([^"]*)"', separate)
    assert policy == apart.replace("'self'", f"'nonce-{word}'")
    assert "src=" not in re.sub(r"(?s)<script.*?</script>", "", first)
    assert first.count(f'nonce="{word}"') == 2
    assert first.count("<script") == first.count("</script>") == 1


def test_a_part_is_read_as_it_was_written(tmp_path: Path) -> None:
    PartWriter(tmp_path).write("rows-00003", bytes(range(256)))
    assert read_part(tmp_path, "rows-00003") == bytes(range(256))
    for name in ("rows-00004", "rows", "../data/rows-00003", "rows-00003\n"):
        with pytest.raises(KeyError):
            read_part(tmp_path, name)


HOST = """async (code) => {
  const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const widget = (await import(address)).default;
  const listeners = new Set();
  const state = { height: 700, marks: window.markedBefore ?? [] };
  const model = {
    get: (name) => state[name],
    set: (name, value) => { state[name] = value; },
    save_changes: () => window.takeMarks(state.marks),
    on: (name, listener) => listeners.add(listener),
    off: (name, listener) => listeners.delete(listener),
    send: async (content) => {
      const [answer, text] = await window.askPython(content);
      const letters = text === null ? [] : Array.from(atob(text));
      const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
      const buffers = text === null ? [] : [new DataView(bytes.buffer)];
      for (const listener of listeners) listener(answer, buffers);
    },
  };
  window.clean = widget.render({ model, el: document.getElementById("cell") });
  window.listening = () => listeners.size;
}"""
"""What anywidget does in a notebook, as far as the widget knows."""


class Cell:
    """A widget below a cell, in a page that stands for the notebook."""

    def __init__(self, browser: Any, channel: Comm, before: list[dict[str, Any]]) -> None:
        self.marks: list[dict[str, Any]] = []
        self.complaints: list[str] = []
        self.addresses: list[str] = []
        self.page = browser.new_page(viewport={"width": 1280, "height": 800})
        self.page.set_default_timeout(SECONDS)
        self.page.on(
            "console",
            lambda message: message.type == "error" and self.complaints.append(message.text),
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.addresses.append(request.url))
        self.page.expose_function("askPython", lambda content: self._asked(channel, content))
        self.page.expose_function("takeMarks", lambda marks: self.marks.extend(marks))
        self.page.set_content('<div id="cell"></div>')
        self.page.evaluate("marks => { window.markedBefore = marks; }", before)
        self.page.evaluate(HOST, ASSETS.joinpath("notebook.js").read_text())
        [self.frame] = self.page.frames[1:]
        for _ in range(SECONDS // 100):  # the policy lets nobody wait for a function in the frame
            if self._ready():
                break
            self.page.wait_for_timeout(100)

    def _ready(self) -> bool:
        """Whether the page is there; while the frame takes it in, nothing in it can be asked."""
        from playwright.sync_api import Error

        try:
            return bool(self.frame.evaluate("() => window.medfunctaView !== undefined"))
        except Error as error:
            if "context was destroyed" not in str(error):
                raise
            return False

    def _asked(self, channel: Comm, content: dict[str, Any]) -> tuple[Any, str | None]:
        answer, found = channel.ask(**content)
        return answer, None if found is None else base64.b64encode(found).decode()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield opened
        opened.close()


def test_the_page_decodes_in_a_notebook_and_reaches_nothing(
    browser: Any, tmp_path: Path, comms: list[Comm]
) -> None:
    latents = hostile_set(tmp_path / "set")
    widget = medfuncta.view(latents)
    before = [{"id": HOSTILE[2], "split": "test", "marked": True, "new_label": "<b>", "note": ""}]
    cell = Cell(browser, channel_of(comms), before)
    frame = cell.frame
    assert frame.evaluate("() => medfunctaView.checked") < TOLERANCE
    found = frame.evaluate("() => medfunctaView.decode(3).then(values => Array.from(values))")
    own = latents.row(HOSTILE[3])
    expected = decode(latents.run.network, torch.from_numpy(own.latent), own.header.domain)
    assert np.abs(np.array(found) - expected.ravel()).max() < TOLERANCE
    assert frame.evaluate("() => medfunctaView.ids") == list(HOSTILE)

    assert frame.evaluate("() => window.origin") == "null"
    assert frame.evaluate(
        "() => { try { return String(window.parent.document); } catch { return 'forbidden'; } }"
    ) == ("forbidden")
    frame.locator(".map").focus()
    cell.page.keyboard.press("m")
    frame.get_by_label("Note").fill("=1+1")
    frame.get_by_label("Note").blur()
    cell.page.wait_for_timeout(100)
    kept = {mark["id"]: mark for mark in cell.marks}
    assert kept[HOSTILE[2]]["new_label"] == "<b>"
    assert kept[HOSTILE[0]]["marked"] is True and kept[HOSTILE[0]]["split"] == "test"
    assert cell.complaints == []
    assert {address.partition(":")[0] for address in cell.addresses} <= {"blob", "about", "data"}
    assert frame.evaluate("() => fetch('https://example.org').catch(() => 'refused')") == "refused"
    assert any("Content Security Policy" in said for said in cell.complaints)
    cell.page.evaluate("() => window.clean()")
    assert cell.page.evaluate("() => window.listening()") == 0
    cell.page.close()
    widget.close()


def test_a_notebook_without_its_kernel_says_what_to_do(browser: Any) -> None:
    code = ASSETS.joinpath("notebook.js").read_text()
    page = browser.new_page()
    page.clock.install()
    page.set_content('<div id="cell"></div>')
    page.evaluate("() => { window.askPython = () => new Promise(() => undefined); }")
    page.evaluate(HOST, code)
    assert "Reading" in page.locator("#cell").inner_text()
    page.clock.fast_forward(30_000)
    assert "run the cell again" in page.locator("#cell").inner_text()
    page.close()
