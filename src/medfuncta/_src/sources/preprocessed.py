"""A source whose signals are preprocessed once more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from medfuncta._src.signals.preprocess import Preprocessing
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.contents import Contents, Survey
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.splitting import Item, whole_splits


def preprocessed(
    source: Source, preprocessing: Preprocessing, shape: tuple[int, ...] | None = None
) -> Source:
    """The signals of another source after further steps.

    Args:
        source: Where the signals come from; what it leaves out is left out here.
        preprocessing: Steps that keep dimension and channels.
        shape: Of all signals after these steps, when they have one.
    """
    info = source.own_info

    def read(split: Item) -> Iterator[Signal]:
        return map(preprocessing.apply, source.signals(split.name))

    def survey() -> Survey:
        return Survey(
            spec=replace(source.spec, shape=shape),
            details={"further preprocessing": preprocessing.to_text()},
        )

    contents = Contents(
        name=info.name,
        items=whole_splits(source.splits),
        many=True,
        read=read,
        survey=survey,
        location=source.location,
        licence=info.licence,
        citation=info.citation,
        split_by=info.split_by,
        details=info.details,
    )
    return Source(contents, source.skips, stated=source.stated)
