"""The table of studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, TypeAlias

import torch

from medfuncta._src.config import Steps
from medfuncta._src.door.declared import settle
from medfuncta._src.door.limits import Seed, Some
from medfuncta._src.errors import ConfigError, suggest
from medfuncta._src.studies.findings import Findings

_SomeSteps: TypeAlias = Steps | None


@dataclass(frozen=True)
class StudyOptions:
    """What a study works on.

    Args:
        data: The source, as text.
        run: A trained run; None trains one on the data.
        steps: Meta-steps of that training; the preset's when None.
        limit: Held-out signals at the most, evenly spread over the test split.
        seed: Of every random draw.
        skip_bad: Leave bad files out.
        device: Where to compute; an accelerator when there is one.
        tell: Told a line now and then.

    Raises:
        ConfigError: If a number is out of its bounds.
    """

    data: str
    run: Path | None = None
    steps: Steps | None = None
    limit: Some = 32
    seed: Seed = 0
    skip_bad: bool = False
    device: torch.device | str | None = None
    tell: Callable[[str], None] = lambda line: None

    def __post_init__(self) -> None:
        numbers = {"steps": _SomeSteps, "limit": Some, "seed": Seed}
        settle(self, noun="option", kinds=numbers)


@dataclass(frozen=True)
class Study:
    """One row of the table.

    Args:
        summary: What it asks, in a line.
        runner: ``module:function``, imported only when asked for; ``function(options)`` gives the
            :class:`Findings`.
        data: The source when the user names none; ``""`` when one must be named.
        steps: Meta-steps when the user names neither steps nor a run; None for those of the preset.
    """

    summary: str
    runner: str
    data: str = ""
    steps: int | None = None


_STUDIES: Final[Mapping[str, Study]] = {
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
}
"""Every study by its name on the command line."""


def study(name: str) -> Study:
    """One row of the table.

    Raises:
        ConfigError: If there is no study of this name; the nearest one is named.
    """
    if name not in _STUDIES:
        raise ConfigError(f"unknown study '{name}'; {suggest(name, _STUDIES)}")
    return _STUDIES[name]


def run_study(name: str, options: StudyOptions) -> Findings:
    """Do one study.

    Raises:
        MedFunctaError: If there is no such study, or the data or the run does not fit it.
    """
    module, function = study(name).runner.split(":")
    return getattr(import_module(module), function)(options)
