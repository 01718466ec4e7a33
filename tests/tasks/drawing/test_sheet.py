from __future__ import annotations

import io

import pytest
from PIL import Image

from medfuncta._src.tasks.drawing.figure import png
from medfuncta._src.tasks.drawing.sheet import contact_sheet
from tasks.drawing.drawn import CASES, make


@pytest.mark.parametrize("name", ["trace", "colour image", "volume"])
def test_a_contact_sheet_has_a_title_under_every_signal(name: str) -> None:
    signals = [make(*CASES[name]) for _ in range(7)]
    titles = [f"signal {i}" for i in range(7)]
    sheet = contact_sheet(signals, titles, columns=3)
    assert [axes.get_title() for axes in sheet.axes][:7] == titles
    assert Image.open(io.BytesIO(png(sheet))).width > 500
