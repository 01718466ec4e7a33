"""What holds for signals of any dimension, shape and spacing, gridded or scattered, whole or with
missing points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from kinds import COUNT, KINDS, collect, make_run
from torch.testing import assert_close
from unrolled import relative_error

from medfuncta._src.config import FitConfig, TrainConfig
from medfuncta._src.field.functional import FunctionalObjective
from medfuncta._src.field.objective import Objective
from medfuncta._src.field.siren.objective import SirenObjective
from medfuncta._src.latents.decode import decode, reconstruct
from medfuncta._src.latents.fit import fit_latents
from medfuncta._src.learning.context import draw_context
from medfuncta._src.learning.meta_gradient import MetaGradient, meta_gradient
from medfuncta._src.learning.train import train_network
from medfuncta._src.run import Run
from medfuncta._src.signals.domain import Grid, Scatter
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.signal import Signal
from medfuncta._src.signals.signal_set import SignalSet

ROUNDING = {"rtol": 1e-4, "atol": 1e-6}
"""What a sum in another order may change in float32 after a few inner steps."""


@pytest.fixture(params=KINDS)
def originals(request: pytest.FixtureRequest) -> list[Signal]:
    return list(KINDS[request.param]())


@pytest.fixture
def signals(originals: list[Signal]) -> SignalSet:
    return collect(originals)


@pytest.fixture
def run(signals: SignalSet) -> Run:
    return make_run(signals)


def all_points(signals: SignalSet, dtype: torch.dtype = torch.float64) -> Points:
    return signals.points(range(len(signals))).to(dtype=dtype)


def some_latents(run: Run) -> torch.Tensor:
    return torch.randn(
        COUNT, run.config.field.latent_size, generator=torch.Generator().manual_seed(1)
    )


def double_objectives(run: Run) -> dict[str, Objective]:
    network = run.network.double()
    return {"functional": FunctionalObjective(network), "siren": SirenObjective(network.folded())}


def test_weights_are_those_of_the_observed_points(signals: SignalSet) -> None:
    points = signals.points(range(COUNT))
    assert_close(points.weights.sum(1), torch.ones(COUNT))
    observed = [
        signal.mask.sum() if signal.mask is not None else signal.domain.points
        for signal in map(signals.signal, range(COUNT))
    ]
    assert (points.weights > 0).sum(1).tolist() == observed
    assert points.coordinates.abs().max() <= 1
    assert len(points.coordinates) == (1 if signals.shared_grid else COUNT)


def test_values_come_back_in_their_units(originals: list[Signal], signals: SignalSet) -> None:
    for original, kept in zip(originals, map(signals.signal, range(COUNT)), strict=True):
        observed = ... if original.mask is None else original.mask
        np.testing.assert_allclose(
            kept.values[observed], original.values[observed], rtol=1e-5, atol=1e-4
        )
        assert (kept.id, kept.unit, kept.label, kept.domain) == (
            original.id,
            original.unit,
            original.label,
            original.domain,
        )


def test_padding_never_changes_a_loss(signals: SignalSet, run: Run) -> None:
    latents = some_latents(run).double()
    together = all_points(signals)
    garbage = torch.full_like(together.values[:, :4], 9.0)
    padded = Points(
        torch.cat([together.coordinates, together.coordinates[:, :4] + 0.1], dim=1),
        torch.cat([together.values, garbage], dim=1),
        torch.cat([together.weights, torch.zeros_like(garbage[..., 0])], dim=1),
    )
    for objective in double_objectives(run).values():
        alone = [
            objective.losses(latents[i : i + 1], signals.points([i]).to(dtype=torch.float64))
            for i in range(COUNT)
        ]
        assert_close(objective.losses(latents, together), torch.cat(alone))
        assert_close(objective.losses(latents, padded), torch.cat(alone))


@pytest.mark.parametrize("context", ["random", "stratified"])
def test_the_meta_gradient_by_hand_is_the_functional_one(
    signals: SignalSet, run: Run, context: str
) -> None:
    points = all_points(signals)
    settings, generator = (
        TrainConfig(context_ratio=0.5, context=context),
        torch.Generator().manual_seed(0),
    )
    contexts = [draw_context(points, settings, generator) for _ in range(2)]
    hand, functional = (
        meta_gradient(
            objective, run.network.zero_latents(COUNT), points, contexts, run.config.inner
        )
        for objective in double_objectives(run).values()
    )
    assert relative_error(hand.gradients, list(functional.gradients.values())) < 1e-9
    assert_close(hand.latents, functional.latents)


def test_the_meta_gradient_of_a_batch_is_the_mean_of_its_signals(
    signals: SignalSet, run: Run
) -> None:
    objective = double_objectives(run)["siren"]

    def of(points: Points) -> MetaGradient:
        return meta_gradient(
            objective,
            run.network.zero_latents(points.batch),
            points,
            [None, None],
            run.config.inner,
        )

    alone = [of(signals.points([i]).to(dtype=torch.float64)) for i in range(COUNT)]
    together = of(all_points(signals))
    means = [
        torch.stack([one.gradients[name] for one in alone]).mean(0) for name in together.gradients
    ]
    assert (
        relative_error(together.gradients, means) < 1e-7
    )  # weights are float32 until they meet the field
    assert_close(together.latents, torch.cat([one.latents for one in alone]))


def test_fitting_a_batch_is_fitting_one_by_one(signals: SignalSet, run: Run) -> None:
    assert COUNT % run.config.fit.batch, "the last batch must be an odd one"
    seen: list[int] = []
    together = fit_latents(run, signals, device="cpu", progress=seen.append)
    assert seen == [3, 3, 1] and len(together.latents) == len(together.errors) == COUNT
    for batch in (1, 2, COUNT + 1):
        other = fit_latents(run, signals, replace(run.config.fit, batch=batch), device="cpu")
        assert_close(other.latents, together.latents, **ROUNDING)
        assert_close(other.errors, together.errors, **ROUNDING)
    alone = [fit_latents(run, signals.subset([i]), device="cpu").latents for i in range(COUNT)]
    assert_close(torch.cat(alone), together.latents, **ROUNDING)
    assert torch.cdist(together.latents, together.latents).fill_diagonal_(1).min() > 1e-3, (
        "these signals must differ to tell order"
    )


@pytest.mark.parametrize("quality", ["fast", "best"])
def test_every_quality_fits_each_signal_by_itself(
    signals: SignalSet, run: Run, quality: str
) -> None:
    """In float64: where steps are taken or refused by a comparison, rounding of float32 may
    decide."""
    run.network.double()
    config = replace(run.config.fit, quality=quality)
    start = signals.starts[1] + (
        0 if signals.observed is None else int(signals.observed[signals.starts[1] :].argmax())
    )
    together = fit_latents(run, signals, config, device="cpu")
    for i in (0, 5):
        assert_close(
            fit_latents(run, signals.subset([i]), config, device="cpu").latents[0],
            together.latents[i],
            rtol=1e-3,
            atol=1e-5,
        )
    signals.values[start, 0] = np.nan
    spoiled = fit_latents(run, signals, config, device="cpu")
    others = [i for i in range(COUNT) if i != 1]
    assert spoiled.latents[1].isnan().all() and spoiled.errors[1].isnan()
    assert_close(spoiled.latents[others], together.latents[others], rtol=1e-3, atol=1e-5)


def test_latents_follow_the_order_of_the_signals(signals: SignalSet, run: Run) -> None:
    order = [4, 0, 6, 2, 5, 1, 3]
    shuffled = signals.subset(order)
    assert [header.id for header in shuffled.headers] == [f"s{i}" for i in order]
    assert_close(
        fit_latents(run, shuffled, device="cpu").latents,
        fit_latents(run, signals, device="cpu").latents[order],
        **ROUNDING,
    )


def test_a_nan_signal_stays_alone(signals: SignalSet, run: Run) -> None:
    clean = fit_latents(run, signals, device="cpu")
    values = signals.values.copy()
    start = signals.starts[1]
    first = start if signals.observed is None else start + int(signals.observed[start:].argmax())
    values[first, 0] = np.nan
    spoiled = fit_latents(run, replace(signals, values=values), device="cpu")
    others = [i for i in range(COUNT) if i != 1]
    assert spoiled.latents[1].isnan().all() and spoiled.errors[1].isnan()
    assert torch.equal(spoiled.latents[others], clean.latents[others])
    assert torch.equal(spoiled.errors[others], clean.errors[others])


def test_decoding_on_the_own_domain_is_the_field_at_its_coordinates(
    signals: SignalSet, run: Run
) -> None:
    latents = some_latents(run)
    for i, header in enumerate(signals.headers):
        coordinates = torch.from_numpy(header.domain.coordinates()).unsqueeze(0)
        with torch.no_grad():
            expected = run.network(coordinates, latents[i : i + 1])[0].numpy()
        values = decode(run.network, latents[i], header.domain, chunk=11)
        np.testing.assert_allclose(values.reshape(expected.shape), expected, atol=1e-6)
        whole = reconstruct(run, latents[i], header)
        assert (whole.id, whole.domain, whole.values.shape) == (
            header.id,
            header.domain,
            header.shape,
        )
        np.testing.assert_allclose(
            whole.range.normalise(whole.values).reshape(expected.shape), expected, atol=1e-5
        )


def test_a_saved_run_fits_alike(signals: SignalSet, run: Run, tmp_path: Path) -> None:
    run.save(tmp_path)
    loaded = Run.load(tmp_path)
    assert (loaded.spec, loaded.fingerprint) == (run.spec, run.fingerprint)
    assert torch.equal(
        fit_latents(loaded, signals, device="cpu").latents,
        fit_latents(run, signals, device="cpu").latents,
    )


def test_two_meta_steps_train(signals: SignalSet, run: Run, tmp_path: Path) -> None:
    training = train_network(signals, signals.subset([0, 3]), tmp_path, run.config, device="cpu")
    assert (training.progress.step, training.progress.skipped) == (2, 0)
    assert training.progress.best_psnr is not None and np.isfinite(training.progress.best_psnr)
    assert training.run.fingerprint != run.fingerprint


def test_masked_points_are_as_good_as_never_there(signals: SignalSet, run: Run) -> None:
    """On their grid with a mask, and as scattered points without the masked ones, in the box of
    their coordinates."""
    rng = np.random.default_rng(3)
    masked = [mask_some(signals.signal(i), rng) for i in range(COUNT)]
    remaining = collect([only_observed(signal) for signal in masked])
    assert remaining.observed is None
    fits = [
        fit_latents(run, each, FitConfig(steps=4, batch=3), device="cpu")
        for each in (collect(masked), remaining)
    ]
    assert_close(fits[0].latents, fits[1].latents, **ROUNDING)
    assert_close(fits[0].errors, fits[1].errors, **ROUNDING)
    assert not torch.allclose(
        fits[0].latents, fit_latents(run, signals, device="cpu").latents, **ROUNDING
    )


def mask_some(signal: Signal, rng: np.random.Generator) -> Signal:
    """The signal with a third of its points masked, and absurd values there."""
    seen = rng.random(signal.values.shape[:-1]) > 1 / 3
    observed = seen if signal.mask is None else seen & signal.mask
    return replace(
        signal, values=np.where(observed[..., None], signal.values, np.float32(1e6)), mask=observed
    )


def only_observed(signal: Signal) -> Signal:
    assert signal.mask is not None
    observed = signal.mask.ravel()
    domain = signal.domain
    sides = (
        np.array(domain.half_sides)
        if isinstance(domain, Grid)
        else np.subtract(domain.high, domain.low)
    )
    half = sides / sides.max()
    box = Scatter(domain.coordinates()[observed], tuple(-half), tuple(half))
    return signal.with_values(signal.values.reshape(-1, signal.channels)[observed], domain=box)
