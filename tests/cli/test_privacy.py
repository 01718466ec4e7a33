"""Who is in the data stays there: nothing that a command writes or says names a patient or a folder
of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pyarrow.parquet
import pytest

from cli.conftest import TINY
from medfuncta._src.cli.main import main
from medfuncta._src.latents.latent_set import LatentSet

pytest.importorskip("pydicom")
from sources.dicom_files import SECRETS, stack, write_series

FOLDER = "DOE^JANE_MRN-4711"


def dicom(folder: Path) -> str:
    for patient in "abcdef":
        write_series(folder / f"19400101_{patient}", stack(), patient)
    return f"dicom:{folder}"


def nifti(folder: Path) -> str:
    """Files and a folder below are named after patients; the name of the folder itself is the data
    set's."""
    folder.mkdir()
    for number in range(8):
        nib.save(
            nib.Nifti1Image(stack(seed=number).astype(np.int16), np.eye(4)),
            folder / f"DOE_JANE_{number}.nii.gz",
        )
    return f"nifti:{folder.parent}"


SOURCES = {"dicom": dicom, "nifti": nifti}


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file with its name, tables unpacked."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        text = pyarrow.parquet.read_table(path).to_pydict() if path.suffix == ".parquet" else ""
        yield (
            str(path.relative_to(folder)),
            path.name.encode() + path.read_bytes() + str(text).encode(),
        )


def data_folder(tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    return tmp_path / "scans" / FOLDER


def leaks(text: bytes, folder: Path) -> list[str]:
    return [secret for secret in (*SECRETS, str(folder.parent)) if secret.encode() in text]


@pytest.mark.parametrize("kind", SOURCES)
def test_no_command_writes_or_says_who_is_in_the_data(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = data_folder(tmp_path), tmp_path / "out"
    source = SOURCES[kind](folder)
    settings = (*TINY, "train.context_ratio=1", "train.batch=2")
    commands = [
        ["info", source, "--out", str(out / "info")],
        [
            "train",
            "--data",
            source,
            "--out",
            str(out / "run"),
            "--steps",
            "2",
            "--cache",
            str(out / "cache"),
            "--set",
            *settings,
        ],
        ["evaluate", str(out / "run"), "--data", source, "--out", str(out / "report")],
        ["fit", str(out / "run"), "--data", source, "--out", str(out / "latents")],
        ["info", str(out / "run")],
        ["info", str(out / "latents")],
    ]
    for words in commands:
        assert (
            main([*words, "--json"]) == 0
        )  # for a person, train repeats the source that was typed
    latents = LatentSet.open(out / "latents")
    assert (
        main(
            [
                "decode",
                str(latents.folder),
                "--id",
                latents.split("test").ids[0],
                "--out",
                str(out / "volume.nii.gz"),
            ]
        )
        == 0
    )
    said = capsys.readouterr()
    assert not leaks((said.out + said.err).encode(), folder)
    written = dict(contents(out))
    assert {"run/field.json", "report/report.html", "latents/README.md", "info/info.json"} <= set(
        written
    )
    assert {
        name: leaks(data, folder) for name, data in written.items() if leaks(data, folder)
    } == {}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_file_that_is_left_out_is_not_named_in_what_is_published(
    kind: str, tmp_path: Path
) -> None:
    folder, out = data_folder(tmp_path), tmp_path / "out"
    source = SOURCES[kind](folder)
    suffix = {"dicom": ".dcm", "nifti": ".nii.gz"}[kind]
    (folder / f"DOE_JANE_broken{suffix}").write_bytes(b"neither")
    given = ["--data", source + "?val=0&test=0", "--skip-bad"]
    settings = ("--steps", "1", "--set", *TINY, "train.context_ratio=1", "train.batch=2")
    assert main(["train", *given, "--out", str(out / "run"), *settings]) == 0
    assert main(["fit", str(out / "run"), *given, "--out", str(out / "latents")]) == 0
    assert {name: leaks(data, folder) for name, data in contents(out) if leaks(data, folder)} == {}
