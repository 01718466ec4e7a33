from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, ValueRange
from medfuncta._src.sources.table import open_source
from medfuncta._src.studies.findings import write_findings
from medfuncta._src.studies.missing import at_random, every_second, in_gaps, slice_axis
from medfuncta._src.studies.restoration import FIELD, SPLINES, Depleted, Removal
from medfuncta._src.studies.study import StudyOptions, run_study
from tasks.list_source import small_run


def polynomial(
    degree: int, axis: int = 0, shape: tuple[int, ...] = (40,), mask: np.ndarray | None = None
) -> Signal:
    """A signal that a spline of this degree follows exactly along the axis."""
    along = np.linspace(-1, 1, shape[axis])[np.indices(shape)[axis]] ** degree
    return Signal.of(
        "s", along[..., None].astype(np.float32), Grid(shape), ValueRange(-1, 1), mask=mask
    )


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("remove", [at_random, in_gaps])
@pytest.mark.parametrize("samples", [10, 40, 187])
def test_three_tenths_are_removed_and_the_ends_stay(remove: Removal, samples: int) -> None:
    for seed in range(20):
        removed = remove(samples, np.random.default_rng(seed))
        assert removed.shape == (samples,)
        assert removed.sum() == max(3, round(0.3 * samples))
        assert not removed[0] and not removed[-1]


def test_gaps_are_few() -> None:
    removed = in_gaps(187, rng())
    assert (np.diff(removed.astype(int)) == 1).sum() == 3


@pytest.mark.parametrize(("samples", "expected"), [(5, [1, 3]), (6, [1, 3])])
def test_every_second_slice_but_the_last(samples: int, expected: list[int]) -> None:
    assert np.flatnonzero(every_second(samples, rng())).tolist() == expected


@pytest.mark.parametrize("degree", [1, 3])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_spline_restores_its_own_polynomial_along_the_axis(degree: int, axis: int) -> None:
    signal = polynomial(degree, axis, (12, 13, 14))
    depleted = Depleted.of(signal, axis, every_second, rng())
    np.testing.assert_allclose(depleted.interpolated(degree).values, signal.values, atol=1e-6)
    assert degree == 1 or np.abs(depleted.interpolated(1).values - signal.values).max() > 1e-3


def test_removed_values_play_no_part() -> None:
    signal = polynomial(3)
    depleted = Depleted.of(signal, 0, in_gaps, rng())
    spoiled = signal.values.copy()
    spoiled[depleted.removed] = 99
    other = Depleted(
        Signal.of("s", spoiled, signal.domain, signal.range), 0, depleted.left, depleted.removed
    )
    np.testing.assert_array_equal(other.interpolated(3).values, depleted.interpolated(3).values)
    np.testing.assert_array_equal(other.remainder.normalised(), depleted.remainder.normalised())


def test_what_was_missing_before_is_neither_left_nor_removed() -> None:
    mask = np.arange(40) < 30
    depleted = Depleted.of(polynomial(1, mask=mask), 0, at_random, rng())
    assert not (depleted.left & depleted.removed).any()
    np.testing.assert_array_equal(depleted.left | depleted.removed, mask)


def test_slices_lie_along_the_widest_spacing() -> None:
    def volume(*spacing: float) -> Signal:
        return Signal.of(
            "v",
            np.zeros((2, 2, 2, 1), np.float32),
            Grid((2, 2, 2), spacing, unit="mm"),
            ValueRange(0, 1),
        )

    assert [
        slice_axis(volume(1, 5, 1)),
        slice_axis(volume(1, 1, 1)),
        slice_axis(polynomial(1, shape=(2, 2, 2))),
    ] == [1, 2, 2]


def test_too_short_and_patchy_signals_are_refused() -> None:
    with pytest.raises(DataError, match="7 samples along axis 0; expected at least 8"):
        Depleted.of(polynomial(1, shape=(7,)), 0, at_random, rng())
    patchy = polynomial(1, shape=(9, 9, 9), mask=np.arange(729).reshape(9, 9, 9) > 3)
    with pytest.raises(DataError, match="expected a whole grid"):
        Depleted.of(patchy, 0, every_second, rng())


@pytest.mark.parametrize(
    ("name", "data", "trials"),
    [("missing-samples", "sample:ecg", 2), ("missing-slices", "sample:volumes", 1)],
    ids=["trace", "volume"],
)
def test_a_study_measures_every_method_on_what_was_removed(
    name: str, data: str, trials: int, tmp_path: Path
) -> None:
    spec = open_source(data).spec
    small_run(spec).save(tmp_path / "run")
    findings = run_study(name, StudyOptions(data, tmp_path / "run", limit=2, device="cpu"))
    assert len(findings.trials) == trials
    for trial in findings.trials:
        assert list(trial.metrics) == [FIELD, *SPLINES]
        part = {
            m.points / np.prod(spec.shape or ())
            for metrics in trial.metrics.values()
            for m in metrics
        }
        assert len(part) == 1 and 0.29 < part.pop() < 0.51
        means = {method: each.summary.psnr.mean for method, each in trial.methods.items()}
        assert means["linear interpolation"] > means[FIELD]
        assert "neural field" not in trial.verdict.split(" is best")[0]
    write_findings(findings, tmp_path / "out")
    assert (
        json.loads((tmp_path / "out" / "report.json").read_text())["trials"][0]["methods"][FIELD][
            "signals"
        ]
        == 2
    )
    assert len((tmp_path / "out" / "table.csv").read_text().splitlines()) == 1 + 3 * trials
    assert len((tmp_path / "out" / "signals.csv").read_text().splitlines()) == 1 + 2 * 3 * trials
    assert (tmp_path / "out" / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert "is best" in (tmp_path / "out" / "report.html").read_text()


def test_data_of_another_dimension_are_refused() -> None:
    with pytest.raises(DataError, match="sample:volumes holds 3D signals; expected traces, 1D"):
        run_study("missing-samples", StudyOptions("sample:volumes"))
