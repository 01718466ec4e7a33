from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from medfuncta._src.cli.main import main
from tasks.blob_set import write_blob_set

SIZES = {"train": 40, "val": 12, "test": 20}


def archive(folder: Path, test: int = 20) -> str:
    """Bright and dark traces in the layout of MedMNIST, with as many signals as the latent set."""
    arrays = {}
    for name, count in {**SIZES, "test": test}.items():
        labels = np.arange(count) % 2
        arrays[f"{name}_images"] = (
            labels[:, None] * 0.5 + np.random.default_rng(0).random((count, 16))
        ).astype(np.float32)
        arrays[f"{name}_labels"] = labels[:, None]
    np.savez(folder / "traces.npz", **arrays)
    return f"npz:{folder / 'traces.npz'}?labels=well,ill"


def test_all_classifiers_on_latents_in_one_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_blob_set(tmp_path / "set", SIZES)
    arguments = [
        "classify",
        str(tmp_path / "set"),
        "--epochs",
        "5",
        "--seeds",
        "2",
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    assert main(arguments) == 0
    output = capsys.readouterr()
    result = json.loads(output.out)
    assert [report["name"] for report in result["classifiers"]] == [
        "knn-1",
        "knn-3",
        "logistic",
        "mlp",
    ]
    assert all(
        report["metrics"]["balanced_accuracy"]["value"] == 1 for report in result["classifiers"]
    )
    assert result["classes"] == ["well", "ill"]
    assert "mlp, seed 1" in output.err
    assert json.loads((tmp_path / "out" / "classification.json").read_text()) == result
    assert (tmp_path / "out" / "classification.png").stat().st_size > 10_000


def test_the_summary_is_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_blob_set(tmp_path / "set", SIZES)
    assert (
        main(
            [
                "classify",
                str(tmp_path / "set"),
                "--classifier",
                "knn",
                "-k",
                "3",
                "--metric",
                "euclidean",
            ]
        )
        == 0
    )
    output = capsys.readouterr().out
    assert "balanced accuracy" in output
    assert "1.000 1.000-1.000" in output
    assert "up to 15.0% wrong would be no surprise" in output
    assert "40 train, 12 val, 20 test" in output
    assert "the one to take" not in output, "there is only one"


def test_the_summary_says_which_one_validation_chooses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_blob_set(tmp_path / "set", SIZES)
    assert (
        main(["classify", str(tmp_path / "set"), "--classifier", "logistic", "--whiten", "0", "4"])
        == 0
    )
    output = capsys.readouterr().out
    assert "logistic-pca4" in output
    assert "best on the validation split, and so the one to take: logistic" in output


def test_latents_and_signals_stand_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("monai")
    write_blob_set(tmp_path / "set", SIZES)
    arguments = ["--classifier", "knn,resnet50", "-k", "5", "--epochs", "1", "--json"]
    assert main(["classify", str(tmp_path / "set"), "--data", archive(tmp_path), *arguments]) == 0
    reports = json.loads(capsys.readouterr().out)["classifiers"]
    assert [(report["name"], report["inputs"]) for report in reports] == [
        ("knn-5", "latents"),
        ("knn-5 on PCs", "components"),
        ("resnet50", "signals"),
    ]


def test_without_the_signals_there_are_no_components(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_blob_set(tmp_path / "set", SIZES)
    assert main(["classify", str(tmp_path / "set"), "--classifier", "knn", "--json"]) == 0
    reports = json.loads(capsys.readouterr().out)["classifiers"]
    assert {report["inputs"] for report in reports} == {"latents"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to classify; give a latent set"),
        (["SET", "--classifier", "kmn"], "unknown classifier 'kmn'; did you mean 'knn'"),
        (["SET", "--classifier", "resnet50"], "'resnet50' learns from signals; give --data"),
        (["SET", "--seeds", "0"], "--seeds is 0; expected a whole number from 1 to"),
        (["SET", "--classifier", "knn", "-k", "41"], "41 neighbours among 40 training signals"),
        (
            ["SET", "--classifier", "knn", "--group", "patient"],
            "--group patient: not every test signal has a 'patient'",
        ),
        (["UNLABELLED"], "no signal of the split 'train' has a label"),
    ],
)
def test_mistakes_get_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    write_blob_set(tmp_path / "SET", SIZES)
    write_blob_set(tmp_path / "UNLABELLED", SIZES, labelled=False)
    words = [str(tmp_path / word) if word.isupper() else word for word in arguments]
    assert main(["classify", *words]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert message in error
