"""Several ranks as copies of the process of the tests: each is there within milliseconds."""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence

import torch

_LONGEST = 300
"""Seconds by the clock after which a rank hangs, also on a machine that is slow and shared."""


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start_ranks(
    count: int, work: Callable[[int], object], *, job: str = "", attempt: int = 0
) -> list[int]:
    """Start copies of this process that each do the work of a rank; the numbers of the processes.

    Args:
        count: How many.
        work: Called with the rank; a whole number that it gives is the exit code, what it raises
            is shown and becomes 1.
        job: What torchrun would call it.
        attempt: How often torchrun has started it again.
    """
    port = free_port()
    started = []
    for rank in range(count):
        process = os.fork()
        if process:
            started.append(process)
            continue
        told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_PORT": port}
        told |= {"MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_RESTART_COUNT": attempt}
        os.environ.update({name: str(value) for name, value in told.items()})
        if job:
            os.environ["TORCHELASTIC_RUN_ID"] = job
        os._exit(_exit_code(work, rank))
    return started


def _exit_code(work: Callable[[int], object], rank: int) -> int:
    signal.alarm(_LONGEST)
    try:
        torch.set_num_threads(1)
        code = work(rank)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return code if isinstance(code, int) else 0


def ended(processes: Sequence[int]) -> list[int]:
    """The exit codes of copies, once they have ended; minus the signal that has killed one."""
    return [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]


def in_ranks(
    count: int, work: Callable[[int], object], *, job: str = "", attempt: int = 0
) -> list[int]:
    """As :func:`start_ranks`, and wait for their end."""
    return ended(start_ranks(count, work, job=job, attempt=attempt))
