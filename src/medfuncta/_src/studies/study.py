"""The table of studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch

from medfuncta._src.config import Steps
from medfuncta._src.door.declared import settle
from medfuncta._src.door.limits import Seed, Some
from medfuncta._src.errors import ConfigError, suggest
from medfuncta._src.result import Result

_SomeSteps: TypeAlias = Steps | None
_AsManyAs: TypeAlias = Some | None
HELD_OUT: Final = 32
"""Signals at the most, where nobody says how many."""


@dataclass(frozen=True)
class StudyOptions:
    """What a study works on.

    Args:
        data: The source, as text; ``""`` for those that a study has of its own.
        run: A trained run; None trains one on the data.
        steps: Meta-steps of that training; those of the preset or the scale when None.
        limit: Held-out signals at the most, evenly spread over the test split; 32, or those of the
            scale, when None.
        seed: Of every random draw; the first one of a study that is repeated.
        seeds: How often a study of cells is repeated; as often as its scale says when None.
        scale: ``"small"`` or ``"paper"``, of a study of cells.
        workers: Cells that are measured side by side.
        data_folder: Where public data sets lie that a study of cells knows by name; samples stand
            in for those that are missing.
        out: Folder where finished cells are kept; None keeps none.
        collect: Measure nothing, and report what is finished there.
        skip_bad: Leave bad files out.
        device: Where to compute; an accelerator when there is one.
        tell: Told a line now and then.

    Raises:
        ConfigError: If a number is out of its bounds.
    """

    data: str
    run: Path | None = None
    steps: Steps | None = None
    limit: Some | None = None
    seed: Seed = 0
    seeds: Some | None = None
    scale: str = "small"
    workers: Some = 1
    data_folder: Path | None = None
    out: Path | None = None
    collect: bool = False
    skip_bad: bool = False
    device: torch.device | str | None = None
    tell: Callable[[str], None] = lambda line: None

    def __post_init__(self) -> None:
        numbers = {
            "steps": _SomeSteps,
            "limit": _AsManyAs,
            "seed": Seed,
            "seeds": _AsManyAs,
            "workers": Some,
        }
        settle(self, noun="option", kinds=numbers)


@dataclass(frozen=True)
class Study:
    """One row of the table.

    Args:
        summary: What it asks, in a line.
        runner: ``module:function``, imported only when asked for; ``function(options)`` gives a
            :class:`~medfuncta._src.result.Result`.
        data: The source when the user names none; ``""`` when one must be named.
        steps: Meta-steps when the user names neither steps nor a run; None for those of the preset.
        cells: Whether it is done cell by cell, on data of its own choice where the user names none,
            as one of those that a report collects.
    """

    summary: str
    runner: str
    data: str = ""
    steps: int | None = None
    cells: bool = False


def _of_cells(name: str, summary: str) -> Study:
    module = name.replace("-", "_")
    return Study(summary, f"medfuncta._src.studies.{module}:STUDY.run", cells=True)


REPORT: Final = "report"
"""The name of what does, or collects, all studies of cells."""

STUDIES: Final[Mapping[str, Study]] = {
    "missing-samples": Study(
        "traces without three tenths of their samples, at random and in gaps, restored by fitting "
        "what is left and by interpolation",
        runner="medfuncta._src.studies.missing:missing_samples",
        data="sample:ecg",
        steps=150,
    ),
    "missing-slices": Study(
        "volumes without every second slice, restored by fitting the slices left and by "
        "interpolation",
        runner="medfuncta._src.studies.missing:missing_slices",
        data="sample:volumes",
        steps=100,
    ),
    "mixed-shapes": Study(
        "volumes of different shapes, learned as they are and resampled to one grid, compared on "
        "their own grids",
        runner="medfuncta._src.studies.mixed_shapes:mixed_shapes",
    ),
    "omega-schedule": _of_cells(
        "omega-schedule", "quality over the first omega and its rise, a constant omega included"
    ),
    "omega-learning-rate": _of_cells(
        "omega-learning-rate",
        "the omega schedule as a schedule of learning rates, step by step and taken apart",
    ),
    "context-reduction": _of_cells(
        "context-reduction", "quality, memory and time over gamma, and how its points are chosen"
    ),
    "meta-gradient": _of_cells(
        "meta-gradient",
        "exact, first-order and truncated meta-gradients, auto-decoder and Reptile over time",
    ),
    "functa": _of_cells(
        "functa",
        "Functa's settings, COIN++'s patches and codes without a network at equal latent size",
    ),
    "components": _of_cells("components", "what each part of the method is worth, part by part"),
    "adaptation": _of_cells(
        "adaptation", "fits by solver over their steps, with noise, missing points and unseen data"
    ),
    "single-instance": _of_cells(
        "single-instance", "one network a signal against one for all: bits, time and quality"
    ),
    "classification": _of_cells(
        "classification", "classifiers on latents, principal components and pixels"
    ),
    "stable-rank": _of_cells(
        "stable-rank", "whether a layer's stable rank says that it can be held still"
    ),
    "gaps": _of_cells(
        "gaps", "missing samples, missing slices and mixed shapes, repeated over seeds"
    ),
    REPORT: Study(
        "all studies from omega-schedule on, with what became of each claim, as one page",
        runner="medfuncta._src.studies.report:report",
    ),
}
"""Every study by its name on the command line."""


def study(name: str) -> Study:
    """One row of the table.

    Raises:
        ConfigError: If there is no study of this name; the nearest one is named.
    """
    if name not in STUDIES:
        raise ConfigError(f"unknown study '{name}'; {suggest(name, STUDIES)}")
    return STUDIES[name]


def run_study(name: str, options: StudyOptions) -> Result:
    """Do one study.

    Raises:
        MedFunctaError: If there is no such study, or the data or the run does not fit it.
    """
    return _at(study(name).runner)(options)


def ablation(name: str) -> Any:
    """The :class:`~medfuncta._src.studies.ablation.Ablation` of a study of cells."""
    return _at(study(name).runner.removesuffix(".run"))


def _at(place: str) -> Any:
    """What stands at ``module:name``."""
    module, path = place.split(":")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found
