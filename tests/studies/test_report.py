from __future__ import annotations

import json
from pathlib import Path

import pytest

from medfuncta._src.cli.main import main
from medfuncta._src.studies import plan as plan_module
from medfuncta._src.studies import report as report_module
from medfuncta._src.studies.cells import CellFiles
from medfuncta._src.studies.study import STUDIES
from studies.toy import SCALE, write_images

SOME = ("context-reduction",)


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of a report of two studies at toy size."""
    monkeypatch.setitem(plan_module.SCALES, "small", SCALE)  # type: ignore[arg-type]
    monkeypatch.setattr(report_module, "STUDIES", {name: STUDIES[name] for name in SOME})
    monkeypatch.setattr("medfuncta._src.studies.context_reduction.GAMMAS", (0.1, 0.25, 1.0))
    data = write_images(tmp_path)
    return ["study", "report", "--data", data, "--out", str(tmp_path / "out"), "--device", "cpu"]


def test_a_report_collects_the_studies(
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert main([*arguments, "--json"]) == 0
    out = tmp_path / "out"
    result = json.loads(capsys.readouterr().out)
    assert list(result["studies"]) == list(SOME)
    claims = sum(len(study["claims"]) for study in result["studies"].values())
    assert sum(result["verdicts"].values()) == claims
    assert {"machine", "device", "torch", "medfuncta"} <= set(result["machine"])
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")
    page, text = (out / "report.html").read_text(), (out / "report.md").read_text()
    for name in SOME:
        assert result["studies"][name]["title"] in page and f"{name}/{name}.png" in text
        assert (out / name / "report.json").is_file()
    assert "Table 4" in page and "memory falls with gamma" in page

    def refuse(self: object, cell: object, numbers: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(CellFiles, "put", refuse)
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert "memory falls with gamma" in shown.out and "cells are finished already" in shown.err


def test_what_is_finished_is_collected_with_the_seeds_that_are(
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = (*SOME, "stable-rank")
    monkeypatch.setattr(report_module, "STUDIES", {name: STUDIES[name] for name in names})
    assert main([*arguments, "--collect"]) == 2
    assert "no study is finished there" in capsys.readouterr().err
    words = [*arguments[:1], *SOME, *arguments[2:-3], str(tmp_path / "out" / SOME[0])]
    assert main([*words, "--device", "cpu"]) == 0
    capsys.readouterr()
    assert main([*arguments, "--seeds", "3", "--collect", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert list(result["studies"]) == list(SOME) and result["unfinished"] == ["stable-rank"]
    assert result["studies"][SOME[0]]["facts"]["seeds"] == "0"  # of three, the one that is there
    assert "not finished: stable-rank" in (tmp_path / "out" / "report.md").read_text()


def test_a_study_that_lacks_a_cell_does_not_keep_others_from_being_done(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("stable-rank", *SOME)
    monkeypatch.setattr(report_module, "STUDIES", {name: STUDIES[name] for name in names})

    def too_large(settings: object) -> object:
        raise MemoryError

    monkeypatch.setattr("medfuncta._src.studies.stable_rank.measure", too_large)
    assert main(arguments) == 2
    shown = capsys.readouterr().err.splitlines()
    assert shown[-1].count("stable-rank: not all cells could be measured") == 1
    assert main([*arguments, "--collect"]) == 0
    assert "memory falls with gamma" in capsys.readouterr().out


def test_only_a_report_is_collected(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "stable-rank", "--collect"]) == 2
    assert "--collect is of the study report" in capsys.readouterr().err


def test_a_report_needs_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "report"]) == 2
    assert "a report needs a folder; give --out" in capsys.readouterr().err


def test_without_a_name_the_studies_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in STUDIES)
    assert main(["study", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["studies"]) == list(STUDIES)


def test_a_study_of_cells_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(plan_module.SCALES, "small", SCALE)  # type: ignore[arg-type]
    data, out = write_images(tmp_path), tmp_path / "out"
    words = ["study", "single-instance", "--data", data, "--out", str(out), "--device", "cpu"]
    assert main(words) == 0
    shown = capsys.readouterr()
    assert "bits a signal" in shown.out and "this package" not in shown.err
    assert {path.suffix for path in out.iterdir() if path.is_file()} == {
        *(".json", ".csv", ".png", ".pdf", ".html")
    }
