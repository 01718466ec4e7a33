"""What is said of data that a network was not trained on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medfuncta.latents.create import create_latent_set
from medfuncta.latents.likeness import Likeness
from medfuncta.run import Run
from medfuncta.signals.domain import Grid
from medfuncta.signals.profile import Profile, Profiler
from medfuncta.signals.signal import Signal, ValueRange
from medfuncta.sources.arrays import from_arrays
from medfuncta.sources.source import Source
from medfuncta.tasks.evaluate import evaluate
from medfuncta.workflow import train
from tasks.list_source import small_run

TRAINED = Profile(
    signals=100,
    channels=1,
    unit="mV",
    low=-1.0,
    high=1.0,
    own_ranges=False,
    mean=0.4,
    std=0.2,
    smallest=(180,),
    largest=(200,),
    spacing=(0.008,),
    spacing_unit="s",
)


def differing(**changes: Any) -> list[str]:
    here = dataclasses.replace(TRAINED, **changes)
    training = {"source": "wfdb:ours", "data": TRAINED.to_json()}
    return [trait.name for trait in Likeness.of(training, "wfdb:ours", here).differences]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, []),
        ({"low": -1.01, "mean": 0.45, "std": 0.22, "smallest": (170,)}, []),
        ({"unit": "V"}, ["unit"]),
        ({"low": -1000.0, "high": 1000.0}, ["range mapped to [0, 1]"]),
        ({"high": 1.1}, ["range mapped to [0, 1]"]),
        ({"mean": 0.9}, ["values in it"]),
        ({"std": 0.01}, ["values in it"]),
        ({"spacing": (0.004,)}, ["sampling rate"]),
        ({"spacing": (1.0,), "spacing_unit": "mm"}, ["spacing"]),
        ({"largest": (2000,)}, ["samples"]),
        ({"smallest": (20,)}, ["samples"]),
        ({"smallest": (20, 20), "largest": (20, 20)}, ["samples"]),
        ({"channels": 3}, ["channels"]),
        ({"spacing": None}, []),
        ({"mean": None, "std": None}, []),
    ],
)
def test_what_differs_is_named_and_what_hardly_does_is_not(
    changes: dict[str, Any], names: list[str]
) -> None:
    assert differing(**changes) == names


def test_ranges_of_each_signal_may_vary_more() -> None:
    trained = dataclasses.replace(TRAINED, own_ranges=True)
    training = {"source": "nifti:ours", "data": trained.to_json()}
    here = dataclasses.replace(trained, high=1.5)
    assert not Likeness.of(training, "nifti:ours", here).differences
    far = dataclasses.replace(trained, high=30.0)
    assert Likeness.of(training, "nifti:ours", far).differences


def test_foreign_is_what_no_step_of_the_training_has_seen() -> None:
    training = {"source": "wfdb:second", "started_from": {"source": "wfdb:first"}}
    assert not Likeness.of(training, "wfdb:second", None).foreign
    assert not Likeness.of(training, "wfdb:first", None).foreign
    other = Likeness.of(training, "wfdb:third", None)
    assert other.foreign
    assert other.remarks == [
        "foreign data: the network was trained on wfdb:second and has never seen wfdb:third"
    ]


@pytest.mark.parametrize(
    "training",
    [
        {},
        {"source": 7, "data": 5},
        {"data": {"signals": -1}},
        {"data": {**TRAINED.to_json(), "low": float("nan")}},
        {"data": {**TRAINED.to_json(), "smallest": [1] * 99}},
        {"started_from": {"started_from": [1]}},
    ],
)
def test_a_run_that_says_nothing_of_its_data_is_compared_with_nothing(training: Any) -> None:
    found = Likeness.of(training, "wfdb:third", TRAINED)
    assert (found.foreign, found.traits, found.remarks) == (False, [], [])


def test_the_figures_are_those_of_the_signals() -> None:
    profiler = Profiler()
    assert profiler.profile() is None
    for number, samples in enumerate((4, 6, 8)):
        values = np.array([0.0, 10.0] * (samples // 2), np.float32)[:, None]
        mask = None
        if number == 2:
            values[:2] = 99
            mask = np.arange(samples) >= 2
        grid = Grid((samples,), (0.1 * (number + 1),), unit="s")
        profiler.add(Signal.of("x", values, grid, ValueRange(0, 10), "mV", mask))
    found = profiler.profile()
    assert found is not None
    assert (found.signals, found.unit, found.low, found.high) == (3, "mV", 0, 10)
    assert (found.mean, found.std, found.own_ranges) == (0.5, 0.5, False)
    assert (found.smallest, found.largest) == ((4,), (8,))
    assert found.spacing == pytest.approx((0.2,)) and found.rate == pytest.approx(5)
    assert Profile.from_json(found.to_json()) == found


def trace_source(name: str, unit: str = "mV", spacing: float = 0.01, scale: float = 1.0) -> Source:
    waves = scale * np.sin(np.linspace(0, 6, 32) + np.arange(20)[:, None])
    return from_arrays(waves, channels="none", spacing=spacing, unit=unit, range=(-1, 1), name=name)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    source = trace_source("ours")
    config = small_run(source.spec).config
    settings = {
        "field": {"layers": config.field.layers, "width": 8, "latent_size": 4},  # type: ignore[attr-defined]
        "train": {"steps": 1, "batch": 2, "inner_steps": 1},
        "fit": {"steps": 1},
    }
    return train(source, tmp_path_factory.mktemp("run"), settings=settings).run


def test_a_run_notes_what_its_signals_were_like(trained: Run) -> None:
    noted = Profile.from_json(trained.training["data"])
    assert noted is not None and noted.rate == pytest.approx(100)
    assert noted.std == pytest.approx(np.sqrt(0.5) / 2, rel=0.1)


def test_an_evaluation_on_its_own_data_has_no_remark(trained: Run, tmp_path: Path) -> None:
    found = evaluate(trained, trace_source("ours"), out=tmp_path)
    assert found.remarks == []
    assert "Beside what the network was trained on" in (tmp_path / "report.html").read_text()


def test_an_evaluation_of_foreign_data_says_so_and_how_it_differs(
    trained: Run, tmp_path: Path
) -> None:
    other = trace_source("theirs", spacing=0.02, scale=0.1)
    found = evaluate(trained, other, out=tmp_path)
    foreign, values, rate, split = found.remarks
    assert "trained on arrays:ours and has never seen arrays:theirs" in foreign
    assert values.startswith("values in it: 0.5") and rate.startswith("sampling rate: 50 Hz")
    assert "--split all takes every signal" in split
    assert len(evaluate(trained, other, split="all").remarks) == 3
    assert found.to_json()["likeness"]["foreign"] is True
    page = (tmp_path / "report.html").read_text()
    assert "has never seen arrays:theirs" in page and "differs" in page


def test_the_card_of_a_set_says_so_too(trained: Run, tmp_path: Path) -> None:
    other = trace_source("theirs", unit="V", spacing=0.02)
    create_latent_set(trained, other, tmp_path / "set", splits=["all"])
    text = (tmp_path / "set" / "README.md").read_text()
    assert "has never seen `arrays:theirs`" in text
    assert "| unit | mV | V |" in text and "| sampling rate | 100 Hz | 50 Hz |" in text
    create_latent_set(trained, trace_source("ours"), tmp_path / "own")
    own = (tmp_path / "own" / "README.md").read_text()
    assert "The field was trained on `arrays:ours`" in own and "Foreign" not in own
