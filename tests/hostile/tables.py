"""The Parquet files of latent sets: columns that are not as declared, and rows that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from hostile.case import LONG, TAMPERED, Case, together
from hostile.files import (
    DEEP,
    DEEP_OBJECT,
    column_of,
    read_shard,
    row_set,
    table_changed,
    write_shard,
)

SHARD: Final = "data/val-00000-of-00001.parquet"
NAMES: Final = ["val-0000", TAMPERED]
COLUMNS: Final[dict[str, str]] = {
    "id": "text",
    "latent": "latent",
    "label": "whole",
    "psnr": "number",
    "shape": "list",
    "spacing": "list",
    "spacing_unit": "text",
    "affine": "list",
    "value_low": "number",
    "value_high": "number",
    "unit": "text",
    "dtype": "text",
    "metadata": "text",
}
OTHER_TYPES: Final[dict[str, dict[str, pa.DataType]]] = {
    "text": {"numbers": pa.int64(), "lists": pa.list_(pa.string()), "bytes": pa.binary()},
    "whole": {"texts": pa.string(), "fractions": pa.float64(), "lists": pa.list_(pa.int64())},
    "number": {"texts": pa.string(), "lists": pa.list_(pa.float64()), "flags": pa.bool_()},
    "list": {"texts": pa.string(), "numbers": pa.int64(), "texts in lists": pa.list_(pa.string())},
    "latent": {"texts": pa.string(), "numbers": pa.float32()},
}
EXAMPLES: Final[dict[pa.DataType, Any]] = {
    pa.int64(): 3,
    pa.string(): "x",
    pa.binary(): b"x",
    pa.float64(): 0.5,
    pa.float32(): 0.5,
    pa.bool_(): True,
    pa.list_(pa.string()): ["x"],
    pa.list_(pa.int64()): [3],
    pa.list_(pa.float64()): [0.5],
}
READ: Final = ["info", "decode", "export"]


def column_cases() -> Iterator[Case]:
    """Columns that are missing, or of another type."""
    for name, kind in COLUMNS.items():
        gone = table_changed(SHARD, lambda table, name=name: table.drop_columns([name]))
        names = [name, *NAMES]
        yield Case(f"no column {name}", "set", gone, READ, names=names)
        for what, other in OTHER_TYPES[kind].items():
            harm = table_changed(SHARD, _as_type(name, other))
            yield Case(f"column {name} holds {what}", "set", harm, READ, ["search"], names=names)

    def surplus(table: pa.Table) -> pa.Table:
        return table.append_column("age", pa.array([50] * len(table)))

    more = table_changed(SHARD, surplus)
    accepted = ["info", "check", "decode", "export", "search"]
    yield Case("one more column", "set", more, accepted=accepted)

    def doubled(table: pa.Table) -> pa.Table:
        return table.append_column("id", table["id"])

    twice = table_changed(SHARD, doubled)
    yield Case("a column is there twice", "set", twice, READ, names=["id", *NAMES])

    def turned_around(table: pa.Table) -> pa.Table:
        return table.select(table.column_names[::-1])

    around = table_changed(SHARD, turned_around)
    yield Case("columns in another order", "set", around, accepted=["info", "decode", "export"])


def _as_type(name: str, kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        return column_of(table, name, [EXAMPLES[kind]] * len(table), kind)

    return change


def latent_cases() -> Iterator[Case]:
    """The column of latents."""
    lists: dict[str, tuple[list[Any], pa.DataType]] = {
        "of five numbers": ([0.5] * 5, pa.list_(pa.float32(), 5)),
        "of three numbers": ([0.5] * 3, pa.list_(pa.float32(), 3)),
        "of no number": ([], pa.list_(pa.float32(), 0)),
        "of doubles": ([0.5] * 4, pa.list_(pa.float64(), 4)),
        "of halves": (np.zeros(4, np.float16), pa.list_(pa.float16(), 4)),
        "of whole numbers": ([1] * 4, pa.list_(pa.int32(), 4)),
        "of texts": (["x"] * 4, pa.list_(pa.string(), 4)),
        "of missing numbers": ([0.5, None, 0.5, None], pa.list_(pa.float32(), 4)),
        "of lists": ([[0.5]] * 4, pa.list_(pa.list_(pa.float32()), 4)),
        "of any length": ([0.5] * 4, pa.list_(pa.float32())),
        "of any length, too short": ([0.5] * 3, pa.list_(pa.float32())),
        "of any length, missing": (None, pa.list_(pa.float32())),
    }
    for what, (value, kind) in lists.items():

        def change(table: pa.Table, value: Any = value, kind: pa.DataType = kind) -> pa.Table:
            return column_of(table, "latent", [value] * len(table), kind)

        harm = table_changed(SHARD, change)
        answer: dict[str, Any] = {"refused": READ, "others": ["search", "classify"]}
        if what == "of any length":  # as other programs write fixed lists
            answer = {"others": [*READ, "search"]}
        yield Case(f"latents {what}", "set", harm, names=["latent", *NAMES], **answer)
    for what, number in {"NaN": np.nan, "Inf": np.inf, "-Inf": -np.inf}.items():
        harm = row_set(SHARD, {"latent": [0.0, number, 0.0, 0.0]})
        refused = ["check", "decode", "search"]
        others = ["info", "export", "classify", "nobody"]
        yield Case(f"a latent is {what}", "set", harm, refused, others, names=["NaN", *NAMES])
    large = row_set(SHARD, {"latent": [3e38, -3e38, 3e38, 3e38]})
    others = ["info", "check", "decode", "search", "classify"]
    yield Case(
        "a latent is as large as can be", "set", large, others=others, names=["val", TAMPERED]
    )
    for what, scale in {"NaN": np.nan, "Inf": np.inf, "missing": None}.items():
        harm = row_set(SHARD, {"latent_scale": scale})
        refused = ["check", "decode"]
        names = ["latent", "NaN", "finite", *NAMES]
        yield Case(f"the scale of a latent is {what}", "set8", harm, refused, ["info"], names=names)
    for what, kind in {"texts": pa.string(), "lists": pa.list_(pa.float64())}.items():
        harm = table_changed(SHARD, _as_type("latent_scale", kind))
        yield Case(f"scales are {what}", "set8", harm, READ, names=["latent_scale", *NAMES])
    gone = table_changed(SHARD, lambda table: table.drop_columns(["latent_scale"]))
    yield Case("no scales", "set8", gone, READ, names=["latent_scale", *NAMES])


ROWS: Final[dict[str, dict[str, Any]]] = {
    "a shape that is negative": {"shape": [-187]},
    "a shape of nothing": {"shape": [0]},
    "a shape of 2^31": {"shape": [2**31 - 1]},
    "a shape without axes": {"shape": []},
    "a shape of two axes": {"shape": [10, 10], "spacing": [1.0, 1.0]},
    "a shape of four axes": {"shape": [1, 1, 1, 1], "spacing": [1.0] * 4},
    "a shape of many axes": {"shape": [1] * 100_000},
    "no shape": {"shape": None},
    "a missing number in its shape": {"shape": [None]},
    "a spacing of 0": {"spacing": [0.0]},
    "a negative spacing": {"spacing": [-1.0]},
    "a spacing of NaN": {"spacing": [np.nan]},
    "a spacing of Inf": {"spacing": [np.inf]},
    "a spacing of two axes": {"spacing": [1.0, 1.0]},
    "a spacing of nothing": {"spacing": []},
    "a missing number in its spacing": {"spacing": [None]},
    "an affine of 15 numbers": {"affine": [1.0] * 15},
    "an affine of nothing": {"affine": []},
    "an affine of zeros": {"affine": [0.0] * 16},
    "an affine of NaN": {"affine": [np.nan] * 16},
    "an affine of missing numbers": {"affine": [None] * 16},
    "a lowest value above the highest": {"value_low": 2.0, "value_high": 1.0},
    "no range of values": {"value_low": 1.0, "value_high": 1.0},
    "a lowest value of NaN": {"value_low": np.nan},
    "a highest value of Inf": {"value_high": np.inf},
    "a range beyond all numbers": {"value_low": -1.7e308, "value_high": 1.7e308},
    "no lowest value": {"value_low": None},
    "no highest value": {"value_high": None},
    "metadata of prose": {"metadata": "what?"},
    "metadata of a list": {"metadata": "[1]"},
    "metadata of null": {"metadata": "null"},
    "no metadata": {"metadata": None},
    "metadata that is nested deeply": {"metadata": str(DEEP)},
    "metadata of objects nested deeply": {"metadata": str(DEEP_OBJECT)},
    "metadata of nested values": {"metadata": '{"a": {"b": 1}}'},
    "metadata of NaN": {"metadata": '{"a": NaN}'},
    "metadata of 1e999": {"metadata": '{"a": 1e999}'},
    "metadata of a very long text": {"metadata": '{"a": "' + LONG + '"}'},
    "no unit": {"unit": None},
    "no unit of length": {"spacing_unit": None},
    "a unit of a very long text": {"unit": LONG},
    "a type of values that nobody knows": {"dtype": "float33"},
    "a type of values that is an object": {"dtype": "object"},
    "a type of values with a thousand fields": {"dtype": ",".join(["f4"] * 1000)},
    "no type of values": {"dtype": None},
}
"""What a row cannot say of its signal."""


def row_cases() -> Iterator[Case]:
    """One row, the first of a split, that cannot be a signal."""
    for what, values in ROWS.items():
        harm = row_set(SHARD, values)
        names = [*values, *NAMES]
        others = ["info", "check", "search", "export"]
        yield Case(f"a row with {what}", "set", harm, ["decode"], others, names=names)
    volumes: dict[str, dict[str, Any]] = {
        "a shape of 10^27": {"shape": [10**9] * 3},
        "a shape of 10^10": {"shape": [3000, 3000, 1200]},
        "an affine of 15 numbers": {"affine": [1.0] * 15},
        "an affine of zeros": {"affine": [0.0] * 16},
        "an affine of NaN": {"affine": [np.nan] * 16},
        "an affine that is no affine": {"affine": [1.0] * 16},
        "a type of values that is complex": {"dtype": "complex64"},
        "a type of values that is text": {"dtype": "<U8"},
        "a type of values that is a time": {"dtype": "datetime64[ns]"},
    }
    for what, values in volumes.items():
        harm = row_set(SHARD, values)
        names = [*values, *NAMES]
        yield Case(f"a volume with {what}", "volumes", harm, ["image"], ["info"], names=names)


def label_cases() -> Iterator[Case]:
    """Ids, labels and PSNR."""
    for what, label in {"of no class": 99, "negative": -2, "enormous": 2**62}.items():
        harm = row_set(SHARD, {"label": label})
        names = ["label", "class", *NAMES]
        others = ["info", "search", "export", "classify"]
        yield Case(f"a label {what}", "set", harm, ["check"], others, names=names)
    none = row_set(SHARD, {"label": None})
    accepted = ["info", "check", "decode", "search", "export"]
    yield Case("a row without a label", "set", none, accepted=accepted, others=["classify"])
    unknown = row_set(SHARD, {"psnr": None})
    accepted = [*accepted, "classify"]
    yield Case("a row without a PSNR", "set", unknown, accepted=accepted)
    for what, psnr in {"NaN": np.nan, "Inf": np.inf, "-Inf": -np.inf}.items():
        harm = row_set(SHARD, {"psnr": psnr})
        others = ["info", "check", "decode", "export"]
        yield Case(f"a PSNR of {what}", "set", harm, others=others, names=["psnr", *NAMES])

    no_id = row_set(SHARD, {"id": None}, row=1)
    refused = ["check", "export"]
    others = ["info", "search", "nobody", "classify"]
    yield Case("a row without an id", "set", no_id, refused, others, names=["id", *NAMES])
    doubled = row_set(SHARD, {"id": "val-0000"}, row=1)
    yield Case("two rows of one id", "set", doubled, ["check"], ["decode", "search"], names=NAMES)
    for what, id in {
        "a path": "../../../../tmp/x",
        "colours": "\x1b[31mred\x1b[0m",
        "a line break": "a\nb\nmedfuncta: c",
        "a very long text": LONG,
        "empty": "",
        "NUL": "a\0b",
        "written from right to left": "a\u202eb",
    }.items():
        harm = row_set(SHARD, {"id": id}, row=1)
        others = ["info", "check", "search", "nobody", "export", "classify"]
        yield Case(f"an id is {what}", "set", harm, others=others)

    def empty(table: pa.Table) -> pa.Table:
        return table.slice(0, 0)

    nothing = table_changed(SHARD, empty)
    others = ["info", "nobody", "classify", "export", "search for"]
    yield Case("a shard without rows", "set", nothing, ["check"], others, names=["val", TAMPERED])


def position_cases() -> Iterator[Case]:
    """Positions of scattered samples."""
    names = ["positions", "val-0000", TAMPERED]
    shard = "data/train-00000-of-00001.parquet"
    harms = {
        "an odd number of numbers": [1.0, 2.0, 3.0],
        "nothing": [],
        "NaN": [np.nan, 1.0],
        "Inf": [np.inf, 1.0],
        "a missing number": [None, 1.0],
    }
    for what, numbers in harms.items():

        def harm(folder: Path, numbers: list[Any] = numbers) -> None:
            row_set(shard, {"positions": numbers})(folder)
            _call_first(folder, shard)

        yield Case(
            f"positions of {what}", "points", harm, ["decode"], ["info"], names=[*names, "first"]
        )
    far = [1e30, 1e30, -1e30, 0.0]

    def far_away(folder: Path) -> None:
        row_set(shard, {"positions": far})(folder)
        _call_first(folder, shard)

    yield Case("positions far outside", "points", far_away, others=["decode"], names=names)


def _call_first(folder: Path, shard: str) -> None:
    """Give the harmed row the id and the split that ``decode`` asks for."""
    row_set(shard, {"id": "val-0000"})(folder)
    table, note = read_shard(folder / shard)
    write_shard(folder / "data/val-00000-of-00001.parquet", table, note)


CASES: Final = [
    *together("columns", column_cases()),
    *together("columns of latents", latent_cases()),
    *together("rows", row_cases()),
    *together("ids and labels", label_cases()),
    *together("positions", position_cases()),
]
