"""Which rows of a latent set, in words: ``psnr > 30 and label in ['normal', 'pneumonia']``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow.compute as pc

from medfuncta._src.errors import LatentSetError, suggest

_LONGEST: Final = 1000
_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[Any, Any], pc.Expression]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FORM: Final = "a column, a comparison and a value, such as psnr > 30 and label == 'normal'"


def parse_where(
    text: str, columns: Sequence[str], label_names: Sequence[str] = ()
) -> pc.Expression:
    """An expression on the columns of a latent set.

    Comparisons ``== != < <= > >=``, ``in [...]`` and ``not in [...]``, joined by ``and``, ``or``,
    ``not`` and parentheses; ``None`` is a missing value. Nothing is executed.

    Args:
        text: The words.
        columns: Names of the columns.
        label_names: Names of the classes by number, which may stand for them beside ``label``.

    Raises:
        LatentSetError: If the text is of another form, or a column or class is not known.
    """
    if len(text) > _LONGEST:
        raise LatentSetError(f"a filter of {len(text)} letters; expected at most {_LONGEST}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise LatentSetError(f"cannot read the filter {text!r}; expected {_FORM}") from error
    return _Reader(text, columns, label_names).condition(tree)


class _Reader:
    """Turns a syntax tree into an expression; every other node than those named is refused."""

    def __init__(self, text: str, columns: Sequence[str], label_names: Sequence[str]) -> None:
        self._text = text
        self._columns = columns
        self._label_names = list(label_names)

    def condition(self, node: ast.expr) -> pc.Expression:
        if isinstance(node, ast.BoolOp):
            first, *others = map(self.condition, node.values)
            for other in others:
                first = first & other if isinstance(node.op, ast.And) else first | other
            return first
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return ~self.condition(node.operand)
        if isinstance(node, ast.Compare):
            return self._comparison(node)
        raise self._refused(node)

    def _comparison(self, node: ast.Compare) -> pc.Expression:
        """``low < psnr < high`` is two of them, as in Python."""
        sides = [node.left, *node.comparators]
        conditions = []
        for kind, left, right in zip(node.ops, sides, sides[1:], strict=False):
            conditions.append(self._compared(kind, left, right))
        whole = conditions[0]
        for condition in conditions[1:]:
            whole = whole & condition
        return whole

    def _compared(self, kind: ast.cmpop, left: ast.expr, right: ast.expr) -> pc.Expression:
        if isinstance(kind, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple):
                raise self._refused(right)
            column = self._column(left)
            inside = column.isin([self._value(item, left) for item in right.elts])
            return inside if isinstance(kind, ast.In) else ~inside
        if type(kind) not in _COMPARISONS:
            raise self._refused(left)
        compare = _COMPARISONS[type(kind)]
        if isinstance(left, ast.Name):
            if isinstance(right, ast.Constant) and right.value is None:
                missing = self._column(left).is_null()
                return missing if isinstance(kind, ast.Eq) else ~missing
            return compare(self._column(left), self._value(right, left))
        return compare(pc.scalar(self._value(left, right)), self._column(right))

    def _column(self, node: ast.expr) -> pc.Expression:
        if not isinstance(node, ast.Name):
            raise self._refused(node)
        if node.id not in self._columns:
            raise LatentSetError(f"no column '{node.id}'; {suggest(node.id, self._columns)}")
        return pc.field(node.id)

    def _value(self, node: ast.expr, column: ast.expr) -> Any:
        try:
            value = ast.literal_eval(node)
        except (ValueError, TypeError) as error:
            raise self._refused(node) from error
        if not isinstance(value, str | int | float | bool):
            raise self._refused(node)
        if isinstance(value, str) and isinstance(column, ast.Name) and column.id == "label":
            if value not in self._label_names:
                raise LatentSetError(f"no class '{value}'; {suggest(value, self._label_names)}")
            return self._label_names.index(value)
        return value

    def _refused(self, node: ast.expr) -> LatentSetError:
        part = ast.get_source_segment(self._text.strip(), node) or self._text
        return LatentSetError(f"cannot filter by {part!r}; expected {_FORM}")
