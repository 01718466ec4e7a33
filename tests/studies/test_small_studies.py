"""Parts of the studies of adaptation, single networks, stable rank and classification."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from medfuncta._src.signals.points import Points
from medfuncta._src.studies.ablation import Finished
from medfuncta._src.studies.adaptation import depleted, noisy
from medfuncta._src.studies.classification import measure, reduce, rows
from medfuncta._src.studies.outcome import NOT_TESTABLE
from medfuncta._src.studies.single_instance import PlainSiren
from medfuncta._src.studies.stable_rank import stable_rank
from studies.toy import toy_plan


def points() -> Points:
    return Points(torch.rand(1, 200, 2), torch.full((3, 200, 1), 0.5), torch.full((3, 200), 0.005))


def test_noise_is_on_values_only() -> None:
    found = noisy(points(), 0.1, torch.Generator().manual_seed(0))
    assert float((found.values - 0.5).std()) == pytest.approx(0.1, rel=0.1)
    assert torch.equal(found.weights, points().weights)


def test_missing_points_weigh_nothing_and_the_others_sum_to_1() -> None:
    found = depleted(points(), 0.75, torch.Generator().manual_seed(0))
    assert float((found.weights == 0).float().mean()) == pytest.approx(0.75, abs=0.06)
    torch.testing.assert_close(found.weights.sum(dim=1), torch.ones(3))


@pytest.mark.parametrize(
    ("matrix", "rank"),
    [(torch.eye(5), 5), (torch.ones(4, 6), 1), (torch.diag(torch.tensor([2.0, 1.0, 1.0])), 1.5)],
)
def test_the_stable_rank(matrix: torch.Tensor, rank: float) -> None:
    assert stable_rank(matrix) == pytest.approx(rank)


def test_a_plain_network_is_drawn_by_its_seed_and_learns() -> None:
    one, same, other = (PlainSiren(2, 1, 3, 8, seed) for seed in (0, 0, 1))
    coordinates = torch.rand(1, 50, 2)
    assert torch.equal(one(coordinates), same(coordinates))
    assert not torch.equal(one(coordinates), other(coordinates))
    wanted = coordinates[..., :1]
    before = float((one(coordinates) - wanted).square().mean().detach())
    optimiser = torch.optim.Adam(one.parameters(), 1e-2)
    for _ in range(30):
        loss = (one(coordinates) - wanted).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.1 * before


def test_classifiers_see_latents_components_and_pixels(tmp_path: Path) -> None:
    cells = []
    plan = toy_plan(tmp_path)
    plan = replace(plan, scale=replace(plan.scale, signals=12))  # of both classes
    for row in rows(plan):
        if "CNN" not in row.name:
            cells.append(Finished(row.name, row.settings, measure(row.settings)))
    assert [cell.name for cell in cells] == ["x-rays/latents", "x-rays/components", "x-rays/pixels"]
    for cell in cells:
        assert {score.classifier for score in cell.numbers.scores} == {"knn-1", "logistic", "mlp"}
        assert cell.numbers.classes == 2 and cell.numbers.groups is None
    by_input = {cell.name: cell.numbers.scores for cell in cells}
    knn = {name: scores[0].accuracy for name, scores in by_input.items()}
    assert np.isfinite(list(knn.values())).all()
    found = reduce(plan, cells)
    assert found.claims[0].verdict == NOT_TESTABLE and len(found.tables[0].rows) == 9
