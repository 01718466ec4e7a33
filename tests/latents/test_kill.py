"""``kill -9`` at random moments of a fit. ``MEDFUNCTA_KILLS=20`` kills more often than the suite
has time for."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from pathlib import Path

from latents.smooth import fit_smooth

KILLS = int(os.environ.get("MEDFUNCTA_KILLS", "3"))
COUNT = 10 * KILLS


def start_fit(folder: Path) -> multiprocessing.process.BaseProcess:
    """A process of its own, forked off a server that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["latents.smooth", "medfuncta._src.latents.fit"])
    process = context.Process(target=fit_smooth, args=(folder, COUNT))
    process.start()
    return process


def files_of(folder: Path) -> dict[str, bytes]:
    paths = [
        path for path in folder.rglob("*") if path.is_file() and path.suffix != ".safetensors"
    ]  # its header has no fixed order
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_fit_killed_at_random_moments_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    start_fit(tmp_path / "warm").join()
    started = time.monotonic()
    start_fit(tmp_path / "whole").join()
    whole = time.monotonic() - started

    moments = random.Random(KILLS)
    killed = 0
    while killed < KILLS:
        process = start_fit(tmp_path / "set")
        process.join(moments.uniform(0, 2 * whole / KILLS))
        process.kill()
        process.join()
        if process.exitcode == 0:
            break
        killed += 1
    last = start_fit(tmp_path / "set")
    last.join()

    assert last.exitcode == 0
    assert killed >= KILLS / 2
    assert files_of(tmp_path / "set") == files_of(tmp_path / "whole")
