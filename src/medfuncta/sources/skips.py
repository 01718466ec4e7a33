"""What is left out of a data set and why, and what is assumed of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medfuncta.errors import DataError


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
        self.said: dict[str, list[str]] = {}

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
        names = self.said.setdefault(text, [])
        if name and name not in names:
            names.append(name)

    def remark_all(self, said: Mapping[str, Sequence[str]]) -> None:
        """Note remarks of another time, :attr:`said` of it."""
        for text, names in said.items():
            for name in names or ("",):
                self.remark(text, name)

    @property
    def remarks(self) -> list[str]:
        """One line each."""
        return [_line(text, names) for text, names in self.said.items()]


def _line(text: str, names: Sequence[str]) -> str:
    """Names of files may be those of patients, and remarks are printed and stored: they are
    counted."""
    if not names:
        return text
    if len(names) == 1:
        return f"one file or signal: {text}"
    return f"{len(names)} files or signals: {text}"
