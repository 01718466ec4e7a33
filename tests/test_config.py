from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medfuncta._src.config import FitConfig, InnerConfig, TrainConfig
from medfuncta._src.errors import ConfigError
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.presets import PRESETS
from medfuncta._src.settings import Config, override, parse_assignments, read_config_file

UNUSUAL = Config(
    SirenConfig(dim=3, channels=2, omega_increment=5.0, residual=True, output_offset=0.5),
    InnerConfig(3e-3, momentum=0.5, channel_mean=True),
    TrainConfig(context="stratified", dtype="float64", first_order=True, average=0.99),
)


def as_toml(config: Config) -> str:
    """JSON's words for numbers, texts and truth values are TOML's too; what is not set has none."""
    sections = config.to_dict().items()
    lines = [
        f"[{name}]\n"
        + "".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items() if v is not None)
        for name, values in sections
    ]
    return "".join(lines)


@pytest.mark.parametrize("config", [UNUSUAL, *PRESETS.values()], ids=["unusual", *PRESETS])
def test_nothing_is_lost_through_json_or_toml(config: Config, tmp_path: Path) -> None:
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    path = tmp_path / "settings.toml"
    path.write_text(as_toml(config))
    assert Config.from_dict(read_config_file(path)) == config
    assert Config.from_dict(tomllib.loads(path.read_text())) == config


def test_text_becomes_the_type_of_its_setting() -> None:
    texts = [
        "train.batch=8",
        "train.learning_rate=1e-3",
        "field.residual=true",
        "field.omega_increment=none",
        "train.context=stratified",
    ]
    config = override(
        replace(Config(), field=SirenConfig(omega_increment=3.0)), parse_assignments(texts)
    )
    got = (
        config.train.batch,
        config.train.learning_rate,
        config.field.residual,
        config.field.omega_increment,
        config.train.context,
    )
    assert got == (8, 1e-3, True, None, "stratified")


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        (
            {"train": {"learning_rat": 1}},
            "unknown setting 'train.learning_rat'; did you mean 'learning_rate'",
        ),
        ({"trian": {"steps": 1}}, "unknown setting 'trian'; did you mean 'train'"),
        ({"train": 3}, "setting 'train' is a section"),
        (
            {"train": {"steps": "many"}},
            "setting 'train.steps' is 'many'; expected a whole number from 1 to 1,000,000,000",
        ),
        ({"train": {"steps": 1.5}}, "is 1.5; expected a whole number"),
        ({"train": {"steps": float("inf")}}, "expected finite numbers"),
        ({"train": {"steps": True}}, "is true; expected a whole number"),
        ({"train": {"steps": [3]}}, "is [3]; expected a whole number"),
        ({"train": {"steps": None}}, "is null; expected a whole number"),
        ({"train": {"seed": 10**400}}, "holds a number of 401 digits"),
        ({"train": {"seed": "9" * 100_000}}, "expected a whole number from 0 to"),
        ({"train": {"context": {"a": [[[]]]}}}, "is an object of 1 entries; expected one of"),
        ({"train": {"dtype": "float\n32"}}, "is 'float 32'; did you mean 'float32'"),
        ({"train": {"x" * 100_000: 1}}, "unknown setting 'train.xxxx"),
        ({"field": {"residual": 1}}, "expected true or false"),
        ({"field": {"kind": ["siren"]}}, "setting 'field.kind' is ['siren']; expected text"),
        ({"field": {"kind": "x" * 100_000}}, "expected text of at most 64 characters"),
        ({"train": {"context": "stratifed"}}, "did you mean 'stratified'"),
    ],
)
def test_unknown_or_mistyped_settings_get_one_line(changes: dict[str, Any], hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        override(Config(), changes)
    assert hint in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "setting",
    [
        "train.learning_rate=-1",
        "train.learning_rate=nan",
        "train.learning_rate=inf",
        "train.weight_decay=-1",
        "train.clip=nan",
        "train.clip=-1",
        "train.warmup=-1",
        "train.memory_mb=-1",
        "train.seed=-1",
        "train.seed=99999999999999999999",
        "train.context_ratio=nan",
        "train.context_ratio=0",
        "train.batch=0",
        "train.average=1",
        "inner.step_size=0",
        "inner.step_size=nan",
        "inner.step_size=-0.1",
        "inner.momentum=1",
        "inner.momentum=nan",
        "fit.steps=0",
        "fit.quality=finest",
        "train.optimiser=adam",
        "field.omega_first=nan",
        "field.omega_last=inf",
        "field.omega_increment=-10",
        "field.output_offset=nan",
        "field.width=1e9",
        "field.width=1000000000",
        "field.layers=2",
        "field.latent_size=0",
        "field.dim=4",
        "train.batch=1000000000",
        "train.learning_rate=1e30",
    ],
)
def test_numbers_that_cannot_work_are_refused_by_name(setting: str) -> None:
    with pytest.raises(ConfigError, match=setting.partition("=")[0]):
        override(Config(), parse_assignments([setting]))


def test_the_same_bounds_hold_in_python() -> None:
    for section, name, value in [
        (TrainConfig, "batch", 0),
        (InnerConfig, "step_size", float("nan")),
        (InnerConfig, "momentum", 1.0),
        (FitConfig, "steps", 10**400),
        (SirenConfig, "width", -1),
    ]:
        with pytest.raises(ConfigError, match=rf"setting '\w+\.{name}' is"):
            section(**{name: value})


def test_numbers_become_the_type_of_their_setting() -> None:
    assert isinstance(SirenConfig(omega_first=20).omega_first, float)


OLD = {"train": ("shift_init", "outer_loss", "optimiser"), "fit": ("quality", "fast_steps")}


def test_settings_of_older_runs_are_read() -> None:
    stored = UNUSUAL.to_dict()
    stored["train"]["compile"] = True  # retired
    del stored["field"]["kind"]
    for section, names in OLD.items():
        for name in names:
            del stored[section][name]
    assert Config.from_dict(stored) == UNUSUAL
    with pytest.raises(ConfigError, match=r"unknown setting 'train\.compile'"):
        override(Config(), {"train": {"compile": True}})


@pytest.mark.parametrize(
    ("section", "name"), [("inner", "step_size"), ("train", "steps"), ("field", "width")]
)
def test_a_setting_that_every_run_has_is_missed(section: str, name: str) -> None:
    stored = UNUSUAL.to_dict()
    del stored[section][name]
    with pytest.raises(ConfigError, match=rf"setting '{section}\.{name}' is missing"):
        Config.from_dict(stored)
    del stored[section]
    with pytest.raises(ConfigError, match=rf"setting '{section}\.\w+' is missing"):
        Config.from_dict(stored)


def test_text_is_no_number_in_a_stored_run() -> None:
    stored = UNUSUAL.to_dict()
    stored["train"]["steps"] = "8"
    with pytest.raises(ConfigError, match=r"setting 'train\.steps' is '8'"):
        Config.from_dict(stored)
    assert override(Config(), {"train": {"steps": "8"}}).train.steps == 8


@pytest.mark.parametrize("text", ["batch=8", "train.batch", "=8", "train.=8"])
def test_an_assignment_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected section\.name=value"):
        parse_assignments([text])


def test_files_that_are_missing_or_not_toml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the configuration file none\.toml"):
        read_config_file(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_bytes(b"[train\n\xff")
    with pytest.raises(ConfigError, match=r"bad\.toml is not a TOML file"):
        read_config_file(tmp_path / "bad.toml")
    (tmp_path / "flat.toml").write_text("steps = 3\n")
    with pytest.raises(ConfigError, match=r"'steps' in flat\.toml stands outside of a section"):
        read_config_file(tmp_path / "flat.toml")
