"""A terminal is never left without a word; anything else that reads standard error gets none."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import time
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from medfuncta._src.cli.main import main
from medfuncta._src.cli.terminal import say, tell
from medfuncta._src.status import StatusLine, status_hidden, working_on

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
