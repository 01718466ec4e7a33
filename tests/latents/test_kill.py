"""``kill -9`` at random moments of a fit and of an import. ``MEDFUNCTA_KILLS=20`` kills more often
than the suite has time for."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from latents.authors_sets import files, import_in_small_blocks, write_zip
from latents.smooth import fit_smooth

KILLS = int(os.environ.get("MEDFUNCTA_KILLS", "3"))


def fitting(folder: Path, _: Path) -> None:
    fit_smooth(folder, 10 * KILLS)


def importing(folder: Path, archive: Path) -> None:
    import_in_small_blocks(archive, folder)


def start(work: Callable[[Path, Path], None], *paths: Path) -> multiprocessing.process.BaseProcess:
    """A process of its own, forked off a server that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["latents.smooth", "medfuncta._src.latents.fit"])
    process = context.Process(target=work, args=paths)
    process.start()
    return process


def files_of(folder: Path) -> dict[str, bytes]:
    paths = [
        path for path in folder.rglob("*") if path.is_file() and path.suffix != ".safetensors"
    ]  # its header has no fixed order
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize("work", [fitting, importing])
def test_what_is_killed_at_random_moments_ends_as_if_undisturbed(
    work: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    archive = write_zip(tmp_path / "set.zip", files({"train": 200 * KILLS, "test": 40}))
    start(work, tmp_path / "warm", archive).join()
    started = time.monotonic()
    start(work, tmp_path / "whole", archive).join()
    whole = time.monotonic() - started

    moments = random.Random(KILLS)
    killed = 0
    while killed < KILLS:
        process = start(work, tmp_path / "set", archive)
        process.join(moments.uniform(0, 2 * whole / KILLS))
        process.kill()
        process.join()
        if process.exitcode == 0:
            break
        killed += 1
    last = start(work, tmp_path / "set", archive)
    last.join()

    assert last.exitcode == 0
    assert killed >= KILLS / 2
    assert files_of(tmp_path / "set") == files_of(tmp_path / "whole")
