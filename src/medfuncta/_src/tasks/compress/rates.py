"""Rate and distortion of latents and of other codecs on the same unseen signals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from medfuncta._src.errors import DataError
from medfuncta._src.latents.decode import reconstruct_all
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.run import Run
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, SignalHeader
from medfuncta._src.sources.source import Source
from medfuncta._src.status import doing
from medfuncta._src.tasks.compress.codec import Codec
from medfuncta._src.tasks.compress.curves import LATENTS, CompressionReport, RatePoint
from medfuncta._src.tasks.compress.image_codecs import image_codecs
from medfuncta._src.tasks.compress.learned_codecs import (
    LATENT_STEPS,
    LatentCodec,
    linear_codecs,
    step_setting,
    trace_codecs,
    wavelet_codecs,
)
from medfuncta._src.tasks.evaluate.linear import (
    LinearCode,
    LowestCosines,
    PrincipalComponents,
    batches_of_one_shape,
    evenly_spread,
    shape_on_grid,
)
from medfuncta._src.tasks.evaluate.metrics import SignalMetrics, measure, summarise
from medfuncta._src.tasks.explore.sample import take_sample
from medfuncta._src.types import ArrayLatents

_Pair = tuple[Signal, SignalHeader]
"""A signal, and the header that its latent is decoded with."""
_TRAINING: Final = 200
"""Training signals that entropy coders learn from."""
_TRAINING_LATENTS: Final = 4096
"""More of these: their codec has many more numbers to learn."""


def compare_codecs(
    latents: LatentSet,
    source: Source,
    *,
    split: str = "test",
    limit: int = 100,
    steps: Sequence[float] = LATENT_STEPS,
    progress: Callable[[str], None] = lambda line: None,
) -> CompressionReport:
    """Compress unseen signals in every way, learning whatever is learned from the training split,
    and decode the streams.

    Args:
        latents: With a training split.
        source: What the latents were fitted from.
        split: The part to compress.
        limit: Signals at the most, evenly spread.
        steps: Settings of the latents: how finely they are quantised, in units of the root mean
            square of their entries.
        progress: Told a line before each codec.

    Raises:
        DataError: If the source lacks a signal of the latent set, or signals are scattered or have
            missing points.
        LatentSetError: If the set lacks a split.
        MedFunctaError: If a package is missing.
    """
    chosen = take_sample(latents, limit, split)
    signals = _signals_of(source, split, chosen.ids)
    pairs = [(signal, latents.row(signal.id, split).header) for signal in signals]
    _check_same(source, pairs)
    bench = _Bench(latents, pairs)
    progress(LATENTS)
    learned = take_sample(latents, _TRAINING_LATENTS, "train").latents
    rows = list(chosen.latents)
    with doing("coding latents"):
        curves = {LATENTS: [bench.latent_point(step, learned, rows) for step in steps]}
    training = _Training.of(latents, source, signals)
    linear = linear_codecs(training.codes, training.values, steps)
    for codec in [*linear, *_codecs(signals, training.examples)]:
        if codec.name not in curves:
            progress(codec.name)
            curves[codec.name] = []
        with doing("coding signals"):
            curves[codec.name].append(bench.signal_point(codec))
    return CompressionReport(
        source.info.name,
        split,
        signals=len(signals),
        points=bench.points,
        codecs=curves,
        unquantised_psnr=summarise(bench.measured(chosen.latents)).psnr.mean,
        network_bytes=bench.network_bytes,
    )


@dataclass(frozen=True, eq=False)
class _Training:
    """What codecs learn from the training split.

    Args:
        examples: Normalised values of a few signals.
        values: Of as many as principal components are taken from.
        codes: Cosines and principal components, as many numbers as a latent has.
    """

    examples: list[np.ndarray]
    values: list[np.ndarray]
    codes: list[LinearCode]

    @classmethod
    def of(cls, latents: LatentSet, source: Source, unseen: Sequence[Signal]) -> _Training:
        """Read the training split once.

        Args:
            latents: Of the set.
            source: Its signals.
            unseen: Signals that are to be compressed.
        """
        ids = take_sample(latents, _TRAINING, "train").ids
        wanted, found = set(ids), {}

        def stream() -> Iterator[Signal]:
            for signal in source.signals("train"):
                if signal.id in wanted:
                    found[signal.id] = signal
                yield signal

        largest = max(signal.values.size for signal in unseen)
        many = list(evenly_spread(stream(), largest))
        examples = _in_order(found, ids, source, "train")
        shapes = [shape_on_grid(signal) for signal in (*unseen, *many)]
        common = tuple(min(sizes) for sizes in zip(*shapes, strict=True))
        count = latents.run.config.field.latent_size
        components = PrincipalComponents.of(batches_of_one_shape(many), common).first(count)
        codes: list[LinearCode] = [LowestCosines(count)]
        if components.count:
            codes.append(components)
        values = [_normalised(signal) for signal in many]
        return cls([_normalised(signal) for signal in examples], values, codes)


def _normalised(signal: Signal) -> np.ndarray:
    return signal.range.normalise(signal.values)


def _signals_of(source: Source, split: str, ids: Sequence[str]) -> list[Signal]:
    """The signals with these ids, in this order."""
    wanted = set(ids)
    found = {}
    for signal in source.signals(split):
        if signal.id in wanted:
            found[signal.id] = signal
    return _in_order(found, ids, source, split)


def _in_order(
    found: Mapping[str, Signal], ids: Sequence[str], source: Source, split: str
) -> list[Signal]:
    for id in ids:
        if id not in found:
            raise DataError(
                f"no signal '{id}' in split '{split}' of {source.info.name}; give the source that "
                "the set was fitted from"
            )
    for signal in found.values():
        if not isinstance(signal.domain, Grid) or signal.mask is not None:
            raise DataError(
                f"signal '{signal.id}' is scattered or has missing points; codecs compare on whole "
                "grids only"
            )
    return [found[id] for id in ids]


def _check_same(source: Source, pairs: Sequence[_Pair]) -> None:
    """Raise unless signals have the shapes that they had when they were fitted: ids alone may be
    those of other data."""
    for signal, header in pairs:
        expected = header.shape
        if signal.values.shape != expected:
            raise DataError(
                f"signal '{signal.id}' of {source.info.name} has the shape "
                f"{list(signal.values.shape)}, but {list(expected)} when it was fitted; give the "
                "source that the set was fitted from"
            )


def _codecs(signals: Sequence[Signal], examples: Sequence[np.ndarray]) -> list[Codec]:
    """What there is for signals of this form."""
    dim, channels = signals[0].domain.dim, signals[0].channels
    if dim == 1:
        return [*wavelet_codecs(examples), *trace_codecs(examples)]
    if dim != 2 or channels not in (1, 3):
        return wavelet_codecs(examples)
    smallest = np.min([signal.values.shape for signal in signals], axis=0)
    return [*image_codecs(tuple(smallest.tolist())), *wavelet_codecs(examples)]


class _Bench:
    """What every codec is measured on.

    Args:
        latents: The set, with the shared network.
        pairs: The signals to compress.
    """

    def __init__(self, latents: LatentSet, pairs: Sequence[_Pair]) -> None:
        self._run = latents.run
        self._signals = [signal for signal, _ in pairs]
        self._headers = [header for _, header in pairs]
        self.points = sum(signal.domain.points for signal in self._signals)
        self._set_points = round(self.points / len(pairs) * len(latents))
        self.network_bytes = _network_bytes(self._run)

    def latent_point(
        self, step: float, training: ArrayLatents, latents: Sequence[np.ndarray]
    ) -> RatePoint:
        """The latents, quantised as finely as this."""
        codec = LatentCodec.learn(training, step)
        sizes, decoded = [], []
        for latent in latents:
            stream = codec.encode(latent)
            sizes.append(len(stream))
            decoded.append(codec.decode(stream))
        shared = codec.shared_bytes + self.network_bytes
        metrics = self.measured(np.stack(decoded))
        return self._point(step_setting(step), sizes, [], shared, metrics)

    def signal_point(self, codec: Codec) -> RatePoint:
        """A codec of values at its setting."""
        sizes, formats, metrics = [], [], []
        for signal in self._signals:
            shape = signal.values.shape
            stream = codec.encode(_normalised(signal))
            decoded = signal.range.restore(codec.decode(stream, shape))
            sizes.append(len(stream))
            formats.append(codec.container_bytes(shape))
            metrics.append(measure(signal, signal.with_values(decoded)))
        return self._point(codec.setting, sizes, formats, codec.shared_bytes, metrics)

    def measured(self, latents: ArrayLatents) -> list[SignalMetrics]:
        """The field's reconstructions, each on its signal's own grid, beside the signals."""
        decoded = reconstruct_all(self._run, torch.from_numpy(latents), self._headers)
        return list(map(measure, self._signals, decoded))

    def _point(
        self,
        setting: str,
        sizes: Sequence[int],
        formats: Sequence[int],
        shared_bytes: int,
        metrics: Sequence[SignalMetrics],
    ) -> RatePoint:
        byte = 8 / self.points  # in bits a sample
        bits = byte * sum(sizes)
        summary = summarise(metrics)
        return RatePoint(
            setting,
            bits,
            bytes=sum(sizes) / len(sizes),
            format_bits=byte * sum(formats),
            shared_bytes=shared_bytes,
            bits_with_shared=bits + 8 * shared_bytes / self._set_points,
            psnr=summary.psnr.mean,
            exact=summary.exact,
        )


def _network_bytes(run: Run) -> int:
    return sum(
        parameter.numel() * parameter.element_size() for parameter in run.network.parameters()
    )
