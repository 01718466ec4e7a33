"""A source that reads item by item: each is loaded, preprocessed, labelled, and left out alone when
it is bad."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from medfuncta.errors import DataError
from medfuncta.signals.preprocess import CropPad, GridStep, Preprocessing, Resample
from medfuncta.signals.signal import Signal, SignalSpec
from medfuncta.sources.old_source import OldSource
from medfuncta.sources.splitting import Item


class ItemSource(OldSource):
    """Base of the sources whose signals each lie in files of their own.

    Args:
        items: By split, in the order of the splits.
        preprocessing: Applied to every signal that was loaded.
        skip_bad: Leave bad items out instead of stopping at the first.
    """

    def __init__(
        self, items: Mapping[str, Sequence[Item]], preprocessing: Preprocessing, *, skip_bad: bool
    ) -> None:
        super().__init__(skip_bad=skip_bad)
        self.items = items
        self.preprocessing = preprocessing

    @abstractmethod
    def _load(self, item: Item) -> Signal:
        """The signal of an item as it lies in its files.

        Raises:
            DataError: If a file is broken or holds something else.
        """

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self.items)

    @property
    def spec(self) -> SignalSpec:
        return self._spec

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes, sorted; empty when items have none."""
        return tuple(sorted({item.label for items in self.items.values() for item in items} - {""}))

    @cached_property
    def _spec(self) -> SignalSpec:
        """Taken from the first item that can be read."""
        first = next(self._readable(self.splits[0]), None)
        if first is None:
            raise DataError(
                f"no readable file in the {self.splits[0]} split of {self.info.name}; "
                f"{self.skipped[0].reason}"
            )
        shaping = [step for step in self.preprocessing.steps if isinstance(step, GridStep)]
        fixed = (
            bool(shaping)
            and isinstance(shaping[-1], CropPad | Resample)
            and shaping[-1].shape is not None
        )
        return SignalSpec(
            first.domain.dim,
            first.channels,
            shape=first.values.shape[:-1] if fixed else None,
            unit=first.unit,
            modality=str(first.metadata.get("modality", "")),
            label_names=self.label_names,
            task={0: "", 2: "binary-class"}.get(len(self.label_names), "multi-class"),
        )

    def _read(self, split: str) -> Iterator[Signal]:
        return self._readable(split, self.spec)

    def _readable(self, split: str, spec: SignalSpec | None = None) -> Iterator[Signal]:
        for item in self.items[split]:
            try:
                signal = self._prepared(item)
                if spec is not None:
                    _check_alike(signal, spec, item.name)
                yield signal
            except DataError as error:
                self.skip(item.name, error)

    def _prepared(self, item: Item) -> Signal:
        signal = self.preprocessing.apply(self._load(item))
        label = self.label_names.index(item.label) if item.label else None
        return signal.with_header(id=item.id, label=label)


def _check_alike(signal: Signal, spec: SignalSpec, name: str) -> None:
    got, expected = (
        _form(signal.domain.dim, signal.channels, signal.unit),
        _form(spec.dim, spec.channels, spec.unit),
    )
    if got != expected:
        raise DataError(
            f"{name} has {got}; the first file has {expected}; keep files of one form in a folder"
        )


def _form(dim: int, channels: int, unit: str) -> str:
    return f"{dim} dimensions and {channels} channels{f' in {unit}' if unit else ''}"
