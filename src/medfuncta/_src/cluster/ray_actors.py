"""Workers as actors of a Ray cluster: one process each, on whatever machines it has.

Plain actors, not Ray Data: what is asked for is one ordered stream of results that one process
writes, each exactly once. ``map_batches`` retries a task whose results were partly seen, gives
blocks of its own choice and leaves writing to many tasks, so that a set would need a protocol of
commits to hold every signal once. A process that counts what it has written needs none. Ray's own
retries are off for the same reason: a block that an actor died of is given out again by
:mod:`medfuncta._src.cluster.crew`, as on local processes.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from typing import Any, Final

from medfuncta._src.cluster.worker import Answer, Job, Worker, WorkerLost
from medfuncta._src.door.wording import shortened
from medfuncta._src.errors import ConfigError, missing_extra
from medfuncta._src.process import keep_freed_memory, use_one_thread

_SAID: Final = 160
"""Characters of what Ray says of a fault."""
_OWN_FAULT: Final = "error raised in its creation task"
"""What it says of an actor that could not begin."""


class RayExecutor:
    """Starts actors.

    Args:
        address: As ``ray.init`` takes it: ``"auto"``, ``"ray://host:10001"``, ``"host:6379"``; when
            empty, the cluster that ``RAY_ADDRESS`` or this machine's Ray names, else a new one on
            this machine, which ends with the process. A program that has called ``ray.init``
            itself stays connected as it is.
        count: How many actors there will be; None where that is not known.

    Raises:
        ConfigError: If there is no such cluster.
        MedFunctaError: If Ray is not installed.
    """

    def __init__(self, address: str, count: int | None) -> None:
        try:
            import ray
        except ImportError as error:
            raise missing_extra("ray", "ray") from error
        self._ray: Any = ray
        self._began = not ray.is_initialized()
        if self._began:
            _connect(address, count)
        self._gpus = ray.cluster_resources().get("GPU", 0.0)
        self._lock = threading.Lock()
        self._actors: list[Any] = []
        self._job: Any = None
        self._closed = False

    def start(self, place: int, job: Job) -> Worker:
        actor_class = self._ray.remote(max_restarts=0, max_task_retries=0)(_Actor)
        needs: dict[str, float] = {"num_cpus": 1}
        if self._gpus:
            needs["num_gpus"] = 1
        with self._lock:
            if self._closed:
                raise WorkerLost("it was not wanted any more")
            if self._job is None:
                self._job = self._ray.put(job)  # one copy a machine, whatever dies
            actor = actor_class.options(**needs).remote(self._job, place)
            self._actors.append(actor)
        worker = _RayWorker(self._ray, actor)
        worker.answer(actor.begun.remote())
        return worker

    def usual_count(self) -> int:
        return int(self._gpus or self._ray.cluster_resources().get("CPU", 1))

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for actor in self._actors:
                _kill(actor)
        if self._began:
            self._ray.shutdown()


def _connect(address: str, count: int | None) -> None:
    """Join a cluster, or begin one on this machine.

    Raises:
        ConfigError: If there is none.
    """
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    logging.getLogger("ray").setLevel(logging.ERROR)
    known: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "ignore_reinit_error": True,
    }
    running = address or os.environ.get("RAY_ADDRESS")
    if not running:
        known |= {"include_dashboard": False, "num_cpus": max(count or 0, os.cpu_count() or 1)}
    try:
        ray.init(address=address or None, **known)
    except Exception as error:  # Ray's own, and those of the network below it
        said = shortened(str(error), _SAID)
        raise ConfigError(
            f"no Ray cluster at '{shortened(address or 'RAY_ADDRESS', 60)}' ({said}); give the "
            "address that 'ray start' printed, or --cluster ray for one on this machine"
        ) from error


def _kill(actor: Any) -> None:
    """End an actor that may have died."""
    import ray
    from ray.exceptions import RayError

    with suppress(RayError, ValueError):
        ray.kill(actor)


class _RayWorker:
    """An actor."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray = ray
        self._actor = actor

    def do(self, task: Any) -> Any:
        return self.answer(self._actor.do.remote(task))

    def answer(self, promised: Any) -> Any:
        """What it says.

        Raises:
            WorkerLost, MedFunctaError: As :meth:`do`.
        """
        try:
            answer = self._ray.get(promised)
        except self._ray.exceptions.RayError as error:
            last = str(error).strip().splitlines()[-1:]
            said = shortened(" ".join(last).strip(), _SAID)
            killed = _OWN_FAULT not in str(error)
            raise WorkerLost(f"Ray says {type(error).__name__}: {said}", killed=killed) from error
        return answer.opened()

    def stop(self) -> None:
        _kill(self._actor)


class _Actor:
    """A worker's process on the cluster."""

    def __init__(self, job: Job, place: int) -> None:
        use_one_thread()
        keep_freed_memory()
        begun = Answer.of(lambda: job.begin(place))
        self._work = begun.result
        self._begun = Answer(error=begun.error, text=begun.text)

    def begun(self) -> Answer:
        """Whether all went well."""
        return self._begun

    def do(self, task: Any) -> Answer:
        """The result of a task."""
        return Answer.of(lambda: self._work(task))
