from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from medfuncta.config import FitConfig
from medfuncta.errors import ConfigError, DataError
from medfuncta.field.siren.config import SirenConfig
from medfuncta.settings import Config
from medfuncta.signals.domain import Grid, Scatter
from medfuncta.signals.signal import Signal, ValueRange
from medfuncta.sources.arrays import from_arrays
from medfuncta.sources.source import Source
from sources.conformance import check_source

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
def test_signals_in_memory_are_of_one_form_and_none_is_lost(given: dict[str, Any]) -> None:
    """All that a source promises but what it promises of files, which there are none of."""

    class Spied(list):  # type: ignore[type-arg]
        """Counts how often it is asked for a signal; the guard of test files has no file to
        watch."""

    source = from_arrays(**given)
    signals = {split: list(source.signals(split)) for split in source.splits}
    assert sum(len(read) for read in signals.values()) == len(given["values"])
    assert Spied() == []


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
