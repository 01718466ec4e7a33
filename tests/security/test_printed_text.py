"""No text from data reaches the terminal raw, in results and in mistakes alike."""

from __future__ import annotations

import ast
import json
import logging
import shutil
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import medfuncta
from cli.conftest import TINY
from hostile.bench import Bench
from hostile.files import read_shard, write_shard
from medfuncta._src.cli.terminal import safely, tell

ROOT = Path(medfuncta.__file__).parent / "_src"
ESCAPES = {
    "colour": "\x1b[31mred",
    "cursor": "\x1b[2J\x1b[1;1H",
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "link": "\x1b]8;;http://example.org\x1b\\here\x1b]8;;\x1b\\",
    "one byte": "\x9b31m",
    "bell": "a\x07b",
    "backspaces": "evil\x08\x08\x08\x08good",
    "return": "evil\rgood",
    "other direction": "\u202egnp.exe",
    "lines": "a\nmedfuncta: all is well",
    "a separator": "a\u2028b",
    "nothing to see": "a\u200bb\ufeff",
}


def shows_raw(answer: dict) -> bool:
    """Whether a command let something through that is not printable."""
    text = answer["out"] + answer["err"]
    return not text.replace("\n", "").isprintable()


def test_only_one_module_writes_to_the_terminal() -> None:
    found = set()
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if name in ("print", "sys.stdout.write", "sys.stderr.write", "console.print"):
                    found.add(path.relative_to(ROOT).as_posix())
    assert found == {"cli/terminal.py"}


@pytest.mark.parametrize("name", ESCAPES)
def test_a_set_cannot_speak_to_the_terminal(name: str, tmp_path: Path, bench: Bench) -> None:
    text, copy = ESCAPES[name], tmp_path / "set"
    shutil.copytree(bench.base / "set", copy)
    info = json.loads((copy / "latent_set.json").read_text())
    info["source"] |= {"name": text, "licence": text, "citation": text, "split_by": text}
    info["source"]["details"] = {text: text}
    info["spec"] |= {"unit": text, "modality": text, "label_names": [text] * 5}
    (copy / "latent_set.json").write_text(json.dumps(info))
    for shard in (copy / "data").glob("*.parquet"):
        table, note = read_shard(shard)
        for column in ("id", "unit", "metadata"):
            values = [f"{text}{number}" for number in range(len(table))]
            where = table.column_names.index(column)
            table = table.set_column(where, column, pa.array(values))
        write_shard(shard, table, note)
    commands = [
        ["info", str(copy)],
        ["info", str(copy), "--check"],
        ["decode", str(copy), "--id", f"{text}0", "--out", str(tmp_path / "a.csv")],
        ["decode", str(copy), "--id", text, "--out", str(tmp_path / "a.csv")],
        ["search", str(copy), "--id", f"{text}0"],
        ["classify", str(copy), "--classifier", "knn"],
        ["explore", str(copy), "outliers"],
        ["explore", str(copy), "mean", "--label", text],
        ["latents", "filter", str(copy), "--where", f"label == '{text}'", "--out", f"{copy}2"],
        ["export", str(copy), "--to", "npz", "--out", f"{copy}3"],
    ]
    for answer in bench.answers(commands):
        assert answer["code"] in (0, 2), answer
        assert not answer["crash"] and not shows_raw(answer), answer["out"] + answer["err"]


@pytest.mark.parametrize("name", ESCAPES)
def test_a_run_cannot_speak_to_the_terminal(name: str, tmp_path: Path, bench: Bench) -> None:
    text, copy = ESCAPES[name], tmp_path / "run"
    shutil.copytree(bench.base / "run", copy)
    said = json.loads((copy / "field.json").read_text())
    said["signal"] |= {"unit": text, "modality": text, "label_names": [text]}
    said["training"] = {text: text, "source": text, "licence": text}
    (copy / "field.json").write_text(json.dumps(said))
    said["config"]["field"][text] = text
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "field.json").write_text(json.dumps(said))
    commands = [
        ["info", str(copy)],
        ["info", str(tmp_path / "odd")],
        ["evaluate", str(copy), "--data", "sample:ecg", "--split", text],
        ["fit", str(copy), "--data", "sample:ecg", "--out", str(tmp_path / "s")],
    ]
    for answer in bench.answers(commands):
        assert answer["code"] in (0, 2), answer
        assert not answer["crash"] and not shows_raw(answer), answer["out"] + answer["err"]


@pytest.mark.parametrize("name", ESCAPES)
def test_a_source_cannot_speak_to_the_terminal(name: str, tmp_path: Path, bench: Bench) -> None:
    from PIL import Image

    text = ESCAPES[name]
    safe = text.replace("/", "|")
    for kind in (safe, "b"):
        (tmp_path / "images" / kind).mkdir(parents=True)
        for number in range(4):
            image = Image.fromarray(np.full((4, 4), 9 * number, np.uint8))
            image.save(tmp_path / "images" / kind / f"{safe}{number}.png")
    (tmp_path / "images" / "b" / f"{safe}broken.png").write_bytes(b"neither")
    table = tmp_path / "table.csv"
    quoted = '"' + text.replace('"', '""') + '"'
    rows = [f"{number},{number + 1},{quoted}{number % 2}" for number in range(8)]
    table.write_text(f"x,y,{quoted}\n" + "\n".join(rows) + "\n")
    record = tmp_path / "record"
    record.mkdir()
    line = text.replace("\n", " ").replace("\r", " ")
    (record / "1.hea").write_text(f"1 1 360 600\n1.dat 16 200/{line} 16 0 0 0 0 {line}\n")
    (record / "1.dat").write_bytes(bytes(range(120)) * 10)
    tiny = ["--steps", "1", "--batch", "1", "--set", *TINY]
    commands = []
    for source in (
        f"images:{tmp_path / 'images'}",
        f"images:{tmp_path / 'images'}?ids=names",
        f"csv:{table}",
        f"csv:{table}?value={text}&time=x",
        f"wfdb:{record}?val=0&test=0&window=0.1",
        f"wfdb:{record}?val=0&test=0&window=0.1&lead={text}",
        f"{text}:x",
    ):
        commands.append(["info", source])
        commands.append(["train", "--data", source, "--out", str(tmp_path / "run"), *tiny])
        commands.append([*commands[-1][:-1], "--skip-bad"])
    for answer in bench.answers(commands):
        assert answer["code"] in (0, 2), answer
        assert not answer["crash"] and not shows_raw(answer), answer["out"] + answer["err"]


def test_what_libraries_say_is_made_printable(capsys: pytest.CaptureFixture[str]) -> None:
    with safely(), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("a tag holds \x1b]0;evil\x07\nand more", UserWarning, stacklevel=1)
        logging.getLogger("tifffile").warning("a tag holds \x1b[31mDOE^JANE")
    tell("a \x1b[31mline")
    said = capsys.readouterr().err
    assert said == "warning: a tag holds  ]0;evil  and more\na  [31mline\n"
