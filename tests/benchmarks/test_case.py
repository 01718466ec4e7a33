from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_case import TINY

from benchmarks.case import CASES, case_of, sample_values
from medfuncta._src.errors import ConfigError
from medfuncta._src.signals.signal import SignalSpec


def test_samples_lie_on_the_corners() -> None:
    case = replace(CASES["2d"], shape=(3, 5))
    coordinates = case.domain.coordinates().reshape(3, 5, 2)
    assert np.array_equal(coordinates[:, 0, 0], [-1, 0, 1])
    assert np.array_equal(coordinates[0, :, 1], [-1, -0.5, 0, 0.5, 1])


@pytest.mark.parametrize("name", CASES)
def test_the_authors_networks(name: str) -> None:
    case = CASES[name]
    assert (
        case.config.field.residual
        and case.config.field.shift_first
        and case.config.inner.channel_mean
    )
    assert case.field.omega_last == case.field.omega_first + (case.field.layers - 1) * (
        case.field.omega_increment or 0
    )


def test_values_take_the_shape_of_the_case_and_repeat() -> None:
    values = sample_values(TINY, 400)
    assert values.shape == (400, 20, 1)
    assert 0 <= values.min() < values.max() <= 1
    assert np.array_equal(values[0], values[334])  # the sample holds 334 training signals


def test_signals_of_another_form_are_refused() -> None:
    with pytest.raises(ConfigError, match="one common shape"):
        TINY.for_signals_like(SignalSpec(2, 1, (8, 8)))
    with pytest.raises(ConfigError, match="one common shape"):
        TINY.for_signals_like(SignalSpec(1, 1, None))
    assert TINY.for_signals_like(SignalSpec(1, 2, (30,))).field.channels == 2


def test_unknown_presets_are_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'ecg'"):
        case_of("ekg", {})
