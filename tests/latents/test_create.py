from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latents.smooth import SIGNALS, scattered, smooth
from medfuncta._src.config import FitConfig
from medfuncta._src.errors import DataError, LatentSetError
from medfuncta._src.latents.create import create_latent_set
from medfuncta._src.latents.fit import fit_latents
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.validate import validate
from medfuncta._src.learning.fitter import Fitted, Fitter
from medfuncta._src.run import Run
from medfuncta._src.signals.domain import Grid, Scatter
from medfuncta._src.signals.psnr import psnr_of
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.identity import public_name
from medfuncta._src.sources.source import Skipped

FIT = FitConfig(steps=2, batch=2)


def test_every_signal_is_there_once_with_the_latent_that_fitting_gives(
    small_run: Run, tmp_path: Path
) -> None:
    latent_set = create_latent_set(small_run, smooth(), tmp_path / "set", config=FIT)
    train = latent_set.split("train")
    fit = fit_latents(small_run, SignalSet.collect(smooth().spec, smooth().signals("train")), FIT)

    validate(latent_set)
    assert latent_set.splits == ("train", "test")
    assert train.ids == [f"train-{i}" for i in range(SIGNALS)]
    assert train.labels.tolist() == [i % 2 for i in range(SIGNALS)]
    np.testing.assert_allclose(train.latents, fit.latents.numpy(), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(train.psnr, psnr_of(fit.errors).numpy(), rtol=1e-4)
    assert latent_set.info.fit == {
        "steps": 2,
        "batch": 2,
        "quality": "paper",
        "step_size": 0.01,
        "momentum": 0.0,
        "channel_mean": False,
    }


def rows_of(latent_set: LatentSet) -> list[Any]:
    return [
        rows.table.to_pylist()
        for name in latent_set.splits
        for rows in latent_set.split(name).batches()
    ]


def test_a_stopped_fit_goes_on_where_it_was(small_run: Run, tmp_path: Path) -> None:
    undisturbed = rows_of(create_latent_set(small_run, smooth(), tmp_path / "whole", config=FIT))
    for die_at in range(SIGNALS):
        with pytest.raises(KeyboardInterrupt):
            create_latent_set(small_run, smooth(die_at=die_at), tmp_path / "set", config=FIT)
    fitted: list[int] = []
    assert (
        rows_of(
            create_latent_set(
                small_run, smooth(), tmp_path / "set", config=FIT, progress=fitted.append
            )
        )
        == undisturbed
    )
    assert fitted == [7, 9, 11, 13, 14]  # all but the last block of train had been kept


def test_a_finished_set_is_not_fitted_again(small_run: Run, tmp_path: Path) -> None:
    create_latent_set(small_run, smooth(), tmp_path / "set", config=FIT)
    assert (
        len(create_latent_set(small_run, smooth(die_at=0), tmp_path / "set", config=FIT))
        == 2 * SIGNALS
    )


def test_a_set_tells_how_to_fit_a_signal_like_its_own(small_run: Run, tmp_path: Path) -> None:
    config = FitConfig(steps=3, batch=2, quality="fast")
    latent_set = create_latent_set(small_run, smooth(), tmp_path / "set", config=config)
    found = latent_set.fit_config
    assert (found.plan, found.batch) == (config.plan, config.batch)
    assert found.plan != small_run.config.fit.plan
    again = fit_latents(
        latent_set.run,
        SignalSet.collect(smooth().spec, [next(smooth().signals("train"))]),
        latent_set.fit_config,
    )
    np.testing.assert_allclose(
        again.latents[0], latent_set.row("train-0").latent, rtol=1e-3, atol=1e-4
    )


def test_other_settings_or_other_data_are_not_mixed_in(small_run: Run, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        create_latent_set(small_run, smooth(die_at=5), tmp_path / "set", config=FIT)
    with pytest.raises(LatentSetError, match=r"begun with fit.steps = 2, got 3"):
        create_latent_set(small_run, smooth(), tmp_path / "set", config=FitConfig(steps=3, batch=2))
    with pytest.raises(
        LatentSetError, match=r"signal 4 of split 'train' is 'new-train-3', but was 'train-3'"
    ):
        create_latent_set(small_run, smooth(prefix="new-"), tmp_path / "set", config=FIT)
    with pytest.raises(LatentSetError, match="but was 'train-3' when it was fitted"):
        create_latent_set(small_run, smooth(count=2), tmp_path / "set", config=FIT)
    with pytest.raises(
        LatentSetError, match="the first 4 signals of split 'train' have other values than when"
    ):
        create_latent_set(small_run, smooth(brighter=0.02), tmp_path / "set", config=FIT)
    rounded = create_latent_set(small_run, smooth(brighter=1e-6), tmp_path / "set", config=FIT)
    assert len(rounded.split("train")) == SIGNALS


def test_a_value_that_is_bad_late_stops_a_fit_which_goes_on_once_it_is_mended(
    small_run: Run, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="signal 'train-5': 1 NaN or Inf values; mask them"):
        create_latent_set(small_run, smooth(bad_at=5), tmp_path / "set", config=FIT)
    assert list((tmp_path / "set" / ".fitting" / "train").glob("piece-*"))
    whole = create_latent_set(small_run, smooth(), tmp_path / "set", config=FIT)
    undisturbed = create_latent_set(small_run, smooth(), tmp_path / "undisturbed", config=FIT)
    assert rows_of(whole) == rows_of(undisturbed)


def test_a_signal_whose_fit_diverges_stays_alone_and_is_reported(
    small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = create_latent_set(small_run, smooth(), tmp_path / "healthy", config=FIT, dtype="int8")

    fit = Fitter.fit

    def diverging(self: Fitter, signals: SignalSet, *args: Any) -> Fitted:
        fitted = fit(self, signals, *args)
        bad = torch.tensor([header.id == "train-2" for header in signals.headers])
        return Fitted(
            torch.where(bad[:, None], torch.nan, fitted.latents),
            torch.where(bad, torch.nan, fitted.errors),
        )

    monkeypatch.setattr(Fitter, "fit", diverging)
    latent_set = create_latent_set(small_run, smooth(), tmp_path / "set", config=FIT, dtype="int8")
    assert latent_set.info.splits["train"].left_out == (
        Skipped("train-2", "its fit did not stay finite"),
    )
    expected = list(itertools.chain.from_iterable(rows_of(healthy)))
    assert list(itertools.chain.from_iterable(rows_of(latent_set))) == [
        row for row in expected if row["id"] != "train-2"
    ]


def test_skipped_files_are_reported_but_not_named(small_run: Run, tmp_path: Path) -> None:
    latent_set = create_latent_set(
        small_run, smooth(skip_bad=True), tmp_path / "set", config=FIT, splits=["test"]
    )
    assert latent_set.info.splits["test"].left_out == (
        Skipped(public_name("bad.png", "hash"), "left out when the source was read"),
    )


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_the_psnr_is_that_of_the_stored_latent(small_run: Run, tmp_path: Path, dtype: str) -> None:
    from medfuncta._src.latents.decode import reconstruct

    latent_set = create_latent_set(small_run, smooth(), tmp_path / "set", config=FIT, dtype=dtype)
    for signal, index in zip(smooth().signals("train"), range(SIGNALS), strict=True):
        row = latent_set.split("train").row(index)
        decoded = reconstruct(small_run, torch.from_numpy(row.latent), row.header)
        mse = np.square(np.clip(decoded.values / 100, 0, 1) - signal.values / 100).mean()
        assert row.psnr == pytest.approx(-10 * np.log10(mse), abs=1e-3)
        assert decoded.domain == signal.domain


def test_an_unknown_split_is_refused_before_anything_is_written(
    small_run: Run, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"no split 'tset' in test:smooth; did you mean 'test'\?"):
        create_latent_set(
            small_run, smooth(), tmp_path / "set", config=FIT, splits=["train", "tset"]
        )
    assert not (tmp_path / "set").exists()


def test_scattered_samples_are_decoded_on_a_grid_in_their_box(
    small_run: Run, tmp_path: Path
) -> None:
    grid = (
        create_latent_set(small_run, scattered(), tmp_path / "set", config=FIT)
        .row("a", "test")
        .header.domain
    )
    assert isinstance(grid, Grid)
    assert grid.shape == (9, 4)
    corner = np.array(grid.affine)[:2, 3] - np.array(grid.spacing) / 2
    np.testing.assert_allclose(corner, (5, 0))
    np.testing.assert_allclose(np.array(grid.shape) * grid.spacing, (20, 10))


def test_positions_are_kept_when_asked_for(small_run: Run, tmp_path: Path) -> None:
    domain = (
        create_latent_set(small_run, scattered(), tmp_path / "set", config=FIT, positions=True)
        .row("a", "test")
        .header.domain
    )
    expected = next(scattered().signals("test")).domain
    assert isinstance(domain, Scatter)
    np.testing.assert_allclose(domain.coordinates(), expected.coordinates(), atol=1e-6)
    assert (domain.low, domain.high, domain.unit) == (expected.low, expected.high, "mm")  # type: ignore[union-attr]
