"""Every block of code on every page runs as it stands, those of a page one after the other in one
folder; what is only shown behind a prompt is understood at least."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib
import pytest

from docs.pages import PAGES, blocks, commands, named, prose
from medfuncta._src.cli.commands import COMMANDS
from medfuncta._src.cli.main import main
from medfuncta._src.cli.parsing import parse
from medfuncta._src.presets import PRESETS
from medfuncta._src.settings_guide import section_names, settings_of
from medfuncta._src.sources.table import FORMATS, format_named, options_of

RUN = {"python", "bash"}
SHOWN = {"console", "toml", "text", ""}
OF_OTHERS = {"pip", "python3"}
PRINTED = re.compile(r"^print\(.*\)  # (\(.*)$", re.MULTILINE)
"""What a page says that a line prints: a shape, and what follows it."""
each_page = pytest.mark.parametrize("page", PAGES, ids=named)
with_code = pytest.mark.parametrize(
    "page", [page for page in PAGES if {block.language for block in blocks(page)} & RUN], ids=named
)


@with_code
def test_the_blocks_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    names: dict[str, object] = {"__name__": named(page)}
    for block in blocks(page):
        if block.language == "python":
            capsys.readouterr()
            exec(compile(block.code, named(page), "exec", dont_inherit=True), names)
            printed = capsys.readouterr().out.splitlines()
            for output in PRINTED.findall(block.code):
                assert output in printed
        if block.language == "bash":
            for words in commands(block):
                assert words[0] == "medfuncta", "a bash block is run; show other programs behind $"
                capsys.readouterr()
                assert main(words[1:]) == 0, capsys.readouterr().err


@each_page
def test_every_block_is_run_or_shown(page: Path) -> None:
    assert {block.language for block in blocks(page)} <= RUN | SHOWN


@each_page
def test_commands_that_are_shown_are_understood(page: Path) -> None:
    for block in blocks(page):
        if block.language == "console":
            assert all(line.startswith("$ ") for line in block.code.splitlines())
            for words in commands(block):
                if words[0] == "torchrun":
                    assert words[words.index("-m") + 1] == "medfuncta"
                    words = words[words.index("-m") + 1 :]
                if words[0] not in OF_OTHERS and words[1] in COMMANDS:
                    assert isinstance(parse(words[1:], COMMANDS, ""), COMMANDS[words[1]])
                elif words[0] not in OF_OTHERS:
                    pytest.fail(f"no command: {words}")


@each_page
def test_sources_have_the_options_that_pages_give_them(page: Path) -> None:
    for block in blocks(page):
        if block.language not in ("bash", "console"):
            continue
        for word in [word for words in commands(block) for word in words]:
            kind, _, rest = word.partition(":")
            if kind in FORMATS:
                given = [text.partition("=")[0] for text in rest.partition("?")[2].split("&")]
                assert {name for name in given if name} <= set(options_of(format_named(kind)))


SETTINGS = {setting.name for section in section_names() for setting in settings_of(section)}


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if named(page).startswith(("guides/", "index", "method"))],
    ids=named,
)
def test_settings_presets_and_commands_that_pages_name_exist(page: Path) -> None:
    text = prose(page)
    sections = "|".join(section_names())
    for name in re.findall(rf"`(?:--set )?((?:{sections})\.[a-z_]+)", text):
        assert name in SETTINGS
    for name in re.findall(r"`medfuncta ([a-z]+)", text):
        assert name in COMMANDS
    for name in re.findall(r"`(?:--preset )?((?:paper|components)-\w+(?:-\w+)?)`", text):
        assert name in PRESETS
