"""``medfuncta classify``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from medfuncta.cli.command import Command
from medfuncta.errors import ConfigError, DataError

if TYPE_CHECKING:
    from medfuncta.tasks.classify import LabelledData


@dataclass(kw_only=True)
class Classify(Command):
    """Learn the labels of signals from their latents, or from the signals themselves, and measure
    that on the test split.

    With LATENTS and --data together, both ways stand in one table.
    """

    latents: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="LATENTS")] = None
    """A latent set with labels, as 'medfuncta fit' writes it."""
    data: str | None = None
    """A source of labelled signals, kind:path[?option=value], for the baselines on pixels."""
    classifier: str = "all"
    """knn, logistic, mlp (on latents), resnet50, efficientnet-b0 (on signals), several of them
    separated by commas, or all that fit what was given."""
    k: Annotated[tuple[int, ...], tyro.conf.arg(aliases=["-k"], metavar="K ...")] = (1, 3)
    """Neighbours that vote, one k-NN for each number."""
    metric: Literal["cosine", "euclidean"] = "cosine"
    """What near means to them."""
    seeds: int = 1
    """How often each network is trained anew."""
    balanced: bool = True
    """Weigh every class alike in training, however rare it is; not for nearest neighbours."""
    whiten: Annotated[tuple[int, ...], tyro.conf.arg(metavar="COMPONENTS ...")] = (0,)
    """Principal components of the latents to whiten first, 0 for latents as they are; one
    classifier of each kind for each number."""
    epochs: int | None = None
    """Passes over the training split; each network has its own number when not given."""
    seconds: float | None = None
    """Time budget of one training; what is cut short says so."""
    group: str | None = None
    """The entry of the signals' metadata that those of one patient or recording share: intervals
    are then over these, not over single signals. 'record' when not given; signals without one then
    stand for themselves."""
    skip_bad: bool = False
    """Leave out, and count, signals that cannot be used: unreadable, without a label, NaN, or of a
    class unseen in training."""
    out: Path | None = None
    """Folder for classification.json and classification.png."""

    def run(self) -> dict[str, Any]:
        from medfuncta.atomic import write_json
        from medfuncta.tasks.classify import (
            LATENT_CLASSIFIERS,
            SIGNAL_CLASSIFIERS,
            ClassifierOptions,
            choose,
            compare,
            comparison_picture,
        )
        from medfuncta.tasks.drawing.figure import save_png

        if self.latents is None and self.data is None:
            raise ConfigError(
                "nothing to classify; give a latent set, or --data with a source of labelled "
                "signals"
            )
        if self.seeds < 1:
            raise ConfigError(f"--seeds is {self.seeds}; expected at least 1")
        options = ClassifierOptions(
            self.k, self.metric, self.balanced, self.whiten, self.seconds, self.epochs
        )
        kinds = {"latents": LATENT_CLASSIFIERS, "signals": SIGNAL_CLASSIFIERS}
        names = self._names({inputs: list(known) for inputs, known in kinds.items()})
        data = self._data(names)
        parts = [
            compare(
                data[inputs],
                choose(kinds[inputs], names[inputs], options),
                range(self.seeds),
                inputs=inputs,
                progress=_tell,
            )
            for inputs in data
        ]
        comparison = parts[0] if len(parts) == 1 else parts[0].joined(parts[1])
        result = comparison.to_dict()
        if self.out is not None:
            write_json(self.out / "classification.json", result)
            save_png(comparison_picture(comparison), self.out / "classification.png")
        return result

    def summary(self, result: dict[str, Any]) -> str:
        from medfuncta.cli.table import table
        from medfuncta.tasks.classify import GROUP, METRICS
        from medfuncta.tasks.classify.labelling import MULTI_LABEL

        sizes = ", ".join(f"{count:,} {name}" for name, count in result["signals"].items())
        names = list(result["classifiers"][0]["metrics"])
        header = ("classifier", "val", *(METRICS[name] for name in names), "time", "parameters")
        rows = [
            (
                _name(r),
                "undefined" if r["val_score"] is None else _share(r["val_score"]),
                *(_estimate(r["metrics"][name]) for name in names),
                f"{r['fit_seconds']:,.1f} s",
                f"{r['parameters']:,}",
            )
            for r in result["classifiers"]
        ]
        score = METRICS["auc" if result["task"] == MULTI_LABEL else "balanced_accuracy"]
        over = (
            "signals"
            if result["groups"] is None
            else f"the {result['groups']} {self.group or GROUP}s"
        )
        meaning = f"val: {score} on the validation split; time: of training; all else on the test split, with 95 % intervals over {over}"
        lines = [table(header, rows), f"{meaning}; {sizes}"]
        if len(rows) > 1:
            lines.append(
                f"best on the validation split, and so the one to take: {result['chosen']}"
            )
        if any(report["metrics"]["accuracy"]["low"] == 1 for report in result["classifiers"]):
            most = 3 / result["signals"]["test"]
            lines.append(
                "an interval 1.000-1.000 means no error was seen, not that there is none: up to "
                f"{most:.1%} wrong would be no surprise"
            )
        lines += [
            f"left out: {count:,} signals {reason}" for reason, count in result["left_out"].items()
        ]
        return "\n".join(lines)

    def _names(self, known: dict[str, list[str]]) -> dict[str, list[str]]:
        """The classifiers asked for among the known ones, by what they learn from."""
        from medfuncta.errors import suggest

        given = {"latents": self.latents is not None, "signals": self.data is not None}
        if self.classifier == "all":
            return {inputs: names if given[inputs] else [] for inputs, names in known.items()}
        asked = self.classifier.split(",")
        for name in asked:
            inputs = next((inputs for inputs, names in known.items() if name in names), None)
            if inputs is None:
                raise ConfigError(
                    f"unknown classifier '{name}'; "
                    f"{suggest(name, [*known['latents'], *known['signals'], 'all'])}"
                )
            if not given[inputs]:
                needed = "a latent set" if inputs == "latents" else "--data with a source"
                raise ConfigError(f"'{name}' learns from {inputs}; give {needed} for it")
        return {
            inputs: [name for name in asked if name in names] for inputs, names in known.items()
        }

    def _data(self, names: dict[str, list[str]]) -> dict[str, LabelledData]:
        """What the classifiers asked for learn from; checked to be the same signals before any of
        them is trained."""
        readers = {"latents": self._latents, "signals": self._signals}
        data = {inputs: read() for inputs, read in readers.items() if names[inputs]}
        for each in data.values():
            if self.group is not None and each.test.groups is None:
                raise ConfigError(
                    f"--group {self.group}: not every test signal has a '{self.group}' in its "
                    "metadata; leave it out"
                )
        if len(data) == 2:
            data["latents"].check_same_signals(data["signals"])
        return data

    def _latents(self) -> LabelledData:
        from medfuncta.latents.latent_set import LatentSet
        from medfuncta.tasks.classify import GROUP, examples_of_latents

        assert self.latents is not None
        return examples_of_latents(
            LatentSet.open(self.latents), group_by=self.group or GROUP, skip_bad=self.skip_bad
        )

    def _signals(self) -> LabelledData:
        from medfuncta.signals.signal_set import SignalSet
        from medfuncta.sources.source import SPLITS
        from medfuncta.sources.table import open_source
        from medfuncta.tasks.classify import GROUP, examples_of_signals

        assert self.data is not None
        source = open_source(self.data, skip_bad=self.skip_bad)
        missing = [name for name in SPLITS if name not in source.splits]
        if missing:
            raise DataError(
                f"no split '{missing[0]}' in {source.info.name}; classifying needs "
                f"{', '.join(SPLITS)}"
            )
        signals = {name: SignalSet.collect(source.spec, source.signals(name)) for name in SPLITS}
        return examples_of_signals(signals, group_by=self.group or GROUP, skip_bad=self.skip_bad)


def _estimate(metric: dict[str, Any]) -> str:
    if metric["value"] is None:
        return "undefined"
    return f"{_share(metric['value'])} {_share(metric['low'])}-{_share(metric['high'])}"


def _share(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _name(report: dict[str, Any]) -> str:
    return f"{report['name']} (cut short)" if report["cut_short"] else report["name"]


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
