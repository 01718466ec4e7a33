"""A source whose signals are preprocessed once more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from medfuncta.signals.preprocess import Preprocessing
from medfuncta.signals.signal import Signal, SignalSpec
from medfuncta.sources.source import Source, SourceInfo


class PreprocessedSource(Source):
    """The signals of another source after further steps.

    Args:
        source: Where the signals come from; what it leaves out is left out here.
        preprocessing: Steps that keep dimension and channels.
        shape: Of all signals after these steps, when they have one.
    """

    def __init__(
        self, source: Source, preprocessing: Preprocessing, shape: tuple[int, ...] | None = None
    ) -> None:
        super().__init__(skip_bad=source.skip_bad)
        self.source, self.preprocessing, self._shape = source, preprocessing, shape
        self.skipped, self.location, self.stated = source.skipped, source.location, source.stated

    @property
    def own_info(self) -> SourceInfo:
        info = self.source.own_info
        return replace(
            info, details={**info.details, "further preprocessing": self.preprocessing.to_text()}
        )

    @property
    def spec(self) -> SignalSpec:
        return replace(self.source.spec, shape=self._shape)

    @property
    def splits(self) -> Sequence[str]:
        return self.source.splits

    def _read(self, split: str) -> Iterator[Signal]:
        return map(self.preprocessing.apply, self.source.signals(split))
