"""How large a study is: the network, the data, the seeds; and the cells that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from medfuncta._src.config import FitConfig, InnerConfig, TrainConfig
from medfuncta._src.errors import ConfigError, suggest
from medfuncta._src.field.device import usable_device
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.presets import preset
from medfuncta._src.settings import Config, override
from medfuncta._src.sources.table import open_source
from medfuncta._src.studies.clock import MEANING
from medfuncta._src.studies.study import StudyOptions

Settings: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Material:
    """Data that a study may be done on.

    Args:
        source: As text, with ``{folder}`` for the folder of public data sets.
        path: What lies in that folder, if it is there.
        sample: What stands in for it, from the package.
    """

    source: str
    path: str
    sample: str


MATERIALS: Final[Mapping[str, Material]] = {
    "x-rays": Material(
        "npz:{folder}/pneumoniamnist_28.npz", "pneumoniamnist_28.npz", "sample:histology"
    ),
    "ecg": Material("wfdb:{folder}/mitbih", "mitbih", "sample:ecg"),
    "cells": Material("npz:{folder}/bloodcells_64.npz", "bloodcells_64.npz", "sample:histology"),
    "donors": Material("npz:{folder}/pbc_64.npz", "pbc_64.npz", "sample:histology"),
    "ultrasound": Material(
        "images:{folder}/breast_ultrasound?size=64,64", "breast_ultrasound", "sample:histology"
    ),
    "brain MR": Material(
        "dicom:{folder}/brain_mr_dicom?val=0&test=0", "brain_mr_dicom", "sample:volumes"
    ),
    "volumes": Material(
        "nifti:{folder}/hippocampus/imagesTr", "hippocampus/imagesTr", "sample:volumes"
    ),
}
"""The data sets of the studies by name."""


@dataclass(frozen=True)
class Scale:
    """How large.

    Args:
        name: On the command line.
        config: Of the networks on images, unless a study asks for others.
        traces: Of those on traces.
        seeds: How many.
        signals: Held-out ones at the most.
        fine: Whether tables have all of the paper's rows.
    """

    name: str
    config: Config
    traces: Config
    seeds: int
    signals: int
    fine: bool = False


_SMALL: Final = Config(
    SirenConfig(layers=5, width=32, latent_size=64, omega_first=20.0, omega_last=100.0),
    InnerConfig(2e-2),
    TrainConfig(steps=200, batch=8, inner_steps=5, learning_rate=3e-4),
    FitConfig(10),
)
SCALES: Final[Mapping[str, Scale]] = {
    "small": Scale("small", _SMALL, _SMALL, seeds=2, signals=64),
    "paper": Scale(
        "paper", preset("paper-2d"), preset("paper-1d"), seeds=3, signals=512, fine=True
    ),
}
"""``small``: two CPU cores, minutes a study; ``paper``: the paper's settings, for a GPU."""
ScaleName: TypeAlias = Literal["small", "paper"]


@dataclass(frozen=True)
class Plan:
    """A study's options, resolved.

    Args:
        scale: How large.
        seeds: Of its cells.
        data: The source that the user names; None for those of the study.
        folder: Where public data sets lie; None for the samples.
        device: Where to compute.
    """

    scale: Scale
    seeds: tuple[int, ...] = (0,)
    data: str | None = None
    folder: Path | None = None
    device: str = "cpu"

    @classmethod
    def of(cls, options: StudyOptions) -> Plan:
        """What a user's options come to.

        Raises:
            ConfigError: If there is no such scale, folder or device, or a run was given.
        """
        if options.run is not None:
            raise ConfigError("this study trains networks of its own; leave out --run")
        if options.scale not in SCALES:
            raise ConfigError(f"unknown scale '{options.scale}'; {suggest(options.scale, SCALES)}")
        if options.data_folder is not None and not options.data_folder.is_dir():
            raise ConfigError(
                f"there is no folder '{options.data_folder.name}'; give --data-folder one that "
                "holds data sets, such as pneumoniamnist_28.npz or mitbih"
            )
        scale = SCALES[options.scale]
        if options.steps is not None:
            length = {"train": {"steps": options.steps}}
            config, traces = override(scale.config, length), override(scale.traces, length)
            scale = replace(scale, config=config, traces=traces)
        if options.limit is not None:
            scale = replace(scale, signals=options.limit)
        count = options.seeds or scale.seeds
        return cls(
            scale,
            seeds=tuple(range(options.seed, options.seed + count)),
            data=options.data or None,
            folder=options.data_folder,
            device=str(usable_device(options.device)),
        )

    def source(self, name: str) -> str:
        """The source of a data set as text: what the user names, else that of the folder, else a
        sample of the package."""
        if self.data is not None:
            return self.data
        material = MATERIALS[name]
        if self.folder is not None and (self.folder / material.path).exists():
            return material.source.format(folder=self.folder)
        return material.sample

    def has(self, name: str) -> bool:
        """Whether a data set itself is there, and nothing stands in for it."""
        return self.data is None and not self.source(name).startswith("sample:")

    def training(
        self, seed: int, source: str, *, traces: bool = False, **changes: Mapping[str, Any]
    ) -> Settings:
        """The settings of a cell that trains a network.

        Args:
            seed: Of all its draws.
            source: The data, as text.
            traces: Whether they are traces.
            changes: Sections of settings, over those of the scale.
        """
        config = self.scale.traces if traces else self.scale.config
        config = override(config, {"train": {"seed": seed}})
        config = override(config, changes, written=False)
        return {
            "data": source,
            "config": config.to_dict(),
            "signals": self.scale.signals,
            "device": self.device,
        }

    @property
    def steps(self) -> int:
        """Meta-steps."""
        return self.scale.config.train.steps

    def facts(self, *data: str) -> dict[str, str]:
        """Where the numbers come from.

        Args:
            data: Names of the data sets that were used.
        """
        config = self.scale.config
        field = config.field
        names = []
        for name in data:
            info = open_source(self.source(name)).info
            names.append(info.name)
        network = f"{field.latent_size:,} numbers a latent"
        if isinstance(field, SirenConfig):
            network = f"{field.layers} layers of {field.width}, {network}"
        inner = f"G {config.train.inner_steps}, H {config.fit.steps}, {config.inner.step_size:g}"
        return {
            "data": ", ".join(dict.fromkeys(names)),
            "held-out signals": f"{self.scale.signals} of the test split at the most",
            "network": network,
            "training": f"{config.train.steps:,} meta-steps of {config.train.batch} signals",
            "inner steps and their size": inner,
            "learning rate": f"{config.train.learning_rate:g}",
            "seeds": ", ".join(map(str, self.seeds)),
            "times": MEANING,
            "scale": self.scale.name,
        }
