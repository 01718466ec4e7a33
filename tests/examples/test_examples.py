"""A format, a field and an outer loss that come from outside of the package, a short file each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import medfuncta
from medfuncta.cli.main import main
from medfuncta.field.table import field_names

Install = Callable[[str, str], None]
TRAIN = ["train", "--data", "sample:ecg", "--steps", "4", "--batch", "4", "--json", "--set"]
TINY = ["train.inner_steps=2", "train.validate_signals=4", "fit.steps=2", "field.latent_size=8"]


def test_a_field_from_outside_trains_fits_decodes_and_exports(
    installed: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installed("medfuncta.fields", "gabor = gabor_field:KIND")
    assert field_names() == ["siren", "finer", "gabor"]
    run, latents = str(tmp_path / "run"), str(tmp_path / "latents")
    assert main([*TRAIN, "field.kind=gabor", "field.width=12", *TINY, "--out", run]) == 0
    fit = ["fit", run, "--data", "sample:ecg", "--out", latents, "--splits", "val"]
    assert main([*fit, "--quality", "fast"]) == 0
    assert main(["export", latents, "--to", "onnx", "--out", str(tmp_path / "onnx")]) == 0
    capsys.readouterr()
    assert main(["info", run, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["config"]["field"]["kind"] == "gabor"
    opened = medfuncta.LatentSet.open(latents)
    signal = opened.decode(opened.split("val").ids[0])
    assert signal.values.shape == (187, 1)
    assert "gabor field, P 8" in repr(opened.run)


def test_without_its_package_such_a_run_is_answered_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ecg_run: Path
) -> None:
    for name in ("field.json", "field.safetensors"):
        (tmp_path / name).write_bytes((ecg_run / name).read_bytes())
    text = (tmp_path / "field.json").read_text()
    (tmp_path / "field.json").write_text(text.replace('"kind": "siren"', '"kind": "gabor"'))
    assert main(["info", str(tmp_path)]) == 2
    assert "gabor" in capsys.readouterr().err


def test_an_outer_loss_from_outside_trains(installed: Install, tmp_path: Path) -> None:
    installed("medfuncta.outer_losses", "worst = worst_loss:derivative")
    run = str(tmp_path / "run")
    sizes = ["field.layers=3", "field.width=8"]
    assert main([*TRAIN, "train.outer_loss=worst", *sizes, *TINY, "--out", run]) == 0
    assert medfuncta.Run.load(run).config.train.outer_loss == "worst"


def write_metaimage(path: Path, values: np.ndarray) -> None:
    sizes = " ".join(str(size) for size in values.shape)
    header = f"NDims = 3\nDimSize = {sizes}\nElementSpacing = 1 1 2.5\nElementType = MET_SHORT\n"
    text = f"ObjectType = Image\n{header}ElementDataFile = LOCAL\n"
    path.write_bytes(text.encode() + values.astype("<i2").tobytes(order="F"))


def test_a_format_from_outside_is_read_trained_on_and_fitted(
    installed: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installed("medfuncta.sources", "metaimage = metaimage_format:FORMAT")
    folder = tmp_path / "scans"
    folder.mkdir()
    volumes = np.random.default_rng(0).integers(-900, 900, (8, 4, 5, 3))
    for number, volume in enumerate(volumes):
        write_metaimage(folder / f"{number}.mha", volume)
    data = f"metaimage:{folder}?unit=HU&ids=names&licence=CC0"
    source = medfuncta.open_source(data)
    signals = [signal for split in source.splits for signal in source.signals(split)]
    assert {signal.id for signal in signals} == {str(number) for number in range(8)}
    assert (source.spec.unit, source.info.licence) == ("HU", "CC0")
    for signal in signals:
        np.testing.assert_array_equal(signal.values[..., 0], volumes[int(signal.id)])
        assert signal.domain.spacing == (1, 1, 2.5)
    run, latents = str(tmp_path / "run"), str(tmp_path / "latents")
    sizes = ["field.layers=3", "field.width=8", *TINY]
    train = ["train", "--data", data, "--steps", "2", "--batch", "2", "--out", run, "--set"]
    assert main([*train, *sizes]) == 0
    assert main(["fit", run, "--data", data, "--out", latents, "--steps", "1"]) == 0
    assert len(medfuncta.LatentSet.open(latents).split("test")) == len(source.items["test"])


def test_a_broken_file_of_such_a_format_is_one_line_or_left_out(
    installed: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installed("medfuncta.sources", "metaimage = metaimage_format:FORMAT")
    for number in range(4):
        write_metaimage(tmp_path / f"{number}.mha", np.full((2, 2, 2), number))
    cut = tmp_path / "9.mha"
    cut.write_bytes((tmp_path / "0.mha").read_bytes()[:-1])
    data = f"metaimage:{tmp_path}?val=0&test=0"
    assert main(["info", data]) == 0  # it tells of odd files, and goes on
    with pytest.raises(medfuncta.DataError, match=r"^9\.mha has 15 bytes of values, its header"):
        list(medfuncta.open_source(data).signals("train"))
    patient = medfuncta.open_source(data, skip_bad=True)
    assert len(list(patient.signals("train"))) == 4
    assert [entry.name for entry in patient.skipped] == ["9.mha"]
