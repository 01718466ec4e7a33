"""Signals with their labels, in three splits, checked before anything learns from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.rows import NO_LABEL
from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.source import SPLITS
from medfuncta._src.tasks.classify.labelling import MULTI_LABEL, Labelling
from medfuncta._src.tasks.classify.shapes import grid_shapes, of_one_shape, one_shape
from medfuncta._src.tasks.evaluate.linear import PrincipalComponents, most_training
from medfuncta._src.tasks.heads.left_out import LeftOut

GROUP: Final = "record"
"""The entry of the metadata that signals of one recording share."""
_UNLABELLED: Final = "without a label"
_NOT_FINITE: Final = "with NaN or Inf values"


@dataclass(frozen=True, eq=False)
class Examples:
    """What a classifier sees of one split.

    Args:
        inputs: One row a signal: latents ``[signals, latent]``, or normalised values
            ``[signals, *shape, channels]``.
        labels: In the form that :class:`Labelling` describes.
        groups: Which signals belong together, such as the beats of one record; None where each
            stands for itself.

    Raises:
        DataError: If there are not as many labels, or groups, as signals.
    """

    inputs: Float[ndarray, "signals ..."]
    labels: Int[ndarray, "examples ..."]
    groups: Shaped[ndarray, " members"] | None = None

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.inputs):
            raise DataError(
                f"{counted(len(self.labels), 'label')} for {counted(len(self.inputs), 'signal')}; "
                "expected one label a "
                "signal"
            )
        if self.groups is not None and len(self.groups) != len(self.inputs):
            raise DataError(
                f"{counted(len(self.groups), 'group')} for {counted(len(self.inputs), 'signal')}; "
                "expected one group a "
                "signal"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: ndarray) -> Examples:
        """The examples in these rows, given as numbers or as a mask."""
        groups = self.groups
        if groups is not None:
            groups = groups[rows]
        return Examples(self.inputs[rows], self.labels[rows], groups)


@dataclass(frozen=True, eq=False)
class LabelledData:
    """Three splits of labelled signals.

    Args:
        labelling: What the labels mean.
        train, val, test: To learn from, to choose weights and settings by, and to report on.
        left_out: How many signals were left out, by reason.
    """

    labelling: Labelling
    train: Examples
    val: Examples
    test: Examples
    left_out: Mapping[str, int]

    @classmethod
    def collect(
        cls,
        labelling: Labelling,
        splits: Mapping[str, Examples],
        *,
        skip_bad: bool = False,
        strict: bool = False,
    ) -> LabelledData:
        """Check the signals of ``train``, ``val`` and ``test``. Those without a label, or of a
        class that training never shows, are left out and counted.

        Args:
            labelling: What the labels mean.
            splits: By name.
            skip_bad: Leave out, and count, signals with NaN or Inf too.
            strict: Leave out none.

        Raises:
            DataError: If a split is missing or empty, labels are missing or of another length,
                training shows one class only, no signal of a split is left, or there is one that
                may not be left out.
        """
        sieve = _Sieve(labelling, skip_bad, strict)
        sound = {}
        for name in SPLITS:
            sound[name] = sieve.sound(name, _existing(splits, name))
        seen = _seen(labelling, sound["train"])
        kept = {}
        for name, examples in sound.items():
            kept[name] = sieve.of_classes(name, examples, seen)
        return cls(labelling, **kept, left_out=sieve.left_out.counts)

    def check_same_signals(self, other: LabelledData) -> None:
        """Raise unless ``other``, from a source, can hold the signals that these latents are of.

        Raises:
            DataError: If classes or numbers of signals differ.
        """
        theirs = other._facts()
        for name, ours in self._facts().items():
            if ours != theirs[name]:
                raise DataError(
                    f"{name}: {ours} in the latent set, {theirs[name]} in the source; give the "
                    "source that it was fitted from"
                )

    def _facts(self) -> dict[str, object]:
        return {"classes": self.labelling.names, "task": self.labelling.task, **self.sizes}

    @property
    def sizes(self) -> dict[str, int]:
        """How many signals each split has."""
        return {"train": len(self.train), "val": len(self.val), "test": len(self.test)}


def labelling_of(spec: SignalSpec, labels: Iterable[ndarray]) -> Labelling:
    """What the labels of a data set mean, given all of them by split; classes without names are
    named by their number.

    Raises:
        DataError: If there are no labels, or unnamed ones of a multi-label task.
    """
    if spec.label_names:
        return Labelling(spec.label_names, spec.task or "multi-class")
    last = NO_LABEL
    for each in labels:
        last = int(each.max(initial=last))
    if last == NO_LABEL or spec.task == MULTI_LABEL:
        raise DataError(
            "the signals have no labels or no class names; classifying needs a source with labels"
        )
    return Labelling(tuple(map(str, range(last + 1))), spec.task or "multi-class")


def examples_of_latents(
    latents: LatentSet, *, group_by: str = GROUP, skip_bad: bool = False, strict: bool = False
) -> LabelledData:
    """The latents of a set with their labels.

    Args:
        latents: The set.
        group_by: The entry of the signals' metadata that those of one group share; where one of
            them has none, there are no groups.
        skip_bad, strict: As for :meth:`LabelledData.collect`.

    Raises:
        DataError: As :meth:`LabelledData.collect`.
    """
    splits = {}
    for name in SPLITS:
        if name in latents.splits:
            rows = latents.split(name)
            splits[name] = Examples(rows.latents, rows.labels, _groups(rows.metadata, group_by))
    labels = [examples.labels for examples in splits.values()]
    labelling = labelling_of(latents.info.spec, labels)
    return LabelledData.collect(labelling, splits, skip_bad=skip_bad, strict=strict)


def examples_of_signals(
    splits: Mapping[str, SignalSet],
    *,
    group_by: str = GROUP,
    skip_bad: bool = False,
    strict: bool = False,
) -> LabelledData:
    """The normalised values of signals on one grid with their labels; points that were not observed
    are 0.

    Args:
        splits: By name.
        group_by: As for :func:`examples_of_latents`.
        skip_bad, strict: As for :meth:`LabelledData.collect`.

    Raises:
        DataError: If the grids have different shapes, or as :meth:`LabelledData.collect`.
    """
    shape = one_shape(splits.values())
    inputs = {}
    for name, signals in splits.items():
        inputs[name] = signals.values.reshape(len(signals), *shape)
    return examples_of_inputs(splits, inputs, group_by=group_by, skip_bad=skip_bad, strict=strict)


def examples_of_components(
    splits: Mapping[str, SignalSet],
    count: int,
    *,
    group_by: str = GROUP,
    skip_bad: bool = False,
    strict: bool = False,
) -> LabelledData:
    """So many principal components of signals on grids with their labels: what a latent of as many
    numbers is to be compared with. They are of the training split; points that were not observed
    are 0.

    Args:
        splits: By name.
        count: Components, fewer where the training signals do not tell so many apart.
        group_by: As for :func:`examples_of_latents`.
        skip_bad, strict: As for :meth:`LabelledData.collect`.

    Raises:
        DataError: If signals are scattered, or as :meth:`LabelledData.collect`.
    """
    shapes = {shape for signals in splits.values() for shape in grid_shapes(signals)}
    common = tuple(min(sizes) for sizes in zip(*shapes, strict=True))
    training = splits["train"]
    spread = np.linspace(0, len(training) - 1, min(len(training), most_training(common)))
    chosen = training.subset(np.unique(spread.astype(int)))
    found = [values for values in of_one_shape(chosen) if np.isfinite(values).all()]
    components = PrincipalComponents.of(found, common).first(count)
    inputs = {}
    for name, signals in splits.items():
        inputs[name] = np.concatenate(list(map(components.numbers, of_one_shape(signals))))
    return examples_of_inputs(splits, inputs, group_by=group_by, skip_bad=skip_bad, strict=strict)


def examples_of_inputs(
    splits: Mapping[str, SignalSet],
    inputs: Mapping[str, ndarray],
    *,
    group_by: str = GROUP,
    skip_bad: bool = False,
    strict: bool = False,
) -> LabelledData:
    """Any numbers that stand for signals, with the signals' labels.

    Args:
        splits: The signals by name of the split.
        inputs: Of each split one row a signal, in the order of the signals.
        group_by: As for :func:`examples_of_latents`.
        skip_bad, strict: As for :meth:`LabelledData.collect`.

    Raises:
        DataError: As :meth:`LabelledData.collect`.
    """
    spec = next(iter(splits.values())).spec
    labels, numbers = {}, []
    for name, signals in splits.items():
        labels[name] = [header.label for header in signals.headers]
        if spec.task != MULTI_LABEL:
            single = [NO_LABEL if label is None else label for label in labels[name]]
            numbers.append(np.array(single))
    labelling = labelling_of(spec, numbers)
    examples = {}
    for name, signals in splits.items():
        groups = _groups([header.metadata for header in signals.headers], group_by)
        examples[name] = Examples(inputs[name], labelling.number(labels[name]), groups)
    return LabelledData.collect(labelling, examples, skip_bad=skip_bad, strict=strict)


def _groups(
    metadata: Sequence[Mapping[str, Any]], group_by: str
) -> Shaped[ndarray, " members"] | None:
    """What each signal says it belongs to; None unless all do."""
    if not metadata or not all(group_by in each for each in metadata):
        return None
    return np.array([str(each[group_by]) for each in metadata])


def _existing(splits: Mapping[str, Examples], name: str) -> Examples:
    if name not in splits or len(splits[name]) == 0:
        raise DataError(
            f"no signals in the split '{name}' (there is {', '.join(splits) or 'none'}); "
            f"classifying needs {', '.join(SPLITS)}"
        )
    return splits[name]


def _seen(labelling: Labelling, train: Examples) -> Bool[ndarray, " classes"]:
    """Which classes training shows."""
    seen = np.asarray(labelling.membership(train.labels).any(axis=0))
    if not labelling.multi_label and seen.sum() < 2:
        names = ", ".join(np.asarray(labelling.names)[seen])
        raise DataError(
            f"all signals of the split 'train' are of one class ({names}); expected at least two "
            "classes"
        )
    return seen


class _Sieve:
    """Leaves out signals that cannot be used and keeps count, or refuses them."""

    def __init__(self, labelling: Labelling, skip_bad: bool, strict: bool) -> None:
        self._labelling = labelling
        self._skip_bad = skip_bad
        self.left_out = LeftOut(strict=strict)

    def sound(self, name: str, examples: Examples) -> Examples:
        """Those with a label and finite inputs."""
        self._labelling.check(examples.labels)
        labelled = (examples.labels.reshape(len(examples), -1) != NO_LABEL).all(axis=1)
        if not labelled.any():
            raise DataError(
                f"no signal of the split '{name}' has a label; classifying needs labelled data"
            )
        row_sums = examples.inputs.reshape(len(examples), -1).sum(axis=1)
        finite = np.isfinite(row_sums)  # a NaN or Inf survives in its row's sum
        broken = labelled & ~finite
        if broken.any() and not self._skip_bad:
            raise DataError(
                f"{broken.sum():,} of {counted(len(broken), 'signal')} of the split '{name}' are "
                f"{_NOT_FINITE}; leave them out with --skip-bad"
            )
        self.left_out.add(_NOT_FINITE, int(broken.sum()))
        self.left_out.note(name, _UNLABELLED, int((~labelled).sum()), len(labelled))
        return _kept(name, examples, labelled & finite, f"{_UNLABELLED} or {_NOT_FINITE}")

    def of_classes(
        self, name: str, examples: Examples, seen: Bool[ndarray, " classes"]
    ) -> Examples:
        """Those of classes that training shows; multi-label signals all, since one label says
        nothing about the others."""
        if self._labelling.multi_label:
            return examples
        known = seen[examples.labels]
        names = ", ".join(np.asarray(self._labelling.names)[np.unique(examples.labels[~known])])
        reason = f"of a class unseen in training ({names})"
        self.left_out.note(name, reason, int((~known).sum()), len(known))
        return _kept(name, examples, known, reason)


def _kept(split: str, examples: Examples, kept: Bool[ndarray, " signals"], reason: str) -> Examples:
    """Those that can be used.

    Raises:
        DataError: If there is none.
    """
    if not kept.any():
        raise DataError(
            f"every signal of the split '{split}' is {reason}; fit or split the data anew"
        )
    return examples if kept.all() else examples.take(kept)
