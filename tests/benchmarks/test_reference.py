"""The adapter around the authors' code; needs a checkout of it, which ``MEDFUNCTA_REFERENCE``
names."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_case import TINY

from benchmarks.case import CASES, Case, sample_values
from benchmarks.meta_step import agreement_row
from benchmarks.ours import Ours
from benchmarks.reference import Reference

SMALL_2D = replace(
    CASES["2d"],
    field=replace(CASES["2d"].field, layers=4, width=8, latent_size=6, channels=3),
    shape=(5, 7),
    inner_steps=3,
)
CASES_TO_COMPARE = {
    "1d": TINY,
    "1d, full context": replace(TINY, context_ratio=1.0),
    "2d colour, not square": SMALL_2D,
}


@pytest.fixture
def open_reference() -> Callable[[Case], Reference]:
    folder = os.environ.get("MEDFUNCTA_REFERENCE")
    if not folder:
        pytest.skip("MEDFUNCTA_REFERENCE is unset")
    return lambda case: Reference(Path(folder), case)


@pytest.mark.parametrize("name", CASES_TO_COMPARE)
def test_both_sides_compute_the_same(
    open_reference: Callable[[Case], Reference], name: str
) -> None:
    case = CASES_TO_COMPARE[name]
    reference = open_reference(case)
    ours = Ours(case, reference.weights())
    values = sample_values(case, case.batch)
    difference = agreement_row(ours, reference, values).ours
    assert difference is not None and difference < 1e-5
    latents = torch.full((case.batch, case.field.latent_size), 0.1)
    decoded = reference.decode(latents).flatten(2).transpose(1, 2)
    torch.testing.assert_close(
        decoded, ours.network(ours.points(values).coordinates, latents).detach(), atol=1e-5, rtol=0
    )


def test_on_full_context_both_fit_alike(open_reference: Callable[[Case], Reference]) -> None:
    """With gamma 1 their rescaled gradient is the plain one."""
    case = CASES_TO_COMPARE["1d, full context"]
    reference = open_reference(case)
    values = sample_values(case, 3)
    fitted = Ours(case, reference.weights()).fit(case.signals(values), batch=3)
    torch.testing.assert_close(
        reference.fit(reference.data(values), batch=2), fitted.latents, atol=1e-6, rtol=1e-4
    )


def test_a_meta_step_moves_every_shared_weight(open_reference: Callable[[Case], Reference]) -> None:
    reference = open_reference(TINY)
    before = reference.weights()
    reference.meta_step(reference.data(sample_values(TINY, 3)))
    assert all(not torch.equal(before[name], after) for name, after in reference.weights().items())
    reference.load(before)
    assert all(torch.equal(before[name], after) for name, after in reference.weights().items())
