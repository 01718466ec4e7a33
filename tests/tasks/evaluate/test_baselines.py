from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.fft import dctn, idctn

from medfuncta._src.errors import DataError, MedFunctaError
from medfuncta._src.signals.domain import Domain, Grid, Scatter
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.sources.source import Source
from medfuncta._src.tasks.evaluate import evaluate
from medfuncta._src.tasks.evaluate.baselines import measure_baselines
from medfuncta._src.tasks.evaluate.report import curve_table
from tasks.list_source import list_source, small_run


def smooth(domain: Domain, channels: int, count: int, seed: int) -> list[Signal]:
    """Random mixtures of three waves, in [0, 1], with a little noise."""
    rng = np.random.default_rng(seed)
    places = domain.coordinates()
    shape = domain.shape if isinstance(domain, Grid) else (domain.points,)
    signals = []
    for number in range(count):
        amounts = rng.normal(0, 0.1, (3, channels))
        waves = np.stack([np.sin((2 + k) * places.sum(axis=1) + k) for k in range(3)], axis=-1)
        values = 0.5 + waves @ amounts + rng.normal(0, 1e-3, (len(places), channels))
        values = values.reshape(*shape, channels).astype(np.float32).clip(0, 1)
        signals.append(Signal.of(f"s{seed}-{number}", values, domain, ValueRange(0, 1)))
    return signals


def source_of(train: list[Signal], test: list[Signal], shape: tuple[int, ...] | None) -> Source:
    spec = SignalSpec(test[0].domain.dim, test[0].channels, shape=shape)
    return list_source(spec, {"train": train, "test": test})


def psnr(values: np.ndarray, back: np.ndarray) -> float:
    errors = np.square(values - back.clip(0, 1)).reshape(len(values), -1).mean(axis=1)
    return float((-10 * np.log10(errors)).mean())


@pytest.mark.parametrize(("shape", "channels"), [((40,), 1), ((9, 14), 3), ((5, 6, 4), 1)])
def test_on_one_grid_they_are_those_of_the_samples(shape: tuple[int, ...], channels: int) -> None:
    train, test = (smooth(Grid(shape), channels, count, seed) for count, seed in ((30, 0), (7, 1)))
    found = measure_baselines(source_of(train, test, shape), "test", latent_size=6)
    rows = np.stack([signal.values.reshape(-1) for signal in train]).astype(np.float64)
    values = np.stack([signal.values for signal in test]).astype(np.float64)
    mean = rows.mean(axis=0)
    directions = np.linalg.svd(rows - mean, full_matrices=False)[2][:6]
    parts = (values.reshape(7, -1) - mean) @ directions.T
    expected = psnr(values, (mean + parts @ directions).reshape(values.shape))
    assert found.at_latent_size.components == pytest.approx(expected, abs=0.01)
    assert found.training_signals == 30
    assert found.at_latent_size.components > found.at_latent_size.cosines


def test_the_lowest_cosines_of_an_image_are_those_of_the_lowest_frequency() -> None:
    test = smooth(Grid((8, 16)), 1, 5, seed=1)
    found = measure_baselines(source_of(test, test, (8, 16)), "test", latent_size=3)
    values = np.stack([signal.values[..., 0] for signal in test]).astype(np.float64)
    coefficients = dctn(values, axes=(1, 2), norm="ortho")
    either = []  # a step along the shorter side is of the same frequency as two along the longer
    for third in ((1, 0), (0, 2)):
        kept = np.zeros_like(coefficients)
        for row, column in ((0, 0), (0, 1), third):
            kept[:, row, column] = coefficients[:, row, column]
        either.append(psnr(values, idctn(kept, axes=(1, 2), norm="ortho")))
    assert min(abs(found.at_latent_size.cosines - one) for one in either) < 0.01


def test_signals_of_any_shapes_share_their_components() -> None:
    shapes = [(20, 14), (16, 18), (24, 12)] * 8
    train = [s for i, shape in enumerate(shapes) for s in smooth(Grid(shape), 1, 1, seed=i)]
    test = [s for i, shape in enumerate(shapes[:6]) for s in smooth(Grid(shape), 1, 1, 100 + i)]
    found = measure_baselines(source_of(train, test, None), "test", latent_size=8)
    assert found.at_latent_size.components is not None
    assert found.at_latent_size.components > 35  # three waves and a constant, on any grid
    assert [point.numbers for point in found.curve] == [8, 16, 32, 64, 128, 256]
    assert found.curve[-1].components is None  # 24 training signals tell 23 components apart


def test_without_a_training_split_there_are_no_components() -> None:
    test = smooth(Grid((12,)), 1, 3, seed=1)
    source = list_source(SignalSpec(1, 1, shape=(12,)), {"test": test})
    found = measure_baselines(source, "test", latent_size=4)
    assert found.at_latent_size.components is None and found.training_signals == 0


@pytest.mark.parametrize("alike", [False, True])
def test_training_signals_that_do_not_vary_have_no_components(alike: bool) -> None:
    train, test = (smooth(Grid((5, 6)), 1, count, seed) for count, seed in ((1, 0), (2, 1)))
    found = measure_baselines(source_of(train * (3 if alike else 1), test, (5, 6)), "test", 4)
    assert found.at_latent_size.components is None
    assert found.at_latent_size.cosines > 0


def test_scattered_signals_are_refused_in_one_line() -> None:
    domain = Scatter(np.random.default_rng(0).random((9, 2)), (0.0, 0.0), (1.0, 1.0))
    test = smooth(domain, 1, 2, seed=1)
    with pytest.raises(DataError, match="'s1-0' is scattered or has missing points"):
        measure_baselines(source_of(test, test, None), "test", latent_size=4)


def test_they_stand_in_the_report(tmp_path: Path) -> None:
    train, test = (smooth(Grid((12, 17)), 1, count, seed) for count, seed in ((12, 0), (4, 1)))
    source = source_of(train, test, (12, 17))
    run = small_run(source.spec)
    evaluation = evaluate(run, source, baselines=True, out=tmp_path)
    assert evaluation.baselines is not None
    data = evaluation.to_json()["baselines"]
    assert data["at_latent_size"]["numbers"] == run.config.field.latent_size
    assert (tmp_path / "curve.png").stat().st_size > 10_000
    assert "principal components" in (tmp_path / "report.html").read_text()
    assert "baselines" not in evaluate(run, source).to_json()


def test_other_shared_networks_stand_beside_it_on_one_curve(tmp_path: Path) -> None:
    train, test = (smooth(Grid((12, 17)), 1, count, seed) for count, seed in ((12, 0), (4, 1)))
    source = source_of(train, test, (12, 17))
    run, other = small_run(source.spec), small_run(source.spec, latent_size=11)
    found = evaluate(run, source, baselines=True, compare={"other": other}, out=tmp_path)
    [beside] = found.compared
    assert (beside.name, beside.numbers) == ("other", 11)
    assert beside.psnr == pytest.approx(evaluate(other, source).summary.psnr.mean)
    assert found.fields == [
        (run.config.field.latent_size, found.summary.psnr.mean),
        (11, beside.psnr),
    ]
    assert found.baselines is not None
    same = found.baselines.at(11)
    assert same == measure_baselines(source, "test", latent_size=11).at_latent_size
    data = found.to_json()
    assert data["compared"][0]["fingerprint"] == other.fingerprint
    assert {11, 8, 16} <= {point["numbers"] for point in data["baselines"]["curve"]}
    header, rows = curve_table(found)
    assert header[-2:] == ["lowest cosines", "principal components"]
    assert [row[0] for row in rows] == ["this field", "other"]
    assert (tmp_path / "curve.png").stat().st_size > 10_000


def test_networks_alone_are_a_curve_where_signals_are_on_no_grid(tmp_path: Path) -> None:
    domain = Scatter(np.random.default_rng(0).random((30, 2)), (0.0, 0.0), (1.0, 1.0))
    source = source_of([], smooth(domain, 1, 3, seed=1), None)
    run, other = small_run(source.spec), small_run(source.spec, latent_size=11)
    found = evaluate(run, source, compare={"other": other}, out=tmp_path)
    assert found.baselines is None and len(found.fields) == 2
    assert (tmp_path / "curve.png").stat().st_size > 5_000
    assert curve_table(found)[0][-1] == "field"


def test_a_network_for_other_signals_is_no_comparison() -> None:
    source = source_of([], smooth(Grid((12, 17)), 1, 2, seed=1), (12, 17))
    with pytest.raises(MedFunctaError, match="trained on 1 dimension"):
        evaluate(small_run(source.spec), source, compare={"other": small_run(SignalSpec(1, 1))})
