"""What is listed of settings is what is declared, whole."""

from __future__ import annotations

import json
import re
from dataclasses import fields

import pytest

from medfuncta._src.cli.main import main
from medfuncta._src.errors import ConfigError
from medfuncta._src.field.table import field_kind, field_names
from medfuncta._src.presets import PRESETS
from medfuncta._src.settings import Config, override, parse_assignments
from medfuncta._src.settings_guide import section_names, settings_of, written

NAME_IN_CODE = re.compile(r"\b[A-Z]{2,}_[A-Z]+\b|\bFIELDS\b|\b[a-z]+_[a-z]+\.py\b|\bw_[1k]\b")
"""What stands in the code, and tells a user nothing."""
SECTIONS = ("field", "inner", "train", "fit")


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_has_a_meaning_a_type_and_its_default(section: str) -> None:
    settings = settings_of(section)
    assert section_names() == list(SECTIONS)
    for setting in settings:
        assert setting.name.startswith(f"{section}.")
        assert len(setting.meaning.split()) > 2 and "`" not in setting.meaning
        assert not NAME_IN_CODE.search(setting.meaning), setting.name
        assert setting.type


def test_all_of_the_declared_ones_are_there() -> None:
    for section in ("inner", "train", "fit"):
        declared = [f"{section}.{field.name}" for field in fields(getattr(Config(), section))]
        assert [setting.name for setting in settings_of(section)] == declared
    listed = {setting.name for setting in settings_of("field")}
    for kind in field_names():
        assert {f"field.{field.name}" for field in fields(field_kind(kind).config)} <= listed


@pytest.mark.parametrize("section", SECTIONS)
def test_a_default_that_is_listed_can_be_set_as_it_stands(section: str) -> None:
    for setting in settings_of(section):
        changes = parse_assignments([f"{setting.name}={setting.default}"])
        if setting.of:
            changes["field"]["kind"] = setting.of.split(", ")[0]
        if setting.default:
            override(Config(), changes)


def test_what_several_kinds_of_field_have_alike_stands_there_once() -> None:
    (width,) = [setting for setting in settings_of("field") if setting.default == "256"][:1]
    assert width.name == "field.width" and "siren, finer" in width.of
    names = [(setting.name, setting.of) for setting in settings_of("field")]
    assert len(set(names)) == len(names)


def test_values_are_written_as_a_person_writes_them() -> None:
    assert list(map(written, (None, True, 1e-4, (1, 2), "x", 7))) == [
        *("none", "true", "0.0001", "1,2", "x", "7")
    ]


def test_the_kinds_of_field_are_listed_with_what_they_are() -> None:
    kind = settings_of("field")[0]
    assert kind.name == "field.kind"
    for name in field_names():
        assert name in kind.type
    for name in ("siren", "finer", "components"):
        assert name in kind.meaning


def test_an_unknown_section_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown section 'trian'; did you mean 'train'"):
        settings_of("trian")


def test_the_commands_list_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "train"]) == 0
    text = capsys.readouterr().out
    assert "train.learning_rate = 0.0001" in text and "train.steps = 2000" in text
    assert "from 1 to 1,000,000,000" in text
    assert main(["presets"]) == 0
    overview = capsys.readouterr().out
    assert all(name in overview for name in PRESETS)
    assert main(["presets", "trace"]) == 0
    assert "train.optimiser" in capsys.readouterr().out
    assert main(["presets", "trace", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "trace": json.loads(json.dumps(PRESETS["trace"].to_dict()))
    }
    assert main(["presets", "trase"]) == 2
    assert "did you mean 'trace'" in capsys.readouterr().err
