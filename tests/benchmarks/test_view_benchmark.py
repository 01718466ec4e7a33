"""The benchmark of a view, at a size that takes seconds."""

from __future__ import annotations

import json
import shutil

import pytest

from benchmarks.command import main
from benchmarks.view import ViewBenchmark

pytest.importorskip("playwright", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    reason="no Chromium on this machine: apt-get install chromium",
)


def test_every_figure_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ViewBenchmark, ["--signals", "40", "--seconds", "0.5", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    rows = {row["name"]: row["ours"] for row in result["rows"]}
    assert all(value > 0 for value in rows.values())
    assert rows["40 signals: first map"] < 60
    assert 1 < rows["40 signals: pointing"] < 1000
    assert {name for name in rows if name.startswith("decoding")} == {
        "decoding a beat",
        "decoding a 64 x 64 cell",
        "decoding as many points as a plane of a volume has (32 x 44)",
        "decoding a volume (45 x 32 x 44)",
    }
    assert result["machine"]["processor"] and "Chromium" in result["machine"]["browser"]
