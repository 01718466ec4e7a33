"""Latent sets that workers fit are those that one process fits, file for file."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cluster.jobs import ThreadWorkers
from cluster.patience import patiently
from latents.mortal import MortalJob, fit_slowly
from latents.sets import make_run
from latents.smooth import SIGNALS, smooth
from latents.test_kill import files_of
from medfuncta._src.cluster import crew as crew_module
from medfuncta._src.config import FitConfig
from medfuncta._src.errors import DataError, LatentSetError
from medfuncta._src.latents import create as create_module
from medfuncta._src.latents.create import create_latent_set
from medfuncta._src.latents.fit_blocks import Reading, RunParcel, device_of
from medfuncta._src.run import Run
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source

FIT = FitConfig(steps=2, batch=2)
IMAGES = 11


@pytest.fixture
def in_threads(monkeypatch: pytest.MonkeyPatch) -> ThreadWorkers:
    workers = ThreadWorkers()
    monkeypatch.setattr(crew_module, "executor_of", lambda text, count: workers)
    return workers


def images(folder: Path, *, bad: tuple[int, ...] = (), skip_bad: bool = False) -> Source:
    """Eleven pictures, a file each, some of them broken."""
    folder.mkdir(exist_ok=True)
    rows, columns = np.indices((6, 5))
    for number in range(IMAGES):
        values = 128 + 100 * np.sin(rows * 0.5 + number) * np.cos(columns * 0.7)
        path = folder / f"{number:02d}.png"
        Image.fromarray(values.astype(np.uint8)).save(path)
        if number in bad:
            path.write_bytes(path.read_bytes()[:40])
    return open_source(f"images:{folder}?val=0&test=0", skip_bad=skip_bad)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_signals_that_the_first_process_reads(
    small_run: Run, tmp_path: Path, in_threads: ThreadWorkers, dtype: str
) -> None:
    create_latent_set(small_run, smooth(), tmp_path / "one", config=FIT, dtype=dtype)
    done: list[int] = []
    create_latent_set(
        small_run,
        smooth(),
        tmp_path / "crew",
        config=FIT,
        dtype=dtype,
        workers=3,
        progress=done.append,
    )
    assert files_of(tmp_path / "crew") == files_of(tmp_path / "one")
    assert done == [2, 4, 6, 7, 9, 11, 13, 14]


BAD = [(), (0,), (3,), (4, 5), (0, 1, 2, 3), (10,), (1, 4, 7, 10), (9, 10)]


@pytest.mark.parametrize("bad", BAD)
def test_signals_that_workers_read(
    small_run: Run, tmp_path: Path, in_threads: ThreadWorkers, bad: tuple[int, ...]
) -> None:
    one, crew = (images(tmp_path / "images", bad=bad, skip_bad=True) for _ in range(2))
    assert Reading.of(crew) is not None
    create_latent_set(small_run, one, tmp_path / "one", config=FIT)
    create_latent_set(small_run, crew, tmp_path / "crew", config=FIT, workers=3)
    assert files_of(tmp_path / "crew") == files_of(tmp_path / "one")
    assert [(entry.name, entry.reason) for entry in crew.skipped] == [
        (entry.name, entry.reason) for entry in one.skipped
    ]
    assert crew.remarks == one.remarks


@pytest.mark.parametrize("bad", [5, 10])
def test_a_bad_file_stops_workers_as_it_stops_one_process(
    small_run: Run, tmp_path: Path, in_threads: ThreadWorkers, bad: int
) -> None:
    said = []
    for name, workers in (("one", None), ("crew", 2)):
        with pytest.raises(DataError) as error:
            create_latent_set(
                small_run,
                images(tmp_path / "images", bad=(bad,)),
                tmp_path / name,
                config=FIT,
                workers=workers,
            )
        said.append(str(error.value))
    assert said[0] == said[1]
    assert files_of(tmp_path / "crew") == files_of(tmp_path / "one")
    crew = images(tmp_path / "images")
    create_latent_set(small_run, crew, tmp_path / "crew", config=FIT, workers=2)
    create_latent_set(small_run, images(tmp_path / "images"), tmp_path / "one", config=FIT)
    assert files_of(tmp_path / "crew") == files_of(tmp_path / "one")


@pytest.mark.parametrize("bad", [(), (1,), (0, 5, 6)])
@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_a_fit_that_was_stopped_goes_on(
    small_run: Run,
    tmp_path: Path,
    in_threads: ThreadWorkers,
    bad: tuple[int, ...],
    blocks: int,
) -> None:
    def source() -> Source:
        return images(tmp_path / "images", bad=bad, skip_bad=True)

    class Enough(Exception):
        pass

    def stop(done: int) -> None:
        if done > 2 * blocks:
            raise Enough

    create_latent_set(small_run, source(), tmp_path / "one", config=FIT)
    for workers in (None, 2):
        folder = tmp_path / f"{workers}"
        with pytest.raises(Enough):
            create_latent_set(
                small_run, source(), folder, config=FIT, workers=workers, progress=stop
            )
        create_latent_set(small_run, source(), folder, config=FIT, workers=2)
        assert files_of(folder) == files_of(tmp_path / "one")


def test_other_data_is_not_mixed_in(
    small_run: Run, tmp_path: Path, in_threads: ThreadWorkers
) -> None:
    with pytest.raises(DataError):
        create_latent_set(
            small_run, images(tmp_path / "images", bad=(8,)), tmp_path / "set", config=FIT
        )
    source = images(tmp_path / "images")
    Image.fromarray(np.full((6, 5), 250, np.uint8)).save(tmp_path / "images" / "02.png")
    with pytest.raises(LatentSetError, match=r"the first 8 signals .* have other values"):
        create_latent_set(small_run, source, tmp_path / "set", config=FIT, workers=2)


def test_a_worker_that_sees_other_files_is_refused(
    small_run: Run, tmp_path: Path, in_threads: ThreadWorkers
) -> None:
    source = images(tmp_path / "images")
    (tmp_path / "images" / "10.png").unlink()
    with pytest.raises(DataError, match=r"a worker finds other signals"):
        create_latent_set(small_run, source, tmp_path / "set", config=FIT, workers=2)


@pytest.mark.parametrize("die_at", [(1,), (2, 3), (4, 6, 8)])
def test_workers_that_die_change_nothing_but_are_told_of(
    small_run: Run, tmp_path: Path, in_threads: ThreadWorkers, die_at: tuple[int, ...]
) -> None:
    in_threads.die_at = die_at
    lost: list[int] = []
    create_latent_set(small_run, smooth(), tmp_path / "one", config=FIT, on_loss=lost.append)
    create_latent_set(
        small_run, smooth(), tmp_path / "crew", config=FIT, workers=2, on_loss=lost.append
    )
    assert files_of(tmp_path / "crew") == files_of(tmp_path / "one")
    assert lost == [len(die_at)]


def test_a_finished_set_starts_no_worker(
    small_run: Run, tmp_path: Path, in_threads: ThreadWorkers
) -> None:
    create_latent_set(small_run, smooth(), tmp_path / "set", config=FIT)
    again = create_latent_set(small_run, smooth(), tmp_path / "set", config=FIT, workers=2)
    assert len(again) == 2 * SIGNALS
    assert in_threads.given == 0


def test_a_run_arrives_in_a_worker_as_it_is(small_run: Run) -> None:
    assert RunParcel.of(small_run).opened().fingerprint == small_run.fingerprint


def test_workers_take_the_accelerators_of_a_machine_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [device_of(None, place) for place in range(2)] == [None, None]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    assert [device_of(None, place) for place in (0, 3, 4)] == ["cuda:0", "cuda:3", "cuda:0"]
    assert [device_of(name, 2) for name in ("cuda", "cuda:1", "cpu")] == ["cuda:2", "cuda:1", "cpu"]


@pytest.mark.parametrize("cluster", ["local", "ray"])
@pytest.mark.filterwarnings("ignore")
def test_real_workers_killed_with_9(
    small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: str
) -> None:
    if cluster == "ray":
        ray = pytest.importorskip("ray")
        monkeypatch.setattr(ray, "init", patiently(ray.init))
    monkeypatch.setenv("MEDFUNCTA_TEST_NOTES", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[1]}:{os.environ.get('PYTHONPATH')}")
    monkeypatch.setattr(create_module, "FitJob", MortalJob)
    source = images(tmp_path / "images", bad=(2,), skip_bad=True)
    create_latent_set(small_run, source, tmp_path / "one", config=FIT)
    lost: list[int] = []
    create_latent_set(
        small_run,
        images(tmp_path / "images", bad=(2,), skip_bad=True),
        tmp_path / "crew",
        config=FIT,
        device="cpu",
        workers=2,
        cluster=cluster,
        on_loss=lost.append,
    )
    assert files_of(tmp_path / "crew") == files_of(tmp_path / "one")
    assert lost == [2]


def test_a_fit_that_is_killed_as_a_whole_leaves_no_worker_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDFUNCTA_TEST_NOTES", str(tmp_path))
    whole = multiprocessing.get_context("spawn").Process(
        target=fit_slowly, args=(tmp_path / "set",)
    )
    whole.start()
    pieces = tmp_path / "set" / ".fitting" / "train"
    until(lambda: len(list(pieces.glob("piece-*"))) > 1)
    whole.kill()
    whole.join()
    workers = [int(path.name.partition("-")[2]) for path in tmp_path.glob("worker-*")]
    assert len(workers) == 2
    until(lambda: not any(map(is_running, workers)))
    config = FitConfig(steps=2, batch=2)
    for name in ("set", "one"):
        create_latent_set(make_run(), smooth(count=20), tmp_path / name, config=config)
    assert files_of(tmp_path / "set") == files_of(tmp_path / "one")


def until(done: Callable[[], bool]) -> None:
    for _ in range(1200):
        if done():
            return
        time.sleep(0.05)
    raise AssertionError("it never was")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return " Z " not in Path(f"/proc/{pid}/stat").read_text()
