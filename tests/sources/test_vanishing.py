"""Files that vanish between the listing of their folder and their reading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cases.make_inputs import V, ct, nii, nrrd, record
from cases.trace_inputs import edf
from medfuncta._src.errors import DataError
from medfuncta._src.sources.table import open_source


def _recording(folder: Path) -> None:
    edf(folder / "a.edf", b"uV", np.zeros(5000))


def _picture(folder: Path) -> None:
    Image.new("L", (8, 8)).save(folder / "a.png")


def _record(folder: Path) -> None:
    record(folder, ann=False)


MAKERS: dict[str, Callable[[Path], object]] = {
    "nifti": lambda folder: nii(folder, V),
    "nrrd": lambda folder: nrrd(folder / "a.nrrd", V, {"spacings": "1 1 1"}),
    "dicom": ct,
    "images": _picture,
    "edf": _recording,
    "wfdb": _record,
}


@pytest.mark.parametrize("skip_bad", [False, True])
@pytest.mark.parametrize("kind", MAKERS)
def test_the_word_names_the_cause(kind: str, skip_bad: bool, tmp_path: Path) -> None:
    MAKERS[kind](tmp_path)
    window = "&window=4" if kind in ("edf", "wfdb") else ""
    source = open_source(f"{kind}:{tmp_path}?val=0&test=0{window}", skip_bad=skip_bad)
    for path in tmp_path.iterdir():
        path.unlink()

    with pytest.raises(DataError, match="was there when its folder was listed and is gone") as told:
        list(source.signals("train"))

    assert str(tmp_path) not in str(told.value)
