"""What an object says of itself in a notebook: what it is, of what, and how good; in one short
printable line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medfuncta._src.latents.create import create_latent_set
from medfuncta._src.run import Run
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.arrays import from_arrays
from medfuncta._src.tasks.evaluate import evaluate
from medfuncta._src.workflow import train

TINY = {
    "field": {"kind": "siren", "layers": 3, "width": 8, "latent_size": 4},
    "train": {"steps": 1, "batch": 2, "inner_steps": 1},
    "fit": {"steps": 1},
}


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("everything")
    waves = np.sin(np.linspace(0, 6, 32) + np.arange(20)[:, None])
    source = from_arrays(waves, channels="none", unit="mV", name="waves", labels=[0, 1] * 10)
    training = train(source, folder / "run", settings=TINY)
    latents = create_latent_set(training.run, source, folder / "set")
    split = latents.split("test")
    signal = next(iter(source.signals("test")))
    return {
        "source": source,
        "training": training,
        "run": training.run,
        "loaded": Run.load(folder / "run"),
        "latent set": latents,
        "split": split,
        "row": split.row(0),
        "signal": signal,
        "signal set": SignalSet.collect(source.spec, [signal]),
        "evaluation": evaluate(training.run, source),
    }


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("source", ["arrays:waves", "train 14", "test 3", "split by signal"]),
        (
            "run",
            ["siren field, P 4", "parameters", "1 channel", "on arrays:waves for 1 step"],
        ),
        ("loaded", ["siren field, P 4", "on arrays:waves for 1 step", "dB on validation"]),
        ("training", ["Run(siren field"]),
        (
            "latent set",
            ["of arrays:waves, train 14, val 3, test 3", "P 4", "dB on av"],
        ),
        ("split", ["'test', 3 latents of 4 numbers", "dB on average"]),
        ("row", ["test", "4 numbers, label", "dB"]),
        ("signal", ["32, 1 channel, ", "label"]),
        ("signal set", ["1 signal, 32 points, 1D, 1 channel in m"]),
        ("evaluation", ["3 signals of arrays:waves (test), mean PSNR"]),
    ],
)
def test_an_object_says_in_one_line_what_it_is(
    everything: dict[str, Any], name: str, words: list[str]
) -> None:
    line = repr(everything[name])
    assert line.isprintable() and len(line) < 300
    for word in words:
        assert word in line


def test_a_run_that_was_never_trained_claims_nothing(everything: dict[str, Any]) -> None:
    run = everything["run"]
    assert "trained" not in repr(Run(run.network, run.config, run.spec))


def test_a_set_without_quality_says_none(tmp_path: Path) -> None:
    from tasks.blob_set import write_blob_set

    assert "dB" not in repr(write_blob_set(tmp_path / "set", {"train": 4}))
