from __future__ import annotations

from pathlib import Path

import pytest

from medfuncta._src.errors import RunError
from medfuncta._src.tasks.info.curve import curve_picture

HEADER = "step,seconds,loss,learning_rate,gradient_norm,train_psnr,val_psnr\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "metrics.csv"
    path.write_text(text)
    return path


def test_blank_cells_are_left_out(tmp_path: Path) -> None:
    figure = curve_picture(
        write(tmp_path, HEADER + "1,0.5,0.1,1e-4,2,10,\n2,1,0.01,2e-4,2,20,21\n3,1.5,0.02,,,,20\n")
    )
    quality, loss, rate = figure.axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in quality.lines}
    assert lines["training"] == [[1, 10], [2, 20]]
    assert lines["validation"] == [[2, 21], [3, 20]]
    assert loss.lines[0].get_xydata().tolist() == [[1, 0.1], [2, 0.01], [3, 0.02]]
    assert rate.lines[0].get_xydata().tolist() == [[1, 1e-4], [2, 2e-4]]
    assert quality.texts[0].get_text() == "best 21.00 dB at step 2"


def test_a_run_without_validation_has_its_loss(tmp_path: Path) -> None:
    figure = curve_picture(write(tmp_path, "step,loss\n1,0.5\n2,0.25\n"))
    assert len(figure.axes[1].lines) == 1
    assert not figure.axes[0].lines


@pytest.mark.parametrize("text", ["", HEADER, "a,b\n1,2\n", HEADER + "1,0.5,much,,,,\n"])
def test_other_files_are_refused_in_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(RunError, match=r"metrics\.csv is not a training log"):
        curve_picture(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot read metrics\.csv"):
        curve_picture(tmp_path / "metrics.csv")
