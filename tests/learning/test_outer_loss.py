from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close
from unrolled import draw, make_field, make_points, reference, relative_error

from medfuncta._src.config import InnerConfig
from medfuncta._src.errors import ConfigError
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.objective import SirenObjective
from medfuncta._src.learning.meta_gradient import meta_gradient
from medfuncta._src.learning.outer_loss import OUTER_LOSSES, outer_derivative

FIELD = SirenConfig(
    dim=2, channels=2, layers=5, width=6, latent_size=5, omega_first=3, omega_last=6
)
INNER = InnerConfig(0.2, momentum=0.5)
LOG = OUTER_LOSSES["log"]


def test_equals_autograd_of_the_mean_logarithm() -> None:
    field, points = make_field(FIELD), make_points(FIELD)
    contexts = draw(points, steps=4)
    expected = reference(field, points, contexts, INNER, lambda losses: losses.log().mean())
    got = meta_gradient(
        SirenObjective(field.folded()), field.zero_latents(3), points, contexts, INNER, outer=LOG
    )
    assert relative_error(got.gradients, expected) < 1e-9
    assert relative_error(got.gradients, reference(field, points, contexts, INNER)) > 0.1


def test_inner_steps_and_reported_losses_are_those_of_the_loss_itself() -> None:
    field, points = make_field(FIELD), make_points(FIELD)
    contexts = draw(points, steps=3)
    plain, logarithm = (
        meta_gradient(
            SirenObjective(field.folded()),
            field.zero_latents(3),
            points,
            contexts,
            INNER,
            outer=outer,
        )
        for outer in (None, LOG)
    )
    assert_close(logarithm.latents, plain.latents)
    assert_close(logarithm.losses, plain.losses)


def test_an_exact_signal_gives_a_finite_gradient() -> None:
    field, points = make_field(FIELD), make_points(FIELD)
    points.values[1] = field(points.coordinates[1:2], field.zero_latents(1))[0].detach()
    got = meta_gradient(
        SirenObjective(field.folded()), field.zero_latents(3), points, [], INNER, outer=LOG
    )
    assert float(got.losses[1]) == pytest.approx(0, abs=1e-20)
    assert all(gradient.isfinite().all() for gradient in got.gradients.values())


def test_a_nan_signal_makes_the_gradient_not_finite() -> None:
    """So that its meta-step is skipped and counted."""
    field, points = make_field(FIELD), make_points(FIELD)
    points.values[1, 0] = torch.nan
    got = meta_gradient(
        SirenObjective(field.folded()),
        field.zero_latents(3),
        points,
        draw(points, steps=1),
        INNER,
        outer=LOG,
    )
    assert not got.gradients["last.bias"].isfinite().all()


def test_an_unknown_outer_loss_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'train.outer_loss' is 'mse'.*Known: log, mean"):
        outer_derivative("mse")
