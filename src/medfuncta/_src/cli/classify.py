"""``medfuncta classify``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypedDict

import tyro
from msgspec import Meta

from medfuncta._src.cli.command import Command
from medfuncta._src.cli.terminal import counts_text, left_out_lines, table, tell
from medfuncta._src.door.limits import Components, Epochs, Seconds
from medfuncta._src.door.limits import Some as Count
from medfuncta._src.errors import ConfigError, DataError

if TYPE_CHECKING:
    from medfuncta._src.signals.signal_set import SignalSet
    from medfuncta._src.tasks.classify import Comparison, LabelledData
    from medfuncta._src.tasks.heads.intervals import Interval

_COMPONENTS: Final = "components"
"""Principal components of the signals, as what classifiers learn from."""


class _Choice(TypedDict):
    """What makes examples of signals or latents."""

    group_by: str
    skip_bad: bool
    strict: bool


@dataclass(kw_only=True)
class Classify(Command):
    """Learn the labels of signals from their latents, or from the signals themselves, and measure
    that on the test split.

    With LATENTS and --data together, both ways stand in one table, and between them the classifiers
    of latents on as many principal components of the signals.
    """

    latents: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="LATENTS")] = None
    """A latent set with labels, as 'medfuncta fit' writes it."""
    data: str | None = None
    """A source of labelled signals, kind:path[?option=value], for the baselines on pixels."""
    classifier: str = "all"
    """knn, logistic, mlp (on latents), resnet50, efficientnet-b0 (on signals), several of them
    separated by commas, or all that fit what was given."""
    k: Annotated[tuple[Count, ...], tyro.conf.arg(aliases=["-k"], metavar="K ...")] = (1, 3)
    """Neighbours that vote, one k-NN for each number."""
    metric: Literal["cosine", "euclidean"] = "cosine"
    """What near means to them."""
    seeds: Annotated[int, Meta(ge=1, le=1000)] = 1
    """How often each network is trained anew."""
    balanced: bool = True
    """Weigh every class alike in training, however rare it is; not for nearest neighbours."""
    whiten: Annotated[tuple[Components, ...], tyro.conf.arg(metavar="COMPONENTS ...")] = (0,)
    """Principal components of the latents to whiten first, 0 for latents as they are; one
    classifier of each kind for each number."""
    epochs: Epochs | None = None
    """Passes over the training split; each network has its own number when not given."""
    seconds: Seconds | None = None
    """Time budget of one training; what is cut short says so."""
    group: str | None = None
    """The entry of the signals' metadata that those of one patient or recording share: intervals
    are then over these, not over single signals. 'record' when not given; signals without one then
    stand for themselves."""
    skip_bad: bool = False
    """Leave out, and count, signals that are unreadable or hold NaN."""
    strict: bool = False
    """Refuse signals without a label, or of a class that training never shows, instead of leaving
    them out and counting them."""
    out: Path | None = None
    """Folder for classification.json and classification.png."""

    def run(self) -> Comparison:
        from medfuncta._src.disk.atomic import write_json
        from medfuncta._src.tasks.classify import comparison_picture
        from medfuncta._src.tasks.drawing.figure import save_png

        if self.latents is None and self.data is None:
            raise ConfigError(
                "nothing to classify; give a latent set, or --data with a source of labelled "
                "signals"
            )
        comparison = self._compare()
        if self.out is not None:
            write_json(self.out / "classification.json", comparison.to_json())
            save_png(comparison_picture(comparison), self.out / "classification.png")
        return comparison

    def summary(self, result: Comparison) -> str:
        lines = [_classifiers_table(result), self._meaning(result)]
        if len(result.classifiers) > 1:
            lines.append(f"best on the validation split, and so the one to take: {result.chosen}")
        if any(report.inputs == _COMPONENTS for report in result.classifiers):
            lines.append("on PCs: of as many principal components of the signals as latents have")
        if any(report.metrics["accuracy"].low == 1 for report in result.classifiers):
            most = 3 / result.signals["test"]
            lines.append(
                "an interval 1.000-1.000 means no error was seen, not that there is none: up to "
                f"{most:.1%} wrong would be no surprise"
            )
        intervals = [report.metrics["accuracy"] for report in result.classifiers]
        if any(of.low == of.high != 1 and of.low is not None for of in intervals):
            lines.append(
                "an interval of no width says nothing: no resample differs, as where all test "
                "signals are of one record"
            )
        lines += left_out_lines(result.left_out)
        return "\n".join(lines)

    def _meaning(self, result: Comparison) -> str:
        from medfuncta._src.tasks.classify import GROUP, METRICS

        score = METRICS["auc" if result.labelling.multi_label else "balanced_accuracy"]
        over = "signals"
        if result.groups is not None:
            over = f"the {result.groups} {self.group or GROUP}s"
        return (
            f"val: {score} on the validation split; time: of training; all else on the test split, "
            f"with 95 % intervals over {over}; {counts_text(result.signals)}"
        )

    def _compare(self) -> Comparison:
        from medfuncta._src.tasks.classify import (
            LATENT_CLASSIFIERS,
            SIGNAL_CLASSIFIERS,
            ClassifierOptions,
            choose,
            compare,
        )

        options = ClassifierOptions(
            k=self.k,
            metric=self.metric,
            balanced=self.balanced,
            whiten=self.whiten,
            seconds=self.seconds,
            epochs=self.epochs,
        )
        kinds = {"latents": LATENT_CLASSIFIERS, "signals": SIGNAL_CLASSIFIERS}
        names = self._names(kinds)
        kinds[_COMPONENTS] = LATENT_CLASSIFIERS
        names[_COMPONENTS] = names["latents"] if self.data is not None else []
        comparison = None
        for inputs, data in self._data(names).items():
            makers = choose(kinds[inputs], names[inputs], options)
            if inputs == _COMPONENTS:
                makers = {f"{name} on PCs": maker for name, maker in makers.items()}
            part = compare(data, makers, range(self.seeds), inputs=inputs, progress=tell)
            comparison = part if comparison is None else comparison.joined(part)
        assert comparison is not None
        return comparison

    def _names(self, known: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
        """The classifiers asked for among the known ones, by what they learn from."""
        from medfuncta._src.errors import suggest

        given = {"latents": self.latents is not None, "signals": self.data is not None}
        names: dict[str, list[str]] = {inputs: [] for inputs in known}
        if self.classifier == "all":
            for inputs, every in known.items():
                if given[inputs]:
                    names[inputs] += every
            return names
        inputs_of = {name: inputs for inputs, every in known.items() for name in every}
        for name in self.classifier.split(","):
            if name not in inputs_of:
                raise ConfigError(
                    f"unknown classifier '{name}'; {suggest(name, [*inputs_of, 'all'])}"
                )
            inputs = inputs_of[name]
            if not given[inputs]:
                needed = "a latent set" if inputs == "latents" else "--data with a source"
                raise ConfigError(f"'{name}' learns from {inputs}; give {needed} for it")
            names[inputs].append(name)
        return names

    def _data(self, names: Mapping[str, Sequence[str]]) -> dict[str, LabelledData]:
        """What the classifiers asked for learn from; checked to be the same signals before any of
        them is trained."""
        from medfuncta._src.tasks.classify import examples_of_components, examples_of_signals

        data = {}
        signals = {}
        if names["latents"]:
            data["latents"] = self._latents()
        if names["signals"] or names[_COMPONENTS]:
            signals = self._signals()
        if names[_COMPONENTS]:
            count = data["latents"].train.inputs.shape[1]
            data[_COMPONENTS] = examples_of_components(signals, count, **self._choice())
        if names["signals"]:
            data["signals"] = examples_of_signals(signals, **self._choice())
        for each in data.values():
            if self.group is not None and each.test.groups is None:
                raise ConfigError(
                    f"--group {self.group}: not every test signal has a '{self.group}' in its "
                    "metadata; leave it out"
                )
        for inputs in (_COMPONENTS, "signals"):
            if "latents" in data and inputs in data:
                data["latents"].check_same_signals(data[inputs])
        return data

    def _choice(self) -> _Choice:
        """Which signals are left out, and what groups they form."""
        from medfuncta._src.tasks.classify import GROUP

        return {
            "group_by": self.group or GROUP,
            "skip_bad": self.skip_bad,
            "strict": self.strict,
        }

    def _latents(self) -> LabelledData:
        from medfuncta._src.latents.latent_set import LatentSet
        from medfuncta._src.tasks.classify import examples_of_latents

        assert self.latents is not None
        return examples_of_latents(LatentSet.open(self.latents), **self._choice())

    def _signals(self) -> dict[str, SignalSet]:
        from medfuncta._src.signals.signal_set import SignalSet
        from medfuncta._src.sources.source import SPLITS
        from medfuncta._src.sources.table import open_source

        assert self.data is not None
        source = open_source(self.data, skip_bad=self.skip_bad)
        signals = {}
        for name in SPLITS:
            if name not in source.splits:
                raise DataError(
                    f"no split '{name}' in {source.info.name}; classifying needs "
                    f"{', '.join(SPLITS)}"
                )
        for name in SPLITS:
            signals[name] = SignalSet.collect(source.spec, source.signals(name))
        return signals


def _classifiers_table(result: Comparison) -> str:
    from medfuncta._src.tasks.classify import METRICS

    names = list(result.classifiers[0].metrics)
    header = ("classifier", "val", *(METRICS[name] for name in names), "time", "parameters")
    rows = []
    for report in result.classifiers:
        title = f"{report.name} (cut short)" if report.cut_short else report.name
        cells = [_estimate(report.metrics[name]) for name in names]
        seconds = f"{report.fit_seconds:,.1f} s"
        rows.append((title, _share(report.val_score), *cells, seconds, f"{report.parameters:,}"))
    return table(header, rows)


def _estimate(metric: Interval) -> str:
    if metric.value is None:
        return "undefined"
    return f"{_share(metric.value)} {_share(metric.low)}-{_share(metric.high)}"


def _share(value: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.3f}".removeprefix("0")
