from __future__ import annotations

import re
from dataclasses import replace

import pytest
import yaml

from latents.sets import SetMaker
from medfuncta._src.hub.licences import licence_id
from medfuncta._src.latents.card import card

BLOCKS = ["datasets", "pandas", "torch", "duckdb", "medfuncta"]


@pytest.mark.parametrize("number", range(len(BLOCKS)), ids=BLOCKS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
def test_every_block_of_the_card_runs_in_its_folder(
    make_set: SetMaker, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    latent_set = make_set(train=7, val=2)
    text = (latent_set.folder / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == len(BLOCKS)
    assert BLOCKS[number] in blocks[number]
    monkeypatch.chdir(latent_set.folder)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", latent_set.folder.parent / "cache")
    exec(compile(blocks[number], "README.md", "exec"), {"__name__": "card"})


def test_the_front_matter_says_licence_and_splits(make_set: SetMaker) -> None:
    text = (make_set(train=3, val=2).folder / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front["license"] == "cc-by-sa-4.0"
    assert front["configs"][0]["data_files"] == [
        {"split": "train", "path": "data/train-*.parquet"},
        {"split": "val", "path": "data/val-*.parquet"},
    ]


def test_the_card_tells_a_person_what_this_is(make_set: SetMaker) -> None:
    text = (make_set(train=7).folder / "README.md").read_text()
    for fact in (
        "7 ct images",
        "CC BY-SA 4.0, carried over",
        "| train | 7 | 0 | well: 4, ill: 3 |",
        "mean 33.00 dB",
        "  36 dB | ###",
        "3 inner steps (`paper`)",
    ):
        assert fact in text


def test_what_data_say_is_text_in_the_card(make_set: SetMaker) -> None:
    latents = make_set(train=4)
    text = "</p><script>alert(1)</script> | ![a](https://tracker.example/x) `"
    source = replace(
        latents.info.source,
        name=text,
        licence=text,
        citation=text,
        split_by=text,
        details={"a": text},
    )
    spec = replace(latents.info.spec, label_names=(text, "ill"), modality=text)
    latents.info = replace(latents.info, source=source, spec=spec)
    page = card(latents).split("\n---\n", 1)[1]
    outside_code = re.sub(r"`[^`\n]*`", "", page.replace("\\`", ""))
    assert "&lt;script&gt;" in outside_code
    assert "<script" not in outside_code
    assert not re.search(r"(?<!\\)\]\(https", outside_code)
    (row,) = (line for line in page.splitlines() if line.startswith("| train"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 5


@pytest.mark.parametrize(
    ("wording", "identifier"),
    [
        ("CC BY 4.0", "cc-by-4.0"),
        ("CC-BY-SA 4.0", "cc-by-sa-4.0"),
        ("ODC-By 1.0", "odc-by"),
        ("MIT", "mit"),
        ("unknown", "unknown"),
        ("", "other"),
    ],
)
def test_licences_are_named_as_the_hub_knows_them(wording: str, identifier: str) -> None:
    assert licence_id(wording) == identifier
