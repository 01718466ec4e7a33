from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import nibabel as nib
import numpy as np
import pytest
import torch

import medfuncta
from medfuncta._src.errors import ConfigError, DataError, MedFunctaError
from medfuncta._src.signals.domain import Grid, Scatter
from medfuncta._src.signals.signal import Signal, ValueRange
from medfuncta._src.sources.arrays import from_arrays
from medfuncta._src.sources.source import Source
from sources.conformance import check_ids, check_info, check_order, check_spec, check_splits

GENERATOR = np.random.default_rng(0)
TRACES = GENERATOR.normal(size=(20, 32))
IMAGES = GENERATOR.integers(0, 255, (12, 3, 8, 9), np.uint8)


def volume(shape: tuple[int, ...], spacing: float = 2.0) -> nib.Nifti1Image:
    affine = np.diag([spacing, spacing, 3, 1.0])
    affine[:3, 3] = 10, -20, 30
    data = np.random.default_rng(sum(shape)).integers(-1000, 1000, shape)
    return nib.Nifti1Image(data.astype(np.int16), affine)


def scattered(number: int) -> Signal:
    positions = np.random.default_rng(number).uniform(0, 5, (9 + number, 2))
    return Signal.of(
        id=f"cloud-{number}",
        values=positions[:, :1].astype(np.float32),
        domain=Scatter(positions, (0.0, 0.0), (5.0, 5.0), "mm"),
        range=ValueRange(0.0, 5.0),
        unit="Gy",
        label=number % 3,
    )


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Types are not checked by the tests, as they are not for users."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def train_values(source: Source) -> np.ndarray:
    return np.stack([signal.values for signal in source.signals("train")])


CASES: dict[str, dict[str, Any]] = {
    "traces": {"values": TRACES, "channels": "none", "spacing": 0.01, "unit": "mV"},
    "images": {"values": IMAGES, "channels": "first", "labels": ["ill", "well"] * 6},
    "shapes": {
        "values": [np.ones((4 + i, 5, 6, 2)) * np.arange(2) for i in range(9)],
        "channels": "last",
        "spacing": (1, 1, 2.5),
        "groups": [1, 1, 2, 2, 3, 3, 4, 4, 5],
    },
    "tensors": {
        "values": torch.arange(240.0).reshape(20, 12).to(torch.bfloat16),
        "channels": "none",
        "range": "each",
        "masks": [torch.arange(12) < 9] * 20,
    },
    "volumes": {"values": [volume((5, 6, 7 + i)) for i in range(6)], "range": (-1000, 1000)},
    "signals": {"values": [scattered(i) for i in range(8)], "label_names": ["a", "b", "c"]},
    "given splits": {
        "values": TRACES[:, :, None],
        "channels": "last",
        "splits": ["train"] * 10 + ["test"] * 10,
    },
}


@pytest.mark.parametrize("given", CASES.values(), ids=CASES.keys())
def test_it_keeps_every_promise_of_a_source(given: dict[str, Any]) -> None:
    """But the one of files that stay closed: there are none."""

    def opened() -> Source:
        return from_arrays(**given)

    signals = {split: list(opened().signals(split)) for split in opened().splits}
    check_splits(opened(), signals)
    check_ids(opened(), signals)
    check_order(opened, signals)
    check_spec(opened(), signals)
    check_info(opened())
    assert sum(len(read) for read in signals.values()) == len(given["values"])


def test_the_values_are_those_that_were_given() -> None:
    source = from_arrays(TRACES, channels="none", spacing=0.01, unit="mV", val=0, test=0)
    assert np.array_equal(train_values(source)[..., 0], TRACES.astype(np.float32))
    assert source.spec.shape == (32,) and source.spec.unit == "mV"
    assert next(source.signals("train")).domain == Grid((32,), (0.01,), unit="s")


def test_channels_first_and_last_are_the_same_image() -> None:
    first = from_arrays(IMAGES, channels="first", val=0, test=0)
    last = from_arrays(np.moveaxis(IMAGES, 1, -1), channels="last", val=0, test=0)
    tensor = from_arrays(torch.from_numpy(IMAGES), channels="first", val=0, test=0)
    assert np.array_equal(train_values(first), np.moveaxis(IMAGES, 1, -1))
    assert np.array_equal(train_values(first), train_values(last))
    assert np.array_equal(train_values(first), train_values(tensor))
    assert next(tensor.signals("train")).dtype == "uint8" and first.spec.channels == 3


def test_an_image_keeps_its_affine_and_its_spacing() -> None:
    images = [volume((5, 6, 7), spacing=2.0), volume((4, 6, 9), spacing=1.5)]
    source = from_arrays(images, unit="HU", val=0, test=0)
    signals = list(source.signals("train"))
    for signal, image in zip(signals, images, strict=True):
        grid = signal.domain
        assert isinstance(grid, Grid) and grid.unit == "mm" and signal.dtype == "int16"
        assert grid.affine is not None and np.array_equal(grid.affine, image.affine)
        assert np.array_equal(signal.values[..., 0], image.get_fdata())
    assert source.spec.shape is None
    assert [signal.domain.spacing for signal in signals] == [(2, 2, 3), (1.5, 1.5, 3)]  # type: ignore[union-attr]


def test_an_image_of_one_slice_and_one_of_channels() -> None:
    flat = from_arrays([volume((5, 6, 1))], val=0, test=0)
    assert flat.spec.dim == 2 and train_values(flat).shape == (1, 5, 6, 1)
    deep = from_arrays([volume((5, 6, 7, 3))], val=0, test=0)
    assert deep.spec.channels == 3 and train_values(deep).shape == (1, 5, 6, 7, 3)


def test_signals_keep_what_they_say() -> None:
    given = [scattered(i) for i in range(8)]
    source = from_arrays(given, val=0, test=0, name="clouds")
    for ours, theirs in zip(source.signals("train"), given, strict=True):
        assert (ours.id, ours.label, ours.range, ours.unit) == (
            theirs.id,
            theirs.label,
            theirs.range,
            "Gy",
        )
        assert ours.domain is theirs.domain and ours.values is theirs.values
    assert source.spec.label_names == ("0", "1", "2") and source.spec.task == "multi-class"
    renamed = from_arrays(given, labels=["ill", None] * 4, val=0, test=0)
    assert [signal.label for signal in renamed.signals("train")] == [0, None] * 4


@pytest.mark.parametrize(
    ("labels", "names", "numbers", "classes"),
    [
        ([2, 0, None, 1], (), [2, 0, None, 1], ("0", "1", "2")),
        (np.array([1, 0, 1, 0]), ("well", "ill"), [1, 0, 1, 0], ("well", "ill")),
        (torch.tensor([1, 0, 1, 0]), (), [1, 0, 1, 0], ("0", "1")),
        (["b", "a", None, "b"], (), [1, 0, None, 1], ("a", "b")),
        (np.array(["b", "a", "b", "b"]), ("b", "a"), [0, 1, 0, 0], ("b", "a")),
        ([None] * 4, (), [None] * 4, ()),
    ],
)
def test_labels_are_numbers_or_names(
    labels: Any, names: tuple[str, ...], numbers: list[int | None], classes: tuple[str, ...]
) -> None:
    source = from_arrays(
        TRACES[:4], channels="none", labels=labels, label_names=names, val=0, test=0
    )
    assert [signal.label for signal in source.signals("train")] == numbers
    assert source.spec.label_names == classes


def test_a_group_is_never_split_and_a_given_split_is_kept() -> None:
    groups = [f"patient {i // 4}" for i in range(20)]
    source = from_arrays(TRACES, channels="none", groups=groups, val=0.2, test=0.2)
    numbers = {
        split: {int(signal.id) // 4 for signal in source.signals(split)} for split in source.splits
    }
    assert sorted(len(found) for found in numbers.values()) == [1, 1, 3]
    assert len(set.union(*numbers.values())) == 5 and source.info.split_by == "group"
    splits = ["test", "train", "val", "train"]
    given = from_arrays(TRACES[:4], channels="none", splits=splits)
    assert [next(given.signals(split)).id for split in given.splits] == [
        "000001",
        "000002",
        "000000",
    ]


def test_the_range_comes_from_the_first_split_and_from_nothing_unobserved() -> None:
    values = np.stack([np.linspace(i, i + 1, 8) for i in range(4)])
    values[0, 3] = np.nan
    values[1, 0] = 1e6
    values[3] = np.nan  # a bad signal of the test split harms nobody else
    masks = [np.isfinite(values[0]), np.arange(8) > 0, None, None]
    source = from_arrays(
        values, channels="none", splits=["train", "train", "train", "test"], masks=masks
    )
    signals = list(source.signals("train"))
    assert {signal.range for signal in signals} == {ValueRange(0.0, 3.0)}
    assert signals[0].mask is not None and not signals[0].mask[3] and signals[2].mask is None
    with pytest.raises(DataError, match="signal '000003': 8 NaN or Inf values"):
        list(source.signals("test"))


def test_bad_signals_are_left_out_on_request() -> None:
    values = TRACES[:4].copy()
    values[2, 5] = np.inf
    source = from_arrays(values, channels="none", val=0, test=0, skip_bad=True)
    assert [signal.id for signal in source.signals("train")] == ["000000", "000001", "000003"]
    assert [entry.name for entry in source.skipped] == ["signal 2"]


def test_what_the_user_says_of_the_data_is_on_record() -> None:
    source = medfuncta.from_arrays(
        TRACES, channels="none", name="sines", licence="CC0", citation="us", modality="ecg"
    )
    info = source.info
    assert (info.name, info.licence, info.citation) == ("arrays:sines", "CC0", "us")
    assert source.spec.modality == "ecg" and info.split_by == "signal"
    assert dict(info.details)["channels"] == "none" and dict(info.details)["seed"] == 0


def test_it_is_trained_on_fitted_and_evaluated(tmp_path: Path) -> None:
    waves = np.sin(np.linspace(0, 6, 32) + np.arange(20)[:, None])
    source = medfuncta.from_arrays(
        waves, channels="none", labels=[0, 1] * 10, spacing=0.01, unit="mV", name="waves"
    )
    settings = {
        "field": {"layers": 3, "width": 8, "latent_size": 4},
        "train": {"steps": 2, "batch": 3, "inner_steps": 2, "validate_every": 1},
        "fit": {"steps": 2},
    }
    run = medfuncta.train(source, tmp_path / "run", settings=settings, device="cpu").run
    assert run.training["source"] == "arrays:waves"
    latents = medfuncta.create_latent_set(run, source, tmp_path / "latents", device="cpu")
    assert (
        len(latents.split("train")) + len(latents.split("val")) + len(latents.split("test")) == 20
    )
    evaluation = medfuncta.evaluate(run, source, device="cpu")
    assert evaluation.summary.signals == len(list(source.signals("test")))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("values", "given", "line"),
    [
        (IMAGES, {}, "channels=None for arrays of shape (3, 8, 9); expected 'none' when there is"),
        (TRACES, {"channels": "middle"}, "channels='middle' for arrays of shape (32,); expected"),
        (TRACES, {"channels": "last"}, "signal 0 has a shape of (32,) with channels='last'; exp"),
        (np.zeros((2, 1, 2, 3, 4, 5)), {"channels": "first"}, "signal 0 has a shape of (1, 2, 3"),
        (np.zeros((2, 0)), {"channels": "none"}, "a grid of shape (0,); expected 1 to 3 axes"),
        (np.zeros((0, 9)), {"channels": "none"}, "no signal was given; expected at least one"),
        (np.float32(3), {"channels": "none"}, "signals were given as float32; expected a stacked"),
        ([], {}, "no signal was given; expected at least one"),
        ("x.npy", {}, "signals were given as str; expected a stacked array or tensor, or a list"),
        ({"a": 1}, {}, "signals were given as dict; expected a stacked array"),
        ([[1, 2], [3, 4]], {"channels": "none"}, "signal 0 is a list; expected an array, a"),
        (TRACES.astype(complex), {"channels": "none"}, "signal 0 is of complex128; expected real"),
        (TRACES.astype(object), {"channels": "none"}, "signal 0 is of object; expected real"),
        ([np.ones(3), np.ones((3, 3))], {"channels": "none"}, "signal 1 has 2 dimensions and 1"),
        (TRACES, {"channels": "none", "labels": [1]}, "1 labels for 20 signals; expected one for"),
        (TRACES, {"channels": "none", "labels": "abc"}, "labels were given as str; expected a"),
        (TRACES[:2], {"channels": "none", "labels": [0, "a"]}, "the label of signal 1 is none of"),
        (TRACES[:2], {"channels": "none", "labels": [0, 1.5]}, "the label of signal 1 is none of"),
        (
            TRACES[:2],
            {"channels": "none", "labels": np.eye(2, dtype=int)},
            "the label of signal 0 is",
        ),
        (
            TRACES[:2],
            {"channels": "none", "labels": [(0, [1]), 1]},
            "the label of signal 0 is none",
        ),
        (TRACES[:2], {"channels": "none", "labels": [0, -1]}, "the label of signal 1 is -1; exp"),
        (TRACES[:2], {"channels": "none", "labels": [0, 10**9]}, "the label of signal 1 is 10000"),
        (
            TRACES[:2],
            {"channels": "none", "labels": ["a", "b"], "label_names": ["a"]},
            "the label of signal 1 is none of the 1 class",
        ),
        (TRACES, {"channels": "none", "groups": ["a"] * 20}, "1 group (records"),
        (TRACES, {"channels": "none", "splits": ["dev"] * 20}, "the split of signal 0 is 'dev'"),
        (
            TRACES[:2],
            {"channels": "none", "splits": ["train", "test"], "groups": [1, 1]},
            "signal 1 is in the test split and others of its group are in the train split",
        ),
        (TRACES, {"channels": "none", "val": 3}, "the val split is given as 3; expected a"),
        (TRACES, {"channels": "none", "test": "0.1"}, "the test split is given as '0.1'; expect"),
        (TRACES, {"channels": "none", "val": 0.9, "test": 0.9}, "fractions of 0.9 and 0.9"),
        (TRACES, {"channels": "none", "spacing": (1, 2)}, "a spacing of (1.0, 2.0) for shape"),
        (TRACES, {"channels": "none", "spacing": 0}, "a spacing of (0.0,) for shape (32,)"),
        (TRACES, {"channels": "none", "spacing": "wide"}, "the spacing is 'wide'; expected"),
        (TRACES, {"channels": "none", "range": "test"}, "the range is 'test'; expected (low"),
        (TRACES, {"channels": "none", "range": ("a", "b")}, "the range is ('a', 'b'); expected"),
        (TRACES, {"channels": "none", "range": (1, 0)}, "a value range from 1 to 0; expected"),
        (TRACES, {"channels": "none", "range": (1, 2, 3)}, "the range is (1, 2, 3); expected"),
        (
            TRACES[:1],
            {"channels": "none", "masks": [np.ones(3, bool)]},
            "the mask of signal 0 is of bool and shape (3,); expected bool",
        ),
        (
            TRACES[:1],
            {"channels": "none", "masks": [np.full(32, 0.5)]},
            "the mask of signal 0 is of float64 and shape (32,); expected bool",
        ),
        (
            TRACES[:1],
            {"channels": "none", "masks": [np.zeros(32, bool)]},
            "signal 0 has no finite value that was observed",
        ),
        (TRACES[:2], {"channels": "none", "ids": ["a", "a"]}, "1 different ids for 2 signals"),
        (TRACES[:1], {"channels": "none", "ids": ["/home/x"]}, "the id of signal 0 is no name"),
        (TRACES[:1], {"channels": "none", "ids": [7]}, "the id of signal 0 is no name"),
        (TRACES, {"channels": "none", "name": "/home/x"}, "the name is empty or a path"),
        (TRACES, {"channels": "none", "name": "a\x1b[2Jb"}, "the name is 'a [2Jb'; expected text"),
        (TRACES, {"channels": "none", "unit": "m\nV"}, "the unit is 'm V'; expected text"),
        (TRACES, {"channels": "none", "modality": "\u202eecg"}, "the modality is"),
        (
            TRACES,
            {"channels": "none", "labels": ["a", "b\x07"] * 10},
            "the name of class 1 is 'b '; expected text",
        ),
        (TRACES[:1], {"channels": "none", "ids": ["a\rb"]}, "the id of signal 0 is no name"),
        (
            [volume((3, 4, 5)), np.ones(3)],
            {"seed": 1},
            "signal 1 has 1 dimension and 1 chan",
        ),
        (np.ma.masked_less(TRACES, 0), {}, "signal 0 is a masked array; give its values"),
        ([volume((3, 4, 5, 2, 2))], {}, "signal 0 is an image of shape (3, 4, 5, 2, 2)"),
    ],
)
def test_a_mistake_is_one_line(values: Any, given: dict[str, Any], line: str) -> None:
    fractions = {"val": 0, "test": 0} if len(given) and "groups" not in given else {}
    with pytest.raises(MedFunctaError) as caught:
        _ = list(from_arrays(values, **{**fractions, **given}).signals("train"))
    assert isinstance(caught.value, ConfigError | DataError)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


@pytest.mark.parametrize("table", ["array", "frame"])
def test_a_table_is_read_by_rows(table: str) -> None:
    """A frame lists its columns when it is iterated over; labels of MedMNIST are one column."""
    pandas = pytest.importorskip("pandas")
    made = np.asarray if table == "array" else pandas.DataFrame
    groups, labels = np.arange(20) // 4, np.arange(20) % 2
    source = from_arrays(
        made(TRACES),
        channels="none",
        labels=made(labels[:, None]),
        groups=made(groups[:, None]),
        masks=made(TRACES >= 0),
    )
    plain = from_arrays(
        TRACES, channels="none", labels=labels, groups=groups, masks=list(TRACES >= 0)
    )
    for split in plain.splits:
        for found, expected in zip(source.signals(split), plain.signals(split), strict=True):
            assert (found.id, found.label) == (expected.id, expected.label)
            assert np.array_equal(found.values, expected.values)
            assert np.array_equal(found.observed(), expected.observed())


def test_masks_of_one_sample_each_stay_masks() -> None:
    values, masks = np.ones((4, 1)), np.ones((4, 1), bool)
    source = from_arrays(values, channels="none", masks=masks, val=0, test=0)
    assert len(list(source.signals("train"))) == 4
