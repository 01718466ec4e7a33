"""Figures of how code is cut and written, counted by syntax tree: one column a package.

    python tools/house.py src/medfuncta elsewhere/equinox

prints a Markdown table. A function's lines are all of it, decorators left out and docstring
included; functions inside of functions count by themselves. Public names are the functions and
classes at the top of a module whose name has no leading underscore. Bare constants, such as
docstrings and ``...``, are no statements here.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

LONG = 100
"""Columns of a line that is not yet too long."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass
class House:
    """What was counted in one package.

    Args:
        name: Of the package.
        file_lines: Lines of each file.
        function_lines: Lines of each function.
        long_lines: Lines of more than 100 columns.
        public_names: Functions and classes at the top of modules, without a leading underscore.
        statements: All of them but bare constants.
        conditionals: Conditional expressions, ``a if b else c``.
        comprehensions: Of lists, sets, dictionaries, and generator expressions.
    """

    name: str
    file_lines: list[int] = field(default_factory=list)
    function_lines: list[int] = field(default_factory=list)
    long_lines: int = 0
    public_names: int = 0
    statements: int = 0
    conditionals: int = 0
    comprehensions: int = 0

    def add(self, text: str) -> None:
        """Count one module."""
        lines = text.splitlines()
        self.file_lines.append(len(lines))
        self.long_lines += sum(len(line) > LONG for line in lines)
        tree = ast.parse(text)
        for node in tree.body:
            if isinstance(node, (*_FUNCTIONS, ast.ClassDef)) and not node.name.startswith("_"):
                self.public_names += 1
        for node in ast.walk(tree):
            self._add_node(node)

    def _add_node(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt) and not _is_constant(node):
            self.statements += 1
        if isinstance(node, _FUNCTIONS):
            last = node.end_lineno or node.lineno
            self.function_lines.append(last - node.lineno + 1)
        elif isinstance(node, ast.IfExp):
            self.conditionals += 1
        elif isinstance(node, _COMPREHENSIONS):
            self.comprehensions += 1

    def figures(self) -> dict[str, str]:
        """The column of the table, by the name of its rows."""
        lines = sum(self.file_lines)
        lengths = sorted(self.function_lines) or [0]
        nine_in_ten = lengths[int(0.9 * (len(lengths) - 1))]
        return {
            "files / thousand lines": f"{len(self.file_lines)} / {lines / 1000:.1f}",
            "lines a file, median": f"{median(self.file_lines):.0f}",
            "function length median / 90 % / longest": (
                f"{median(lengths):.0f} / {nine_in_ten} / {lengths[-1]}"
            ),
            "public names": str(self.public_names),
            "conditional expressions per 1,000 statements": self._often(self.conditionals),
            "comprehensions per 1,000 statements": self._often(self.comprehensions),
            "lines over 100 characters": f"{100 * self.long_lines / max(1, lines):.1f} %",
        }

    def _often(self, count: int) -> str:
        return f"{1000 * count / max(1, self.statements):.0f}"


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def house(folder: Path) -> House:
    """Count all modules below a folder.

    Raises:
        SystemExit: If there is none.
    """
    counted = House(folder.resolve().name)
    for path in sorted(folder.rglob("*.py")):
        counted.add(path.read_text(encoding="utf-8"))
    if not counted.file_lines:
        raise SystemExit(f"no Python file in '{folder.name}'; give the folder of a package")
    return counted


def table(houses: Sequence[House]) -> str:
    """A Markdown table, a column a package."""
    columns = [counted.figures() for counted in houses]
    names = [counted.name for counted in houses]
    rows = [_row(["", *names]), _row(["---"] * (1 + len(names)))]
    for figure in columns[0]:
        cells = [column[figure] for column in columns]
        rows.append(_row([figure, *cells]))
    return "\n".join(rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit("no folder given; give the folders of packages, such as src/medfuncta")
    print(table([house(Path(word)) for word in sys.argv[1:]]))
