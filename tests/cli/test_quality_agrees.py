"""What a latent set, a report and the decoded values say of a signal's quality is one thing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.run import Run
from medfuncta._src.sources.table import open_source
from medfuncta._src.tasks.evaluate import evaluate


def test_psnr_is_that_of_decoded_values_clamped_to_the_range(
    ecg_run: Path, ecg_latents: Path
) -> None:
    source = open_source("sample:ecg")
    originals = list(source.signals("val"))
    latents = LatentSet.open(ecg_latents)
    evaluation = evaluate(Run.load(ecg_run), source, split="val")
    decoded = list(latents.decode_all("val"))
    clamped = 0
    rows = zip(latents.split("val").psnr, evaluation.signals, originals, decoded, strict=True)

    for stored, measured, original, signal in rows:
        values = original.range.normalise(signal.values)
        clamped += int(((values < 0) | (values > 1)).any())
        expected = original.range.normalise(original.values)
        error = np.square(np.clip(values, 0, 1) - np.clip(expected, 0, 1))[original.observed()]
        psnr = -10 * np.log10(error.mean(dtype=np.float64))
        np.testing.assert_allclose([stored, measured.psnr], psnr, atol=1e-3)

    assert clamped  # so that it makes a difference
