"""Copies that were planted across splits are found, whatever was done to them; others are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.latents.create import create_latent_set
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.run import Run
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.sources.table import open_source
from medfuncta._src.tasks.explore import Leaks, find_leaks
from medfuncta._src.tasks.explore.overlay import Lens
from tasks.list_source import list_source

KINDS = ("exact", "noisy", "shifted", "cropped")


def planted(values: np.ndarray, kind: str, generator: np.random.Generator) -> np.ndarray:
    """A trace ``[samples, 1]`` as a careless hand copies it."""
    samples = np.arange(len(values))
    trace = values[:, 0]
    if kind == "noisy":
        trace = trace + generator.normal(0, 0.01 * np.ptp(trace), trace.shape)
    if kind == "shifted":
        trace = np.interp(samples + 7, samples, trace)
    if kind == "cropped":
        trace = np.interp(10 + 0.9 * samples, samples, trace)
    return trace[:, None].astype(np.float32)


def smooth_trace(generator: np.random.Generator) -> np.ndarray:
    """A sum of a few waves that no other signal has."""
    time = np.linspace(0, 1, 187)
    waves = [
        amplitude * np.sin(2 * np.pi * (rate * time + phase))
        for amplitude, rate, phase in generator.uniform((0.2, 1, 0), (1, 6, 1), (6, 3))
    ]
    return np.sum(waves, axis=0)[:, None].astype(np.float32)


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> LatentSet:
    """Twenty signals in each of two splits, and a copy of each kind of a test signal in train."""
    generator = np.random.default_rng(0)
    grid = Grid((187,), (0.008,), unit="s")

    def signal(id: str, values: np.ndarray, patient: str) -> Signal:
        span = ValueRange(-3.0, 3.0)
        return Signal.of(id, values, grid, span, "mV", metadata={"patient": patient})

    test = [signal(f"test-{n}", smooth_trace(generator), f"p{n}") for n in range(20)]
    train = [signal(f"train-{n}", smooth_trace(generator), f"q{n}") for n in range(20)]
    for place, kind in enumerate(KINDS):
        copy = planted(test[place].values, kind, generator)
        train.append(signal(kind, copy, f"p{place}" if kind == "noisy" else f"r{place}"))
    run = Run.from_pretrained("ecg")
    source = list_source(SignalSpec(1, 1, (187,), "mV"), {"train": train, "test": test})
    folder = tmp_path_factory.mktemp("leaky") / "set"
    return create_latent_set(run, source, folder)


@pytest.fixture(scope="module")
def found(leaky: LatentSet) -> Leaks:
    return find_leaks(leaky, listed=1000)


def suspected(found: Leaks) -> set[frozenset[str]]:
    return {frozenset((pair.first, pair.second)) for pair in found.pairs if pair.suspected}


def test_every_planted_copy_is_found_and_nothing_else(found: Leaks) -> None:
    expected = {frozenset((kind, f"test-{place}")) for place, kind in enumerate(KINDS)}
    assert suspected(found) == expected
    assert (found.suspected, found.signals, found.left_out) == (4, 44, 0)


def test_an_exact_copy_does_not_differ_and_a_cut_out_says_its_size(found: Leaks) -> None:
    first = found.pairs[0]
    assert {first.first, first.second} == {"exact", "test-0"}
    assert first.difference < 1e-3
    differences = [pair.difference for pair in found.pairs]
    assert differences == sorted(differences)
    [cut] = [pair for pair in found.pairs[:4] if "cropped" in (pair.first, pair.second)]
    size = cut.share if cut.second == "cropped" else 1 / cut.share
    assert size == pytest.approx(0.9, abs=0.05)


def test_signals_of_one_patient_are_no_leak_between_patients(leaky: LatentSet) -> None:
    between = suspected(find_leaks(leaky, between="patient", threshold=0.05))
    assert frozenset(("exact", "test-0")) in between
    assert frozenset(("noisy", "test-1")) not in between


def test_the_threshold_and_the_length_of_the_list_are_the_users(leaky: LatentSet) -> None:
    strict = find_leaks(leaky, threshold=0.001, listed=1)
    assert suspected(strict) == {frozenset(("exact", "test-0"))}
    assert len(strict.pairs) == 1


def test_unlike_samples_have_no_leak(tmp_path: Path) -> None:
    run = Run.from_pretrained("chest-xrays")
    grid = Grid((28, 28))
    generator = np.random.default_rng(1)

    def signal(id: str) -> Signal:
        down, across, wide = generator.uniform(6, 22, 3)
        rows, columns = np.indices((28, 28))
        away = ((rows - down) ** 2 + (columns - across) ** 2) / wide**2
        values = (255 * np.exp(-away * 4)).astype(np.float32)[..., None]
        return Signal.of(id, values, grid, ValueRange(0, 255), "8-bit")

    splits = {name: [signal(f"{name}-{n}") for n in range(4)] for name in ("train", "test")}
    splits["train"].append(splits["test"][2].with_header(id="copy"))
    source = list_source(SignalSpec(2, 1, (28, 28), "8-bit"), splits)
    latents = create_latent_set(run, source, tmp_path / "set")
    best = find_leaks(latents).pairs[0]
    assert {best.first, best.second} == {"copy", "test-2"}
    assert best.difference < 1e-3 and best.suspected


def test_one_split_has_nothing_to_leak_to(tmp_path: Path) -> None:
    run = Run.from_pretrained("ecg")
    latents = create_latent_set(run, open_source("sample:ecg"), tmp_path / "set", splits=["val"])
    with pytest.raises(DataError, match="all 49 signals are of one split"):
        find_leaks(latents)
    with pytest.raises(ConfigError, match="no signal says its 'patient'"):
        find_leaks(latents, between="patient")


def test_a_lens_looks_between_samples_and_not_beyond_the_box() -> None:
    ramp = np.linspace(0, 1, 11)[None, :, None]
    lens = Lens(11, 11)
    np.testing.assert_allclose(lens.look(ramp, (1.0, 0.0)), ramp, atol=1e-6)
    moved = lens.look(ramp, (1.0, 1 / 11))[0, :, 0]
    np.testing.assert_allclose(moved[:10], ramp[0, :10, 0] + 0.05, atol=1e-6)
    assert moved[10] == ramp[0, 10, 0]
    assert lens.inside((1.0, 0.5)).sum() == 8
    assert lens.look(np.zeros((2, 11, 11, 3)), (0.8, 0.1, -0.1)).shape == (2, 11, 11, 3)
