"""The memory that the signals of a split may ask for, all together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from medfuncta._src.door.allowance import NUMBER, all_on_disk, allowance, check_command


class Budget:
    """Holds signals, one after the other, to the memory that their files may ask for.

    Args:
        what: They are, in words.
        location: Of their files; None where these may ask for any memory.
        count: How many there are, as far as that is known.
        equal: Whether all have as many values as the first, which then tells what all will need.
    """

    def __init__(
        self, what: str, location: Path | None, count: Callable[[], int], *, equal: bool
    ) -> None:
        self._what, self._location, self._count, self._equal = what, location, count, equal
        self._needed = self._held = self._seen = 0

    def add(self, size: int) -> None:
        """Count one signal.

        Args:
            size: How many values it has.

        Raises:
            DataError: If it is too much.
        """
        self._seen += 1
        self._needed += size * NUMBER
        tells_all = self._equal and self._seen == 1
        if self._location is None or not (tells_all or self._needed > allowance().command):
            return
        self._held = self._held or all_on_disk(self._location)
        whole = max(self._needed, self._needed / self._seen * self._count())
        check_command(self._what, whole, self._held)
