from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import medfuncta

HEAVY = (
    "torch",
    "matplotlib",
    "sklearn",
    "monai",
    "pandas",
    "pyarrow",
    "scipy",
    "wfdb",
    "nibabel",
    "tensorboard",
)
TYPED = [
    node
    for block in ast.parse(Path(medfuncta.__file__).read_text()).body
    if isinstance(block, ast.If)
    for node in block.body
    if isinstance(node, ast.ImportFrom)
]


SURFACE = [
    "PRESETS",
    "ComponentsConfig",
    "Config",
    "ConfigError",
    "Contents",
    "DataError",
    "Field",
    "FieldConfig",
    "FieldEncoder",
    "FieldKind",
    "FileOptions",
    "FinerConfig",
    "FitConfig",
    "Fitted",
    "Fitter",
    "Format",
    "Grid",
    "InnerConfig",
    "Item",
    "LatentSet",
    "LatentSetError",
    "MLflowCallback",
    "MedFunctaError",
    "Run",
    "RunError",
    "Scatter",
    "Signal",
    "SignalHeader",
    "SignalSet",
    "SignalSpec",
    "SirenConfig",
    "Skips",
    "Source",
    "SourceInfo",
    "StepReport",
    "Survey",
    "TrainConfig",
    "TrainingCallback",
    "ValueRange",
    "WandbCallback",
    "allowing",
    "build_field",
    "create_latent_set",
    "decode",
    "evaluate",
    "export_onnx",
    "file_format",
    "filter_latent_set",
    "find_leaks",
    "fit_latents",
    "fitter_of",
    "from_arrays",
    "keep_freed_memory",
    "merge_latent_sets",
    "open_source",
    "option",
    "reconstruct",
    "train",
    "view",
    "write_signal",
    "write_view",
]
"""A change of this list is a change of what others rely on: say it in the changelog."""


def test_the_surface_is_the_one_on_the_list() -> None:
    assert sorted(medfuncta.__all__) == sorted(SURFACE)


@pytest.mark.parametrize("name", [name for name in SURFACE if name != "PRESETS"])
def test_every_public_name_says_what_it_is(name: str) -> None:
    thing = getattr(medfuncta, name)
    assert thing.__doc__ and len(thing.__doc__) > 25
    if isinstance(thing, type):
        return
    signature = inspect.signature(thing)
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty, parameter.name


@pytest.mark.parametrize("name", medfuncta.__all__)
def test_every_public_name_is_there_when_asked_for(name: str) -> None:
    assert getattr(medfuncta, name) is not None
    assert name in dir(medfuncta)


def test_all_else_is_private_by_name() -> None:
    folder = Path(medfuncta.__file__).parent
    parts = {path.stem for path in folder.iterdir() if path.name != "py.typed"}
    assert {name for name in parts if not name.startswith("_")} == set()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'medfuncta' has no attribute 'trian'"):
        _ = medfuncta.trian  # type: ignore[attr-defined]


def test_type_checkers_see_what_is_loaded() -> None:
    seen = {
        alias.name: node.module.removeprefix("medfuncta._src.")
        for node in TYPED
        for alias in node.names
    }  # type: ignore[union-attr]
    assert seen == medfuncta._HOMES
    assert sorted(seen) == sorted(medfuncta.__all__)


@pytest.mark.parametrize(
    "arguments", [["-c", "import medfuncta, sys"], ["-m", "medfuncta", "--help"]]
)
def test_nothing_heavy_is_imported_before_it_is_needed(arguments: list[str]) -> None:
    seen = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stderr
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in seen.splitlines()}
    assert "medfuncta" in imported
    assert not imported & set(HEAVY)
