from __future__ import annotations

from pathlib import Path

import pytest

from tools.house import House, house, table

MODULE = '''"""What it is."""

NUMBERS = [n for n in range(3)]


def public(flag):
    """Does it."""

    def inside():
        return 1 if flag else 2

    return inside


class Thing:
    """A docstring is no statement."""

    def method(self):
        return {name: 1 for name in "ab"}


def _private(): ...
'''


def test_what_is_counted(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "module.py").write_text(MODULE)
    (tmp_path / "other.py").write_text("x = 1\n" + "# " + "y" * 99 + "\n")
    found = house(tmp_path)
    assert sorted(found.file_lines) == [2, 22]
    assert sorted(found.function_lines) == [1, 2, 2, 7]
    assert (found.public_names, found.long_lines) == (2, 1)
    assert (found.conditionals, found.comprehensions) == (1, 2)
    assert found.statements == 10


def test_the_table_has_a_column_a_package() -> None:
    one, two = House("one"), House("two")
    one.add("x = 1 if y else 2\n")
    two.add("def f(): return 1\n" * 3)
    lines = table([one, two]).splitlines()
    assert lines[0] == "|  | one | two |"
    assert {line.count("|") for line in lines} == {4}
    assert "| public names | 0 | 3 |" in lines
    assert "| conditional expressions per 1,000 statements | 1000 | 0 |" in lines


def test_a_folder_without_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no Python file"):
        house(tmp_path)
