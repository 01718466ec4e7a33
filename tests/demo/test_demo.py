from __future__ import annotations

import json
from pathlib import Path

import pytest

from medfuncta._src.cli.main import main
from medfuncta._src.demo import steps
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.run import Run

TINY = {
    "field": {"layers": 3, "width": 8, "latent_size": 4},
    "train": {"steps": 2, "batch": 4, "inner_steps": 1, "validate_signals": 4},
    "fit": {"steps": 1},
}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "SETTINGS", TINY)


def test_it_leaves_a_page_a_run_a_latent_set_and_a_report_and_may_be_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "not" / "there" / "demo"
    assert main(["demo", "--out", str(out)]) == 0
    assert "next, on your own data" in capsys.readouterr().out
    first = Run.load(out / "run")
    (out / "notes.txt").write_text("mine")

    assert main(["demo", "--out", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert Run.load(out / "run").fingerprint == first.fingerprint, "the demo is reproducible"
    latents = LatentSet.open(out / "latents")
    assert latents.splits == ("train", "val", "test")
    assert result["latents"] == {"signals": len(latents), "latent_size": 4}
    assert result["reconstruction"]["signals"] == len(latents.split("test"))
    assert [report["name"] for report in result["classification"]["classifiers"]] == [
        "knn-1",
        "logistic",
    ]
    assert (
        json.loads((out / "report/report.json").read_text())["psnr"]
        == result["reconstruction"]["psnr"]
    )
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) == [
        "index.html",
        "latents",
        "notes.txt",
        "report",
        "run",
    ]
    assert not list(out.glob(".writing-*"))

    page = (out / "index.html").read_text()
    for words in ("ODC-By", "narrow QRS", "medfuncta train --data wfdb:FOLDER", f"{4} numbers"):
        assert words in page
    assert page.count("data:image/png;base64,") == 3
    assert 'src="http' not in page and "<script" not in page


def test_it_never_replaces_what_it_did_not_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    assert main(["demo", "--out", str(tmp_path)]) == 2
    assert "holds 'run', which no demo wrote" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "thesis.txt"]
