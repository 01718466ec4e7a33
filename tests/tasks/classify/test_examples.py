from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Domain, Grid, Scatter
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.tasks.classify.examples import (
    Examples,
    LabelledData,
    examples_of_components,
    examples_of_signals,
    labelling_of,
)
from medfuncta._src.tasks.classify.labelling import Labelling
from tasks.classify.blobs import blobs

LABELLING = Labelling(("a", "b", "c"))


def splits(**changes: Examples) -> dict[str, Examples]:
    data = blobs()
    return {"train": data.train, "val": data.val, "test": data.test, **changes}


def with_labels(labels: np.ndarray) -> Examples:
    return Examples(blobs().test.inputs[: len(labels)], labels)


def with_nan() -> Examples:
    test = blobs().test
    inputs = test.inputs.copy()
    inputs[3, 2] = np.nan
    return Examples(inputs, test.labels)


def test_sound_data_is_kept_as_it_is() -> None:
    given = splits()
    data = LabelledData.collect(LABELLING, given)
    assert data.train is given["train"]
    assert data.left_out == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"val": Examples(np.zeros((0, 12), np.float32), np.zeros(0, int))},
            "no signals in the split 'val'",
        ),
        ({"train": with_labels(np.zeros(20, int))}, r"one class \(a\); expected at least two"),
        (
            {"train": with_labels(np.arange(20) % 2)},
            r"of the split 'val' are of a class unseen in training \(c\)",
        ),
        ({"test": with_labels(np.full(9, -1))}, "no signal of the split 'test' has a label"),
        (
            {"test": with_labels(np.array([0, -1, 2]))},
            "1 of 3 signals of the split 'test' are without a label",
        ),
        (
            {"test": with_labels(np.array([0, 1, 7]))},
            "the label 7; expected class numbers from 0 to 2",
        ),
        (
            {"test": with_nan()},
            (
                "1 of 90 signals of the split 'test' are with NaN or Inf values; leave them out "
                "with "
                "--skip-bad"
            ),
        ),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    changes: dict[str, Examples], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        LabelledData.collect(LABELLING, splits(**changes), strict=True)


def test_groups_go_with_their_signals() -> None:
    grouped = replace(with_nan(), groups=np.arange(90) // 10)
    data = LabelledData.collect(LABELLING, splits(test=grouped), skip_bad=True)
    assert data.test.groups.tolist() == np.delete(np.arange(90) // 10, 3).tolist()
    with pytest.raises(DataError, match="2 groups for 90 signals"):
        replace(grouped, groups=np.arange(2))


@pytest.mark.parametrize(("everyone", "groups"), [(True, ["a", "a", "b"]), (False, None)])
def test_signals_of_one_record_are_a_group_where_all_name_theirs(
    everyone: bool, groups: list[str] | None
) -> None:
    grid, names = Grid((4,)), ["a", "a", "b"]
    signals = [
        Signal.of(
            f"s{i}",
            np.zeros((4, 1), np.float32),
            grid,
            ValueRange(0, 1),
            label=i % 2,
            metadata={"record": name} if everyone or i else {},
        )
        for i, name in enumerate(names)
    ]
    collected = SignalSet.collect(
        SignalSpec(1, 1, label_names=("a", "b"), task="multi-class"), signals
    )
    found = examples_of_signals(dict.fromkeys(("train", "val", "test"), collected)).test.groups
    assert (found if found is None else found.tolist()) == groups
    assert (
        examples_of_signals(
            dict.fromkeys(("train", "val", "test"), collected), group_by="patient"
        ).test.groups
        is None
    )


def test_labels_of_another_length_are_refused() -> None:
    with pytest.raises(DataError, match="3 labels for 2 signals"):
        Examples(np.zeros((2, 4), np.float32), np.zeros(3, int))


def test_a_missing_split_is_named() -> None:
    given = splits()
    del given["val"]
    with pytest.raises(DataError, match=r"no signals in the split 'val' \(there is train, test\)"):
        LabelledData.collect(LABELLING, given)


def test_signals_without_a_label_or_of_a_class_unseen_in_training_are_left_out_and_counted() -> (
    None
):
    given = splits(
        train=with_labels(np.array([0, 1, 0, -1])),
        val=with_labels(np.array([0, 1, 2, 2])),
        test=with_labels(np.array([1, 2, 0])),
    )
    data = LabelledData.collect(LABELLING, given)
    assert data.sizes == {"train": 3, "val": 2, "test": 2}
    assert data.left_out == {"without a label": 1, "of a class unseen in training (c)": 3}
    assert data.test.labels.tolist() == [1, 0]
    with pytest.raises(DataError, match="1 of 4 signals of the split 'train' are without a label"):
        LabelledData.collect(LABELLING, given, strict=True)


def test_a_split_of_which_nothing_is_left_is_refused() -> None:
    given = splits(train=with_labels(np.array([0, 1])), val=with_labels(np.array([2, 2])))
    with pytest.raises(DataError, match="every signal of the split 'val' is of a class unseen in"):
        LabelledData.collect(LABELLING, given)


def test_what_was_asked_to_be_left_out_is_no_matter_of_strictness() -> None:
    data = LabelledData.collect(LABELLING, splits(test=with_nan()), skip_bad=True, strict=True)
    assert data.left_out == {"with NaN or Inf values": 1}


def test_bad_signals_are_left_out_and_counted_when_asked_for() -> None:
    train = with_labels(np.arange(20) % 2)
    data = LabelledData.collect(LABELLING, splits(train=train, test=with_nan()), skip_bad=True)
    assert len(data.test) == 90 - 30 - 1 + (1 if blobs().test.labels[3] == 2 else 0)
    assert data.left_out["with NaN or Inf values"] == 1
    assert data.left_out["of a class unseen in training (c)"] == 20 + 30 - (
        1 if blobs().test.labels[3] == 2 else 0
    )


def signals(labels: list, shape: tuple[int, ...] = (4, 5)) -> SignalSet:
    spec = SignalSpec(dim=2, channels=1, shape=shape)
    values = np.random.default_rng(0).random((len(labels), *shape, 1)).astype(np.float32)
    made = [
        Signal.of(str(n), v, Grid(shape), ValueRange(0, 1), label=label)
        for n, (v, label) in enumerate(zip(values, labels, strict=True))
    ]
    return SignalSet.collect(spec, made)


def test_signals_keep_their_shape_and_classes_without_names_get_numbers() -> None:
    data = examples_of_signals(
        {name: signals([0, 1, 2, None]) for name in ("train", "val", "test")}, skip_bad=True
    )
    assert data.train.inputs.shape == (3, 4, 5, 1)
    assert np.array_equal(data.test.inputs[1], signals([0, 1, 2]).signal(1).values)
    assert data.labelling.names == ("0", "1", "2")


def test_signals_of_different_shapes_are_refused() -> None:
    with pytest.raises(DataError, match=r"different shapes \(4x5, 4x6"):
        examples_of_signals({"train": signals([0, 1]), "val": signals([0, 1], (4, 6))})


def test_data_without_labels_is_refused() -> None:
    with pytest.raises(DataError, match="no labels or no class names"):
        labelling_of(SignalSpec(dim=1, channels=1), [np.full(3, -1)])
    assert labelling_of(SignalSpec(dim=1, channels=1, label_names=("n", "v")), []) == replace(
        LABELLING, names=("n", "v")
    )


def labelled(domains: list[Domain], count: int, seed: int) -> SignalSet:
    """Two classes of waves on these domains in turn."""
    generator = np.random.default_rng(seed)
    signals = []
    for number in range(count):
        domain, label = domains[number % len(domains)], number % 2
        place = domain.coordinates().sum(1)
        values = 0.5 + 0.3 * np.sin((1 + 2 * label) * place) + generator.normal(0, 0.01, len(place))
        shape = domain.shape if isinstance(domain, Grid) else (domain.points,)
        shaped = np.asarray(values, np.float32).reshape(*shape, 1)
        id = f"s{seed}-{number}"
        signals.append(Signal.of(id, shaped, domain, ValueRange(0, 1), label=label))
    spec = SignalSpec(domains[0].dim, 1, label_names=("slow", "fast"))
    return SignalSet.collect(spec, signals)


def three(domains: list[Domain]) -> dict[str, SignalSet]:
    counts = {"train": 20, "val": 8, "test": 6}
    return {name: labelled(domains, counts[name], seed) for seed, name in enumerate(counts)}


@pytest.mark.parametrize("shapes", [[(24,)], [(8, 9)], [(12, 9), (10, 11)]])
def test_principal_components_tell_the_classes_apart(shapes: list[tuple[int, ...]]) -> None:
    data = examples_of_components(three([Grid(shape) for shape in shapes]), 3)
    assert data.train.inputs.shape == (20, 3) and data.test.inputs.shape == (6, 3)
    first = data.train.inputs[:, 0]
    assert first[data.train.labels == 0].max() < first[data.train.labels == 1].min() or (
        first[data.train.labels == 0].min() > first[data.train.labels == 1].max()
    )
    assert data.labelling.names == ("slow", "fast")


def test_principal_components_are_learned_from_the_training_split_alone() -> None:
    splits = three([Grid((24,))])
    before = examples_of_components(splits, 3).train.inputs
    splits["test"] = labelled([Grid((24,))], 40, seed=7)
    assert np.array_equal(examples_of_components(splits, 3).train.inputs, before)


def test_no_more_components_than_there_are_directions() -> None:
    assert examples_of_components(three([Grid((24,))]), 64).train.inputs.shape == (20, 19)


def test_scattered_signals_have_no_cosines() -> None:
    place = np.linspace(0, 1, 24)[:, None]
    with pytest.raises(DataError, match="'s0-0' is scattered; principal components need"):
        examples_of_components(three([Scatter(place, (0.0,), (1.0,))]), 3)
