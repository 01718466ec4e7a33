"""What holds for every command: one way in, one line for a mistake, one JSON object for a
result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import medfuncta
from medfuncta._src.cli.commands import COMMANDS
from medfuncta._src.cli.main import main


def complaint(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a mistake gets."""
    capsys.readouterr()
    assert main(words) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("medfuncta: ")
    assert output.err.endswith("\n")
    assert output.err.count("\n") == 1
    return output.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "no command given"),
        ("trian", "unknown command 'trian'; did you mean 'train'?"),
        ("--hlep", "Unrecognized options: --hlep"),
        (
            "train --data sample:ecg --out x --stpes 4",
            "Unrecognized options: --stpes, 4; did you mean --steps?; see medfuncta train --help",
        ),
        ("train --data sample:ecg", "Missing from medfuncta train: --out"),
        ("train --data sample:ecg --out x --steps many", "--steps"),
        (
            "train --data sample:ecg --out x --steps 0",
            "--steps is 0; expected a whole number from 1",
        ),
        (
            "info sample:ecg --skip-bad",
            "--skip-bad (applied to medfuncta info); see medfuncta info --help",
        ),
        (
            "train --data sample:ecg --out x --preset trase",
            "unknown preset 'trase'; did you mean 'trace'?",
        ),
        (
            "train --data sample:ecg --out x --preset volume",
            "settings for 3D signals, but the data is 1D; take one of: paper-1d, trace",
        ),
        (
            "train --data sample:ecg --out x --set train.bacth=3",
            "unknown setting 'train.bacth'; did you mean 'batch'?",
        ),
        (
            "train --data sample:ecg --out x --set tarin.batch=3",
            "unknown setting 'tarin'; did you mean 'train'?",
        ),
        (
            "train --data sample:ecg --out x --set train.batch=few",
            "setting 'train.batch' is 'few'; expected a whole number",
        ),
        (
            "train --data sample:ecg --out x --set train.steps=nan --steps 3",
            "setting 'train.steps' is 'nan'; expected a whole number",
        ),
        ("train --data sample:ecg --out x --set batch=3", "expected section.name=value"),
        (
            "train --data sample:ecg --out x --set train.batch=3 --set train.bacth=3",
            "unknown setting 'train.bacth'",
        ),
        (
            "train --data sample:ecg --out x --set train.bacth=3 --set train.batch=3",
            "unknown setting 'train.bacth'",
        ),
        (
            "train --data sample:ecg --out x --steps 3 --batch 2 --steps=4",
            "--steps is given 2 times; give it once",
        ),
        ("info sample:ecg --skip-bad --skip_bad", "--skip-bad is given 2 times"),
        (
            "train --data sample:ecg --out x --steps 1.5",
            "--steps is '1.5'; expected a whole",
        ),
        ("train --data sample:ecg --out x --seed two", "--seed is 'two'; expected a whole number;"),
        (
            "search x --id a -k ten",
            "-k/--k is 'ten'; expected a whole number; see medfuncta search",
        ),
        ("info x --signal-budget lots", "--signal-budget is 'lots'; expected a number; see"),
        (
            "train --data sample:ecg --out x --config nowhere.toml",
            "cannot read the configuration file nowhere.toml",
        ),
        (
            "train --data sample:ecg --out x --batch 400",
            "334 training signals for a batch of 400; give --batch 334 or less",
        ),
        (
            "train --data sample:ecg --out x --resume",
            "no checkpoint last.safetensors to resume from",
        ),
        (
            "train --data samples:ecg --out x",
            "unknown kind of source 'samples'; did you mean 'sample'?",
        ),
        ("train --data sample:ekg --out x", "no sample 'ekg'; did you mean 'ecg'?"),
        ("train --data npz:nowhere.npz --out x", "nowhere.npz"),
        ("train --data wfdb:nowhere --out x", "nowhere"),
        (
            "train --data wfdb:.?laed=V1 --out x",
            "unknown option 'laed' of wfdb; did you mean 'lead'?",
        ),
        ("evaluate nowhere --data sample:ecg", "'nowhere' is not a run"),
        ("fit nowhere --data sample:ecg --out x", "'nowhere' is not a run"),
        ("fit nowhere --data sample:ecg --out x --dtype int4", "int4"),
        ("decode nowhere --id a --out a.csv", "nowhere"),
        ("classify nowhere", "nowhere"),
        ("info nowhere", "nowhere"),
    ],
)
def test_a_mistake_gets_one_line(
    words: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in complaint(words.split(), capsys)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], (
        "a mistake left a file behind"
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    assert "--json" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"medfuncta {medfuncta.__version__}\n"


def test_as_a_process(ecg_run: Path) -> None:
    command = [sys.executable, "-m", "medfuncta", "info", str(ecg_run), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kind"] == "run"
    failed = subprocess.run([*command[:-2], "nowhere"], capture_output=True, text=True, timeout=120)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.count("\n") == 1
