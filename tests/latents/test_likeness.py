"""What is said of data that a network was not trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medfuncta._src.latents.create import create_latent_set
from medfuncta._src.latents.likeness import Likeness
from medfuncta._src.run import Run
from medfuncta._src.signals.data_facts import DataFacts, FactsTally, RangeUse
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.sources.arrays import from_arrays
from medfuncta._src.sources.source import Source
from medfuncta._src.tasks.evaluate import evaluate
from medfuncta._src.workflow import train
from tasks.list_source import small_run

SPEC = SignalSpec(1, 1, unit="mV")
TRAINED = DataFacts(
    unit="mV",
    range=(-1.0, 1.0),
    spacing=((0.008, 0.008),),
    spacing_unit="s",
    used=0.9,
    mean=0.4,
    std=0.2,
    sizes=((180, 200),),
    channels=1,
)


def likeness(training: Any, source: str = "wfdb:ours", here: DataFacts = TRAINED) -> Likeness:
    return Likeness.of(SPEC, training, source, here)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, []),
        ({"mean": 0.45, "std": 0.22, "sizes": ((170, 200),)}, []),
        ({"unit": "V"}, ["unit"]),
        ({"range": (-1000.0, 1000.0)}, ["mapped to [0, 1]"]),
        ({"range": (-1.0, 1.1)}, ["mapped to [0, 1]"]),
        ({"mean": 0.9}, ["values in it"]),
        ({"std": 0.01}, ["values in it"]),
        ({"spacing": ((0.004, 0.004),)}, ["spacing"]),
        ({"spacing_unit": "mm"}, ["spacing"]),
        ({"sizes": ((180, 2000),)}, ["samples"]),
        ({"sizes": ((20, 200),)}, ["samples"]),
        ({"sizes": ((20, 20), (20, 20))}, ["samples"]),
        ({"channels": 3}, ["channels"]),
        ({"spacing": None}, []),
        ({"mean": None, "std": None, "sizes": None}, []),
    ],
)
def test_what_differs_is_named_and_what_hardly_does_is_not(
    changes: dict[str, Any], names: list[str]
) -> None:
    here = replace(TRAINED, **changes)
    found = likeness({"source": "wfdb:ours", "data": TRAINED.to_dict()}, here=here)
    assert [trait.name for trait in found.differences] == names


def test_foreign_is_what_no_step_of_the_training_has_seen() -> None:
    training = {"source": "wfdb:second", "started_from": {"source": "wfdb:first"}}
    assert not likeness(training, "wfdb:second").foreign
    assert not likeness(training, "wfdb:first").foreign
    other = likeness(training, "wfdb:third")
    assert other.foreign
    assert other.remarks == (
        "foreign data: the network was trained on wfdb:second and has never seen wfdb:third",
    )


@pytest.mark.parametrize(
    "training",
    [
        {},
        {"source": 7, "data": 5},
        {"data": {"used": "x"}},
        {"data": {**TRAINED.to_dict(), "sizes": [[1]]}},
        {"started_from": {"started_from": [1]}},
    ],
)
def test_a_run_that_says_nothing_of_its_data_is_compared_with_nothing(training: Any) -> None:
    found = likeness(training, "wfdb:third")
    assert (found.foreign, found.traits, found.remarks) == (False, (), ())


def test_the_figures_are_those_of_the_signals() -> None:
    tally, use = FactsTally(), RangeUse()
    assert (use.mean, use.std) == (None, None)
    for number, samples in enumerate((4, 6, 8)):
        values = np.array([0.0, 10.0] * (samples // 2), np.float32)[:, None]
        mask = None
        if number == 2:
            values[:2] = 99
            mask = np.arange(samples) >= 2
        grid = Grid((samples,), (0.1,), unit="s")
        signal = Signal.of("x", values, grid, ValueRange(0, 10), "mV", mask)
        tally.add_header(signal.header)
        use.add(signal.normalised(), signal.observed())
    found = tally.facts(use)
    assert (found.unit, found.range, found.sizes) == ("mV", (0, 10), ((4, 8),))
    assert (found.mean, found.std, found.used) == (0.5, 0.5, 1.0)
    assert DataFacts.from_training({"data": found.to_dict()}) == found


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
    noted = DataFacts.from_training(trained.training)
    assert noted is not None and noted.spacing == ((0.01, 0.01),)
    assert noted.std == pytest.approx(np.sqrt(0.5) / 2, rel=0.1)


def test_an_evaluation_on_its_own_data_has_no_remark(trained: Run, tmp_path: Path) -> None:
    found = evaluate(trained, trace_source("ours"), out=tmp_path)
    assert list(found.remarks) == []
    assert "Beside what the network was trained on" in (tmp_path / "report.html").read_text()


def test_an_evaluation_of_foreign_data_says_so_and_how_it_differs(
    trained: Run, tmp_path: Path
) -> None:
    other = trace_source("theirs", spacing=0.02, scale=0.2)
    found = evaluate(trained, other, out=tmp_path)
    foreign, rate, values, split = found.remarks
    assert "trained on arrays:ours and has never seen arrays:theirs" in foreign
    assert values.startswith("values mapped to [0, 1] are 0.5")
    assert rate.startswith("samples are 0.02 s (50 a second) apart")
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
    assert "| unit | mV | V |" in text and "| spacing | 0.01 s (100 a second) | 0.02" in text
    create_latent_set(trained, trace_source("ours"), tmp_path / "own")
    own = (tmp_path / "own" / "README.md").read_text()
    assert "The field was trained on `arrays:ours`" in own and "Foreign" not in own
