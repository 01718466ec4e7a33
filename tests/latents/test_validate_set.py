from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from latents.sets import LATENT, SetMaker, header, make_info, make_run, random_latents
from medfuncta._src.door.limits import MAX_LATENT
from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents.edit import filter_latent_set
from medfuncta._src.latents.export import export_hub, export_npz
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.rows import Rows
from medfuncta._src.latents.schema import table_of
from medfuncta._src.latents.validate import problems, validate


def test_a_sound_set_has_no_problems(make_set: SetMaker) -> None:
    validate(make_set(train=7, val=2))


def test_a_nan_latent_is_found(make_set: SetMaker) -> None:
    latents = random_latents(7)
    latents[4, 2] = np.nan
    with pytest.raises(
        LatentSetError,
        match=r"'train' has 1 latent with NaN, Inf or numbers beyond 1e\+09, such as 'train-4'",
    ):
        validate(make_set(train=7, latents=latents))


def _rewrite(latent_set: LatentSet, column: str, values: list[object] | pa.Array) -> LatentSet:
    path = latent_set.folder / "data/train-00000-of-00001.parquet"
    table = pq.read_table(path)
    index = table.column_names.index(column)
    pq.write_table(table.set_column(index, table.schema.field(column), [values]), path)
    return LatentSet.open(latent_set.folder)


def test_doubled_ids_are_found(make_set: SetMaker) -> None:
    assert list(problems(_rewrite(make_set(train=3), "id", ["a", "b", "a"]))) == [
        "split 'train' has 1 ids more than once, such as 'a'; fit it anew or filter them out"
    ]


@pytest.mark.parametrize(
    "use",
    [
        lambda latent_set, out: latent_set.split("train").ids,
        lambda latent_set, out: latent_set.split("train").latents,
        lambda latent_set, out: list(latent_set.split("train").batches()),
        lambda latent_set, out: latent_set.row("b"),
        lambda latent_set, out: latent_set.row("a", "train"),
        lambda latent_set, out: export_npz(latent_set, out),
        lambda latent_set, out: export_hub(latent_set, out),
    ],
    ids=["ids", "latents", "batches", "another's row", "its row", "npz", "hub"],
)
def test_a_set_with_doubled_ids_is_not_used(
    make_set: SetMaker, tmp_path: Path, use: Callable[[LatentSet, Path], object]
) -> None:
    latent_set = _rewrite(make_set(train=3), "id", ["a", "b", "a"])
    with pytest.raises(LatentSetError, match="'train' has 1 ids more than once, such as 'a'"):
        use(latent_set, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_doubled_ids_can_be_filtered_out(make_set: SetMaker, tmp_path: Path) -> None:
    latent_set = _rewrite(make_set(train=3), "id", ["a", "b", "a"])
    kept = filter_latent_set(latent_set, "id != 'a'", tmp_path / "kept")
    assert kept.split("train").ids == ["b"]


def test_labels_out_of_range_are_found(make_set: SetMaker) -> None:
    (problem,) = problems(_rewrite(make_set(train=3), "label", [0, 5, None]))
    assert problem.startswith("split 'train' has labels from 0 to 5; expected 0 to 1")


def test_a_shard_with_rows_cut_off_is_found(make_set: SetMaker) -> None:
    latent_set = make_set(train=3)
    path = latent_set.folder / "data/train-00000-of-00001.parquet"
    pq.write_table(pq.read_table(path).slice(0, 2), path)
    with pytest.raises(LatentSetError, match=r"split 'train' of .* has 2 rows; expected 3"):
        LatentSet.open(latent_set.folder)


def test_damage_inside_a_shard_and_in_the_field_is_found_and_counted(make_set: SetMaker) -> None:
    latent_set = make_set(train=3)
    path = latent_set.folder / "data/train-00000-of-00001.parquet"
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    (latent_set.folder / "field/field.safetensors").write_bytes(b"cut")
    with pytest.raises(
        LatentSetError, match=r"field.safetensors in 'field' is damaged .* \(and 1 more problems\)"
    ):
        validate(LatentSet.open(latent_set.folder))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_only_latents_with_nan_inf_or_huge_numbers_are_not_sound(dtype: str) -> None:
    latents = random_latents(4)
    latents[1] = min(MAX_LATENT, float(np.finfo(dtype).max))  # each is within, their sum is not
    latents[2, 0], latents[3, 5] = np.nan, -np.inf
    info = make_info(make_run(), dtype=dtype)
    table = table_of(info, [header(str(row)) for row in range(4)], random_latents(4), np.zeros(4))
    column = pa.FixedSizeListArray.from_arrays(pa.array(latents.astype(dtype).ravel()), LATENT)
    damaged = table.set_column(table.column_names.index("latent"), "latent", column)
    assert Rows(damaged, info).sound.tolist() == [True, True, False, False]


@pytest.mark.parametrize("number", [1e30, -2e9, 2e9])
def test_a_latent_beyond_any_is_not_handed_out(make_set: SetMaker, number: float) -> None:
    latents = random_latents(7)
    latents[4, 2] = number
    split = make_set(train=7, latents=latents).split("train")

    for read in (lambda: split.latents, lambda: list(split.batches()), lambda: split.row(4)):
        with pytest.raises(
            LatentSetError, match=r"1 latents of '\w+' hold NaN, Inf or numbers beyond"
        ):
            read()
    assert len(split.row(3).latent) == LATENT


def test_labels_of_no_class_are_not_handed_out(make_set: SetMaker) -> None:
    forged = _rewrite(make_set(train=3), "label", [0, 1, 2])

    with pytest.raises(LatentSetError, match="labels from 0 to 2; expected 0 to 1"):
        _ = forged.split("train").labels


def test_eight_bit_latents_are_as_finite_as_their_scale(make_set: SetMaker) -> None:
    damaged = _rewrite(
        make_set(train=3, dtype="int8"),
        "latent_scale",
        pa.array([1.0, np.nan, np.inf], pa.float32()),
    )
    (rows,) = damaged.split("train").unchecked()
    assert rows.sound.tolist() == [True, False, False]


def test_a_single_changed_number_is_found(make_set: SetMaker) -> None:
    """One that no other check could see: a latent is as likely as any other."""
    latent_set = make_set(train=3)
    (shard,) = (latent_set.folder / "data").glob("train-*.parquet")
    number = latent_set.split("train").latents[1, 0].tobytes()
    content = shard.read_bytes()
    assert content.count(number) == 1
    shard.write_bytes(content.replace(number, np.float32(0.5).tobytes()))
    (problem,) = problems(LatentSet.open(latent_set.folder))
    assert problem.startswith(f"{shard.name} is cut or damaged (") and "CRC" in problem, problem
