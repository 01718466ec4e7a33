from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medfuncta._src.errors import DataError
from medfuncta._src.run import Run
from medfuncta._src.sources.source import Source
from medfuncta._src.studies import mixed_shapes
from medfuncta._src.studies.study import StudyOptions, run_study
from tasks.list_source import small_run


@pytest.fixture
def trained_on(monkeypatch: pytest.MonkeyPatch) -> list[Source]:
    """The sources that networks were asked for; nothing is trained."""
    asked: list[Source] = []

    def untrained(source: Source, options: StudyOptions) -> Run:
        asked.append(source)
        return small_run(source.spec, seed=len(asked))

    monkeypatch.setattr(mixed_shapes, "network_for", untrained)
    monkeypatch.setattr(
        mixed_shapes, "network_like", lambda run, source, options: untrained(source, options)
    )
    return asked


def volumes(folder: Path, *shapes: tuple[int, int, int]) -> str:
    for number, shape in enumerate(shapes):
        axes = np.meshgrid(*(np.linspace(0, 3, n) for n in shape), indexing="ij")
        nib.save(
            nib.Nifti1Image(np.sin(sum(axes)).astype(np.float32), np.diag([1, 1, 2, 1.0])),
            folder / f"v{number}.nii",
        )
    return f"nifti:{folder}?test=1&val=0"


def test_both_ways_are_measured_on_the_original_voxels(
    tmp_path: Path, trained_on: list[Source]
) -> None:
    shapes = [(9, 12, 7), (16, 8, 5), (10, 10, 10)]
    findings = run_study("mixed-shapes", StudyOptions(volumes(tmp_path, *shapes), device="cpu"))
    native, resampled = trained_on
    assert (native.spec.shape, resampled.spec.shape) == (None, (32, 32, 32))
    assert {signal.values.shape for signal in resampled.signals("test")} == {(32, 32, 32, 1)}
    [trial] = findings.trials
    assert len(trial.metrics) == 2
    for metrics in trial.metrics.values():
        assert sorted(m.points for m in metrics) == sorted(int(np.prod(shape)) for shape in shapes)
    assert float(findings.facts["there and back without a network"].removesuffix(" dB")) > 30


def test_volumes_of_one_shape_and_traces_are_refused(
    tmp_path: Path, trained_on: list[Source]
) -> None:
    data = volumes(tmp_path, (4, 4, 4), (4, 4, 4))
    with pytest.raises(DataError, match="expected several shapes"):
        run_study("mixed-shapes", StudyOptions(data))
    with pytest.raises(DataError, match="expected volumes, 3D"):
        run_study("mixed-shapes", StudyOptions("sample:ecg"))
