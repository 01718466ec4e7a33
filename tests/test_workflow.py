from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from guarded_source import TestSplitWasRead, guarded_source
from medfuncta._src.config import TrainConfig
from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.presets import PRESETS, sized_for
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.workflow import read_for_training, resolve, train

TINY: dict[str, dict[str, Any]] = {
    "field": {"layers": 3, "width": 8, "latent_size": 4},
    "train": {"steps": 2, "batch": 3, "inner_steps": 2, "validate_every": 1},
    "fit": {"steps": 2},
}
TRACE = SignalSpec(1, 1)


def with_batch(batch: int) -> dict[str, dict[str, Any]]:
    return {**TINY, "train": {**TINY["train"], "batch": batch}}


def test_the_guard_works() -> None:
    with pytest.raises(TestSplitWasRead):
        list(guarded_source().signals("test"))


@pytest.mark.parametrize("val", [3, 0])
def test_model_selection_never_reads_the_test_split(tmp_path: Path, val: int) -> None:
    reads: list[str] = []
    source = guarded_source(val=val, reads=reads)
    training = train(source, tmp_path, settings=TINY, device="cpu")
    assert set(reads) == set(source.splits) - {"test"}
    assert training.progress.best_psnr is not None
    told = training.run.training
    assert (told["source"], told["licence"], told["split_by"]) == (
        "guarded:waves",
        "CC0",
        "patient",
    )
    assert (told["train_signals"], told["val_signals"]) == ((6, 3) if val else (5, 1))


def test_signals_are_held_out_when_there_is_no_validation_split() -> None:
    config = Config(train=TrainConfig(seed=1))
    train_set, val_set = read_for_training(guarded_source(train=25, val=0), config)
    ids = [{header.id for header in part.headers} for part in (train_set, val_set)]
    assert (len(train_set), len(val_set)) == (23, 2) == tuple(map(len, ids))
    assert not ids[0] & ids[1]
    again = read_for_training(guarded_source(train=25, val=0), config)[1]
    assert [header.id for header in again.headers] == [header.id for header in val_set.headers]
    with pytest.raises(ConfigError, match="at least two signals"):
        read_for_training(guarded_source(train=1, val=0), config)


def test_validation_signals_are_spread_evenly_over_their_split() -> None:
    _, val_set = read_for_training(
        guarded_source(val=9), Config(train=TrainConfig(validate_signals=3))
    )
    assert [header.id for header in val_set.headers] == ["val-0", "val-4", "val-8"]


def test_fewer_signals_than_the_presets_batch_make_a_smaller_batch(tmp_path: Path) -> None:
    settings = {
        **TINY,
        "train": {key: value for key, value in TINY["train"].items() if key != "batch"},
    }
    assert PRESETS["components-1d"].train.batch > 6
    assert (
        train(guarded_source(), tmp_path, settings=settings, device="cpu").run.config.train.batch
        == 6
    )


def test_fewer_signals_than_the_batch_that_was_asked_for_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="6 training signals for a batch of 7"):
        train(guarded_source(), tmp_path, settings=with_batch(7), device="cpu")


def test_default_then_preset_then_file_then_flag() -> None:
    preset = PRESETS["paper-1d"].train
    assert resolve(TRACE, "paper-1d").train == preset != TrainConfig()
    from_file = {"train": {"batch": 5, "inner_steps": 7}}
    from_flag = {"train": {"batch": "3"}}
    train_config = resolve(TRACE, "paper-1d", from_file, from_flag).train
    assert (train_config.batch, train_config.inner_steps, train_config.learning_rate) == (
        3,
        7,
        preset.learning_rate,
    )
    assert train_config.context == TrainConfig().context


def test_without_a_name_the_preset_fits_the_data() -> None:
    assert resolve(TRACE, None) == PRESETS["components-1d"]
    assert resolve(SignalSpec(2, 3), None).field.channels == 3
    siren = {"field": {"kind": "siren"}}
    assert resolve(TRACE, None, siren) == PRESETS["trace"]
    finer = resolve(SignalSpec(3, 1), None, {"field": {"kind": "finer"}})
    assert finer.field.kind == "finer"
    assert finer.inner == PRESETS["volume"].inner


def test_the_latent_is_as_large_as_signals_are_worth_unless_it_was_asked_for(
    tmp_path: Path,
) -> None:
    shapes = {(187,): 64, (28, 28): 128, (64, 64): 256, (128, 128): 512, (32, 32, 32): 512}
    shapes |= {(9,): 8, (4096, 4096): 2048}
    for shape, wanted in shapes.items():
        values = np.broadcast_to(np.float32(0.5), (*shape, 1))
        signal = Signal.of("a", values, Grid(shape), ValueRange(0, 1))
        config = sized_for(PRESETS[f"components-{len(shape)}d"], of_headers([signal] * 600))
        assert config.field.latent_size == wanted, shape
    few = sized_for(PRESETS["components-2d"], of_headers([signal] * 20))
    assert few.field.latent_size == 256, "there is little to learn them from"
    free = {**TINY, "field": {"layers": 3, "width": 8}}
    sized = train(guarded_source(), tmp_path / "sized", settings=free, device="cpu").run
    asked = train(guarded_source(), tmp_path / "asked", settings=TINY, device="cpu").run
    named = train(guarded_source(), tmp_path / "named", "trace", settings=free, device="cpu").run
    assert [run.config.field.latent_size for run in (sized, asked, named)] == [16, 4, 64]


def of_headers(signals: list[Signal]) -> SignalSet:
    """A set of signals whose values are never asked for."""
    empty = np.zeros((0, 1), np.float32)
    spec = SignalSpec(signals[0].domain.dim, 1)
    return SignalSet(spec, [signal.header for signal in signals], empty, None, np.zeros(1, int))


def test_mistakes_are_named() -> None:
    with pytest.raises(ConfigError, match=r"unknown setting 'field.widht'; did you mean 'width'"):
        resolve(TRACE, None, {"field": {"widht": 3}})
    with pytest.raises(ConfigError, match="did you mean 'trace'"):
        resolve(TRACE, "trase")
    with pytest.raises(ConfigError, match="follow from the data"):
        resolve(TRACE, None, {"field": {"channels": 2}})
    with pytest.raises(ConfigError, match="settings for 2D signals, but the data is 1D"):
        resolve(TRACE, "paper-2d")


def test_training_goes_on_from_another_runs_network_with_its_settings(tmp_path: Path) -> None:
    first = train(guarded_source(), tmp_path / "first", settings=TINY, device="cpu").run
    still: dict[str, dict[str, Any]] = {"train": {"learning_rate": 0.0, "steps": 1}}
    second = train(
        guarded_source(train=9),
        tmp_path / "second",
        settings=still,
        start_from=tmp_path / "first",
        device="cpu",
    ).run
    assert second.fingerprint == first.fingerprint, "at a rate of 0 the weights stay what they were"
    assert (
        second.config.train.steps,
        second.config.train.inner_steps,
        second.config.fit.steps,
    ) == (1, 2, 2)
    assert second.training["started_from"] == {"fingerprint": first.fingerprint, **first.training}
    heard: list[float] = []
    moved = train(
        guarded_source(),
        tmp_path / "moved",
        start_from=first,
        device="cpu",
        listener=lambda report: heard.append(report.train_psnr),
    )
    assert len(heard) == moved.progress.step == 2 and heard[0] != heard[1]


@pytest.mark.parametrize("kind", ["siren", "components"])
def test_no_training_ends_worse_than_a_start_that_knows_something(
    tmp_path: Path, kind: str
) -> None:
    settings = {**TINY, "field": {**TINY["field"], "kind": kind}}
    first = train(guarded_source(), tmp_path / "first", settings=settings, device="cpu").run
    rate = {"siren": 0.0, "components": 1e3}[kind]
    spoiling = {"train": {"learning_rate": rate, "steps": 1, "warmup": 0, "clip": 0.0}}
    second = train(
        guarded_source(), tmp_path / "second", settings=spoiling, start_from=first, device="cpu"
    )
    assert second.progress.best_step == 0
    assert second.run.fingerprint == first.fingerprint
    assert second.run.training["val_psnr"] == pytest.approx(first.training["val_psnr"], abs=1e-3)


def test_a_network_to_start_from_must_fit_data_and_settings(tmp_path: Path) -> None:
    run = train(guarded_source(), tmp_path / "run", settings=TINY, device="cpu").run
    with pytest.raises(ConfigError, match=r"got the preset 'trace' and a run to start from"):
        resolve(TRACE, "trace", start=run)
    with pytest.raises(ConfigError, match=r"those of the run to start from; remove \[field\]"):
        resolve(TRACE, None, {"field": {"width": 9}}, start=run)
    with pytest.raises(DataError, match="2"):
        resolve(SignalSpec(2, 1), None, start=run)


def test_shift_maps_start_orthogonal_when_asked(tmp_path: Path) -> None:
    siren = {**TINY["field"], "kind": "siren"}
    still = {**TINY, "field": siren}
    still["train"] = {**TINY["train"], "shift_init": "orthogonal", "learning_rate": 0.0}
    shift = (
        train(guarded_source(), tmp_path, settings=still, device="cpu")
        .run.network.siren_layers[1]
        .shift
    )
    assert shift is not None
    singular = torch.linalg.svdvals(shift.weight)
    torch.testing.assert_close(singular, singular[:1].expand_as(singular))
