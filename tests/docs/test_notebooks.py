"""The notebooks run from the first cell to the last, and hold no output."""

from __future__ import annotations

import json
import re
from pathlib import Path

import matplotlib
import pytest

from docs.pages import ROOT

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
STEPS = "STEPS = 3"
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path) -> list[dict[str, object]]:
    return json.loads(path.read_text())["cells"]


@each_notebook
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands, but for the length of a training."""
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    shortened = 0
    for number, cell in enumerate(cells(path)):
        if cell["cell_type"] == "code":
            code, count = re.subn(r"^STEPS = \d+$", STEPS, "".join(cell["source"]), flags=re.M)
            shortened += count
            exec(compile(code, f"{path.stem}[{number}]", "exec", dont_inherit=True), names)
    assert shortened == 1
    matplotlib.pyplot.close("all")


@each_notebook
def test_a_notebook_is_stored_without_output(path: Path) -> None:
    assert {cell["cell_type"] for cell in cells(path)} == {"markdown", "code"}
    for cell in cells(path):
        assert not cell.get("outputs") and cell.get("execution_count") is None
        assert cell["metadata"] == {}


def test_there_is_one_for_traces_and_one_for_images() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"ecg", "images_and_volumes"}
