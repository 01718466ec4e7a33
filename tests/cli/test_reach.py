"""Signals longer along an axis than any of training, in a field that has a box: it is said."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medfuncta._src.cli.main import main
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.table import box_of, build_field
from medfuncta._src.signals.data_facts import FactsTally, reach_remark
from medfuncta._src.signals.domain import Grid, Scatter
from medfuncta._src.signals.signal import Signal, ValueRange

COMPONENTS = (
    *("field.kind=components", "field.latent_size=4", "field.layers=2", "field.width=4"),
    *("field.modes=4", "train.batch=2", "train.inner_steps=2", "train.validate_signals=2"),
)


def write(folder: Path, shape: tuple[int, int], count: int) -> str:
    """So many pictures of this shape, 1 mm a pixel."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        data = random.normal(size=(*shape, 1)).astype(np.float32)
        nib.save(nib.Nifti1Image(data, np.eye(4)), folder / f"{number}.nii")
    return f"nifti:{folder}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A field of components of pictures half as wide as they are high."""
    folder = tmp_path_factory.mktemp("reach")
    data = write(folder / "narrow", (16, 8), 10)
    words = ["train", "--data", data, "--out", str(folder / "run"), "--steps", "2", "--set"]
    assert main([*words, *COMPONENTS]) == 0
    return folder / "run"


def test_it_is_counted_where_signals_are_fitted_evaluated_and_decoded(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "reach beyond the box that the network was trained on (sides of 1 x 1 and 1 x 0.5,"
    wide, out = write(tmp_path / "wide", (16, 16), 3) + "?val=0&test=0", str(tmp_path / "latents")
    capsys.readouterr()

    assert main(["evaluate", str(run), "--data", wide, "--split", "all", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert any(f"3 of 3 signals {said}" in remark for remark in report["remarks"])
    assert main(["fit", str(run), "--data", wide, "--out", out, "--json"]) == 0
    fitted = json.loads(capsys.readouterr().out)
    assert any(f"3 of 3 signals {said}" in remark for remark in fitted["remarks"])
    [first, *_] = sorted(tmp_path.glob("latents/data/*.parquet"))
    assert first
    from medfuncta._src.latents.latent_set import LatentSet

    split = LatentSet.open(out).splits[0]
    id = LatentSet.open(out).split(split).ids[0]
    decoded = str(tmp_path / "a.nii")
    assert main(["decode", out, "--id", id, "--out", decoded]) == 0
    assert f"! 1 of 1 signal {said}" in capsys.readouterr().err


def test_signals_of_the_proportions_of_training_get_no_word(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(tmp_path / "larger", (32, 16), 2) + "?val=0&test=0"
    capsys.readouterr()

    assert main(["evaluate", str(run), "--data", data, "--split", "all", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert not any("beyond the box" in remark for remark in report["remarks"])


def test_a_field_of_sines_has_no_box() -> None:
    config = SirenConfig(dim=2, layers=3, width=4, latent_size=4)
    assert build_field(config).box is None and box_of(config) is None
    tally = FactsTally(None)
    assert tally.reach is None and not reach_remark(tally.reach)


def test_grids_and_scattered_samples_are_counted_alike() -> None:
    tally = FactsTally((0.5, 1.0))
    values = np.zeros((6, 12, 1), np.float32)
    grids = [Grid((6, 12), (1.0, 1.0)), Grid((12, 6), (1.0, 1.0)), Grid((6, 12), (1.001, 1.0))]
    for number, grid in enumerate(grids):
        shaped = values.reshape(*grid.shape, 1)
        tally.add_header(Signal.of(f"{number}", shaped, grid, ValueRange(0, 1)).header)
    cloud = Scatter(np.array([[0.0, 0.0], [3.0, 1.0]]), (0.0, 0.0), (3.0, 1.0))
    tally.add_header(Signal.of("s", np.zeros((2, 1), np.float32), cloud, ValueRange(0, 1)).header)

    reach = tally.reach

    assert reach is not None
    assert (reach.beyond, reach.signals) == (2, 4)
    assert reach.largest == (1.0, 1.0)
