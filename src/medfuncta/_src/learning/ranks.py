"""One training by several processes, each on a device of its own: the ranks of ``torchrun``.

Each rank has a part of the signals of every batch; what they find is added up by one all-reduce a
meta-step, so that all of them take the same step. The first rank alone writes, prints and is told
of what happens. A process that nobody has started as one of several is the only rank, and nothing
is shared.

Nothing that a rank sends another is unpickled: numbers go as tensors, states as safetensors.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Thread
from typing import Any, Final, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from medfuncta._src.errors import ConfigError, MedFunctaError
from medfuncta._src.field.device import default_device, usable_device
from medfuncta._src.signals.points import BatchPart

Result = TypeVar("Result")

_PLACE: Final = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun, and whoever does without it, tells each process of its place."""
_PATIENCE: Final = timedelta(minutes=30)
"""For another rank that is still alive; one that has ended is noticed at once."""
_MOST_PORT: Final = 65535
_POLL: Final = 0.2
"""Seconds between two looks for something that may take hours."""
_TOLD: Final = "medfuncta/told"
_START: Final = "medfuncta/start"


class RankLost(MedFunctaError):
    """Another process of this training has ended."""


class Ranks:
    """This process alone; what is shared with others, where there are any.

    Args:
        rank: The number of this process, from 0.
        count: How many there are.
        device: Where this one computes.
        job: What the job of all of them is called, over its restarts; ``""`` where nobody would
            restart it.
        restarted: Whether they were started again after one of them had failed.
    """

    def __init__(
        self,
        device: torch.device,
        *,
        rank: int = 0,
        count: int = 1,
        job: str = "",
        restarted: bool = False,
    ) -> None:
        self.device = device
        self.rank, self.count = rank, count
        self.job, self.restarted = job, restarted

    @property
    def first(self) -> bool:
        """Whether this one writes, prints and is told of what happens."""
        return self.rank == 0

    def part(self, signals: int) -> BatchPart:
        """Which of so many signals are this one's."""
        start = self.rank * signals // self.count
        stop = (self.rank + 1) * signals // self.count
        return BatchPart(start, stop - start, signals)

    def summed(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The sums of these over all ranks, the same bits on each."""
        return list(tensors)

    def from_first(self, content: bytes) -> bytes:
        """What the first rank has; what others give is ignored."""
        return content

    def in_turn(self, work: Callable[[], Result]) -> Result:
        """What each makes: the first rank before the others, then one of each machine, then all
        others, so that they find what it has left on a disk that they share."""
        return work()

    def wait(self) -> None:
        """Until all have come this far."""


class _Several(Ranks):
    """One of several processes."""

    def __init__(self, store: Store, local: int, **place: Any) -> None:
        super().__init__(**place)
        self._store = store
        self._local = local
        self._turns = 0

    def summed(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        carried = flat if dist.get_backend() == "nccl" else flat.cpu()
        with _lost_ranks_told():
            dist.all_reduce(carried)
        parts = carried.to(flat.device).split([tensor.numel() for tensor in tensors])
        return [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]

    def from_first(self, content: bytes) -> bytes:
        device = self.device if dist.get_backend() == "nccl" else "cpu"
        with _lost_ranks_told():
            length = torch.tensor([len(content)], device=device)
            dist.broadcast(length, src=0)
            carried = torch.zeros(int(length), dtype=torch.uint8, device=device)
            if self.first:
                carried.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
            dist.broadcast(carried, src=0)
        return carried.cpu().numpy().tobytes()

    def in_turn(self, work: Callable[[], Result]) -> Result:
        self._turns += 1
        of_all = f"medfuncta/turn/{self._turns}"
        of_machine = f"{of_all}/{socket.gethostname()}"
        if not self.first:
            self._wait_for(of_all)
        if self._local != 0 and not self.first:
            self._wait_for(of_machine)
        try:
            return work()
        finally:
            if self.first:
                self._tell(of_all)
            if self._local == 0:
                self._tell(of_machine)

    def wait(self) -> None:
        self.summed([torch.zeros(1, device=self.device)])

    def _wait_for(self, key: str) -> None:
        """Python waits, so that a signal that stops the process is heard meanwhile."""
        with _lost_ranks_told():
            while not self._store.check([key]):
                time.sleep(_POLL)

    def _tell(self, key: str) -> None:
        with _lost_ranks_told():
            self._store.set(key, "")


@dataclass(frozen=True)
class _Place:
    """What the environment says of this process."""

    rank: int
    count: int
    local: int

    @classmethod
    def told(cls) -> _Place | None:
        """None where it says nothing of it.

        Raises:
            ConfigError: If it says a part of it only, or something else than numbers.
        """
        unsaid = [name for name in _PLACE if not os.environ.get(name)]
        if unsaid and os.environ.get("WORLD_SIZE", "1") in ("", "1"):
            return None
        if unsaid:
            raise ConfigError(
                f"WORLD_SIZE says that this process is one of several, and {', '.join(unsaid)} "
                "nothing; start them with torchrun, or unset WORLD_SIZE"
            )
        port = os.environ["MASTER_PORT"]
        if not (port.isdecimal() and int(port) <= _MOST_PORT):
            raise ConfigError(
                f"MASTER_PORT is no number of a port; expected 0 to {_MOST_PORT}: start the "
                "processes with torchrun, or unset RANK and WORLD_SIZE"
            )
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        told = [os.environ.get(name, os.environ["RANK"]) for name in names]
        place = cls(*(int(word) if word.isdecimal() else -1 for word in told))
        if not 0 <= place.rank < place.count or place.local < 0:
            raise ConfigError(
                "RANK, WORLD_SIZE and LOCAL_RANK do not say which of how many processes this is; "
                "start them with torchrun, or unset them"
            )
        return place

    def device(self, asked: torch.device | str | None) -> torch.device:
        """Where it computes: each process of a machine has an accelerator of its own.

        Raises:
            ConfigError: If there is none left for it.
        """
        device = torch.device(default_device() if asked is None else usable_device(asked))
        if device.type == "cpu":
            return device
        there = torch.accelerator.device_count()
        if self.local >= there:
            raise ConfigError(
                f"{there} devices of kind {device.type} for process {self.local + 1} of this "
                "machine; start no more than there are with --nproc-per-node, or give --device cpu"
            )
        return usable_device(f"{device.type}:{self.local}")


_met: Ranks | None = None
"""The ranks of this process while they train."""
_tells: bool | None = None
"""Whether this process says what went wrong; None as long as nothing did."""
_open_store: Store | None = None
"""That of the ranks of this process, once they have met."""


@contextmanager
def joined(device: torch.device | str | None = None) -> Iterator[Ranks]:
    """The ranks of this training, as the environment tells (torchrun's ``RANK`` and so on); those
    that have met already where this is called within.

    Args:
        device: Where to compute; an accelerator for each when there are some. One that is named
            without its number is that of the process.

    Raises:
        ConfigError: If the environment contradicts itself, or the device is not there.
        RankLost: If the others do not come.
    """
    global _met, _open_store, _tells
    if _met is not None:
        yield _met
        return
    place = _Place.told()
    if place is None:
        yield Ranks(usable_device(device))
        return
    job, restarted = _job(), int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
    own = place.device(device)
    if place.count == 1:
        yield Ranks(own, job=job, restarted=restarted)
        return
    if dist.is_initialized():
        raise ConfigError(
            "torch.distributed is in use by this program already; train before it is, or in "
            "processes of their own"
        )
    with _lost_ranks_told():
        store, rank, count = _beside(lambda: _met_others(own))
    _open_store, _tells = store, None
    _met = _Several(
        store, place.local, device=own, rank=rank, count=count, job=job, restarted=restarted
    )
    try:
        yield _met
    except Exception:
        may_tell_of_a_fault()  # before the others notice that this one has gone
        raise
    finally:
        _met = None
        dist.destroy_process_group()


def _met_others(own: torch.device) -> tuple[Store, int, int]:
    """Find the other processes. Gives the store that all share, the number of this one, and how
    many there are."""
    if own.type == "cuda":
        torch.cuda.set_device(own)
    store, rank, count = next(rendezvous("env://", timeout=_PATIENCE))
    store = _of_this_start(store, rank, count)
    backend = "nccl" if own.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=_PATIENCE)
    return store, rank, count


def _beside(work: Callable[[], Result]) -> Result:
    """What is done in another thread while Python waits in this one, so that a signal that stops
    the process is heard although a library waits for somebody who may never come."""
    done: Future[Result] = Future()

    def fulfil() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    Thread(target=fulfil, daemon=True).start()
    while not done.done():
        wait([done], timeout=_POLL)
    return done.result()


def _of_this_start(store: Store, rank: int, count: int) -> Store:
    """The part of a store that no process of an earlier start has written to.

    torchrun keeps one store over its restarts, in which the addresses of processes lie that are no
    more. The first rank gives this start a name, and answers each of the others, which ask with a
    word of their own: an answer to that word is none of before.

    Raises:
        RankLost: If the others do not come.
    """
    word = uuid.uuid4().hex
    until = time.monotonic() + _PATIENCE.total_seconds()
    if rank == 0:
        store.set(_START, word)
        missing = set(range(1, count))
        while missing:
            _check_time(until)
            for other in sorted(missing):
                if store.check([f"{word}/{other}"]):
                    theirs = store.get(f"{word}/{other}").decode()
                    store.set(f"{word}/{theirs}", "")
                    missing.remove(other)
        return PrefixStore(word, store)
    while True:
        _check_time(until)
        if store.check([_START]):
            name = store.get(_START).decode()
            store.set(f"{name}/{rank}", word)
            if store.check([f"{name}/{word}"]):
                return PrefixStore(name, store)


def _check_time(until: float) -> None:
    """Wait a little; Python does, so that a signal that stops the process is heard."""
    if time.monotonic() > until:
        raise RuntimeError("the other processes did not come")
    time.sleep(_POLL / 4)


def is_first() -> bool:
    """Whether this process is the first rank, the only one, or cannot know which it is."""
    try:
        place = _Place.told()
    except ConfigError:
        return True
    return place is None or place.rank == 0


def may_tell_of_a_fault() -> bool:
    """Whether this process is the one that says what went wrong: the first to ask, which is the one
    that failed; the first rank where they have not met. The answer stays what it was."""
    global _tells
    if _open_store is None:
        return is_first()
    if _tells is None:
        try:
            _tells = _open_store.add(_TOLD, 1) == 1
        except RuntimeError:  # the store has ended with its process
            _tells = is_first()
    return _tells


def _job() -> str:
    """What the job is called; an agent of torchrun that was given no name is known by its number
    and machine."""
    name = os.environ.get("TORCHELASTIC_RUN_ID", "")
    if name in ("", "none"):
        return f"{os.getppid()}@{socket.gethostname()}" if name else ""
    return name


@contextmanager
def _lost_ranks_told() -> Iterator[None]:
    """Within, what libraries say of a rank that is gone becomes one line."""
    try:
        yield
    except RuntimeError as error:  # those of torch.distributed derive from it
        raise RankLost(
            "another process of this training has ended, and so does this one; finished work is "
            "kept: start the same command again, with --resume where it has a checkpoint"
        ) from error
