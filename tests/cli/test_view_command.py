from __future__ import annotations

import threading
import urllib.request
import webbrowser
from pathlib import Path

import pytest

from medfuncta._src.cli.main import main
from tasks.blob_set import write_blob_set


@pytest.fixture
def latent_set(tmp_path: Path) -> str:
    write_blob_set(tmp_path / "set", {"train": 4, "test": 2})
    return str(tmp_path / "set")


def test_a_folder_is_written_and_a_second_time_refused(
    latent_set: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["view", latent_set, "--out", str(tmp_path / "page")]
    assert main(words) == 0
    assert "index.html" in capsys.readouterr().out
    assert (tmp_path / "page" / "index.html").is_file()
    assert main(words) == 2
    assert "'page' is there already; give a new folder" in capsys.readouterr().err


def test_without_a_folder_it_is_served_to_the_browser_and_gone_afterwards(
    latent_set: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages: list[str] = []
    stopped: list[bool] = []

    def open_page(address: str) -> bool:
        with urllib.request.urlopen(address, timeout=60) as answer:
            pages.append(answer.read().decode())
        return True

    monkeypatch.setattr(webbrowser, "open", open_page)
    wait = threading.Event.wait

    def interrupted(self: threading.Event, timeout: float | None = None) -> bool:
        if pages and not stopped:
            stopped.append(True)
            raise KeyboardInterrupt
        return wait(self, timeout)

    monkeypatch.setattr(threading.Event, "wait", interrupted)
    assert main(["view", latent_set]) == 130
    assert "Content-Security-Policy" in pages[0]
    told = capsys.readouterr().err
    assert "the page is no longer served" in told
    address = next(word for word in told.split() if word.startswith("http://127.0.0.1:"))
    with pytest.raises(OSError):
        urllib.request.urlopen(address, timeout=60)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--leaks", "patient"], "no signal says its 'patient'"),
        (["--data", "sample:nothing"], "nothing"),
        (["--neighbours", "0"], "--neighbours is 0"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    latent_set: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    told: str,
) -> None:
    assert main(["view", latent_set, "--out", str(tmp_path / "page"), *words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert told in lines[-1]
    assert not (tmp_path / "page").exists()
