"""fit, decode, import and export, in process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medfuncta._src.cli.main import main
from medfuncta._src.config import FitConfig
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.sources.table import open_source


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained field for the volumes that ship with the package."""
    field = SirenConfig(dim=3, layers=3, width=8, latent_size=8, omega_first=5, omega_last=10)
    folder = tmp_path_factory.mktemp("run") / "run"
    Run(
        SirenField(field),
        Config(field=field, fit=FitConfig(steps=1)),
        open_source("sample:volumes").spec,
    ).save(folder)
    return folder


@pytest.fixture(scope="module")
def latents(run_folder: Path) -> Path:
    folder = run_folder.parent / "latents"
    assert (
        main(
            [
                "fit",
                str(run_folder),
                "--data",
                "sample:volumes",
                "--out",
                str(folder),
                "--splits",
                "test",
                "--dtype",
                "float16",
            ]
        )
        == 0
    )
    return folder


def run_json(capsys: pytest.CaptureFixture[str], *words: str | Path) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def complaint(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    capsys.readouterr()
    assert main([*map(str, words)]) == 2
    error = capsys.readouterr().err
    assert error.strip().count("\n") == 0
    return error


def test_fit_says_what_it_wrote(
    run_folder: Path, latents: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run_json(
        capsys,
        "fit",
        run_folder,
        "--data",
        "sample:volumes",
        "--out",
        latents,
        "--splits",
        "test",
        "--dtype",
        "float16",
    )
    latent_set = LatentSet.open(latents)
    assert (
        result["signals"]
        == len(latent_set)
        == len(list(open_source("sample:volumes").signals("test")))
    )
    assert result["dtype"] == "float16"
    assert result["psnr"]["worst"] <= result["psnr"]["median"]


def test_fit_refuses_data_of_another_form(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "signals of 1 dimension and" in complaint(
        capsys, "fit", run_folder, "--data", "sample:ecg", "--out", tmp_path / "x"
    )


def first(latents: Path) -> Any:
    return LatentSet.open(latents).split("test").row(0)


def test_decode_writes_the_signal_on_its_own_grid_and_any_other(
    latents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import nibabel

    row = first(latents)
    result = run_json(capsys, "decode", latents, "--id", row.id, "--out", tmp_path / "own.nii.gz")
    own = nibabel.load(tmp_path / "own.nii.gz")
    assert own.shape == row.header.domain.shape == tuple(result["shape"][:-1])
    np.testing.assert_allclose(own.affine, row.header.domain.affine, atol=1e-5)

    run_json(
        capsys,
        "decode",
        latents,
        "--id",
        row.id,
        "--shape",
        "5,6,7",
        "--out",
        tmp_path / "small.nii.gz",
    )
    small = nibabel.load(tmp_path / "small.nii.gz")
    assert small.shape == (5, 6, 7)
    cube = tmp_path / "cube.json"
    run_json(capsys, "decode", latents, "--id", row.id, "--shape", "4", "--out", cube)
    assert np.array(json.loads(cube.read_text())["values"]).shape == (4, 4, 4)
    run_json(
        capsys,
        "decode",
        latents,
        "--id",
        row.id,
        "--like",
        tmp_path / "small.nii.gz",
        "--out",
        tmp_path / "like.nii.gz",
    )
    like = nibabel.load(tmp_path / "like.nii.gz")
    np.testing.assert_allclose(like.affine, small.affine, atol=1e-5)
    np.testing.assert_allclose(like.get_fdata(), small.get_fdata(), atol=1.0)

    spacing = [2 * s for s in row.header.domain.spacing]
    result = run_json(
        capsys,
        "decode",
        latents,
        "--id",
        row.id,
        "--spacing",
        ",".join(map(str, spacing)),
        "--out",
        tmp_path / "half.npy",
    )
    assert result["spacing"] == pytest.approx(spacing, rel=0.1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--id", "nope", "--out", "x.npy"], "no signal 'nope'"),
        (["--id", "ID", "--out", "x.doc"], "its suffix names no known format"),
        (
            ["--id", "ID", "--out", "x.npy", "--shape", "3,a"],
            "--shape is '3,a'; expected positive numbers",
        ),
        (["--id", "ID", "--out", "x.npy", "--shape", "3,3"], "a shape of 2 axes"),
        (["--id", "ID", "--out", "x.npy", "--spacing", "0,1,1"], "--spacing is '0,1,1'"),
        (
            ["--id", "ID", "--out", "x.npy", "--spacing", "1e-300"],
            "expected at most",
        ),
        (
            ["--id", "ID", "--out", "x.npy", "--spacing", "1,1,1", "--shape", "3,3,3"],
            "got --shape and --spacing; give one",
        ),
        (
            ["--id", "ID", "--out", "x.npy", "--like", "x.csv"],
            "x.csv is neither NIfTI, NRRD nor an image",
        ),
        (
            ["--id", "ID", "--out", "x.npy", "--grid", "input", "--shape", "3,3,3"],
            "got --grid and --shape; give one",
        ),
        (
            ["--id", "ID", "--out", "x.npy", "--shape", "5000,5000,5000"],
            "a grid of shape (5000, 5000, 5000) has 125,000,000,000 points",
        ),
        (["--id", "ID", "--out", "x.npy", "--split", "tset"], "no split 'tset'"),
    ],
)
def test_decode_answers_mistakes_in_one_line(
    latents: Path,
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    id = first(latents).id
    assert message in complaint(
        capsys, "decode", latents, *(id if word == "ID" else word for word in words)
    )
    assert not list(tmp_path.iterdir())


def test_export_to_npz(latents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_json(capsys, "export", latents, "--to", "npz", "--out", tmp_path / "npz")
    split = LatentSet.open(latents).split("test")
    with np.load(tmp_path / "npz/test.npz", allow_pickle=False) as file:
        assert file["ids"].tolist() == split.ids
        np.testing.assert_array_equal(file["latents"], split.latents)
        np.testing.assert_array_equal(file["labels"], split.labels)
    assert Run.load(tmp_path / "npz/field").fingerprint == LatentSet.open(latents).info.fingerprint


def test_export_for_a_hub_is_the_same_set_and_nothing_else(
    latents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_json(capsys, "export", latents, "--to", "hub", "--out", tmp_path / "hub")
    copy, original = LatentSet.open(tmp_path / "hub"), LatentSet.open(latents)
    assert copy.info == original.info
    np.testing.assert_array_equal(copy.split("test").latents, original.split("test").latents)
    assert copy.run.fingerprint == original.info.fingerprint
    assert sorted(path.name for path in (tmp_path / "hub").iterdir()) == [
        ".gitattributes",
        "README.md",
        "croissant.json",
        "data",
        "field",
        "latent_set.json",
    ]


def test_export_to_the_authors_layout_and_back_keeps_every_value(
    latents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    run_json(capsys, "export", latents, "--to", "reference", "--out", tmp_path / "reference")
    words = ["--omega-first", "5", "--omega-increment", "2.5", "--no-residual"]
    result = run_json(
        capsys,
        "import",
        tmp_path / "reference",
        "--out",
        tmp_path / "back",
        *words,
        "--licence",
        "CC BY 4.0",
    )
    back, original = LatentSet.open(tmp_path / "back"), LatentSet.open(latents)

    assert result["splits"] == {"test": len(original)}
    assert back.info.source.licence == "CC BY 4.0"
    assert main(["info", str(tmp_path / "back")]) == 0
    assert "not known: imported without the signals" in capsys.readouterr().out
    np.testing.assert_array_equal(back.split("test").latents, original.split("test").latents)
    assert back.split("test").labels.tolist() == original.split("test").labels.tolist()
    shape = original.split("test").row(0).header.domain.shape
    assert back.split("test").row(0).header.domain.shape == shape
    coordinates = torch.rand(1, 50, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    phi = torch.from_numpy(original.split("test").latents[:1])
    with torch.no_grad():
        torch.testing.assert_close(
            back.run.network(coordinates, phi),
            original.run.network(coordinates, phi),
            rtol=0,
            atol=1e-5,
        )


def test_a_folder_of_latents_without_weights_asks_for_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "theirs/train").mkdir(parents=True)
    (tmp_path / "theirs/train/datapoint_0.pt").write_bytes(b"")
    assert main(["import", str(tmp_path / "theirs"), "--out", str(tmp_path / "back")]) == 2
    assert "no weights in 'theirs' (model.pt or best.model); give" in capsys.readouterr().err


def test_import_of_weights_alone_makes_a_run(
    latents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_json(capsys, "export", latents, "--to", "reference", "--out", tmp_path / "reference")
    result = run_json(
        capsys, "import", tmp_path / "reference/best.model", "--out", tmp_path / "run"
    )
    assert result["kind"] == "run"
    assert Run.load(tmp_path / "run").fingerprint == result["fingerprint"]


def test_export_never_writes_over_something(
    latents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert "is there already; give a new folder" in complaint(
        capsys, "export", latents, "--to", "npz", "--out", tmp_path
    )


def test_the_field_of_a_run_and_of_a_set_is_exported_as_onnx(
    run_folder: Path, latents: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    for index, what in enumerate((run_folder, latents)):
        assert (
            main(["export", str(what), "--to", "onnx", "--out", str(tmp_path / f"{index}.onnx")])
            == 0
        )
    assert (tmp_path / "0.onnx").read_bytes() == (tmp_path / "1.onnx").read_bytes()
