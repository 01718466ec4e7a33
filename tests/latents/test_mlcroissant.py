"""The description of an exported set, as the library of those who wrote the format reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latents.sets import SetMaker
from medfuncta._src.disk.atomic import write_json
from medfuncta._src.latents.croissant import croissant
from medfuncta._src.latents.export import export_hub

pytestmark = [
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword"),  # of pandas, inside mlcroissant
]
NOT_SAID = ("datePublished", "citeAs")
"""What mlcroissant recommends and a set does not say: it is not published yet, and where its source
has no citation there is none."""
PARTS = ("id", "latent", "label", "psnr", "shape", "affine", "unit", "metadata")


def read(path: Path) -> Any:
    """The data set as mlcroissant takes it.

    Raises:
        ValidationError: If its description is wrong.
        AssertionError: If it lacks what is recommended.
    """
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=str(path))
    issues = dataset.metadata.issues
    assert not issues.errors
    assert not [line for line in issues.warnings if not any(f"/{n}" in line for n in NOT_SAID)]
    return dataset


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("previews", [True, False])
def test_mlcroissant_reads_every_row(
    make_set: SetMaker, dtype: str, previews: bool, tmp_path: Path
) -> None:
    made = make_set(dtype=dtype, train=5, test=2)
    export_hub(made, tmp_path / "hub", previews=previews)
    records = list(read(tmp_path / "hub" / "croissant.json").records("signals"))
    by_id = {record["signals/id"].decode(): record for record in records}
    assert len(records) == len(by_id) == 7
    for split in made.splits:
        rows = made.split(split)
        for index, id in enumerate(rows.ids):
            record = by_id[id]
            assert {f"signals/{name}" for name in PARTS} <= set(record)
            scale = record.get("signals/latent_scale", 1.0)
            stored = np.asarray(record["signals/latent"], np.float32)
            np.testing.assert_array_equal(stored * np.float32(scale), rows.latents[index])
            assert record["signals/label"] == rows.labels[index]
            assert list(record["signals/shape"]) == [5, 4]
            if previews:
                assert record["signals/preview"].size == (4, 5)


def test_several_labels_are_a_list(make_set: SetMaker, tmp_path: Path) -> None:
    made = make_set(task="multi-label", train=2)
    export_hub(made, tmp_path / "hub")
    (first, second) = read(tmp_path / "hub" / "croissant.json").records("signals")
    assert [list(first["signals/label"]), list(second["signals/label"])] == [[0], [1]]


@pytest.mark.parametrize(
    "text",
    [
        'a "quoted" name\nof two lines',
        "</script><b>&amp;",
        "http://example.org/{a}",
        "\u202egnirts",
        "",
        "@id",
    ],
)
def test_words_of_the_data_are_words_and_nothing_else(
    make_set: SetMaker, tmp_path: Path, text: str
) -> None:
    made = make_set(train=1)
    export_hub(made, tmp_path / "hub")
    source = replace(made.info.source, name=text, licence=text, citation=text)
    described = croissant(tmp_path / "hub", replace(made.info, source=source))
    write_json(tmp_path / "hub" / "croissant.json", described)
    assert len(list(read(tmp_path / "hub" / "croissant.json").records("signals"))) == 1


def test_what_is_wrong_is_seen(make_set: SetMaker, tmp_path: Path) -> None:
    made = make_set(train=1)
    export_hub(made, tmp_path / "hub")
    import mlcroissant

    for wrong in ("license", "files", "digest"):
        described = croissant(tmp_path / "hub", made.info)
        if wrong == "license":
            del described["license"]
        elif wrong == "files":
            described["recordSet"][0]["field"][0]["source"]["fileSet"]["@id"] = "elsewhere"
        else:
            del described["distribution"][0]["sha256"]
        write_json(tmp_path / "hub" / "croissant.json", described)
        with pytest.raises((mlcroissant.ValidationError, AssertionError)):
            read(tmp_path / "hub" / "croissant.json")
