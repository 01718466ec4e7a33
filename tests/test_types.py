"""The import hook of the tests reads the shapes in annotations; a wrong one never gets past it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import zeros

from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.field.siren.objective import SirenObjective
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.psnr import psnr_of

FIELD = SirenField(SirenConfig(dim=2, layers=3, width=4, latent_size=3))
POINTS = Points(zeros(2, 5, 2), zeros(2, 5, 1), zeros(2, 5))
WRONG: dict[str, Callable[[], object]] = {
    "coordinates of another batch": lambda: FIELD(zeros(3, 5, 2), zeros(2, 3)),
    "one latent without a batch": lambda: FIELD(zeros(1, 5, 2), zeros(3)),
    "weights of fewer points": lambda: Points(zeros(2, 5, 2), zeros(2, 5, 1), zeros(2, 4)),
    "values without channels": lambda: Points(zeros(1, 5, 2), zeros(2, 5), zeros(2, 5)),
    "whole numbers for values": lambda: Points(
        zeros(1, 5, 2), zeros(2, 5, 1, dtype=torch.int64), zeros(2, 5)
    ),
    "context of one number": lambda: POINTS.take(torch.tensor(3)),
    "latents of three axes": lambda: SirenObjective(FIELD.folded()).losses(zeros(2, 3, 1), POINTS),
    "errors of two axes": lambda: psnr_of(zeros(2, 2)),
}


def test_right_shapes_pass() -> None:
    assert FIELD(zeros(1, 5, 2), zeros(2, 3)).shape == (2, 5, 1)
    assert SirenObjective(FIELD.folded()).losses(zeros(2, 3), POINTS).shape == (2,)


@pytest.mark.parametrize("case", WRONG)
def test_wrong_shapes_are_caught(case: str) -> None:
    with pytest.raises(TypeCheckError):
        WRONG[case]()
