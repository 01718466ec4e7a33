from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from medfuncta._src.errors import ConfigError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.sample import SAMPLES
from medfuncta._src.sources.table import open_source
from sources.conformance import check_source

FORMS = {
    "ecg": (187, 1),
    "slices": (64, 64, 1),
    "volumes": (32, 32, 32, 1),
    "histology": (32, 32, 3),
}


@pytest.fixture(scope="module")
def read() -> dict[str, dict[str, list[Signal]]]:
    return {
        name: {split: list(source.signals(split)) for split in source.splits}
        for name in SAMPLES
        if (source := open_source(f"sample:{name}"))
    }


@pytest.mark.parametrize("name", FORMS)
def test_a_sample_is_a_source(name: str) -> None:
    check_source(lambda: open_source(f"sample:{name}"))


def test_there_is_a_sample_of_each_dimension(read: dict[str, dict[str, list[Signal]]]) -> None:
    assert {name: splits["train"][0].values.shape for name, splits in read.items()} == FORMS


@pytest.mark.parametrize("name", FORMS)
def test_every_split_has_every_class_and_no_signal_twice(
    name: str, read: dict[str, dict[str, list[Signal]]]
) -> None:
    splits, source = read[name], open_source(f"sample:{name}")
    assert list(splits) == ["train", "val", "test"]
    for signals in splits.values():
        assert {signal.label for signal in signals} == set(range(len(source.spec.label_names)))
    origins = [signal.metadata["origin"] for signals in splits.values() for signal in signals]
    contents = {signal.values.tobytes() for signals in splits.values() for signal in signals}
    assert len(set(origins)) == len(origins) == len(contents)


@pytest.mark.parametrize("name", FORMS)
def test_normalised_values_fill_the_unit_interval(
    name: str, read: dict[str, dict[str, list[Signal]]]
) -> None:
    for signals in read[name].values():
        values = np.concatenate([signal.normalised() for signal in signals])
        assert values.min() == pytest.approx(0, abs=0.05) and values.max() == pytest.approx(
            1, abs=0.05
        )
        assert values.min() >= 0 and values.max() <= 1


def test_test_beats_come_later_than_train_beats(read: dict[str, dict[str, list[Signal]]]) -> None:
    seconds = {
        split: [float(str(signal.metadata["origin"]).split()[1]) for signal in signals]
        for split, signals in read["ecg"].items()
    }
    assert max(seconds["train"]) + 5 < min(seconds["val"]) and max(seconds["val"]) + 5 < min(
        seconds["test"]
    )


@pytest.mark.parametrize("name", ["slices", "volumes"])
def test_test_signals_are_of_other_volumes(
    name: str, read: dict[str, dict[str, list[Signal]]]
) -> None:
    volumes = {
        split: {str(signal.metadata["origin"]).split()[0] for signal in signals}
        for split, signals in read[name].items()
    }
    assert volumes["train"] == volumes["val"] and not volumes["train"] & volumes["test"]


def test_volumes_carry_hounsfield_units_and_their_place(
    read: dict[str, dict[str, list[Signal]]],
) -> None:
    first, second = read["volumes"]["train"][:2]
    assert isinstance(first.domain, Grid) and isinstance(second.domain, Grid)
    assert (first.unit, first.dtype, first.domain.unit, first.domain.spacing) == (
        "HU",
        "int16",
        "mm",
        (2.0, 2.0, 2.0),
    )
    assert first.domain.affine is not None and second.domain.affine is not None
    assert np.allclose(np.abs(np.diag(first.domain.affine)), [2, 2, 2, 1])
    assert not np.array_equal(first.domain.affine, second.domain.affine)


def test_samples_are_small_and_their_licences_lie_beside_them() -> None:
    folder = files("medfuncta._src.sources") / "samples"
    sizes = [len(path.read_bytes()) for path in folder.iterdir() if path.name.endswith(".npz")]
    assert sum(sizes) < 2.5e6
    licences = (folder / "LICENSES.md").read_text(encoding="utf-8")
    assert all(f"## `{name}`" in licences for name in SAMPLES)


def test_an_unknown_sample_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no sample 'slice'; did you mean 'slices'\?"):
        open_source("sample:slice")
