"""What people with data in memory do first, each in about ten lines."""

from __future__ import annotations

from collections.abc import Callable

import nibabel as nib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline

import medfuncta

Trained = Callable[..., medfuncta.Run]


def sampled(name: str, split: str = "test") -> np.ndarray:
    return np.stack([s.values for s in medfuncta.open_source(f"sample:{name}").signals(split)])


def test_heartbeats_at_twice_the_rate(trained: Trained) -> None:
    run = trained("sample:ecg")
    beats = sampled("ecg")[:20, :, 0]  # [beats, samples] in mV
    latents = run.encode(beats, quality="fast")
    fine = run.decode(latents, shape=374, like=beats)
    assert latents.shape == (20, 16) and fine.shape == (20, 374)
    between = (fine[:, 0::2] + fine[:, 1::2]) / 2
    assert np.corrcoef(between.ravel(), beats.ravel())[0, 1] > 0.85


def test_a_classifier_across_patients() -> None:
    groups = np.arange(60) // 6
    classes = groups % 2
    noise = np.random.default_rng(0).normal(0, 0.1, (60, 100))
    beats = np.sin(np.linspace(0, 6, 100) * (1 + classes[:, None])) + noise
    encoder = medfuncta.FieldEncoder(latent_size=8, steps=0, device="cpu")
    pipeline = make_pipeline(encoder, LogisticRegression())
    scores = cross_val_score(pipeline, beats, classes, groups=groups, cv=GroupKFold(3))
    assert scores.min() > 0.9


def test_a_colour_image_that_is_not_square(trained: Trained) -> None:
    pixels = sampled("histology", "train")[:, :20]  # [images, 20, 32, 3], 8-bit
    run = trained(medfuncta.from_arrays(pixels, channels="last", range=(0, 255), name="oblong"))
    latent = run.encode(pixels[0])
    assert latent.shape == (12,)
    back = run.decode(latent)
    assert back.shape == (20, 32, 3)
    assert np.abs(back - pixels[0]).mean() < 40
    assert run.decode(latent, shape=(40, 64)).shape == (40, 64, 3)


def test_a_volume_of_which_a_part_was_observed(trained: Trained) -> None:
    run = trained("sample:volumes")
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    image = nib.Nifti1Image(sampled("volumes")[0, ..., 0], affine)
    observed = np.ones(image.shape, np.uint8)
    observed[:, :, 20:] = 0
    latent = run.encode(image, mask=nib.Nifti1Image(observed, affine))
    whole = run.decode(latent, like=image)
    assert whole.shape == image.shape and np.array_equal(whole.affine, affine)
    fine = run.decode(latent, like=image, shape=(64, 64, 64))
    assert fine.header.get_zooms() == (1, 1, 1)
