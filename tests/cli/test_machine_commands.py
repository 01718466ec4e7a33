"""``doctor`` and ``completion``."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tyro

import medfuncta
from medfuncta._src.cli import completion
from medfuncta._src.cli.commands import COMMANDS
from medfuncta._src.cli.main import main
from medfuncta._src.errors import MedFunctaError
from medfuncta._src.tasks.doctor import packages


def test_the_doctor_tells_versions_processor_devices_extras_and_folders(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    for words in ("processor", "compiled passes", "device cpu", "caches", "torch", "extra dicom"):
        assert words in told
    assert main(["doctor", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {"name": "medfuncta", "version": medfuncta.__version__} in result["packages"]
    assert result["devices"][0]["name"] == "cpu"


def test_the_doctor_says_what_installs_a_missing_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages, "requires", lambda name: ['nowhere>=1; extra == "dicom"'])
    assert main(["doctor"]) == 0
    assert "without nowhere; pip install 'medfuncta[dicom]'" in capsys.readouterr().out


def test_the_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"medfuncta {medfuncta.__version__}\n"


# --- completion

needs = {"tcsh": "shtab"}


@pytest.fixture(params=["bash", "zsh", "fish", "tcsh"])
def script(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> str:
    """The script for a shell, as it is printed."""
    if request.param in needs and importlib.util.find_spec(needs[request.param]) is None:
        pytest.skip(f"{needs[request.param]} is not installed")
    assert main(["completion", request.param]) == 0
    printed = capsys.readouterr().out
    assert main(["completion", request.param, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["shell"] == request.param
    assert printed.split() == result["script"].split(), "printing has changed the script"
    return printed


def test_a_script_knows_every_command(script: str) -> None:
    for name in COMMANDS:
        assert name in script


def completed(script: Path, *words: str) -> list[str]:
    """What bash proposes behind these words."""
    program = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        "entry=$(complete -p medfuncta); entry=${entry#*-F }; ${entry%% *}; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    command = ["bash", "--norc", "-c", program, "bash", str(script), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("tr",), ["train"]),
        (("do",), ["doctor"]),
        (("fit", "--qual"), ["--quality"]),
        (("fit", "--quality", "fa"), ["fast"]),
        (("info", "--che"), ["--check"]),
    ],
)
def test_bash_completes_commands_options_and_choices(
    words: tuple[str, ...], expected: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "medfuncta"
    script.write_text(capsys.readouterr().out)
    assert completed(script, "medfuncta", *words) == expected


def test_another_shell_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "nosh"]) == 2
    assert "nosh" in capsys.readouterr().err


def test_a_shell_that_needs_a_package_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "tcsh"]) == 2
    assert "pip install 'medfuncta[completion]'" in capsys.readouterr().err


def test_a_shell_that_tyro_does_not_know_yet_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        sys.exit(2)

    monkeypatch.setattr(tyro.extras, "subcommand_cli_from_dict", refuse)
    words = completion.Completion(shell="fish")
    with pytest.raises(MedFunctaError, match="knows no completion for fish"):
        words.run()
