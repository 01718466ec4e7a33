"""LIDC-IDRI gives the paper's volumes from its DICOM files, which stay as they are."""

from __future__ import annotations

import numpy as np
import pytest

from medfuncta._src.sources.lidc import lidc_steps
from medfuncta._src.sources.table import open_source

pytest.importorskip("pydicom")
from sources.dicom_files import ct_slice, save, stack, write_series


def test_volumes_are_the_papers(tmp_path):
    folder = tmp_path / "LIDC-IDRI"
    for number, patient in enumerate("abc"):
        write_series(folder / f"LIDC-IDRI-000{number}", stack(seed=number), patient)
    save(
        ct_slice(stack()[0], 0, "a", "2", Modality="DX"),
        folder / "LIDC-IDRI-0000" / "radiograph.dcm",
    )
    before = sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))
    source = open_source(f"lidc:{folder}?size=64")
    signals = [signal for split in source.splits for signal in source.signals(split)]
    assert {signal.values.shape for signal in signals} == {(64, 64, 64, 1)} and len(signals) == 3
    assert {signal.range.low for signal in signals} == {-1000.0}
    assert signals[0].domain.spacing == pytest.approx(
        (4, 4, 4), rel=0.2
    )  # the box stays whole, so 1 mm is met as nearly as shapes allow
    np.testing.assert_allclose(signals[0].values[0, 0, 0], -1000)
    assert (source.spec.unit, source.info.licence, source.info.split_by) == (
        "HU",
        "CC BY 3.0",
        "patient",
    )
    assert before == sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))


def test_steps_in_order():
    assert [step.name for step in lidc_steps(32).steps] == [
        "resample",
        "crop-pad",
        "quantiles",
        "resample",
    ]
