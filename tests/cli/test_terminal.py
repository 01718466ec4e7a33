from __future__ import annotations

import pytest

from medfuncta._src.cli.terminal import facts, safe_lines, table


@pytest.mark.parametrize(
    "text", ["\x1b[31mred", "\x1b]0;title\x07", "a\rb", "a\u202eb", "a\x08b", "\x9b31m"]
)
@pytest.mark.parametrize("emphasis", [True, False])
def test_nothing_of_other_people_moves_the_cursor(text: str, emphasis: bool) -> None:
    assert safe_lines(f"id: {text}\nnext", emphasis=emphasis).replace("\n", "").isprintable()
    assert facts({text: text}).isprintable()
    assert table((text, "b"), [(text, text)], title=text).replace("\n", "").isprintable()


def test_bold_and_dim_stay_on_a_terminal_only() -> None:
    assert safe_lines("\x1b[1mName\x1b[0m", emphasis=True) == "\x1b[1mName\x1b[0m"
    assert safe_lines("\x1b[1mName\x1b[0m", emphasis=False) == " [1mName [0m"
