"""Signals that a task cannot use: left out, said and counted, or refused."""

from __future__ import annotations

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError


class LeftOut:
    """Keeps count of what is left out, by reason.

    Args:
        strict: Refuse instead of leaving out.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.counts: dict[str, int] = {}

    def note(self, split: str, reason: str, count: int, total: int) -> None:
        """So many signals of a split cannot be used.

        Args:
            split: Where they lie.
            reason: What they are, such as ``"without a label"``.
            count: How many.
            total: Of so many.

        Raises:
            DataError: If there is one, and none may be left out.
        """
        if not count:
            return
        if self.strict:
            raise DataError(
                f"{count:,} of {counted(total, 'signal')} of the split '{split}' are {reason}; "
                "without "
                "--strict they are left out and counted"
            )
        self.add(reason, count)

    def add(self, reason: str, count: int) -> None:
        """So many signals are left out, strict or not."""
        if count:
            self.counts[reason] = self.counts.get(reason, 0) + count
