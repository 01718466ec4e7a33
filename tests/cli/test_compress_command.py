from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from medfuncta._src.cli.main import main
from tasks.compress.fitted_set import write_fitted_set


@pytest.fixture
def latent_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    _, source = write_fitted_set(tmp_path / "set", (60,), train=6, test=2)
    monkeypatch.setattr("medfuncta._src.sources.table.open_source", lambda text, **options: source)
    return str(tmp_path / "set")


def test_the_report_is_written_and_printed(
    latent_set: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["compress", latent_set, "--data", "list:x", "--out", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    linear = {"lowest cosines", "principal components"}
    assert set(result["codecs"]) == {"latents", "wavelet", "linear prediction", *linear}
    assert json.loads((out / "compression.json").read_text()) == result
    with Image.open(out / "compression.png") as picture:
        assert picture.width > 500


def test_the_summary_names_who_needs_the_fewest_bits(
    latent_set: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compress", latent_set, "--data", "list:x"]) == 0
    assert "fewest bits" in capsys.readouterr().out
    assert main(["compress", latent_set, "--data", "list:x", "--limit", "0"]) == 2
    assert "--limit is 0; expected a whole number from 1 to" in capsys.readouterr().err
