from __future__ import annotations

import pyarrow as pa
import pytest

from medfuncta._src.latents.where import parse_where

TABLE = pa.table(
    {
        "id": ["a", "b", "c", "d"],
        "label": pa.array([0, 1, 1, None]),
        "psnr": pa.array([20.0, 30.0, None, 40.0]),
    }
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("psnr >= 30", "bd"),
        ("30 > psnr", "a"),
        ("20 < psnr <= 40", "bd"),
        ("label == 'ill'", "bc"),
        ("label in ['well', 'ill'] and not psnr == 20", "b"),
        ("label not in (1,)", "ad"),
        ("psnr == None or id == 'a'", "ac"),
        ("label != None and (psnr > 25 or id in ['c'])", "bc"),
        ("psnr > -1", "abd"),
    ],
)
def test_rows_are_those_that_the_words_name(text: str, kept: str) -> None:
    where = parse_where(text, TABLE.column_names, ("well", "ill"))
    assert "".join(TABLE.filter(where)["id"].to_pylist()) == kept
