"""What is left out of a data set and why, and what is assumed of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError


@dataclass(frozen=True)
class Skipped:
    """A file or signal that was left out, and why."""

    name: str
    reason: str


class Skips:
    """The list of what is left out, and of remarks; by default a bad file stops the reading.

    Args:
        skip_bad: Leave bad files out instead of stopping at the first.
    """

    def __init__(self, *, skip_bad: bool = False) -> None:
        self.skip_bad = skip_bad
        self.entries: list[Skipped] = []
        self._said: dict[str, set[str]] = {}
        self._said_before: dict[str, int] = {}

    def skip(self, name: str, error: DataError) -> None:
        """Note a bad file and go on.

        Raises:
            DataError: If bad files are not to be skipped.
        """
        if not self.skip_bad:
            raise DataError(f"{error} (--skip-bad leaves such files out)") from error
        self.leave_out(name, str(error))

    def leave_out(self, name: str, reason: str) -> None:
        """Note, once, what is left out though nothing is wrong with it, such as a record without
        the lead that was asked for."""
        if all(entry.name != name for entry in self.entries):
            self.entries.append(Skipped(name, reason))

    def remark(self, text: str, name: str = "") -> None:
        """Note what a person should know of data that is read all the same: what was assumed, or
        what cannot be known. The same words about many signals become one remark.

        Args:
            text: One line without the signal's name.
            name: Of the signal or file; empty where it is said of the data set.
        """
        names = self._said.setdefault(text, set())
        if name:
            names.add(name)

    def remark_all(self, counts: Mapping[str, int]) -> None:
        """Note remarks of another time, :attr:`counts` of it."""
        for text, count in counts.items():
            self._said.setdefault(text, set())
            self._said_before[text] = max(count, self._said_before.get(text, 0))

    def take(self) -> tuple[list[Skipped], list[tuple[str, str]]]:
        """What was left out, and the remarks with the name of what each is said of; both are
        forgotten here, for whoever has them notes them elsewhere."""
        entries, said = self.entries[:], []
        for text, names in self._said.items():
            said += [(text, name) for name in names or ("",)]
        self.entries.clear()
        self._said.clear()
        return entries, said

    @property
    def counts(self) -> dict[str, int]:
        """The remarks and of how many signals or files each is said; 0 for one that is said of the
        data set. Names may be those of patients, and remarks are printed and stored."""
        counts = {}
        for text, names in self._said.items():
            counts[text] = max(len(names), self._said_before.get(text, 0))
        return counts

    @property
    def remarks(self) -> list[str]:
        """One line each."""
        return [_line(text, count) for text, count in self.counts.items()]


def _line(text: str, count: int) -> str:
    if not count:
        return text
    if count == 1:
        return f"one file or signal: {text}"
    return f"{counted(count, 'file or signal', 'files or signals')}: {text}"
