from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from medfuncta._src.config import FitConfig, InnerConfig
from medfuncta._src.errors import DataError
from medfuncta._src.field.functional import FunctionalObjective, InnerGradient
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.field.siren.objective import SirenObjective
from medfuncta._src.latents.decode import decode
from medfuncta._src.latents.fit import fit_latents
from medfuncta._src.learning.adapt import adapt
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.psnr import psnr_of
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet

GRID = Grid((20,), (0.01,), unit="s")
FIELD = SirenConfig(dim=1, layers=4, width=16, latent_size=6, omega_first=5, omega_last=8)

UNIT = ValueRange(0, 1)


def make_run(
    inner: InnerConfig | None = None, steps: int = 5, spec: SignalSpec | None = None
) -> Run:
    config = Config(field=FIELD, inner=inner or InnerConfig(0.1), fit=FitConfig(steps, batch=4))
    return Run(SirenField(FIELD), config, spec or SignalSpec(1, 1))


def collect(
    *waves: np.ndarray, span: ValueRange = UNIT, mask: np.ndarray | None = None
) -> SignalSet:
    signals = [
        Signal.of(f"s{i}", w.astype(np.float32)[:, None], GRID, span, mask=mask)
        for i, w in enumerate(waves)
    ]
    return SignalSet.collect(SignalSpec(1, 1), signals)


def waves(count: int) -> SignalSet:
    return collect(*(0.5 + 0.4 * np.sin(np.linspace(0, 6, 20) + phase) for phase in range(count)))


@pytest.fixture
def evaluations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many signals each gradient was taken of, in order."""
    calls: list[int] = []
    take: Callable[..., InnerGradient] = SirenObjective.inner_gradient

    def counted(
        self: SirenObjective, latents: torch.Tensor, points: Points, *, keep: int = 0
    ) -> InnerGradient:
        calls.append(points.batch)
        return take(self, latents, points, keep=keep)

    monkeypatch.setattr(SirenObjective, "inner_gradient", counted)
    for name in ("outer_gradient", "directional"):
        monkeypatch.setattr(
            SirenObjective,
            name,
            lambda *_: pytest.fail("fitting needs no gradient of the shared network"),
        )
    return calls


def test_one_gradient_a_step(evaluations: list[int]) -> None:
    fit_latents(make_run(steps=5), waves(9), device="cpu")
    assert (
        sum(evaluations) == 9 * 5
    )  # signals may be shared out among cores, but each is evaluated once a step


def test_latents_are_those_of_plain_gradient_descent() -> None:
    run, signals = make_run(InnerConfig(0.1, momentum=0.4)), waves(3)
    points = signals.points(range(3))
    phi, velocity = torch.zeros(3, 6), torch.zeros(3, 6)
    for _ in range(5):
        phi.requires_grad_()
        losses = (
            (run.network(points.coordinates, phi) - points.values).square().sum(-1) * points.weights
        ).sum(-1)
        (gradient,) = torch.autograd.grad(losses.sum(), phi)
        velocity = 0.4 * velocity + gradient
        phi = (phi - 0.1 * velocity).detach()
    assert_close(fit_latents(run, signals, device="cpu").latents, phi, rtol=1e-4, atol=1e-6)


def test_errors_are_those_of_the_clamped_reconstruction() -> None:
    run, signals = make_run(), waves(3)
    fitted = fit_latents(run, signals, device="cpu")
    for i in range(3):
        values = decode(run.network, fitted.latents[i], GRID).clip(0, 1)
        expected = np.square(values - signals.signal(i).values).mean()
        assert float(fitted.errors[i]) == pytest.approx(expected, rel=1e-4)


def test_every_step_brings_signals_closer() -> None:
    run, signals = make_run(InnerConfig(0.02)), waves(4)
    errors = [
        fit_latents(run, signals, FitConfig(steps), device="cpu").errors for steps in (1, 5, 25)
    ]
    assert (errors[0] > errors[1]).all() and (errors[1] > errors[2]).all()


def test_best_goes_on_from_paper_and_fast_from_five_inner_steps(evaluations: list[int]) -> None:
    run, signals = make_run(), waves(6)
    errors = {}
    for quality, inner_gradients in {"paper": 54, "best": 54, "fast": 30}.items():
        evaluations.clear()
        errors[quality] = fit_latents(
            run, signals, FitConfig(9, batch=4, quality=quality), device="cpu"
        ).errors
        assert sum(evaluations) == inner_gradients
    assert (errors["best"] < errors["paper"]).all()
    assert not torch.allclose(errors["fast"], errors["paper"], rtol=0.01)


def test_a_constant_signal_has_a_finite_psnr() -> None:
    constant = np.full(20, 7.0)
    fitted = fit_latents(make_run(), collect(constant, span=ValueRange.of(constant)), device="cpu")
    assert fitted.latents.isfinite().all() and psnr_of(fitted.errors).isfinite().all()


def test_an_exact_reconstruction_is_held_at_120_db() -> None:
    """A field whose last layer is 0 says 0 everywhere, which a constant signal is after its range
    is taken off."""
    run = make_run()
    for parameter in run.network.last.parameters():
        torch.nn.init.zeros_(parameter)
    constant = np.full(20, 7.0)
    fitted = fit_latents(run, collect(constant, span=ValueRange.of(constant)), device="cpu")
    assert fitted.errors.tolist() == [0.0]
    assert psnr_of(fitted.errors).tolist() == [pytest.approx(120.0)]


def test_a_float64_field_is_fitted_in_float64() -> None:
    signals = waves(3)
    single, run = make_run(), make_run()
    run.network.double()
    fitted = fit_latents(run, signals, device="cpu")
    assert fitted.latents.dtype == torch.float32  # what a latent set stores
    points = signals.points(range(3)).to(dtype=torch.float64)
    exact = adapt(
        FunctionalObjective(run.network),
        run.network.zero_latents(3),
        lambda _: points,
        5,
        run.config.inner,
    ).latents
    assert_close(fitted.latents, exact.float(), rtol=1e-6, atol=1e-9)
    assert_close(
        fitted.latents, fit_latents(single, signals, device="cpu").latents, rtol=1e-4, atol=1e-6
    )


def test_what_is_masked_has_no_say() -> None:
    seen = np.arange(20) % 3 != 0
    wave = 0.5 + 0.4 * np.sin(np.linspace(0, 6, 20))
    fits = [
        fit_latents(make_run(), collect(np.where(seen, wave, junk), mask=seen), device="cpu")
        for junk in (0, 0.9, 1e6, np.nan)
    ]
    for other in fits[1:]:
        assert torch.equal(other.latents, fits[0].latents) and torch.equal(
            other.errors, fits[0].errors
        )
    whole = fit_latents(make_run(), collect(wave), device="cpu")
    assert not torch.allclose(whole.latents, fits[0].latents)


def test_the_runs_own_settings_are_the_default() -> None:
    run, signals = make_run(steps=3), waves(2)
    assert_close(
        fit_latents(run, signals, device="cpu").latents,
        fit_latents(run, signals, FitConfig(3), device="cpu").latents,
    )


def test_signals_of_another_form_are_refused() -> None:
    run = make_run()
    run = replace(run, spec=SignalSpec(1, 2))
    with pytest.raises(
        DataError,
        match="1 dimension and 1 channel; this run was trained on 1 dimension and 2 channels",
    ):
        fit_latents(run, waves(2), device="cpu")
