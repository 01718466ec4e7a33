"""Workers as processes of this machine, one thread each.

They are spawned: a new interpreter each, which inherits no open file of its parent. A forked one
would hold the lock of the folder that its parent writes into and keep its pipes open after its
parent has died, and what PyTorch and CUDA have started does not survive a fork. A spawned worker
whose parent has died, however it died, finds its pipe closed and ends.

What goes over the pipes is Python's own form of objects, between processes that we have started
ourselves; nothing from outside can reach them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Final

from medfuncta._src.cluster.worker import Answer, Job, Worker, WorkerLost
from medfuncta._src.process import keep_freed_memory, use_one_thread

_LONG_ENOUGH: Final = 10.0
"""Seconds that a process which was killed may take to end."""


class LocalExecutor:
    """Starts processes of this machine."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._lock = threading.Lock()
        self._workers: list[_LocalWorker] = []
        self._closed = False

    def start(self, place: int, job: Job) -> Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs,), daemon=True, name=f"worker {place}"
        )
        with self._lock:
            if self._closed:
                raise WorkerLost("it was not wanted any more")
            _start_uninterrupted(process)
            worker = _LocalWorker(process, ours)
            self._workers = [*filter(_LocalWorker.is_alive, self._workers), worker]
        theirs.close()
        # The job is no argument of the process: one that is killed while it starts would leave us
        # writing into a pipe that only we hold open.
        worker.do((job, place))
        return worker

    def usual_count(self) -> int:
        return os.cpu_count() or 1

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.stop()


class _LocalWorker:
    """A process and our end of its pipe."""

    def __init__(self, process: SpawnProcess, pipe: Connection) -> None:
        self.process = process
        self._pipe = pipe

    def is_alive(self) -> bool:
        return self.process.is_alive()

    def do(self, task: Any) -> Any:
        try:
            self._pipe.send(task)
        except OSError as error:
            raise self._end() from error
        return self.answer()

    def answer(self) -> Any:
        """What it says next.

        Raises:
            WorkerLost, MedFunctaError: As :meth:`do`.
        """
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._end() from error
        return answer.opened()

    def stop(self) -> None:
        with suppress(ValueError):  # it has been closed
            self.process.kill()

    def _end(self) -> WorkerLost:
        """How the process has ended."""
        self.process.join(_LONG_ENOUGH)
        code = self.process.exitcode
        if code is None:
            return WorkerLost("it closed its pipe")
        if code < 0:
            return WorkerLost(f"it was ended by {signal.Signals(-code).name}", killed=True)
        return WorkerLost(f"it ended with code {code}")


def _start_uninterrupted(process: SpawnProcess) -> None:
    """Start a process that Ctrl-C does not reach: a terminal sends it to all processes of a
    command, and its parent alone answers it."""
    if not hasattr(signal, "pthread_sigmask"):
        process.start()
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection) -> None:
    """A worker's life: until its parent says no more, or is no more."""
    with suppress(EOFError, OSError):
        job, place = pipe.recv()
        use_one_thread()  # which needs what the job has imported
        keep_freed_memory()
        begun = Answer.of(lambda: job.begin(place))
        work = begun.result
        pipe.send(Answer(error=begun.error, text=begun.text))
        while True:
            task = pipe.recv()
            pipe.send(Answer.of(lambda task=task: work(task)))
