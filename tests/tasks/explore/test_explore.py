from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from latents.sets import LATENT
from medfuncta._src.errors import ConfigError, DataError, MedFunctaError
from medfuncta._src.latents.decode import reconstruct
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.tasks.explore import (
    UNUSUAL,
    Sample,
    class_means,
    find_outliers,
    interpolate,
    make_map,
    map_picture,
    take_sample,
)
from tasks.blob_set import write_blob_set


@pytest.fixture
def latent_set(tmp_path: Path) -> LatentSet:
    return write_blob_set(tmp_path / "set", {"train": 41, "test": 10})


def cloud(signals: int = 200, seed: int = 0) -> Sample:
    """One blob with a far signal (row 7) and a badly reconstructed one (row 11)."""
    generator = np.random.default_rng(seed)
    latents = generator.standard_normal((signals, 5)).astype(np.float32)
    psnr = generator.normal(35, 1, signals).astype(np.float32)
    latents[7] += 8
    psnr[11:12] = 15
    return Sample(
        [str(n) for n in range(signals)], ["train"] * signals, latents, [()] * signals, psnr, 0
    )


def test_a_sample_is_spread_evenly_over_all_splits(latent_set: LatentSet) -> None:
    sample = take_sample(latent_set, 13)
    assert len(sample.ids) == 13
    assert sample.ids[:3] == ["train-0", "train-3", "train-7"]
    assert sample.ids[-2:] == ["test-2", "test-6"]
    assert np.array_equal(sample.latents[1], latent_set.row("train-3").latent)
    assert sample.classes[0] == (0,)
    assert len(take_sample(latent_set, 1000).ids) == 51
    assert set(take_sample(latent_set, 1000, "test").splits) == {"test"}


def test_principal_components_separate_the_classes(latent_set: LatentSet) -> None:
    sample = take_sample(latent_set, 1000)
    plane = make_map(sample)
    ill = np.array([classes == (1,) for classes in sample.classes])
    first = plane.places[:, 0]
    assert first[ill].min() > first[~ill].max() or first[ill].max() < first[~ill].min()
    assert "% of the variance" in plane.horizontal


def test_signals_whose_quality_is_not_known_are_grey_in_a_map_of_quality(
    latent_set: LatentSet,
) -> None:
    sample = take_sample(latent_set, 1000)
    sample.psnr[:5] = np.nan
    plane = make_map(sample)
    unknown, known = map_picture(latent_set, plane, "psnr").axes[0].collections
    assert len(unknown.get_offsets()) == 5
    assert len(known.get_offsets()) == len(sample.ids) - 5
    assert np.isfinite(np.asarray(known.get_array(), float)).all()
    assert plane.to_json()["points"][0]["psnr"] is None
    sample.psnr[:] = np.nan
    with pytest.raises(DataError, match="no PSNR is known for this set"):
        map_picture(latent_set, plane, "psnr")


def test_a_map_of_equal_latents_says_no_variance(latent_set: LatentSet) -> None:
    sample = take_sample(latent_set, 1000)
    sample.latents[:] = sample.latents[0]
    assert make_map(sample).horizontal == "component 1 (0.0 % of the variance)"


def test_umap_is_asked_for_a_reproducible_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stand:
        """In place of UMAP, which takes a minute to compile itself."""

        def __init__(self, **settings: int) -> None:
            assert settings == {"n_neighbors": 9, "random_state": 0, "n_jobs": 1}

        def fit_transform(self, latents: np.ndarray) -> np.ndarray:
            return latents[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Stand))
    plane = make_map(cloud(10), "umap")
    assert plane.places.shape == (10, 2)
    assert (plane.horizontal, plane.vertical) == ("UMAP 1", "UMAP 2")


def test_a_missing_umap_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MedFunctaError, match=r"medfuncta\[umap\]"):
        make_map(cloud(), "umap")


def test_interpolation_ends_at_the_two_signals(latent_set: LatentSet) -> None:
    first, second = latent_set.row("train-0"), latent_set.row("test-1")
    signals = interpolate(latent_set, first, second, 5).signals
    for signal, row in ((signals[0], first), (signals[-1], second)):
        expected = reconstruct(latent_set.run, torch.tensor(row.latent), row.header)
        assert np.allclose(signal.values, expected.values)
    assert len(signals) == 5
    with pytest.raises(ConfigError, match="steps is 1; expected a whole number from 2"):
        interpolate(latent_set, first, second, 1)


def test_the_mean_of_a_class_and_its_most_typical_signal(latent_set: LatentSet) -> None:
    sample = take_sample(latent_set, 1000)
    well, ill = class_means(latent_set, sample).classes
    assert (well.class_, well.signals, ill.class_, ill.signals) == ("well", 26, "ill", 25)
    assert np.allclose(well.latent, -np.ones(LATENT), atol=0.3)
    members = sample.latents[[classes == (1,) for classes in sample.classes]]
    nearest = members[np.linalg.norm(members - ill.latent, axis=1).argmin()]
    assert np.array_equal(ill.typical.latent, nearest)
    assert [mean.class_ for mean in class_means(latent_set, sample, "ill").classes] == ["ill"]
    with pytest.raises(DataError, match="no signal of a class 'il'; did you mean 'ill'"):
        class_means(latent_set, sample, "il")


def test_means_need_labels(tmp_path: Path) -> None:
    unlabelled = write_blob_set(tmp_path, {"train": 5}, labelled=False)
    with pytest.raises(DataError, match="no signal has a label"):
        class_means(unlabelled, take_sample(unlabelled, 10))


@pytest.mark.parametrize("method", ["neighbours", "mahalanobis"])
def test_the_far_and_the_badly_reconstructed_signal_stand_out(method: str) -> None:
    found = find_outliers(cloud(), method)  # type: ignore[arg-type]
    assert set(found.order[:2]) == {7, 11}
    assert found.distance_scores[7] > UNUSUAL > found.error_scores[7]
    assert found.error_scores[11] > UNUSUAL > found.distance_scores[11]
    assert np.median(found.distance_scores) == pytest.approx(0)


def test_neighbour_distances_are_those_to_the_ten_nearest_others() -> None:
    sample = cloud(60)
    expected = np.sort(cdist(sample.latents, sample.latents), axis=1)[:, 1:11].mean(axis=1)
    assert np.allclose(find_outliers(sample).distances, expected, rtol=1e-3)


def test_equal_signals_are_all_usual() -> None:
    sample = cloud()
    same = Sample(
        sample.ids,
        sample.splits,
        np.ones_like(sample.latents),
        sample.classes,
        np.full_like(sample.psnr, 30),
        0,
    )
    assert not find_outliers(same).scores.any()


def test_a_handful_of_signals_has_no_outliers_and_no_map() -> None:
    with pytest.raises(DataError, match="12 signals; at least 20 are needed"):
        find_outliers(cloud(12))
    with pytest.raises(DataError, match="2 latents; a map needs at least 3"):
        make_map(
            Sample(
                ["0", "1"], ["train"] * 2, np.eye(2, 5, dtype=np.float32), [()] * 2, np.zeros(2), 0
            )
        )


def test_a_set_without_psnr_is_explored_all_the_same() -> None:
    sample = cloud()
    unknown = Sample(
        sample.ids,
        sample.splits,
        sample.latents,
        sample.classes,
        np.full_like(sample.psnr, np.nan),
        0,
    )
    found = find_outliers(unknown)
    assert found.order[0] == 7
    assert not found.error_scores.any()


def test_an_exact_signal_is_no_outlier_by_error_and_hides_no_other() -> None:
    sample = cloud()
    sample.psnr[3] = 120
    found = find_outliers(sample)
    assert found.error_scores[3] <= 0
    assert found.error_scores[11] > UNUSUAL


def test_only_latents_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    latent_set = write_blob_set(tmp_path, {"train": 6}, psnr=np.nan)
    sample = take_sample(latent_set, 10)
    assert len(sample.ids) == 6
    assert sample.left_out == 0
