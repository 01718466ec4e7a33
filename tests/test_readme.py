"""What the README promises: every command is understood, every Python block runs, every name is
there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import medfuncta
from medfuncta._src.cli.commands import COMMANDS
from medfuncta._src.cli.main import main
from medfuncta._src.cli.parsing import parse
from medfuncta._src.presets import PRESETS
from medfuncta._src.sources.table import FORMATS, format_named, options_of

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]  # pages of the site: tests/docs
TINY = {
    "field": {"layers": 3, "width": 8, "latent_size": 4},
    "train": {"steps": 1, "batch": 4, "inner_steps": 1, "validate_signals": 4},
    "fit": {"steps": 1},
}


def blocks(language: str) -> list[tuple[str, str]]:
    """The code blocks of all documents with the names of the documents."""
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [(path.name, block) for path in DOCUMENTS for block in fence.findall(path.read_text())]


def commands() -> list[str]:
    """Every line of a shell block that calls the program, as the words after its name."""
    lines = [
        line for _, block in blocks("bash") for line in block.replace("\\\n", " ").splitlines()
    ]
    return [line for line in lines if line.startswith("medfuncta ")]


def sources() -> list[str]:
    return [
        word
        for line in commands()
        for word in shlex.split(line, comments=True)
        if word.partition(":")[0] in FORMATS and ":" in word
    ]


@pytest.mark.parametrize("line", commands())
def test_every_command_is_understood(line: str) -> None:
    _, *words = shlex.split(line, comments=True)
    assert isinstance(parse(words, COMMANDS, ""), COMMANDS[words[0]])


@pytest.mark.parametrize("text", sources())
def test_every_source_has_its_kind_and_options(text: str) -> None:
    format = format_named(text.partition(":")[0])
    options = {
        assignment.partition("=")[0]
        for assignment in text.partition("?")[2].split("&")
        if assignment
    }
    assert options <= set(options_of(format))


def test_the_commands_on_samples_run(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("ecg", "slices", "histology", "volumes"):
        assert f"`{name}`" in README
        assert main(["info", f"sample:{name}"]) == 0


@pytest.mark.parametrize(("document", "block"), blocks("python"))
def test_every_python_block_runs(
    document: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands, but for the length of a training."""
    monkeypatch.chdir(tmp_path)
    short, trainings = re.subn(r"settings=\{.*\}\}", "settings=TINY", block)
    assert trainings == block.count(".train(")
    exec(compile(short, document, "exec"), {"TINY": TINY})


def test_python_takes_about_ten_lines() -> None:
    first = next(block for document, block in blocks("python") if document == "README.md")
    assert len([line for line in first.splitlines() if line.strip()]) <= 10
    assert set(re.findall(r"medfuncta\.(\w+)", first)) <= set(medfuncta.__all__)


def test_the_first_block_installs_and_runs_the_demo_then_the_tests() -> None:
    _, first = blocks("bash")[0]
    demo, tests = first.splitlines()
    install, constraints = (
        ".venv/bin/pip install -c constraints.txt -e",
        (ROOT / "constraints.txt").read_text(),
    )
    assert demo.startswith("python3 -m venv .venv && " + install)
    assert demo.endswith(".venv/bin/medfuncta demo")
    assert install in tests
    assert tests.endswith(".venv/bin/pytest -n 2")
    assert "pytest -n 2" in (ROOT / ".ci" / "run").read_text()
    assert "torch==" in constraints


def test_the_tables_are_complete() -> None:
    assert set(re.findall(r"^\| `(\w+):", README, re.MULTILINE)) == set(FORMATS)
    assert all(f"`{name}`" in README for name in PRESETS)
    assert all(f"medfuncta {name}" in README or f"`{name}`" in README for name in COMMANDS)


def test_options_in_the_table_of_sources_exist() -> None:
    rows = re.findall(r"^\| `(\w+):\w+` \|.*\| ?(.*?) ?\|$", README, re.MULTILINE)
    assert len(rows) == len(FORMATS)
    for name, cell in rows:
        assert set(re.findall(r"`(\w+)`", cell)) <= set(options_of(format_named(name)))


def test_links_lead_somewhere() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
