"""What a user says of the data, whatever the kind of source: its licence and whom to cite."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medfuncta._src.cli.main import main
from medfuncta._src.config import FitConfig
from medfuncta._src.latents.create import create_latent_set
from medfuncta._src.signals.preprocess import Preprocessing
from medfuncta._src.sources.cached_split import cache_key
from medfuncta._src.sources.preprocessed import preprocessed
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import FORMATS, STATEMENTS, format_named, open_source, options_of
from medfuncta._src.workflow import train

STATED = "licence=ODC-By 1.0&citation=Moody %26 Mark 2001, a=b?"
SETTINGS = {
    "field": {"kind": "siren", "layers": 3, "width": 8, "latent_size": 4},
    "train": {"steps": 1, "batch": 2, "inner_steps": 1},
    "fit": {"steps": 1},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Volumes whose ``dataset.json`` states a licence of its own."""
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        nib.save(
            nib.Nifti1Image(rng.integers(0, 99, (3, 4, 5)).astype(np.int16), np.eye(4)),
            tmp_path / "data" / f"v{number}.nii",
        )
    (tmp_path / "data" / "dataset.json").write_text(
        json.dumps({"licence": "CC0", "reference": "somebody"})
    )
    return tmp_path / "data"


def opened(folder: Path, options: str = "") -> Source:
    return open_source(f"nifti:{folder}?val=0.2&test=0.2&{options}")


@pytest.mark.parametrize("name", FORMATS)
def test_every_kind_takes_them(name: str) -> None:
    assert set(STATEMENTS) <= set(options_of(format_named(name)))


def test_they_stand_in_for_what_the_data_says_and_nothing_else_changes(folder: Path) -> None:
    plain = opened(folder).info
    assert (plain.licence, plain.citation) == ("CC0", "somebody")
    assert opened(folder, STATED).info == replace(
        plain, licence="ODC-By 1.0", citation="Moody & Mark 2001, a=b?"
    )
    assert opened(folder, "citation=one%0A  line").info == replace(plain, citation="one line")


def test_they_change_no_signal_and_no_cache(folder: Path) -> None:
    assert cache_key(opened(folder, STATED), "train") == cache_key(opened(folder), "train")


def test_they_outlive_further_preprocessing(folder: Path) -> None:
    plain, stated = (
        preprocessed(opened(folder, options), Preprocessing(())) for options in ("", STATED)
    )
    assert (stated.info.licence, plain.info.licence) == ("ODC-By 1.0", "CC0")
    assert cache_key(stated, "train") == cache_key(plain, "train")


def test_runs_and_cards_carry_them(folder: Path, tmp_path: Path) -> None:
    source = opened(folder, STATED)
    plain = train(opened(folder), tmp_path / "plain", settings=SETTINGS, device="cpu").run
    run = train(source, tmp_path / "run", settings=SETTINGS, device="cpu").run
    assert (run.training["licence"], run.training["citation"]) == (
        "ODC-By 1.0",
        "Moody & Mark 2001, a=b?",
    )
    assert run.fingerprint == plain.fingerprint
    latents = create_latent_set(
        run,
        source,
        tmp_path / "set",
        config=FitConfig(steps=1, batch=4),
        splits=["test"],
        device="cpu",
    )
    card = (latents.folder / "README.md").read_text()
    for line in (
        "license: odc-by",
        "- **Licence**: ODC-By 1.0, carried over",
        "Moody & Mark 2001, a=b?",
    ):
        assert line in card


def test_info_tells_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", f"nifti:{folder}?{STATED}"]) == 0
    output = capsys.readouterr().out
    assert "ODC-By 1.0" in output and "Moody & Mark 2001, a=b?" in output
