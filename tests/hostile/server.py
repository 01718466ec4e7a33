"""A process of its own that runs commands of the program, each in a copy of itself.

It has imported everything, so that a copy costs some milliseconds; what hangs, crashes or asks for
too much memory harms a copy only. Requests and answers are lines of JSON.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

ROOM = 4 * 2**30
"""Bytes of address space that a copy may take besides what it has. Libraries reserve more than they
use; what is used is measured."""


def run_command(words: Sequence[str]) -> dict[str, Any]:
    """One command in this very process: its exit code, what it wrote, and what it cost."""
    from medfuncta._src.cli.main import main

    grown = -_memory("VmRSS")
    started = time.process_time()
    with _Written(1) as out, _Written(2) as err:
        code, crash = 1, ""
        try:
            code = main(words)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except BaseException:
            crash = traceback.format_exc()
    grown += max(_memory("VmHWM"), -grown)
    seconds = time.process_time() - started  # of a processor: what else runs here costs nothing
    return {
        "code": code,
        "out": out.text,
        "err": err.text,
        "crash": crash,
        "seconds": seconds,
        "grown": grown,
    }


class _Written:
    """What is written to a file descriptor, by Python or by a library below it."""

    text = ""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> _Written:
        self._file = tempfile.TemporaryFile()
        self._own = os.dup(self._descriptor)
        os.dup2(self._file.fileno(), self._descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(self._own, self._descriptor)
        os.close(self._own)
        self._file.seek(0)
        self.text = self._file.read().decode("utf-8", "replace")
        self._file.close()


def _memory(entry: str) -> int:
    """Bytes: resident now (``VmRSS``), at its most (``VmHWM``), or addressed (``VmSize``)."""
    with open("/proc/self/status") as file:  # noqa: PTH123
        for line in file:
            if line.startswith(f"{entry}:"):
                return int(line.split()[1]) * 1024
    raise LookupError(entry)


def _forget_peak() -> None:
    """Count the most memory from here on, where the system can."""
    with suppress(OSError), open("/proc/self/clear_refs", "w") as file:  # noqa: PTH123
        file.write("5")


def run_in_copies(commands: Sequence[Sequence[str]], limit: float) -> list[dict[str, Any]]:
    """Commands one after the other in a copy of this process; after a hang in a new one."""
    answers: list[dict[str, Any]] = []
    while len(answers) < len(commands):
        answers += _in_a_copy(commands[len(answers) :], limit)
    return answers


def _in_a_copy(commands: Sequence[Sequence[str]], limit: float) -> list[dict[str, Any]]:
    gc.freeze()  # or the first collection in a copy would copy all that both have
    reading, writing = os.pipe()
    copy = os.fork()
    if not copy:
        os.close(reading)
        _answer_all(commands, writing)
    os.close(writing)
    answers = []
    with os.fdopen(reading, "rb") as pipe:
        for _ in commands:
            ready, _, _ = select.select([pipe], [], [], limit)
            line = pipe.readline() if ready else b""
            if not line:
                os.kill(copy, signal.SIGKILL)
                answers.append({"hung": not ready, "died": bool(ready)})
                break
            answers.append(json.loads(line))
    os.waitpid(copy, 0)
    return answers


def _answer_all(commands: Sequence[Sequence[str]], writing: int) -> None:
    """What a copy does in its life."""
    most = _memory("VmSize") + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for words in commands:
        _forget_peak()
        answer = json.dumps(run_command(words)) + "\n"
        os.write(writing, answer.encode())
    os._exit(0)


def main() -> None:
    """Answer until there are no more requests."""
    answering = os.dup(1)
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        if request["copy"]:
            answers = run_in_copies(request["commands"], request["limit"])
        else:
            answers = [run_command(words) for words in request["commands"]]
        os.write(answering, (json.dumps(answers) + "\n").encode())


if __name__ == "__main__":
    main()
