"""The paper's settings, of which the tests can afford one meta-step on tiny images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medfuncta._src.settings import override
from medfuncta._src.studies.plan import SCALES, Plan
from medfuncta._src.studies.study import STUDIES, ablation
from studies.toy import write_images

ONE_STEP = {"train": {"steps": 1, "batch": 2}}
IMAGES = [
    name for name, row in STUDIES.items() if row.cells and name not in ("gaps", "classification")
]


def paper_plan(folder: Path) -> Plan:
    scale = SCALES["paper"]
    short = replace(scale, config=override(scale.config, ONE_STEP), signals=1)
    return Plan(short, data=write_images(folder, side=8))


@pytest.mark.parametrize("name", IMAGES)
def test_a_network_of_the_papers_size_takes_a_meta_step(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medfuncta._src.studies.adaptation.HORIZONS", (1, 20))
    monkeypatch.setattr("medfuncta._src.studies.adaptation.SOLVERS", ("gradient steps",))
    monkeypatch.setattr("medfuncta._src.studies.stable_rank._STEPS", 1)
    study = ablation(name)
    rows = study.rows(paper_plan(tmp_path))
    row = next(row for row in rows if "power" not in row.settings)  # pairs are small at any scale
    field = row.settings["config"]["field"]
    assert (field["layers"], field["width"], field["latent_size"]) == (15, 256, 2048)
    assert study.cell(row).measured().numbers
