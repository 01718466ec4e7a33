from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from medfuncta._src.errors import DataError
from medfuncta._src.sources.source import Source
from medfuncta._src.tasks.heads.masks import masked_rows
from medfuncta._src.tasks.segment import (
    Segmentation,
    SegmentOptions,
    segment,
    segmentation_picture,
    shown_volumes,
)
from medfuncta._src.tasks.segment.points import place_alone, sample_points
from medfuncta._src.tasks.segment.segmentation import FIELD, PLACE, dice_of
from tasks.blob_volumes import SHAPE, with_masks, write_blobs
from tasks.list_source import list_source

TINY = SegmentOptions(points=120, hidden=32, latent_units=8, epochs=12, batch=4, learning_rate=1e-2)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Segmentation, Source]:
    latents, source = write_blobs(tmp_path_factory.mktemp("blobs"), train=20, val=4, test=4)
    return segment(latents, source, TINY), source


def test_balls_that_were_never_seen_are_found_and_better_than_by_place_alone(
    found: tuple[Segmentation, Source],
) -> None:
    segmentation, _ = found
    ours, place = (segmentation.dice[head]["mean"].value for head in (FIELD, PLACE))
    assert ours > place + 0.03
    assert place > 0.3  # balls are near the middle
    assert segmentation.structures == ("ball",)
    assert segmentation.signals == {"train": 19, "val": 4, "test": 4}  # one has no label map
    assert all(volume.predicted.shape == SHAPE for volume in segmentation.segmented[FIELD])


def test_what_cannot_be_learned_is_said_or_refused(tmp_path: Path) -> None:
    latents, source = write_blobs(tmp_path / "blobs", train=8, val=2, test=2)
    masks = {
        row.row.id: row.mask
        for name in ("train", "val", "test")
        for row in masked_rows(latents, name, source)
    }
    masks["train-7"] = None
    masks["test-0"] = 2 * masks["test-0"]
    other = with_masks(source, masks)
    found = segment(latents, other, TINY)
    assert (found.left_out, found.unseen) == ({"without a label map": 1}, ("class 2",))
    with pytest.raises(DataError, match="1 of 8 signals of the split 'train' are without a label"):
        segment(latents, other, TINY, strict=True)
    masks["train-7"] = np.zeros(SHAPE, np.int16)
    with pytest.raises(DataError, match="the test split shows class 2, which training never does"):
        segment(latents, with_masks(source, masks), TINY, strict=True)


def test_the_report_is_strict_json_of_dice_by_structure_and_volume(
    found: tuple[Segmentation, Source],
) -> None:
    segmentation, _ = found
    result = json.loads(json.dumps(segmentation.to_json(), allow_nan=False))
    dice = [entry["dice"]["ball"] for entry in result["volumes"]]
    assert result["dice"][FIELD]["ball"]["value"] == pytest.approx(np.mean(dice))
    assert (
        result["dice"][FIELD]["ball"]["low"]
        <= np.mean(dice)
        <= result["dice"][FIELD]["ball"]["high"]
    )
    first = segmentation.segmented[FIELD][0]
    assert dice[0] == dice_of(first.entry.mask, first.predicted, 1)


def test_the_picture_shows_best_median_and_worst_in_three_slices(
    found: tuple[Segmentation, Source],
) -> None:
    segmentation, source = found
    shown = shown_volumes(segmentation)
    assert [v.mean_dice for v in shown] == sorted((v.mean_dice for v in shown), reverse=True)
    originals = {signal.id: signal for signal in source.signals("test")}
    figure = segmentation_picture(segmentation, [originals[v.entry.row.id] for v in shown])
    assert len(figure.axes) == 9


def test_sampled_points_stand_for_whole_volumes(tmp_path: Path) -> None:
    latents, source = write_blobs(tmp_path, train=3)
    rows = list(masked_rows(latents, "train", source))
    points = sample_points(rows, torch.zeros(3, 4), place_alone, 300, np.random.default_rng(0))
    assert torch.allclose(points.weights.sum(dim=1), torch.ones(3))
    for number, entry in enumerate(rows):
        inside = points.classes[number] == 1
        assert inside.sum() == 150
        assert points.weights[number][inside].sum() == pytest.approx(entry.mask.mean(), rel=1e-4)


def test_dice() -> None:
    one, other = np.array([[1, 1, 0], [0, 2, 0]]), np.array([[1, 0, 0], [0, 2, 2]])
    assert dice_of(one, other, 1) == pytest.approx(2 / 3)
    assert dice_of(one, other, 3) is None
    assert dice_of(one, np.zeros_like(one), 1) == 0


def test_mistakes_get_one_line(tmp_path: Path) -> None:
    latents, source = write_blobs(tmp_path, train=2, val=1, test=1)
    with pytest.raises(DataError, match="list:test has no label maps"):
        segment(latents, list_source(source.spec, {}), TINY)
    whole = {item.id: source.mask_of(item.id) for found in source.items.values() for item in found}
    without = with_masks(source, {**whole, "val-0": None})
    with pytest.raises(DataError, match="no signal of split 'val' has a label map"):
        segment(latents, without, TINY)
    smaller = with_masks(source, {**whole, "val-0": np.zeros((2, 2, 2), np.int16)})
    with pytest.raises(DataError, match="the label map of 'val-0' has a shape of"):
        segment(latents, smaller, TINY)
    empty = with_masks(source, {id: np.zeros(SHAPE, np.int16) for id in whole})
    with pytest.raises(DataError, match="hold background only"):
        segment(latents, empty, TINY)
