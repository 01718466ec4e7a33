"""Latents against principal components and pixels for classification (paper, Table 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from medfuncta._src.studies.charts import COLOURS, MARKERS, panels
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
}
"""Data sets, and the networks that ship whose latents are classified."""
INPUTS: Final = ("latents", "components", "pixels")
_ON_NUMBERS: Final = ("knn", "logistic", "mlp")
_ON_SIGNALS: Final = tuple(SIGNAL_CLASSIFIERS)
_SIGNALS: Final = {"train": 1200, "val": 240, "test": 480}
"""At the small scale."""
_SECONDS: Final = 15.0
"""Of training a network on pixels, at the small scale."""
_CNN_INPUTS: Final = "pixels, CNN"

_EXPLANATION: Final = (
    "The same classifiers learn from latents of the networks that ship, from as many principal "
    "components of the training split, and from the values of all points; convolutional networks "
    "learn from the values. k-NN takes the nearest neighbour by cosine distance; settings of the "
    "others are chosen on the validation split. Intervals are of 95 % (bootstrap), over patients "
    "where the data name them. At the small scale all learn from 1,200 signals, and a "
    "convolutional network has a quarter of a minute for each seed, so that its "
    "numbers are far from what it can reach. x-rays are a re-split of a subset of "
    "PneumoniaMNIST, donors a subset of PBC: none of the official splits."
)


@dataclass(frozen=True)
class Score:
    """What one classifier reached on the test split.

    Args:
        classifier: Its name.
        accuracy, low, high: With the ends of its interval.
        macro_f1: Mean over classes and seeds.
        seconds: To train.
        parameters: Of the classifier.
    """

    classifier: str
    accuracy: float | None
    low: float | None
    high: float | None
    macro_f1: float | None
    seconds: float
    parameters: int


@dataclass(frozen=True)
class Scores:
    """What a cell measures.

    Args:
        scores: One a classifier.
        signals: By split.
        groups: Patients of the test split; None where the data do not name any.
        classes: How many.
    """

    scores: tuple[Score, ...]
    signals: dict[str, int]
    groups: int | None
    classes: int


def rows(plan: Plan) -> list[Row]:
    """Data sets by what classifiers see of them."""
    found = []
    for data, run in NETWORKS.items():
        source = plan.source(data)
        if plan.data is not None and data != "x-rays":
            continue
        if plan.data is None and source.startswith("sample:") and data != "ecg":
            continue
        for inputs in (*INPUTS, _CNN_INPUTS):
            if inputs == _CNN_INPUTS and find_spec("monai") is None:
                continue
            found.append(Row(f"{data}/{inputs}", _cell(plan, source, run, inputs)))
    return found


def _cell(plan: Plan, source: str, run: str, inputs: str) -> Settings:
    """A cell's settings; the network is trained where none that ships is meant."""
    limits = {} if plan.scale.fine else dict(_SIGNALS)
    if plan.scale.signals < _SIGNALS["test"] // 10:
        limits = dict.fromkeys(SPLITS, plan.scale.signals)
    settings: Settings = {"data": source, "inputs": inputs, "limits": limits}
    settings["seeds"] = list(plan.seeds)
    settings["device"] = plan.device
    settings["seconds"] = None if plan.scale.fine else _SECONDS
    if plan.data is None and not plan.scale.fine:
        settings["run"] = run
    else:
        traces = run == NETWORKS["ecg"]
        settings["training"] = plan.training(plan.seeds[0], source, traces=traces)
    return settings


def measure(settings: Mapping[str, Any]) -> Scores:
    """One cell."""
    splits = _splits(settings)
    inputs = settings["inputs"]
    kinds, names = LATENT_CLASSIFIERS, _ON_NUMBERS
    if inputs == "latents":
        data = _of_latents(splits, *_network(settings), settings["device"])
    elif inputs == "components":
        size = _network(settings)[0].config.latent_size
        data = examples_of_components(splits, size)
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
            row = (name, _percent(score), f1, f"{score.seconds:.1f}")
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


def _percent(score: Score) -> str:
    if score.accuracy is None:
        return "–"
    text = f"{100 * score.accuracy:.1f}"
    if score.low is None or score.high is None:
        return text
    return f"{text} ({100 * score.low:.1f} to {100 * score.high:.1f})"


Found = Mapping[tuple[str, ...], Scores]


def _best(found: Found, data: str, inputs: str) -> Score | None:
    scores = found.get((data, inputs))
    if scores is None:
        return None
    return max(scores.scores, key=lambda score: score.accuracy or 0.0)


def _claims(found: Found, plan: Plan) -> list[Claim]:
    names = list(dict.fromkeys(data for data, _ in found))
    others = {
        "an MLP on latents is better than convolutional networks on pixels": (
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
    claims = []
    for claim, (inputs, by) in others.items():
        said, wins, losses = [], 0, 0
        for data in names:
            ours, theirs = _best(found, data, "latents"), _best(found, data, inputs)
            if ours is None or theirs is None:
                continue
            wins += (ours.low or 0.0) > (theirs.accuracy or 0.0)
            losses += (ours.accuracy or 0.0) <= (theirs.accuracy or 0.0)
            said.append(
                f"{data}: {ours.classifier} on latents {_percent(ours)} %, {theirs.classifier} "
                f"on {inputs.partition(',')[0]} {_percent(theirs)} %"
            )
        if not said:
            claims.append(Claim(claim, by, NOT_TESTABLE, "needs MONAI (extra baselines)."))
            continue
        because = (
            "; ".join(said)
            + f"; {counted(len(plan.seeds), 'seed')}; the best of each on the test split."
        )
        if inputs == _CNN_INPUTS and not plan.scale.fine:
            because = f"convolutional networks had {_SECONDS:g} s and learned little: {because}"
            claims.append(Claim(claim, by, NOT_TESTABLE, because))
            continue
        claims.append(judged(claim, by, wins > 0 and losses == 0, because))
    return claims


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


STUDY: Final = Ablation(rows, "medfuncta._src.studies.classification:measure", Scores, reduce)
