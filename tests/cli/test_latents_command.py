from __future__ import annotations

import json
from pathlib import Path

import pytest

from medfuncta._src.cli.main import main
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.validate import validate


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert not captured.out and captured.err.count("\n") == 1
    return captured.err


def test_a_set_is_filtered_and_put_together_again(
    ecg_latents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = LatentSet.open(ecg_latents)
    border = float(sorted(whole.split("val").psnr)[len(whole) // 2])
    words = ["latents", "filter", str(ecg_latents), "--json"]
    low, high = str(tmp_path / "low"), str(tmp_path / "high")
    assert main([*words, "--where", f"psnr < {border}", "--out", low]) == 0
    assert main([*words, "--where", f"not psnr < {border}", "--out", high]) == 0
    capsys.readouterr()
    both = tmp_path / "both"
    assert main(["latents", "merge", low, high, "--out", str(both), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["splits"] == {"val": len(whole)}
    merged = LatentSet.open(both)
    validate(merged)
    assert sorted(merged.split("val").ids) == sorted(whole.split("val").ids)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["filter", "SET"], "nothing to filter by"),
        (["filter", "SET", "SET", "--where", "psnr > 1"], "got 2 latent sets to filter; give one"),
        (["merge", "SET", "--where", "psnr > 1"], "got --where with merge"),
        (["filter", "SET", "--where", "snr > 1"], "no column 'snr'; did you mean 'psnr'"),
        (["filter", "SET", "--where", "psnr >"], "cannot read the filter 'psnr >'"),
        (["filter", "SET", "--where", "__import__('os')"], "cannot filter by"),
        (["filter", "SET", "--where", "psnr > (1 + 1)"], r"cannot filter by '1 + 1'"),
        (["filter", "SET", "--where", "label == 'sick'"], "no class 'sick'"),
        (["filter", "SET", "--where", "psnr > 'a'"], "cannot filter by"),
        (["filter", "SET", "--where", "(" * 400 + "psnr"], "cannot read the filter"),
        (["filter", "SET", "--where", "psnr" * 400], "a filter of 1600 letters"),
    ],
)
def test_mistakes_are_answered_in_one_line(
    ecg_latents: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    line: str,
) -> None:
    given = [str(ecg_latents) if word == "SET" else word for word in words]
    assert main(["latents", *given, "--out", str(tmp_path / "new")]) == 2
    assert line in said(capsys)
