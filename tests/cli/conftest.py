from __future__ import annotations

from pathlib import Path

import pytest

from medfuncta._src.cli.main import main

TINY = (
    "field.kind=siren",
    "field.layers=3",
    "field.width=16",
    "field.latent_size=8",
    "train.inner_steps=2",
    "train.validate_signals=4",
    "fit.steps=2",
)


def train_words(out: Path, *more: str) -> list[str]:
    """A training of a second."""
    return [
        "train",
        "--data",
        "sample:ecg",
        "--out",
        str(out),
        "--steps",
        "2",
        "--batch",
        "4",
        "--set",
        *TINY,
        *more,
    ]


@pytest.fixture(scope="session")
def ecg_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two meta-steps on the sample heartbeats."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main(train_words(folder)) == 0
    return folder


@pytest.fixture(scope="session")
def ecg_latents(ecg_run: Path) -> Path:
    """Its latents of the validation split."""
    folder = ecg_run.parent / "latents"
    assert (
        main(["fit", str(ecg_run), "--data", "sample:ecg", "--out", str(folder), "--splits", "val"])
        == 0
    )
    return folder
