"""A terminal is never left without a word; anything else that reads standard error gets none."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext, redirect_stderr
from pathlib import Path
from typing import Final
from unittest.mock import patch

import pytest

from medfuncta._src.cli.main import main
from medfuncta._src.cli.terminal import say, tell
from medfuncta._src.sources.source import Source
from medfuncta._src.status import (
    StatusLine,
    counted_on_line,
    counting,
    doing,
    status_hidden,
    working_on,
)
from tasks.blob_set import write_blob_set
from tasks.blob_volumes import write_blobs
from tasks.compress.fitted_set import write_fitted_set

SOURCE = "medfuncta._src.sources.table.open_source"
LINE = "\r\x1b[Kmedfuncta x: working, "


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line_is_there_at_once_and_leaves_no_trace() -> None:
    terminal = Terminal()
    with redirect_stderr(terminal), working_on("medfuncta x"):
        assert terminal.getvalue() == f"{LINE}0 s"
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_it_goes_on_while_nothing_else_is_said() -> None:
    terminal = Terminal()
    line = StatusLine(terminal, "medfuncta x", every=0.01)
    line.start()
    time.sleep(0.3)
    line.stop()
    written = terminal.getvalue()
    assert written.count(LINE) > 3
    time.sleep(0.05)
    assert terminal.getvalue() == written


def test_what_is_printed_stands_on_a_line_of_its_own() -> None:
    terminal = Terminal()
    with redirect_stderr(terminal), working_on("medfuncta x"):
        tell("reading")
        assert terminal.getvalue().endswith("\r\x1b[Kreading\n")


def test_it_makes_room_for_other_displays() -> None:
    terminal = Terminal()
    line = StatusLine(terminal, "medfuncta x", every=0.01)
    line.start()
    with line.hidden():
        before = terminal.getvalue()
        with line.hidden():
            time.sleep(0.05)
        time.sleep(0.05)
        assert terminal.getvalue().removeprefix(before).replace("\r\x1b[K", "") == ""
    time.sleep(0.1)
    assert terminal.getvalue() != before
    line.stop()


def test_a_terminal_that_goes_away_is_no_mistake() -> None:
    terminal = Terminal()
    line = StatusLine(terminal, "medfuncta x", every=0.01)
    terminal.close()
    line.start()
    with line.hidden():
        pass
    line.stop()


def test_where_nobody_looks_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with working_on("medfuncta x"), status_hidden():
        say("result")
        tell("progress")
    output = capsys.readouterr()
    assert (output.out, output.err) == ("result\n", "progress\n")


def test_a_mistake_is_one_line_on_a_terminal_too(tmp_path: Path) -> None:
    terminal = Terminal()
    with redirect_stderr(terminal):
        assert main(["info", str(tmp_path)]) == 2
    shown = terminal.getvalue().rpartition("\r\x1b[K")[2]
    assert shown.startswith("medfuncta: ") and shown.count("\n") == 1


EAGER = """
import sys
from medfuncta._src.cli.main import main

class Terminal:
    first = None
    def isatty(self):
        return True
    def write(self, text):
        if Terminal.first is None:
            Terminal.first = sorted({"torch", "scipy", "pyarrow", "rich"} & set(sys.modules))
            print(Terminal.first)
    def flush(self):
        pass

sys.stderr = Terminal()
main(sys.argv[1:])
"""


@pytest.mark.parametrize("words", ["info sample:ecg", "train --data x --out y", "search x --id y"])
def test_the_first_line_comes_before_slow_imports(words: str) -> None:
    command = [sys.executable, "-c", EAGER, *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "[]"


def test_a_real_terminal_has_a_word_while_a_command_reads() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "medfuncta", "info", "sample:ecg"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        first = os.read(ours, 1000).decode()
        assert process.stdout is not None
        result = process.stdout.read().decode()
    os.close(ours)
    assert first.startswith("\r\x1b[Kmedfuncta info: working, 0 s")
    assert "sample:ecg" in result and process.returncode == 0


SLOW = {
    "info sample:ecg": "reading signals",
    "classify @blobs --classifier knn": "training a classifier",
    "search @blobs --id test-1 --index @new/a.faiss": "making an index",
    "search @blobs --id test-1 --out @new": "drawing a picture",
    "explore @blobs map --out @new": "working out the view",
    "explore @blobs outliers": "reading blocks of latents",
    "evaluate @run --data sample:ecg --split val --baselines": "measuring cosines",
    "fit @run --data sample:ecg --splits val --out @new": "fitting signals",
    "latents merge @latents --out @new": "reading blocks of latents",
    "export @latents --to reference --out @new": "writing it in another form",
    "export @latents --to hub --previews --out @new": "writing it in another form",
    "import @reference --shape 187 --out @new": "reading files of latents",
    "study missing-samples --run @run --limit 1": "reading signals",
    "regress @balls --target radius --epochs 1": "reading blocks of latents",
    "segment @balls --data list:x --epochs 1": "learning to segment",
    "compress @waves --data list:x": "coding signals",
}
"""Commands whose long steps say what they are about."""
FROM_LIST: Final = {"segment": "balls", "compress": "waves"}
"""Commands that read a source of the tests, and which."""


@pytest.fixture(scope="module")
def sources() -> dict[str, Source]:
    """Those of :func:`places` that lie in no files, by the name of their latents."""
    return {}


@pytest.fixture(scope="module")
def places(
    ecg_run: Path,
    ecg_latents: Path,
    sources: dict[str, Source],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("slow")
    reference = folder / "reference"
    words = ["export", str(ecg_latents), "--to", "reference", "--out", str(reference)]
    assert main(words) == 0
    write_blob_set(folder / "blobs", {"train": 30, "val": 8, "test": 8})
    _, sources["balls"] = write_blobs(folder / "balls", train=4, val=2, test=2)
    _, sources["waves"] = write_fitted_set(folder / "waves", (60,), train=6, test=2)
    found = {name: folder / name for name in ("blobs", "balls", "waves", "reference")}
    return {**found, "run": ecg_run, "latents": ecg_latents}


@pytest.mark.parametrize("command", SLOW)
def test_a_real_terminal_says_what_a_long_step_is(
    command: str, places: dict[str, Path], sources: dict[str, Source], tmp_path: Path
) -> None:
    words = []
    for word in command.split():
        for name, place in {**places, "new": tmp_path / "new"}.items():
            word = word.replace(f"@{name}", str(place))
        words.append(word)
    process, terminal = pty.fork()
    if not process:
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        source = sources.get(FROM_LIST.get(words[0], ""))
        with patch(SOURCE, lambda text, **options: source) if source else nullcontext():
            os._exit(main(words))
    said, longest, before = "", 0.0, time.monotonic()
    while True:
        try:
            said += os.read(terminal, 4096).decode("utf-8", "replace")
        except OSError:  # the command has ended, and so has its terminal
            break
        now = time.monotonic()
        longest, before = max(longest, now - before), now
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert SLOW[command] in said and longest < 5, (code, longest, said[-500:])


def slowly(count: int) -> Iterator[int]:
    for number in range(count):
        time.sleep(0.05)
        yield number


def test_the_line_names_the_innermost_step_and_counts() -> None:
    terminal = Terminal()
    with redirect_stderr(terminal), working_on("medfuncta x"):
        assert terminal.getvalue().endswith("working, 0 s")
        with doing("reading"):
            assert terminal.getvalue().endswith("medfuncta x: reading, 0 s")
            with doing("unpacking"):
                assert terminal.getvalue().endswith("medfuncta x: unpacking, 0 s")
    line = StatusLine(terminal, "medfuncta y", every=0.01)
    with patch("medfuncta._src.status._current", line):
        line.start()
        assert list(counted_on_line(slowly(3), "reading files")) == [0, 1, 2]
        line.stop()
    assert "medfuncta y: reading files, 2 done, 0 s" in terminal.getvalue()


def test_what_is_waited_for_is_said_and_not_what_was_given() -> None:
    """An iterator that nobody goes on with is no step of what is going on."""
    terminal = Terminal()
    with redirect_stderr(terminal), working_on("medfuncta x"):
        first = counted_on_line([1, 2], "reading the one")
        second = counted_on_line([1, 2], "reading the other")
        assert (next(first), next(second)) == (1, 1)
        with doing("fitting"), doing("a part of it"):
            assert terminal.getvalue().endswith("x: a part of it, 0 s")
        first.close()
        assert list(second) == [2]
        tell("done")
    assert terminal.getvalue().count("reading the") == 2
    assert list(counted_on_line([1, 2], "where there is no line")) == [1, 2]


def test_what_is_counted_by_another_is_said() -> None:
    terminal = Terminal()
    with redirect_stderr(terminal), working_on("medfuncta x"), counting("fitting signals") as show:
        assert terminal.getvalue().endswith("x: fitting signals, 0 done, 0 s")
        show(1234)
        with doing("reading"):
            pass
        time.sleep(1.2)
        assert "x: fitting signals, 1,234 done, 1 s" in terminal.getvalue()
    with counting("where there is no line") as show:
        show(1)
