"""Jobs of workers that need nothing, and workers that are threads."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medfuncta._src.cluster.worker import Answer, Job, Work, Worker, WorkerLost
from medfuncta._src.errors import DataError


@dataclass(frozen=True)
class Squares:
    """Squares numbers, and does what it is told by words.

    Args:
        folder: Where it notes what it has done once.
        fail_to_begin: Whether it cannot even begin.
    """

    folder: Path
    fail_to_begin: bool = False

    def begin(self, place: int) -> Work:
        del place
        if self.fail_to_begin:
            raise DataError("it cannot begin")
        return self.work

    def work(self, task: Any) -> Any:
        if task == "mistake":
            raise DataError("a mistake; mend it")
        if task == "bug":
            raise ZeroDivisionError("a bug")
        if task == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if task == "die once" and self.first(task):
            os.kill(os.getpid(), signal.SIGKILL)
        if task == "pid":
            return os.getpid()
        if isinstance(task, str):
            return task
        return task**2

    def first(self, what: str) -> bool:
        """Whether this is done for the first time by any worker."""
        try:
            (self.folder / what.replace(" ", "-")).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


@dataclass
class ThreadExecutor:
    """Workers in this process, which die as they are told.

    Args:
        dies: Whether a worker dies of a task, given how often this has been tried.
        slow: Whether one sleeps on it.
    """

    dies: Callable[[Any, int], bool] = lambda task, tries: False
    slow: Callable[[Any, int], float] = lambda task, tries: 0.0
    tries: dict[Any, int] = field(default_factory=dict)
    started: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, place: int, job: Job) -> Worker:
        self.started += 1
        return _ThreadWorker(self, job.begin(place))

    def usual_count(self) -> int:
        return 2

    def close(self) -> None:
        return None


@dataclass
class _ThreadWorker:
    executor: ThreadExecutor
    work: Work

    def do(self, task: Any) -> Any:
        with self.executor.lock:
            tries = self.executor.tries.get(task, 0)
            self.executor.tries[task] = tries + 1
        time.sleep(self.executor.slow(task, tries))
        if self.executor.dies(task, tries):
            raise WorkerLost("it was told to")
        return Answer.of(lambda: self.work(task)).opened()

    def stop(self) -> None:
        return None


@dataclass
class ThreadWorkers:
    """Workers in this process, for tests of what they are given and of what becomes of it. Jobs,
    tasks and results are packed and unpacked as on their way to processes.

    Args:
        die_at: Tasks, counted over all workers, that one dies of.
    """

    die_at: tuple[int, ...] = ()
    given: int = 0

    def start(self, place: int, job: Job) -> Worker:
        return _PackingWorker(self, sent(job).begin(place))

    def usual_count(self) -> int:
        return 2

    def close(self) -> None:
        return None


@dataclass
class _PackingWorker:
    workers: ThreadWorkers
    work: Work

    def do(self, task: Any) -> Any:
        self.workers.given += 1
        if self.workers.given in self.workers.die_at:
            raise WorkerLost("it was told to")
        return sent(self.work(sent(task)))

    def stop(self) -> None:
        return None


def sent(content: Any) -> Any:
    """What arrives of something that is sent to another process."""
    return pickle.loads(pickle.dumps(content))  # noqa: S301 - packed in the same line
