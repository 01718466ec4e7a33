from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close
from unrolled import draw, make_field, make_points

from medfuncta._src.config import InnerConfig
from medfuncta._src.field.functional import FunctionalObjective
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.objective import SirenObjective
from medfuncta._src.learning import shared_points
from medfuncta._src.learning.adapt import adapt_to
from medfuncta._src.learning.meta_gradient import meta_gradient
from medfuncta._src.learning.outer_loss import OUTER_LOSSES
from medfuncta._src.learning.shared_points import SharedPoints, sharing_points

FIELD = SirenConfig(
    dim=2, channels=2, layers=4, width=8, latent_size=5, omega_first=3, omega_last=5, residual=True
)
INNER = InnerConfig(0.2, momentum=0.5)
LOG = OUTER_LOSSES["log"]


@pytest.mark.parametrize("memory", [0, 20_000, 2**28], ids=["no tape", "some tapes", "all tapes"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("cores", [2, 3, 50])
def test_the_meta_gradient_is_that_of_one_core(cores: int, batch: int, memory: int) -> None:
    """Fifty cores have fewer points than there are cores."""
    field, points = make_field(FIELD), make_points(FIELD, batch=batch)
    arguments = field.zero_latents(batch), points, draw(points, 4), INNER
    objective = SirenObjective(field.folded())
    expected = meta_gradient(objective, *arguments, outer=LOG, memory=memory)
    got = meta_gradient(SharedPoints(objective, cores), *arguments, outer=LOG, memory=memory)
    assert_close(got.losses, expected.losses)
    assert_close(got.latents, expected.latents)
    for name, gradient in expected.gradients.items():
        assert_close(got.gradients[name], gradient)


def test_only_few_large_signals_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = SirenObjective(make_field(FIELD).folded())
    one, three = make_points(FIELD, batch=1), make_points(FIELD, batch=3)
    monkeypatch.setattr(shared_points, "workers_for", lambda device: 2)
    assert sharing_points(objective, one) is objective, "twenty points are not worth it"
    monkeypatch.setattr(shared_points, "_WORTH", 10)
    assert isinstance(sharing_points(objective, one), SharedPoints)
    assert sharing_points(objective, three) is objective, "there is a signal for every core"
    generic = FunctionalObjective(make_field(FIELD))
    assert sharing_points(generic, one) is generic, "it is not made for threads"


def test_a_large_signal_is_fitted_as_on_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    field, points = make_field(FIELD), make_points(FIELD, batch=1)
    expected = adapt_to(SirenObjective(field.folded()), field.zero_latents(1), points, 6, INNER)
    monkeypatch.setattr(shared_points, "workers_for", lambda device: 2)
    monkeypatch.setattr(shared_points, "_WORTH", 10)
    threads = torch.get_num_threads()
    assert_close(
        adapt_to(SirenObjective(field.folded()), field.zero_latents(1), points, 6, INNER), expected
    )
    assert torch.get_num_threads() == threads
