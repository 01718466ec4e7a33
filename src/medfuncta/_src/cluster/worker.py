"""What a worker is: a process that is told once what its work is, and then does one task at a time.

Where it runs is a row of :mod:`medfuncta._src.cluster.executors`. All else (which task goes where,
what happens when a process dies, in which order results come) is in
:mod:`medfuncta._src.cluster.crew` and the same for all of them.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import medfuncta._src.errors
from medfuncta._src.errors import MedFunctaError

Work = Callable[[Any], Any]
"""From a task to its result."""


@runtime_checkable
class Job(Protocol):
    """What a worker is there for; it travels to the worker's process."""

    def begin(self, place: int) -> Work:
        """Prepare, once in each process, what every task needs.

        Args:
            place: Which of the workers this is, from 0 on.
        """
        ...


class WorkerLost(Exception):
    """A worker's process has ended before it answered.

    Args:
        how: In words.
        killed: Whether somebody else has ended it, so that another one may do better.
    """

    def __init__(self, how: str, *, killed: bool = False) -> None:
        super().__init__(how)
        self.killed = killed


@runtime_checkable
class Worker(Protocol):
    """A worker as the process sees it that gives out the tasks."""

    def do(self, task: Any) -> Any:
        """The result of a task.

        Raises:
            WorkerLost: If the process ends before it has one.
            MedFunctaError: What the work raised.
        """
        ...

    def stop(self) -> None:
        """End the process, whatever it does."""
        ...


@runtime_checkable
class Executor(Protocol):
    """Where workers run."""

    def start(self, place: int, job: Job) -> Worker:
        """A new worker that has begun its job.

        Raises:
            WorkerLost: If its process ends before it has.
            MedFunctaError: What beginning raised.
        """
        ...

    def usual_count(self) -> int:
        """How many workers suit it where nobody says."""
        ...

    def close(self) -> None:
        """End all that it has started."""
        ...


@dataclass(frozen=True)
class Answer:
    """What a worker sends back: the result, or what went wrong.

    Args:
        result: Of the task.
        error: The name of a class of :mod:`medfuncta._src.errors`; ``""`` for any other exception,
            and None where all went well.
        text: Of the error.
    """

    result: Any = None
    error: str | None = None
    text: str = ""

    @classmethod
    def of(cls, work: Callable[[], Any]) -> Answer:
        """What a piece of work comes to."""
        try:
            return cls(work())
        except MedFunctaError as error:
            return cls(error=type(error).__name__, text=str(error))
        except Exception:
            return cls(error="", text=traceback.format_exc())

    def opened(self) -> Any:
        """The result.

        Raises:
            MedFunctaError: As the worker raised it.
            RuntimeError: With the worker's traceback, if it raised anything else.
        """
        if self.error is None:
            return self.result
        if not self.error:
            raise RuntimeError(f"a worker failed:\n{self.text}")
        raise getattr(medfuncta._src.errors, self.error, MedFunctaError)(self.text)
