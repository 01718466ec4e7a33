from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
import torch

from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.studies.effective import (
    EXPONENTS,
    distance,
    effective_weights,
    orthogonalised,
    with_constant_omega,
)
from medfuncta._src.studies.omega_learning_rate import POWERS, STUDY, measure, rows, watched_pair
from medfuncta._src.studies.plan import Plan
from studies.toy import FIELD, outcome_of, toy_plan

PAIRS = [(kind, power) for kind in EXPONENTS for power in POWERS]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return toy_plan(tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize(("kind", "power"), PAIRS)
def test_networks_stay_together_for_the_right_power_only(plan: Plan, kind: str, power: int) -> None:
    (settings,) = [row.settings for row in rows(plan) if row.name == f"{kind}, rates by w^{power}"]
    distances = watched_pair(settings).distances
    assert len(distances) == plan.steps
    if power == EXPONENTS[kind]:
        assert max(distances) < 1e-12
    else:
        assert min(distances) > 1e-8


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_omega_raises_the_effective_rate(plan: Plan, kind: str) -> None:
    (settings,) = [row.settings for row in rows(plan) if row.name == f"{kind}, rates by w^0"]
    ratio = watched_pair(settings).step_ratio
    rise = 8.0  # w_K / w_1; the deepest hidden layer is the fourth of five
    expected = (1 + (rise - 1) * 3 / 4) ** EXPONENTS[kind]
    assert ratio == pytest.approx(expected, rel=1e-6)


def test_the_schedules_rates_and_start_give_its_curve(plan: Plan) -> None:
    curves = {}
    for row in rows(plan):
        if "part" in row.settings:
            reached = measure(row.settings).reached
            assert reached is not None
            curves[row.settings["part"]] = [point.psnr for point in reached.curve]
    assert curves["both"] == pytest.approx(curves["schedule"], abs=1e-9)
    for part in ("rates", "start", "none"):
        gap = max(abs(a - b) for a, b in zip(curves[part], curves["schedule"], strict=True))
        assert gap > 1e-4, part


def test_the_twin_is_the_same_function() -> None:
    field = SirenField(FIELD).double()
    twin = with_constant_omega(field)
    assert set(twin.omegas) == {10.0}
    assert distance(effective_weights(field), effective_weights(twin)) < 1e-15
    coordinates = torch.rand(1, 20, 2, dtype=torch.float64)
    latents = torch.randn(2, 8, dtype=torch.float64)
    torch.testing.assert_close(twin(coordinates, latents), field(coordinates, latents))
    without = with_constant_omega(field, shifts=False)
    assert distance(effective_weights(field), effective_weights(without)) > 1e-3


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_muons_step_does_not_depend_on_the_size_of_the_gradient(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    result = orthogonalised(matrix)
    torch.testing.assert_close(orthogonalised(1e-6 * matrix), result, rtol=1e-12, atol=1e-12)
    values = torch.linalg.svdvals(result)
    assert float(values.min()) > 0.3 and float(values.max()) < 1.5
    assert not orthogonalised(torch.zeros(shape)).any()


def test_the_claims_say_which_way_it_goes(plan: Plan) -> None:
    found = outcome_of(STUDY, replace(plan, seeds=(0,)))
    verdicts = {claim.claim.partition(",")[0]: claim.verdict for claim in found.claims}
    for kind in EXPONENTS:
        assert verdicts[f"with {kind}"] == "confirmed here"
    assert (
        verdicts["a larger omega lowers the effective learning rate of deeper layers"]
        == "not confirmed here"
    )
    assert cast(str, found.claims[3].because).endswith("Omega raises it.")
