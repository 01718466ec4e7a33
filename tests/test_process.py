"""Settings of the process."""

from __future__ import annotations

import pytest

from medfuncta._src.cli.main import main
from medfuncta._src.errors import ConfigError
from medfuncta._src.process import switched_on


@pytest.mark.parametrize("default", [True, False])
def test_a_variable_is_a_switch(monkeypatch: pytest.MonkeyPatch, default: bool) -> None:
    monkeypatch.delenv("SOME_SWITCH", raising=False)
    assert switched_on("SOME_SWITCH", default=default) is default
    for told, expected in (("", default), ("0", False), ("1", True)):
        monkeypatch.setenv("SOME_SWITCH", told)
        assert switched_on("SOME_SWITCH", default=default) is expected


@pytest.mark.parametrize("told", ["yes", "2", "true", " 1", "1" * 5_000])
def test_another_word_is_a_mistake(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv("SOME_SWITCH", told)
    with pytest.raises(ConfigError, match=r"SOME_SWITCH is .{,50}; expected 0 or 1$"):
        switched_on("SOME_SWITCH")


@pytest.mark.parametrize("name", ["MEDFUNCTA_NATIVE", "MEDFUNCTA_TRITON"])
def test_a_command_says_so(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "on")
    assert main(["doctor"]) == 2
    said = capsys.readouterr().err
    assert said == f"medfuncta: the variable {name} is 'on'; expected 0 or 1\n"
