"""The base class of sources that are not yet made of contents; it goes with the last of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medfuncta.errors import DataError, suggest
from medfuncta.signals.signal import Signal, SignalSpec
from medfuncta.sources.skips import Skipped
from medfuncta.sources.source import Source, SourceInfo


class OldSource(Source):
    """A data set that hands out signals split by split.

    Nothing of a split is opened before :meth:`signals` of that split is iterated, so that model
    selection can be shown never to read the test split. A reader that meets a bad file passes the
    error to :meth:`skip`.
    """

    location: Path | None = None  # type: ignore[assignment]
    skipped: list[Skipped] = []  # type: ignore[assignment] # noqa: RUF012
    preprocessing = None  # type: ignore[assignment]
    has_label_maps = False  # type: ignore[assignment]
    items = {}  # noqa: RUF012
    skip_bad = False

    def __init__(self, *, skip_bad: bool = False) -> None:
        self.skip_bad = skip_bad
        self.stated: Mapping[str, str] = {}
        """What the user says of the data in place of the data itself: ``licence``, ``citation``,
        both or none."""
        self.skipped: list[Skipped] = []  # type: ignore[misc]
        self.skips = self  # type: ignore[assignment]

    @property
    def info(self) -> SourceInfo:
        """What is known of the data set: what it says of itself, but for what the user states."""
        return replace(self.own_info, **self.stated)

    @property
    @abstractmethod
    def own_info(self) -> SourceInfo:
        """What the data set says of itself."""

    @property
    @abstractmethod
    def spec(self) -> SignalSpec:
        """What all its signals have in common."""

    @property
    @abstractmethod
    def splits(self) -> Sequence[str]:
        """The names of its splits, a subset of ``train``, ``val``, ``test`` in that order."""

    @abstractmethod
    def _read(self, split: str) -> Iterator[Signal]:
        """The signals of a split that exists, in an order that never changes."""

    def signals(self, split: str) -> Iterator[Signal]:
        """The signals of one split, in an order that never changes.

        Raises:
            DataError: If the split does not exist, or a file is bad and ``skip_bad`` is off.
        """
        if split not in self.splits:
            raise DataError(
                f"no split '{split}' in {self.info.name}; {suggest(split, self.splits)}"
            )
        return self._read(split)

    def skip(self, name: str, error: DataError) -> None:
        """Note a bad file and go on, or raise its error when bad files are not to be skipped."""
        if not self.skip_bad:
            raise DataError(f"{error} (--skip-bad leaves such files out)") from error
        self.leave_out(name, str(error))

    def leave_out(self, name: str, reason: str) -> None:
        """Note, once, what is left out though nothing is wrong with it, such as a record without
        the lead that was asked for."""
        if all(entry.name != name for entry in self.skipped):
            self.skipped.append(Skipped(name, reason))


@dataclass(frozen=True)
class SourceKind:
    """One row of the table of formats.

    Args:
        name: The word before the colon.
        summary: One line for the help text.
        options: Option names and what they mean, with their default.
        opener: ``opener(location, options, skip_bad)`` gives the source; ``options`` are text as
            given by the user.
    """

    name: str
    summary: str
    options: Mapping[str, str]
    opener: Callable[[str, Mapping[str, str], bool], Source]
