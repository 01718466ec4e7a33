"""Latents against principal components and pixels for classification (paper, Table 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.field.field import Field
from medfuncta._src.learning.fitter import Fitter
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.source import SPLITS
from medfuncta._src.sources.table import open_source
from medfuncta._src.studies.ablation import Ablation, Finished, Row
from medfuncta._src.studies.accuracy import (
    Found,
    Score,
    Scores,
    chosen,
    clearly_better,
    percent,
)
from medfuncta._src.studies.charts import COLOURS, MARKERS, panels
from medfuncta._src.studies.components import of_components
from medfuncta._src.studies.network import spread_out
from medfuncta._src.studies.outcome import NOT_TESTABLE, Claim, Outcome, Table, judged
from medfuncta._src.studies.plan import Plan, Settings
from medfuncta._src.studies.training import learn
from medfuncta._src.tasks.classify.classifier import ClassifierOptions, choose
from medfuncta._src.tasks.classify.comparison import ClassifierReport, compare
from medfuncta._src.tasks.classify.examples import (
    Examples,
    LabelledData,
    examples_of_components,
    examples_of_inputs,
    examples_of_signals,
)
from medfuncta._src.tasks.classify.latent_classifiers import LATENT_CLASSIFIERS
from medfuncta._src.tasks.classify.signal_classifiers import SIGNAL_CLASSIFIERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NETWORKS: Final = {
    "x-rays": "pretrained:chest-xrays",
    "cells": "pretrained:blood-cells",
    "donors": "pretrained:blood-cells-donors",
    "ecg": "pretrained:ecg",
    "ultrasound": None,
}
"""Data sets, and the networks that ship whose latents are classified; of those that have none, a
field of components is trained."""
INPUTS: Final = ("latents", "components", "pixels")
_ON_NUMBERS: Final = ("knn", "logistic", "mlp")
_ON_SIGNALS: Final = tuple(SIGNAL_CLASSIFIERS)
_SIGNALS: Final = {"train": 800, "val": 240, "test": 480}
"""At the small scale."""
_SECONDS: Final = 5.0
"""Of training a network on numbers, at the small scale."""
_CNN_SECONDS: Final = 40.0
"""Of training a convolutional network, at the small scale."""
_CNN_DATA: Final = ("x-rays",)
"""Whose convolutional networks learn anything in this time."""
_CNN_INPUTS: Final = "pixels, CNN"

_EXPLANATION: Final = (
    "The same classifiers learn from latents, from as many principal components of the training "
    "split, and from the values of all points; convolutional networks learn from the values. "
    "Latents are of the networks that ship with the package, which have learned from the same "
    "training splits, and for ultrasound of a small field of components that is trained here. k-NN "
    "takes the nearest neighbour by cosine distance. Weights and settings of a classifier are "
    "chosen on the validation split, and so is the classifier that stands for latents, components "
    "or pixels in a claim. Intervals are of 95 % (bootstrap), over patients where the data name "
    "them. At the small scale all learn from "
    f"{_SIGNALS['train']} signals at the most, an MLP for {_SECONDS:g} s and a convolutional "
    f"network, of X-rays only, for {_CNN_SECONDS:g} s for each seed: the paper's had 270 to 450 s "
    "of a GPU. X-rays are a re-split of a subset of "
    "PneumoniaMNIST, donors a subset of PBC: none of the official splits. The ultrasound images "
    "(BUSI) name no patients, of whom some may be in two splits."
)


def rows(plan: Plan) -> list[Row]:
    """Data sets by what classifiers see of them."""
    found = []
    for data in NETWORKS:
        if plan.data is not None and data != "x-rays":
            continue
        if plan.data is None and not plan.has(data) and data != "ecg":
            continue
        for inputs in (*INPUTS, _CNN_INPUTS):
            convolutional = inputs == _CNN_INPUTS
            if convolutional and find_spec("monai") is None:
                continue
            if convolutional and not plan.scale.fine and data not in _CNN_DATA:
                continue
            settings = _cell(plan, data, inputs)
            seconds = settings["seconds"] or 4000.0
            weight = len(plan.seeds) * seconds * (2 if convolutional else 1) + 20
            found.append(Row(f"{data}/{inputs}", settings, weight))
    return found


def _cell(plan: Plan, data: str, inputs: str) -> Settings:
    """A cell's settings; the network is trained where none that ships is meant."""
    source, run = plan.source(data), NETWORKS[data]
    limits = {} if plan.scale.fine else dict(_SIGNALS)
    if plan.scale.signals < _SIGNALS["test"] // 10:
        limits = dict.fromkeys(SPLITS, plan.scale.signals)
    settings: Settings = {"data": source, "inputs": inputs, "limits": limits}
    settings["seeds"] = list(plan.seeds)
    settings["device"] = plan.device
    seconds = _CNN_SECONDS if inputs == _CNN_INPUTS else _SECONDS
    settings["seconds"] = None if plan.scale.fine else seconds
    if run is not None and plan.data is None and not plan.scale.fine:
        settings["run"] = run
        return settings
    training = plan.training(plan.seeds[0], source, traces=data == "ecg")
    if run is None and not plan.scale.fine:
        training["config"] = of_components(Config.from_dict(training["config"]), 2).to_dict()
    settings["training"] = training
    return settings


def measure(settings: Mapping[str, Any]) -> Scores:
    """One cell."""
    splits = _splits(settings)
    inputs = settings["inputs"]
    kinds, names = LATENT_CLASSIFIERS, _ON_NUMBERS
    if inputs == "latents":
        data = _of_latents(splits, *_network(settings), settings["device"])
    elif inputs == "components":
        data = examples_of_components(splits, _latent_size(settings))
    else:
        data = examples_of_signals(splits)
    if inputs == "pixels":
        data = _flattened(data)
    if inputs == _CNN_INPUTS:
        kinds, names = SIGNAL_CLASSIFIERS, _ON_SIGNALS
    options = ClassifierOptions(k=(1,), balanced=False, seconds=settings["seconds"])
    compared = compare(data, choose(kinds, names, options), settings["seeds"], inputs=inputs)
    return Scores(
        tuple(map(_score, compared.classifiers)),
        signals=dict(compared.signals),
        groups=compared.groups,
        classes=len(compared.classes),
    )


def _splits(settings: Mapping[str, Any]) -> dict[str, SignalSet]:
    source = open_source(settings["data"])
    splits = {}
    for name in SPLITS:
        if name not in source.splits:
            raise DataError(f"{source.info.name} has no split '{name}'; classifying needs it")
        signals = source.signals(name)
        limit = settings["limits"].get(name)
        if limit is not None:
            signals = spread_out(signals, limit)
        splits[name] = SignalSet.collect(source.spec, signals)
    return splits


def _latent_size(settings: Mapping[str, Any]) -> int:
    if "run" in settings:
        return Run.load(settings["run"]).config.field.latent_size
    return settings["training"]["config"]["field"]["latent_size"]


def _network(settings: Mapping[str, Any]) -> tuple[Field, Config]:
    """The network whose latents are meant."""
    if "run" in settings:
        run = Run.load(settings["run"])
        return run.network, run.config
    learned = learn(settings["training"])
    return learned.field, learned.config


def _of_latents(
    splits: Mapping[str, SignalSet], field: Field, config: Config, device: str
) -> LabelledData:
    fitter = Fitter(field, config.inner, config.fit, device=device)
    inputs = {}
    for name, signals in splits.items():
        inputs[name] = fitter.fit(signals).latents.numpy()
    return examples_of_inputs(splits, inputs, skip_bad=True)


def _flattened(data: LabelledData) -> LabelledData:
    """The values of a signal in a row."""

    def flat(examples: Examples) -> Examples:
        values = examples.inputs.reshape(len(examples), -1)
        return Examples(np.ascontiguousarray(values), examples.labels, examples.groups)

    return LabelledData(
        data.labelling, flat(data.train), flat(data.val), flat(data.test), data.left_out
    )


def _score(report: ClassifierReport) -> Score:
    accuracy = report.metrics["accuracy"]
    return Score(
        report.name,
        accuracy.value,
        accuracy.low,
        accuracy.high,
        report.metrics["macro_f1"].value,
        report.fit_seconds,
        report.parameters,
        report.val_score,
    )


def reduce(plan: Plan, cells: Sequence[Finished]) -> Outcome:
    """Table, claims and figure."""
    found = {tuple(cell.name.split("/")): cell.numbers for cell in cells}
    table_rows, facts = [], plan.facts(*dict.fromkeys(name for name, _ in found))
    for (data, inputs), scores in found.items():
        facts[f"{data}: signals"] = ", ".join(f"{n} {s}" for s, n in scores.signals.items())
        if scores.groups is not None:
            facts[f"{data}: signals"] += f" of {scores.groups} patients in the test split"
        for score in scores.scores:
            name = f"{data}: {score.classifier} on {inputs.partition(',')[0]}"
            f1 = "–" if score.macro_f1 is None else f"{score.macro_f1:.2f}"
            row = (name, percent(score), f1, f"{score.seconds:.1f}")
            table_rows.append((*row, f"{score.parameters:,}"))
    for name in ("network", "training", "inner steps and their size", "learning rate"):
        if not plan.scale.fine and plan.data is None:
            facts.pop(name)
    header = ("classifier", "accuracy (%)", "macro F1", "seconds", "parameters")
    return Outcome(
        "Classification",
        _EXPLANATION,
        claims=_claims(found, plan),
        tables=[Table("On the test split", header, tuple(table_rows))],
        facts=facts,
        captions={
            "classification": "Accuracy on the test split by what a classifier learns from, with "
            "intervals of 95 %, over patients where the data name them."
        },
        figures={"classification": _figure(found)},
    )


def _claims(found: Found, plan: Plan) -> list[Claim]:
    others = {
        "latents are better than convolutional networks on pixels": (
            _CNN_INPUTS,
            "paper, Table 3: 89.10 against 84.46 % on pneumonia",
        ),
        "latents are better than the values of all points, for the same classifiers": (
            "pixels",
            "this package; the paper has no such row",
        ),
        "latents are better than as many principal components": (
            "components",
            "this package; the paper has no such row",
        ),
    }
    return [_claim(found, plan, claim, inputs, by) for claim, (inputs, by) in others.items()]


def _claim(found: Found, plan: Plan, claim: str, inputs: str, by: str) -> Claim:
    """A claim holds where it does clearly on more than half of the data sets, and the opposite
    nowhere."""
    said, wins, losses = [], 0, 0
    for data in dict.fromkeys(data for data, _ in found):
        ours, theirs = chosen(found, data, "latents"), chosen(found, data, inputs)
        if ours is None or theirs is None:
            continue
        wins += clearly_better(ours, theirs)
        losses += clearly_better(theirs, ours)
        said.append(
            f"{data}: {ours.classifier} on latents {percent(ours)} %, {theirs.classifier} "
            f"on {inputs.partition(',')[0]} {percent(theirs)} %"
        )
    if not said:
        return Claim(claim, by, NOT_TESTABLE, "needs MONAI (extra baselines).")
    because = (
        f"{'; '.join(said)}. Clearly better on {wins} of {len(said)}, clearly worse on {losses}; "
        f"{counted(len(plan.seeds), 'seed')}."
    )
    if inputs == _CNN_INPUTS and not plan.scale.fine:
        because = f"Convolutional networks had {_CNN_SECONDS:g} s of a CPU: {because}"
        return Claim(claim, by, NOT_TESTABLE, because)
    return judged(claim, by, 2 * wins > len(said) and losses == 0, because)


def _figure(found: Found) -> Figure:
    names = list(dict.fromkeys(data for data, _ in found))
    columns = 2 if len(names) > 1 else 1
    lines = -(-len(names) // columns)
    with panels(1, width=3.5 * columns, height=2.5 * lines) as (figure, (only,)):
        only.remove()
        grid = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes, data in zip(grid, names, strict=False):
            labels = []
            for number, inputs in enumerate((*INPUTS, _CNN_INPUTS)):
                scores = found.get((data, inputs))
                if scores is None:
                    continue
                for score in scores.scores:
                    value = 100 * (score.accuracy or 0.0)
                    low = 100 * (score.low if score.low is not None else value / 100)
                    high = 100 * (score.high if score.high is not None else value / 100)
                    axes.errorbar(
                        value,
                        len(labels),
                        xerr=[[max(0.0, value - low)], [max(0.0, high - value)]],
                        color=COLOURS[number],
                        marker=MARKERS[number],
                        markersize=4,
                        linewidth=1.1,
                    )
                    labels.append(f"{score.classifier} on {inputs.partition(',')[0]}")
            axes.set_yticks(range(len(labels)), labels)
            axes.set_ylim(len(labels) - 0.5, -0.5)
            axes.set_xlabel("accuracy (%)")
            axes.set_title(data)
        for axes in grid[len(names) :]:
            axes.remove()
    return figure


STUDY: Final = Ablation(
    rows, "medfuncta._src.studies.classification:measure", Scores, reduce, revision=2
)
