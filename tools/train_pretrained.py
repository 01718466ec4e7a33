"""Train a field that ships with the package, and write its folder with a card:
``python tools/train_pretrained.py ecg --data FOLDER``.

FOLDER holds the public files that the recipes below name. The network is trained on the training
split, chosen on the validation split, and then, as it is stored, tried on signals of the test
split. Weights are stored as float32 where that is small enough, else as float16; the card says what
this costs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

import medfuncta
from medfuncta._src.config import FitConfig
from medfuncta._src.model_card import ModelCard, SplitQuality
from medfuncta._src.run import Run
from medfuncta._src.run_names import WEIGHTS_FILE
from medfuncta._src.settings import override, parse_assignments
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source

HOME = Path(medfuncta.__file__).parent / "pretrained"
LARGEST = 3_000_000
"""Bytes of a field's weights."""
PROBED = 20
"""Meta-steps that are timed where seconds are given."""


@dataclass(frozen=True)
class Recipe:
    """How a field is made.

    Args:
        source: The data, below the folder of data; with options.
        preset: Settings by name.
        signals, trained_on, licence, citation, not_for: For the card.
        settings: What else is set, by section and name.
        steps: Meta-steps.
    """

    source: str
    preset: str
    signals: str
    trained_on: str
    licence: str
    citation: str
    not_for: Sequence[str]
    steps: int
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


BEATS = "beats that were cut otherwise than those (from the R peak for 1.2 median RR intervals)"
RECIPES: Mapping[str, Recipe] = {
    "ecg": Recipe(
        source="wfdb:mitbih",
        preset="components-1d",
        signals="ECG heartbeats of one lead, 187 samples at 125 Hz",
        trained_on="MIT-BIH Arrhythmia Database, the 22 records of DS1, split by record",
        licence="ODC-By 1.0",
        citation="Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. IEEE Eng Med "
        "Biol 20(3):45-50, 2001. doi:10.13026/C2F305. Goldberger AL et al. PhysioBank, "
        "PhysioToolkit, and PhysioNet. Circulation 101(23):e215-e220, 2000.",
        not_for=(
            "whole recordings or leads other than MLII and V1 to V5, which it has not seen",
            "heartbeats of paced patients, of children, or of other devices without a look at "
            "what medfuncta evaluate says of them",
        ),
        steps=4950,
    ),
    "blood-cells": Recipe(
        source="npz:bloodcells_64.npz",
        preset="components-2d",
        signals="blood cells under the microscope, 64 x 64 RGB",
        trained_on="crops of single cells of BCCD (red cells, white cells, platelets)",
        licence="MIT",
        citation="BCCD Dataset, Shenggan and others, github.com/Shenggan/BCCD_Dataset.",
        not_for=("cells of another stain or magnification",),
        steps=2471,
        settings={"field": {"modes": 40}, "train": {"augment": ("flip", "rotate90")}},
    ),
    "blood-cells-donors": Recipe(
        source="npz:pbc_64.npz",
        preset="components-2d",
        signals="white blood cells of healthy donors, 64 x 64 RGB",
        trained_on="PBC, a subset of 8 balanced classes with a split of its own (not BloodMNIST's)",
        licence="CC BY 4.0",
        citation="Acevedo A et al. A dataset of microscopic peripheral blood cell images for "
        "development of automatic recognition systems. Data in Brief 30:105474, 2020.",
        not_for=("cells of patients: all donors were healthy",),
        steps=3678,
        settings={"field": {"modes": 40}, "train": {"augment": ("flip", "rotate90")}},
    ),
    "chest-xrays": Recipe(
        source="npz:pneumoniamnist_28.npz",
        preset="components-2d",
        signals="chest X-rays of children, 28 x 28",
        trained_on="a re-split of a subset of PneumoniaMNIST (not its official split)",
        licence="CC BY 4.0",
        citation="Kermany DS et al. Identifying medical diagnoses and treatable diseases by "
        "image-based deep learning. Cell 172(5):1122-1131, 2018. Yang J et al. MedMNIST v2. "
        "Scientific Data 10:41, 2023.",
        not_for=("chest X-rays of adults", "anything that 28 x 28 pixels do not show"),
        steps=485,
        settings={"field": {"latent_size": 128, "modes": 28, "squeeze": 1}, "train": {"batch": 16}},
    ),
    "hippocampus": Recipe(
        source="nifti:hippocampus/imagesTr?shape=32,32,32",
        preset="components-3d",
        signals="brain MR around the hippocampus, 32 x 32 x 32 voxels",
        trained_on="200 volumes of the Medical Segmentation Decathlon, Task04, split by file",
        licence="CC BY-SA 4.0",
        citation="Antonelli M et al. The Medical Segmentation Decathlon. Nature Communications "
        "13:4128, 2022.",
        not_for=("other regions of the brain, or whole heads",),
        steps=165,
        settings={
            "field": {"latent_size": 128, "modes": 20},
            "train": {"learning_rate": 1e-3, "augment": ("elastic",)},
        },
    ),
    "adrenal": Recipe(
        source="npz:adrenalmnist3d_64.npz",
        preset="components-3d",
        signals="shapes of adrenal glands, 64 x 64 x 64, 0 or 255",
        trained_on="AdrenalMNIST3D at 64, its official training split",
        licence="CC BY 4.0",
        citation="Yang J et al. MedMNIST v2. Scientific Data 10:41, 2023.",
        not_for=("images of glands: it knows masks",),
        steps=60,
        settings={
            "field": {"latent_size": 256, "modes": 14, "squeeze": 4, "width": 64},
            "train": {"learning_rate": 1e-3},
        },
    ),
}


def main(words: Sequence[str] | None = None) -> None:
    """Train one, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public files")
    parser.add_argument("--out", type=Path, help="folder to write; its place in the package")
    parser.add_argument("--steps", type=int, help="meta-steps; those of the recipe")
    parser.add_argument("--seconds", type=float, help="about how long to train, instead")
    parser.add_argument("--set", nargs="*", default=[], help="settings, section.name=value")
    parser.add_argument("--quality", choices=("paper", "fast", "best"), help="of the figures")
    parser.add_argument("--run", type=Path, help="a run that was trained elsewhere on this data")
    options = parser.parse_args(words)
    recipe = RECIPES[options.name]
    source = open_source(_located(recipe.source, options.data))
    source.stated = {"licence": recipe.licence, "citation": recipe.citation}
    run = trained(recipe, source, options)
    card = write(run, options.name, recipe, source, options)
    for name, split in card.splits.items():
        beside = f"components {split.components}, cosines {split.cosines}"
        print(f"{name}: {split.psnr_mean:.2f} dB of {split.signals:,} signals ({beside})")


def _located(source: str, data: Path) -> str:
    kind, _, rest = source.partition(":")
    return f"{kind}:{data / rest}"


def trained(recipe: Recipe, source: Source, options: argparse.Namespace) -> Run:
    """The network of a recipe, or one that was trained by its settings before."""
    if options.run is not None:
        return Run.load(options.run)
    steps = options.steps or recipe.steps
    settings = _settings(recipe, parse_assignments(options.set), steps)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.seconds is not None:
            probe = _settings(recipe, parse_assignments(options.set), PROBED, validations=1)
            seconds = _train(recipe, source, folder / "probe", probe)
            steps = max(PROBED, int(options.seconds / seconds * PROBED))
            settings = _settings(recipe, parse_assignments(options.set), steps)
        _train(recipe, source, folder / "run", settings)
        return Run.load(folder / "run")


def _settings(
    recipe: Recipe, given: Mapping[str, Mapping[str, Any]], steps: int, validations: int = 8
) -> dict[str, dict[str, Any]]:
    merged: dict[str, dict[str, Any]] = {"train": {}}
    for layer in (recipe.settings, given):
        for section, values in layer.items():
            merged[section] = {**merged.get(section, {}), **values}
    every = {"steps": steps, "validate_every": max(1, steps // validations)}
    merged["train"] = {**every, **merged["train"]}
    return merged


def _train(
    recipe: Recipe,
    source: Source,
    out: Path,
    settings: Mapping[str, Mapping[str, Any]],
) -> float:
    """Train, and give the seconds that meta-steps took."""

    def listen(report: Any) -> None:
        if report.val_psnr is not None:
            line = f"step {report.progress.step}: {report.val_psnr:.2f} dB on validation"
            print(line, file=sys.stderr, flush=True)

    training = medfuncta.train(source, out, recipe.preset, settings=settings, listener=listen)
    return training.progress.seconds


def write(
    run: Run, name: str, recipe: Recipe, source: Source, options: argparse.Namespace
) -> ModelCard:
    """Write a network and its card."""
    out = options.out or HOME / name
    config = run.config.fit
    if options.quality is not None:
        config = override(config, {"quality": options.quality}, "fit.")
    exact = run
    run.save(out)
    stored, cost = "float32", None
    if (out / WEIGHTS_FILE).stat().st_size > LARGEST:
        stored = "float16"
        run.save(out, dtype="float16")
        lost = _psnr(exact, source, config) - _psnr(Run.load(out), source, config)
        cost = round(lost, 3)
    size = (out / WEIGHTS_FILE).stat().st_size
    if size > LARGEST:
        sys.exit(f"{name} has {size:,} bytes of weights; expected at most {LARGEST:,}: take fewer")
    run = Run.load(out)
    splits = {split: _quality(run, source, split, config) for split in ("val", "test")}
    said = run.training
    card = ModelCard(
        name=name,
        signals=recipe.signals,
        trained_on=recipe.trained_on,
        source=source.info.name,
        licence=recipe.licence,
        citation=recipe.citation,
        fingerprint=run.fingerprint,
        kind=run.config.field.kind,
        latent_size=run.config.field.latent_size,
        parameters=sum(parameter.numel() for parameter in run.network.parameters()),
        stored_as=stored,
        storage_cost=cost,
        split_by=source.info.split_by,
        fitted_with=f"{config.plan} ({config.quality})",
        splits=splits,
        training={
            "preset": recipe.preset,
            "settings": _written(run, recipe),
            "meta-steps": f"{said.get('steps')}",
            "seconds": f"{said.get('seconds')}",
            "training signals": f"{said.get('train_signals')}",
            "medfuncta": f"{said.get('medfuncta')}",
        },
        not_for=tuple(recipe.not_for),
    )
    card.save(out)
    return card


def _written(run: Run, recipe: Recipe) -> str:
    """What was set besides the preset."""
    from medfuncta._src.presets import preset

    usual = preset(recipe.preset).to_dict()
    changed = []
    for section, values in run.config.to_dict().items():
        for name, value in values.items():
            if value != usual[section].get(name):
                changed.append(f"{section}.{name}={value}")
    return ", ".join(changed) or "none"


def _quality(run: Run, source: Source, split: str, config: FitConfig) -> SplitQuality:
    evaluation = medfuncta.evaluate(run, source, split=split, config=config, baselines=True)
    psnr = [signal.psnr for signal in evaluation.signals]
    assert evaluation.baselines is not None
    beside = evaluation.baselines.at_latent_size
    return SplitQuality(
        signals=len(psnr),
        psnr_mean=round(float(np.mean(psnr)), 2),
        psnr_median=round(float(np.median(psnr)), 2),
        psnr_worst=round(float(np.min(psnr)), 2),
        cosines=round(beside.cosines, 2),
        components=None if beside.components is None else round(beside.components, 2),
    )


def _psnr(run: Run, source: Source, config: FitConfig) -> float:
    """The mean over the test split."""
    mean = medfuncta.evaluate(run, source, split="test", config=config).summary.psnr.mean
    assert mean is not None
    return mean


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
