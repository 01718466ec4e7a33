"""Some workers and the tasks that are given out to them, whichever of them dies.

A task goes to one worker at a time. What a worker that died had in hand is given to another; a task
that has cost several workers their lives is given up with one line. Results come in the order of
the tasks, each once. So many tasks are under way at the most, so that neither those that read them
nor those that write results can run ahead; and a task that takes far longer than others is given to
a second worker as well when one has nothing else to do: the first answer counts.
"""

from __future__ import annotations

import statistics
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from medfuncta._src.cluster.executors import LOCAL, executor_of
from medfuncta._src.cluster.worker import Executor, Job, Worker, WorkerLost
from medfuncta._src.door.limits import MOST_WORKERS
from medfuncta._src.errors import ConfigError, MedFunctaError

_ATTEMPTS: Final = 3
"""Workers that one task may cost."""
_STARTS: Final = 20
"""Workers, one after the other, that may be killed before they have begun."""
_AHEAD: Final = 3
"""Tasks under way for each worker, those included that wait for an earlier one's result."""
_SLOW: Final = 5.0
"""A task is given to a second worker after so many times what others have taken, ..."""
_SLOW_SECONDS: Final = 5.0
"""... and so many seconds at least."""
_REMEMBERED: Final = 99
_LOOK: Final = 1.0
"""Seconds after which a worker without a task looks again."""
_END: Final = 10.0
"""Seconds that a thread may take to end."""


@contextmanager
def crew_of(
    count: int | None, cluster: str | None, job: Callable[[], Job]
) -> Iterator[Crew | None]:
    """The workers that somebody has asked for; None where nobody has.

    Args:
        count: How many; as suits the cluster when None.
        cluster: ``local``, ``ray`` or ``ray:ADDRESS``; local when None.
        job: Makes what they are there for.

    Raises:
        ConfigError: If that is no number of workers or no cluster.
        MedFunctaError: If a package is missing.
    """
    if count is None and cluster is None:
        yield None
        return
    if count is not None and not 1 <= count <= MOST_WORKERS:
        raise ConfigError(f"{count} workers; expected 1 to {MOST_WORKERS:,}")
    executor = executor_of(cluster or LOCAL, count)
    try:
        with Crew(executor, count or executor.usual_count(), job()) as crew:
            yield crew
    finally:
        executor.close()


class Crew:
    """Workers of one job; they are started when the first task is there.

    Args:
        executor: Where they run.
        count: How many.
        job: What they are there for.
        attempts: How many of them one task may cost.
    """

    def __init__(
        self, executor: Executor, count: int, job: Job, *, attempts: int = _ATTEMPTS
    ) -> None:
        self._executor = executor
        self._job = job
        self._attempts = attempts
        self._board = _Board(attempts)
        self._window = _AHEAD * count
        self._threads = [
            threading.Thread(target=self._serve, args=(place,), daemon=True, name=f"crew {place}")
            for place in range(count)
        ]

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self._board.close()
        self._executor.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_END)

    @property
    def lost(self) -> int:
        """How many workers have died so far."""
        return self._board.lost

    def in_order(self, tasks: Iterable[Any]) -> Generator[Any, None, None]:
        """The results of tasks, in the order of the tasks.

        Tasks are asked for as there is room for them. What asking for one raises is raised after
        the results of those before it; what is still under way when the caller has enough is
        forgotten.

        Raises:
            MedFunctaError: What the work raised, or if a task has cost too many workers.
            RuntimeError: If the work raised anything else.
        """
        for thread in self._threads:
            if thread.ident is None:
                thread.start()
        stream = iter(tasks)
        under_way: deque[_Task] = deque()
        failure: Exception | None = None
        more = True
        try:
            while True:
                while more and len(under_way) < self._window:
                    try:
                        content = next(stream)
                    except StopIteration:
                        more = False
                    except Exception as error:
                        failure, more = error, False
                    else:
                        under_way.append(self._board.put(content))
                if not under_way:
                    break
                result = self._board.result_of(under_way[0])
                under_way.popleft()
                yield result
        finally:
            self._board.forget(under_way)
        if failure is not None:
            raise failure

    def _serve(self, place: int) -> None:
        """The life of a thread that has a worker, and gets another when that dies."""
        board = self._board
        worker = self._started(place)
        while worker is not None:
            task = board.take()
            if task is None:
                return
            try:
                result = worker.do(task.content)
            except WorkerLost as lost:
                board.died(task, lost)
                worker = self._started(place)
            except Exception as error:
                board.finish(task, error=error)
            else:
                board.finish(task, result=result)

    def _started(self, place: int) -> Worker | None:
        """A new worker; None where none can be, which is then known, or none is wanted."""
        failed = 0
        while not self._board.closed:
            try:
                return self._executor.start(place, self._job)
            except WorkerLost as lost:
                failed += 1
                if failed >= (_STARTS if lost.killed else self._attempts):
                    self._board.fail(_no_start(lost))
                    return None
            except Exception as error:
                self._board.fail(error)
                return None
        return None


@dataclass(eq=False)
class _Task:
    """A task and what has become of it.

    Args:
        content: What the worker is given.
        began: When a worker was given it; None when none has it.
        doubled: Whether a second worker was.
        deaths: Workers that died of it.
        done: Whether there is a result or an error.
    """

    content: Any
    began: float | None = None
    doubled: bool = False
    deaths: int = 0
    done: bool = False
    result: Any = None
    error: Exception | None = None


@dataclass
class _Board:
    """What is to be done, what is under way and what is done; shared by all threads."""

    attempts: int
    lost: int = 0
    closed: bool = False
    _failure: Exception | None = None
    _waiting: deque[_Task] = field(default_factory=deque)
    _given: dict[_Task, None] = field(default_factory=dict)
    _seconds: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def put(self, content: Any) -> _Task:
        """Add a task."""
        task = _Task(content)
        with self._changed:
            self._waiting.append(task)
            self._changed.notify_all()
        return task

    def take(self) -> _Task | None:
        """The next task for a worker that has none; None when there will be no more."""
        with self._changed:
            while not self.closed:
                task = self._next()
                if task is not None:
                    return task
                self._changed.wait(_LOOK)
        return None

    def _next(self) -> _Task | None:
        while self._waiting:
            task = self._waiting.popleft()
            if task.done:  # it was taken back, or a second worker had it too
                continue
            task.began = monotonic()
            self._given[task] = None
            return task
        for task in self._given:
            if not task.doubled and self._is_slow(task):
                task.doubled = True
                return task
        return None

    def _is_slow(self, task: _Task) -> bool:
        if task.began is None or not self._seconds:
            return False
        usual = statistics.median(self._seconds)
        return monotonic() - task.began > max(_SLOW_SECONDS, _SLOW * usual)

    def finish(self, task: _Task, *, result: Any = None, error: Exception | None = None) -> None:
        """Note what has come out; of two answers the first."""
        with self._changed:
            if task.done:
                return
            if task.began is not None:
                self._seconds.append(monotonic() - task.began)
            task.result, task.error, task.done = result, error, True
            self._given.pop(task, None)
            self._changed.notify_all()

    def died(self, task: _Task, lost: WorkerLost) -> None:
        """Give a task to another worker than that which died of it, or give it up."""
        with self._changed:
            if self.closed:
                return
            self.lost += 1
            if task.done:
                return
            task.deaths += 1
            self._given.pop(task, None)
            if task.deaths >= self.attempts:
                task.error, task.done = _given_up(task.deaths, lost), True
            else:
                task.began, task.doubled = None, False
                self._waiting.appendleft(task)
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """Note that no worker can do anything."""
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def result_of(self, task: _Task) -> Any:
        """Wait for a result.

        Raises:
            MedFunctaError: What the work raised, or that it was given up.
        """
        with self._changed:
            while not task.done and self._failure is None:
                self._changed.wait(_LOOK)
            if not task.done and self._failure is not None:
                raise self._failure
            if task.error is not None:
                raise task.error
            return task.result

    def forget(self, tasks: Iterable[_Task]) -> None:
        """Take tasks back; those that a worker has already come to nothing."""
        with self._changed:
            for task in tasks:
                task.done = True
                self._given.pop(task, None)

    def close(self) -> None:
        """No more tasks."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()


_REMEDY: Final = "have fewer workers or a smaller batch if memory was short, or look at its log"


def _given_up(deaths: int, lost: WorkerLost) -> MedFunctaError:
    return MedFunctaError(
        f"{deaths} workers died of the same block of signals ({lost}); {_REMEDY}; what was "
        "finished before is kept"
    )


def _no_start(lost: WorkerLost) -> MedFunctaError:
    return MedFunctaError(f"a worker cannot be started ({lost}); {_REMEDY}")
