"""What all studies of cells have in common."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from medfuncta._src.errors import ConfigError
from medfuncta._src.studies.ablation import Ablation
from medfuncta._src.studies.cells import CellFiles
from medfuncta._src.studies.outcome import CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE, write_outcome
from medfuncta._src.studies.plan import SCALES, Plan
from medfuncta._src.studies.study import STUDIES, StudyOptions
from studies.toy import outcome_of, toy_plan

NAMES = [name for name, row in STUDIES.items() if row.cells]
SLOW = {"classification", "gaps"}  # have tests of their own


SMALLER: dict[str, dict[str, object]] = {
    "omega-schedule": {"FIRST": (10.0, 40.0), "RISE": (1.0, 20.0), "CONSTANT": (60.0,)},
    "adaptation": {"HORIZONS": (1, 2, 4), "NOISE": (0.0, 0.1), "MISSING": (0.0, 0.5)},
    "stable-rank": {"_STEPS": 3},
    "single-instance": {"SIZES": ((3, 4), (4, 12))},
}
"""Tables that are long for a test's time."""


def ablation(name: str) -> Ablation:
    return import_module(STUDIES[name].runner.split(":")[0]).STUDY


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SLOW])
def test_a_study_writes_what_it_found_and_measures_nothing_twice(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, plan, out = ablation(name), toy_plan(tmp_path), tmp_path / "out"
    module = STUDIES[name].runner.split(":")[0]
    for table, rows in SMALLER.get(name, {}).items():
        monkeypatch.setattr(f"{module}.{table}", rows)
    found = outcome_of(study, plan, out)
    assert found.claims and found.tables and list(found.figures) == list(found.captions)
    assert {claim.verdict for claim in found.claims} <= {CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE}
    for table in found.tables:
        assert {len(row) for row in table.rows} == {len(table.header)}
    write_outcome(found, out)
    for figure in found.figures:
        assert (out / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
        assert (out / f"{figure}.pdf").read_bytes().startswith(b"%PDF")
    written = json.loads((out / "report.json").read_text())
    assert len(written["claims"]) == len(found.claims)
    assert str(tmp_path) not in (out / "report.json").read_text()

    def refuse(self: object, cell: object, numbers: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(CellFiles, "put", refuse)
    assert outcome_of(study, plan, out).to_json() == found.to_json()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", SCALES)
def test_the_cells_of_both_scales_differ_and_say_so(name: str, scale: str, tmp_path: Path) -> None:
    plan = Plan(SCALES[scale], seeds=(0, 1))
    rows = ablation(name).rows(plan)
    assert rows and all(row.name for row in rows)
    json.dumps([row.settings for row in rows], allow_nan=False)


def test_the_sources_are_those_of_the_folder_or_samples(tmp_path: Path) -> None:
    (tmp_path / "mitbih").mkdir()
    plan = Plan(SCALES["small"], folder=tmp_path)
    assert plan.source("ecg") == f"wfdb:{tmp_path}/mitbih"
    assert plan.source("cells") == "sample:histology"
    assert Plan(SCALES["small"], data="sample:slices").source("ecg") == "sample:slices"


def test_options_become_a_plan(tmp_path: Path) -> None:
    options = StudyOptions("", steps=7, limit=3, seed=4, seeds=2, device="cpu")
    plan = Plan.of(options)
    assert (plan.steps, plan.scale.signals, plan.seeds) == (7, 3, (4, 5))
    assert Plan.of(StudyOptions("", scale="paper", device="cpu")).steps == 250_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"run": Path("run")}, "leave out --run"),
        ({"scale": "papr"}, "unknown scale 'papr'; did you mean 'paper'"),
        ({"data_folder": Path("nowhere")}, "there is no folder 'nowhere'"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Plan.of(StudyOptions("", **options))  # type: ignore[arg-type]
