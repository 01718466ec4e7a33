"""What is left out of a data set, and why; and what else is said of it while it is read."""

from __future__ import annotations

from dataclasses import dataclass

from medfuncta.errors import DataError


@dataclass(frozen=True)
class Skipped:
    """A file or signal that was left out, and why."""

    name: str
    reason: str


class Skips:
    """The list of what is left out; by default there is none, and a bad file stops the reading.

    Args:
        skip_bad: Leave bad files out instead of stopping at the first.
    """

    def __init__(self, *, skip_bad: bool = False) -> None:
        self.skip_bad = skip_bad
        self.entries: list[Skipped] = []
        self.remarks: list[str] = []

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

    def remark(self, sentence: str) -> None:
        """Note, once, what a user should know of how files were understood, though nothing was left
        out."""
        if sentence not in self.remarks:
            self.remarks.append(sentence)
