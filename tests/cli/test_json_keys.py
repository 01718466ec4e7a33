"""The JSON of every command, key for key, beside a stored list: programs read it.

After a change that is meant, write the list anew: ``python -m cli.test_json_keys`` in ``tests``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest

from cli.conftest import train_words
from medfuncta._src.cli.commands import COMMANDS
from medfuncta._src.cli.main import main
from medfuncta._src.demo import steps
from medfuncta._src.latents.latent_set import LatentSet
from tasks.blob_set import write_blob_set
from tasks.blob_volumes import write_blobs
from tasks.compress.fitted_set import write_fitted_set

STORED = Path(__file__).with_name("json_keys.json")
SOURCE = "medfuncta._src.sources.table.open_source"
SHORT_DEMO = {
    "field": {"kind": "siren", "layers": 3, "width": 8, "latent_size": 4},
    "train": {"steps": 1, "batch": 4, "inner_steps": 1, "validate_signals": 4},
    "fit": {"steps": 1},
}


def key_paths(value: Any, path: str = "") -> Iterator[str]:
    """``a.b`` for a key in an object, ``a[]`` for entries of a list; keys that are numbers are all
    alike."""
    yield path
    if isinstance(value, list):
        for entry in value:
            yield from key_paths(entry, f"{path}[]")
    if isinstance(value, dict):
        for key, entry in value.items():
            name = "*" if key.removeprefix("-").replace(".", "").isdigit() else key
            yield from key_paths(entry, f"{path}.{name}" if path else name)


def printed(*words: object, source: object = None) -> list[str]:
    """The key paths of what a command prints."""
    text = io.StringIO()
    with redirect_stdout(text):
        if source is None:
            assert main([*map(str, words), "--json"]) == 0
        else:
            with patch(SOURCE, lambda text, **options: source):
                assert main([*map(str, words), "--json"]) == 0
    return sorted(set(key_paths(json.loads(text.getvalue()))) - {""})


def keys_of_all(folder: Path) -> dict[str, list[str]]:
    """Every command once, and once for each form of its result."""
    run, fitted, blobs = folder / "run", folder / "fitted", folder / "blobs"
    data = ("--data", "sample:ecg")
    keys = {"train": printed(*train_words(run, "field.kind=siren"))}
    keys["fit"] = printed("fit", run, *data, "--out", fitted, "--splits", "val")
    keys["evaluate"] = printed("evaluate", run, *data, "--split", "val")
    beside = ("--baselines", "--compare", run)
    keys["evaluate compared"] = printed("evaluate", run, *data, "--split", "val", *beside)
    first = LatentSet.open(fitted).split("val").ids[0]
    keys["decode"] = printed("decode", fitted, "--id", first, "--out", folder / "beat.csv")
    to_reference = ("--to", "reference", "--out", folder / "reference")
    keys["export"] = printed("export", fitted, *to_reference)
    keys["export onnx"] = printed("export", run, "--to", "onnx", "--out", folder / "field.onnx")
    keys["import"] = printed(
        "import", folder / "reference", "--out", folder / "imported", "--shape", 187
    )
    weights = folder / "reference" / "best.model"
    keys["import run"] = printed("import", weights, "--out", folder / "again", "--shape", 187)
    keys["info source"] = printed("info", "sample:ecg")
    keys["info run"] = printed("info", run)
    keys["info latents"] = printed("info", fitted)
    keys["models"] = printed("models", "ecg")
    keys["presets"] = printed("presets", "trace")
    keys["settings"] = printed("settings", "fit")
    keys["doctor"] = printed("doctor")
    keys["completion"] = printed("completion", "bash")
    keys["study"] = printed("study", "missing-samples", "--run", run, "--limit", 1)

    write_blob_set(blobs, {"train": 30, "val": 8, "test": 8})
    keys["classify"] = printed("classify", blobs, "--epochs", 1)
    where = ("--where", "psnr > 35", "--out", folder / "some")
    keys["latents"] = printed("latents", "filter", blobs, *where)
    keys["search"] = printed("search", blobs, "--id", "test-1", "-k", 2)
    keys["explore map"] = printed("explore", blobs, "map")
    keys["explore mean"] = printed("explore", blobs, "mean")
    keys["explore outliers"] = printed("explore", blobs, "outliers")
    between = ("--between", "test-0", "test-1")
    keys["explore interpolate"] = printed("explore", blobs, "interpolate", *between)

    _, source = write_blobs(folder / "balls", train=4, val=2, test=2)
    balls = (folder / "balls", "--data", "list:x", "--epochs", 1)
    keys["segment"] = printed("segment", *balls, "--points", 40, "--hidden", 4, source=source)
    keys["regress"] = printed("regress", *balls, "--target", "volume:ball", source=source)
    _, source = write_fitted_set(folder / "waves", (60,), train=6, test=2)
    keys["compress"] = printed("compress", folder / "waves", "--data", "list:x", source=source)
    with patch.object(steps, "SETTINGS", SHORT_DEMO):
        keys["demo"] = printed("demo", "--out", folder / "demo")
    return keys


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return keys_of_all(tmp_path_factory.mktemp("every-command"))


@pytest.mark.parametrize("command", json.loads(STORED.read_text()) if STORED.exists() else [])
def test_the_json_is_key_for_key_what_it_was(keys: dict[str, list[str]], command: str) -> None:
    assert keys[command] == json.loads(STORED.read_text())[command]


def test_the_stored_list_has_every_command(keys: dict[str, list[str]]) -> None:
    assert list(keys) == list(json.loads(STORED.read_text()))
    assert {name.split()[0] for name in keys} == set(COMMANDS)


if __name__ == "__main__":
    with TemporaryDirectory() as name:
        STORED.write_text(json.dumps(keys_of_all(Path(name)), indent=1) + "\n")
