"""The studies of what is missing, over seeds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medfuncta._src.studies import gaps
from medfuncta._src.studies.ablation import Finished, Numbers
from medfuncta._src.studies.outcome import CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE
from medfuncta._src.studies.plan import Plan
from studies.toy import SCALE, outcome_of, toy_plan

PLAN = Plan(SCALE, seeds=(0, 1))


def test_the_data_say_which_studies_can_be_done(tmp_path: Path) -> None:
    assert {row.name for row in gaps.rows(PLAN)} == {"missing-samples", "missing-slices"}
    traces = replace(PLAN, data="sample:ecg")
    assert {row.name for row in gaps.rows(traces)} == {"missing-samples"}
    found = outcome_of(gaps.STUDY, toy_plan(tmp_path))  # images
    assert {claim.verdict for claim in found.claims} == {NOT_TESTABLE} and not found.figures


def test_a_cell_is_a_study_of_one_seed() -> None:
    plan = replace(PLAN, data="sample:ecg", seeds=(3,))
    (row,) = gaps.rows(plan)
    assert (row.settings["seed"], row.settings["signals"], row.settings["steps"]) == (3, 2, 2)
    values = gaps.measure(row.settings).values
    assert len(values) == 6 and all(psnr > 5 for psnr in values.values())
    found = gaps.reduce(plan, [Finished(row.name, row.settings, Numbers(values))])
    verdicts = [claim.verdict for claim in found.claims]
    assert verdicts == [NOT_TESTABLE] * 4  # one seed; no volumes
    assert len(found.tables[0].rows) == 6 and list(found.figures) == list(found.captions)


def test_the_field_is_held_against_the_best_of_the_others() -> None:
    cells = []
    for seed in (0, 1):
        values = {"neural field": 30.0 + seed, "linear": 20.0, "cubic": 28.0 + seed}
        numbers = {f"missing-samples/30% removed at random/{k}": v for k, v in values.items()}
        values = {"learned as they are": 20.0, "learned at 32": 25.0}
        numbers |= {f"mixed-shapes/volumes of 9 shapes/{k}": v for k, v in values.items()}
        settings = {"seed": seed, "signals": 2}
        cells.append(Finished("missing-samples", settings, Numbers(numbers)))
    claims = gaps.reduce(PLAN, cells).claims
    assert claims[0].verdict == CONFIRMED and "cubic 28.50 (28.00 to 29.00) dB" in claims[0].because
    assert claims[3].verdict == NOT_CONFIRMED and "The opposite holds" in claims[3].because
