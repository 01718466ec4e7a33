"""Plans of studies so small that a test has time for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from medfuncta._src.config import FitConfig, InnerConfig, TrainConfig
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.learning.checkpoint import TrainingState
from medfuncta._src.settings import Config
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.studies.ablation import Ablation
from medfuncta._src.studies.cells import CellFiles
from medfuncta._src.studies.outcome import Outcome
from medfuncta._src.studies.plan import Plan, Scale
from medfuncta._src.studies.study import StudyOptions
from medfuncta._src.studies.training import begun, prepared

FIELD = SirenConfig(
    dim=2, channels=1, layers=4, width=8, latent_size=8, omega_first=10.0, omega_last=40.0
)
TRAIN = TrainConfig(steps=2, batch=2, inner_steps=2, learning_rate=1e-3, warmup=1)
CONFIG = Config(FIELD, InnerConfig(1e-2), TRAIN, FitConfig(2))
SCALE = Scale("toy", CONFIG, CONFIG, seeds=1, signals=2)


def write_images(folder: Path, side: int = 12) -> str:
    """Smooth images of two classes as a source."""
    rng = np.random.default_rng(0)
    along = np.linspace(0, 1, side)
    arrays = {}
    for split, count in {"train": 12, "val": 4, "test": 6}.items():
        labels = np.arange(count)[:, None] % 2
        slopes = rng.uniform(0.5, 1.5, count) + labels[:, 0]
        images = 0.5 + 0.4 * np.sin(slopes[:, None, None] * (along[:, None] + 3 * along))
        arrays[f"{split}_images"] = (255 * images).astype(np.uint8)
        arrays[f"{split}_labels"] = labels.astype(np.uint8)
    np.savez(folder / "toy.npz", **arrays)
    return f"npz:{folder / 'toy.npz'}"


def toy_plan(folder: Path, seeds: tuple[int, ...] = (0,)) -> Plan:
    """A plan on such images."""
    return Plan(SCALE, seeds=seeds, data=write_images(folder))


def outcome_of(study: Ablation, plan: Plan, out: Path | None = None) -> Outcome:
    """What a study finds under a plan."""
    return study.done(plan, CellFiles(out, study.kind), StudyOptions("", out=out))


def begun_toy(plan: Plan, **train: object) -> tuple[TrainingState, SignalSet, Config]:
    """A training before its first meta-step, in float64."""
    changes = {"dtype": "float64", "clip": 0.0, "weight_decay": 0.0, **train}
    settings = plan.training(0, plan.source("x-rays"), train=changes)
    signals, _, config = prepared(settings)
    torch.manual_seed(0)
    state, config = begun(signals, config, "cpu")
    return state, signals, config
