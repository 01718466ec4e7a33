from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from latents.sets import SetMaker, random_latents
from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents.edit import filter_latent_set, merge_latent_sets
from medfuncta._src.latents.validate import validate


def test_a_filter_keeps_the_rows_it_names_and_says_so(make_set: SetMaker, tmp_path: Path) -> None:
    latent_set = filter_latent_set(
        make_set(train=7, val=7), pc.field("psnr") >= 34, tmp_path / "few"
    )
    validate(latent_set)
    assert latent_set.split("train").ids == ["train-4", "train-5", "train-6"]
    np.testing.assert_array_equal(latent_set.split("val").latents, random_latents(7)[4:])
    assert latent_set.info.source.details["filter"] == "(psnr >= 34)"


def test_a_filter_on_an_unknown_column_names_the_known_ones(
    make_set: SetMaker, tmp_path: Path
) -> None:
    with pytest.raises(LatentSetError, match="columns: id, latent"):
        filter_latent_set(make_set(train=7), pc.field("snr") > 3, tmp_path / "few")


def test_a_filter_that_keeps_nothing_is_refused(make_set: SetMaker, tmp_path: Path) -> None:
    with pytest.raises(LatentSetError, match="has no signal that the filter keeps; widen it"):
        filter_latent_set(make_set(train=7), pc.field("psnr") > 99, tmp_path / "few")
    assert not (tmp_path / "few").exists()  # so that another filter may write there


def test_a_split_of_which_a_filter_keeps_nothing_is_left_out(
    make_set: SetMaker, tmp_path: Path
) -> None:
    latent_set = filter_latent_set(
        make_set(train=7, val=2, test=7), pc.field("psnr") >= 34, tmp_path / "few"
    )
    validate(latent_set)
    assert latent_set.splits == ("train", "test")


def test_sets_of_one_field_are_merged_split_by_split(make_set: SetMaker, tmp_path: Path) -> None:
    merged = merge_latent_sets(
        [make_set("a", train=3, val=1, prefix="a-"), make_set("b", train=2, prefix="b-")],
        tmp_path / "both",
    )
    validate(merged)
    assert merged.split("train").ids == [
        "a-train-0",
        "a-train-1",
        "a-train-2",
        "b-train-0",
        "b-train-1",
    ]
    assert merged.split("val").ids == ["a-val-0"]
    assert merged.info.source.licence == "CC BY-SA 4.0"


def test_an_id_that_would_be_there_twice_is_refused(make_set: SetMaker, tmp_path: Path) -> None:
    with pytest.raises(LatentSetError, match="'train-0' would be twice in split 'train'"):
        merge_latent_sets([make_set("a", train=1), make_set("b", train=1)], tmp_path / "both")


def test_sets_of_other_forms_are_not_merged(make_set: SetMaker, tmp_path: Path) -> None:
    with pytest.raises(LatentSetError, match="begun with dtype = 'float32', got 'int8'"):
        merge_latent_sets(
            [make_set("a", train=1), make_set("b", train=1, dtype="int8")], tmp_path / "both"
        )


def test_a_stopped_edit_goes_on_where_it_was(make_set: SetMaker, tmp_path: Path) -> None:
    first, second = make_set("a", train=3, prefix="a-"), make_set("b", train=3)
    shard = second.folder / "data/train-00000-of-00001.parquet"
    content = shard.read_bytes()
    shard.write_bytes(content[:4] + bytes(300) + content[304:])
    with pytest.raises(LatentSetError, match="cut or damaged"):
        merge_latent_sets([first, second], tmp_path / "both")
    shard.write_bytes(content)
    with pytest.raises(LatentSetError, match="another part of split 'train', of an attempt"):
        merge_latent_sets([second, first], tmp_path / "both")
    both = merge_latent_sets([first, second], tmp_path / "both")
    assert both.split("train").ids == [*first.split("train").ids, *second.split("train").ids]
    expected = np.concatenate([first.split("train").latents, second.split("train").latents])
    np.testing.assert_array_equal(both.split("train").latents, expected)
