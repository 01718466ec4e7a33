"""A single new file is a query, not a data set; and `all` names every signal of any source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.latents.create import create_latent_set
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, ValueRange
from medfuncta._src.sources.arrays import from_arrays
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source
from medfuncta._src.tasks.evaluate import evaluate
from medfuncta._src.tasks.info.source import describe_source
from medfuncta._src.workflow import train
from medfuncta._src.writers.table import write_signal
from tasks.list_source import small_run


def ids(source: Source, *splits: str) -> list[str]:
    found = []
    for split in splits:
        found += [signal.id for signal in source.signals(split)]
    return found


def wave(shape: tuple[int, ...], spacing: float, unit: str) -> Signal:
    domain = Grid(shape, (spacing,) * len(shape), unit=unit)
    values = np.sin(3 * domain.coordinates().sum(axis=1)).astype(np.float32)
    return Signal.of("wave", values.reshape(*shape, 1), domain, ValueRange(-1, 1), "mV")


def write_image(folder: Path) -> str:
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(pixels).save(folder / "one.png")
    return "images:one.png"


def write_trace(folder: Path) -> str:
    write_signal(wave((64,), 1 / 32, "s"), folder / "one.hea")
    return "wfdb:one.hea?window=2"


def write_volume(folder: Path) -> str:
    write_signal(wave((4, 5, 6), 1.0, "mm"), folder / "one.nii.gz")
    return "nifti:one.nii.gz"


def write_table(folder: Path) -> str:
    write_signal(wave((16,), 1 / 32, "s"), folder / "one.csv")
    return "csv:one.csv?value=value [mV]&time=time [s]"


def write_row(folder: Path) -> str:
    (folder / "one.csv").write_text("0.1,0.2,0.4,0\n")
    return "csv:one.csv"


@pytest.mark.parametrize("write", [write_image, write_trace, write_volume, write_table, write_row])
def test_one_file_is_one_split_that_holds_everything(
    write: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = open_source(write(tmp_path))  # type: ignore[operator]
    assert (source.splits, source.held_out) == (("all",), "all")
    (signal,) = source.signals("all")
    run = small_run(source.spec)
    assert evaluate(run, source).split == "all"
    fitted = create_latent_set(run, source, tmp_path / "set")
    assert (fitted.splits, fitted.split("all").ids) == (("all",), [signal.id])


def test_one_signal_is_one_split_and_two_are_refused() -> None:
    source = from_arrays(np.arange(4.0).reshape(1, 4), channels="none")
    assert source.splits == ("all",) and len(ids(source, "all")) == 1
    with pytest.raises(DataError, match=r"2 groups .* for 3 splits"):
        print(from_arrays(np.arange(8.0).reshape(2, 4), channels="none").splits)


@pytest.mark.parametrize("write", [write_image, write_trace, write_volume])
def test_two_files_that_nobody_said_how_to_split_are_taken_whole(
    write: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("new", "newer"):
        folder = tmp_path / name
        folder.mkdir()
        named = write(folder)  # type: ignore[operator]
        for path in folder.iterdir():
            path.rename(path.with_name(path.name.replace("one", name)))
    for path in tmp_path.glob("*/*.hea"):  # a header names its record and the file of its samples
        path.write_text(path.read_text().replace("one", path.stem))
    monkeypatch.chdir(tmp_path)
    kind, _, rest = named.partition(":")
    _, _, options = rest.partition("?")
    source = open_source(f"{kind}:{tmp_path}?{options}".removesuffix("?"))
    assert len(ids(source, "all")) == 2
    assert [tally.signals for tally in describe_source(source).splits.values()] == [2]
    run = small_run(source.spec)
    assert evaluate(run, source, split="all", baselines=True).summary.signals == 2
    fitted = create_latent_set(run, source, tmp_path / "set", splits=["all"])
    assert fitted.splits == ("all",) and len(fitted) == 2
    for ask in (lambda: source.splits, lambda: evaluate(run, source), lambda: train(source, "run")):
        with pytest.raises(DataError, match=r"2 groups .* for 3 splits.* take all of it"):
            ask()


def test_training_on_it_says_what_is_missing(tmp_path: Path) -> None:
    source = from_arrays(np.arange(4.0).reshape(1, 4), channels="none")
    with pytest.raises(DataError, match=r"no split 'train' .*: it is too little to be split; take"):
        train(source, tmp_path / "run")


@pytest.mark.parametrize("options", ["val=0.3", "test=0.5&val=0", "test=one.png"])
def test_splits_that_were_asked_for_are_made_or_refused(
    options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"[01] groups? .* and a group is never cut in two"):
        print(open_source(f"{write_image(tmp_path)}?{options}").splits)


@pytest.mark.parametrize(
    "splits", [("train", "val", "test", "train"), ("train", "test"), ("test",)]
)
def test_all_are_the_signals_of_every_split_in_turn(splits: Sequence[str]) -> None:
    values = np.random.default_rng(0).random((len(splits), 5))
    source = from_arrays(values, channels="none", splits=splits)
    assert ids(source, "all") == ids(source, *source.splits)
    assert len(ids(source, "all")) == len(splits)


def test_all_of_a_source_is_one_split_of_a_latent_set(tmp_path: Path) -> None:
    source = open_source("sample:histology")
    run = small_run(source.spec, batch=64)
    fitted = create_latent_set(run, source, tmp_path / "set", splits=["all"])
    assert fitted.splits == ("all",)
    assert fitted.split("all").ids == ids(source, *source.splits)
    with pytest.raises(ConfigError, match="'all' is every signal already"):
        create_latent_set(run, source, tmp_path / "twice", splits=["all", "test"])


def test_an_unknown_split_is_answered_with_the_known_ones() -> None:
    with pytest.raises(DataError, match="did you mean 'test'\\? Known: all, test, train, val"):
        open_source("sample:ecg").signals("tset")
