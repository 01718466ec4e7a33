"""Ctrl-C at any moment of a command's first half second, from the first import on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import medfuncta
from medfuncta._src.process import stopping

FIRST_FILE = medfuncta.__file__
PACKAGE = str(Path(FIRST_FILE).parent)
TRIES = 20
PROGRAM = """import sys
print("up", flush=True)
from medfuncta._src.cli.main import main
sys.exit(main())
"""
"""What pip installs as the command, and a word of when Python itself is up."""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_no_traceback_is_shown(tmp_path: Path) -> None:
    program = tmp_path / "medfuncta"
    program.write_text(PROGRAM)
    moments = random.Random(0)
    codes = []
    for number in range(TRIES):
        with subprocess.Popen(
            [sys.executable, str(program), "info", "sample:ecg"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()  # Python itself is up
            time.sleep(moments.uniform(0, 0.5) if number else 0)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=120)
        if process.returncode == -signal.SIGINT:
            # Python's own answer, where no more of ours has begun than the first lines of all.
            assert PACKAGE not in told.replace(FIRST_FILE, ""), told
            continue
        assert "Traceback" not in told, told
        lines = [line for line in told.splitlines() if line.startswith("medfuncta:")]
        if process.returncode == 130:
            assert len(lines) == 1 and "stopped by Ctrl-C" in lines[0]
        codes.append(process.returncode)

    assert set(codes) <= {0, 130}
    assert 130 in codes


def test_a_program_that_uses_the_package_keeps_its_own_handler(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import signal\nbefore = signal.getsignal(signal.SIGINT)\nimport medfuncta\n"
        "assert signal.getsignal(signal.SIGINT) is before\n"
    )

    subprocess.run([sys.executable, str(program)], check=True, timeout=120)


def test_an_interruption_that_falls_into_a_callback_is_not_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Callback:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    hook = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), stopping() as stop:
        Callback()
        time.sleep(10)

    assert stop.by is signal.SIGINT and sys.unraisablehook is hook
    assert not capsys.readouterr().err
