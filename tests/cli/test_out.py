"""What a command writes may lie in folders that are not there yet, which are made; where none can
be made, one line says so before any work, for every command alike."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pytest

from cli.conftest import train_words
from cli.test_json_keys import SHORT_DEMO, SOURCE
from medfuncta._src.cli.command import Command
from medfuncta._src.cli.commands import COMMANDS
from medfuncta._src.cli.main import main
from medfuncta._src.demo import steps
from tasks.blob_set import write_blob_set
from tasks.blob_volumes import write_blobs
from tasks.compress.fitted_set import write_fitted_set

OUT: Final = "@out"
WRITING: Final[dict[str, str]] = {
    "train": "",
    "fit": f"fit @run --data sample:ecg --splits val --out {OUT}",
    "evaluate": f"evaluate @run --data sample:ecg --split val --out {OUT}",
    "decode": f"decode @latents --id val-0000 --out {OUT}/a.csv",
    "decode to wfdb": f"decode @latents --id val-0000 --out {OUT}/a.hea",
    "export npz": f"export @latents --to npz --out {OUT}",
    "export hub": f"export @latents --to hub --out {OUT}",
    "export reference": f"export @latents --to reference --out {OUT}",
    "export onnx": f"export @run --to onnx --out {OUT}/field.onnx",
    "import": f"import @reference --out {OUT} --shape 187",
    "import weights": f"import @reference/best.model --out {OUT} --shape 187",
    "info": f"info @run --out {OUT}",
    "info of a source": f"info sample:ecg --out {OUT}",
    "latents filter": f"latents filter @latents --where psnr>-99 --out {OUT}",
    "latents merge": f"latents merge @latents --out {OUT}",
    "classify": f"classify @blobs --classifier knn --out {OUT}",
    "search": f"search @blobs --id test-1 -k 2 --out {OUT}",
    "search index": f"search @blobs --id test-1 -k 2 --index {OUT}/a.faiss",
    "explore map": f"explore @blobs map --out {OUT}",
    "explore mean": f"explore @blobs mean --out {OUT}",
    "explore outliers": f"explore @blobs outliers --out {OUT}",
    "explore interpolate": f"explore @blobs interpolate --between test-0 test-1 --out {OUT}",
    "study": f"study missing-samples --run @run --limit 1 --out {OUT}",
    "segment": f"segment @balls --data list:x --epochs 1 --points 40 --hidden 4 --out {OUT}",
    "regress": f"regress @balls --data list:x --epochs 1 --target volume:ball --out {OUT}",
    "view": f"view @latents --out {OUT}",
    "compress": f"compress @waves --data list:x --out {OUT}",
    "demo": f"demo --out {OUT}",
}
FROM_DATA: Final = {"segment": "balls", "regress": "balls", "compress": "waves"}
"""Commands that read signals of a source of the tests, and which."""


@pytest.fixture(scope="module")
def things(
    ecg_run: Path, ecg_latents: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What commands work on: folders by name, sources by the name of their latents."""
    folder = tmp_path_factory.mktemp("things")
    found: dict[str, Any] = {"run": ecg_run, "latents": ecg_latents}
    found["reference"] = folder / "reference"
    words = ["export", str(ecg_latents), "--to", "reference", "--out", str(found["reference"])]
    assert main(words) == 0
    found["blobs"] = folder / "blobs"
    write_blob_set(found["blobs"], {"train": 30, "val": 8, "test": 8})
    found["balls"], found["waves"] = folder / "balls", folder / "waves"
    _, balls = write_blobs(found["balls"], train=4, val=2, test=2)
    _, waves = write_fitted_set(found["waves"], (60,), train=6, test=2)
    return {**found, "sources": {"balls": balls, "waves": waves}}


@pytest.fixture
def answer(things: dict[str, Any]) -> Callable[[str, Path], int]:
    """Runs a command that writes to a place."""

    def ran(name: str, out: Path) -> int:
        words = train_words(out) if name == "train" else WRITING[name].split()
        told = []
        for word in words:
            for key, place in things.items():
                word = word.replace(f"@{key}", str(place))
            told.append(word.replace(OUT, str(out)))
        with ExitStack() as patched:
            if name == "demo":
                patched.enter_context(patch.object(steps, "SETTINGS", SHORT_DEMO))
            if name in FROM_DATA:
                source = things["sources"][FROM_DATA[name]]
                patched.enter_context(patch(SOURCE, lambda text, **options: source))
            return main(told)

    return ran


def test_every_command_that_writes_is_here() -> None:
    writing = {name for name, kind in COMMANDS.items() if "out" in kind.__dataclass_fields__}
    assert all(issubclass(kind, Command) for kind in COMMANDS.values())
    assert {name.split()[0] for name in WRITING} == writing


@pytest.mark.parametrize("name", [name for name in WRITING if name != "demo"])
def test_folders_that_are_missing_are_made(name: str, answer: Any, tmp_path: Path) -> None:
    """The demo has a test of its own."""
    out = tmp_path / "not" / "there" / "yet"
    assert answer(name, out) == 0
    assert any(path.is_file() for path in out.rglob("*"))


@pytest.mark.parametrize("name", WRITING)
def test_a_file_in_the_way_is_one_line_before_any_work(
    name: str, answer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    capsys.readouterr()
    assert answer(name, tmp_path / "file" / "out") == 2
    output = capsys.readouterr()
    assert not output.out
    assert output.err.startswith("medfuncta: ") and output.err.count("\n") == 1, output.err
    assert (tmp_path / "file").read_text() == "mine"
