"""Rate and distortion of latents and of other codecs on the same unseen signals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch

from medfuncta.errors import DataError
from medfuncta.latents.decode import reconstruct_all
from medfuncta.latents.latent_set import LatentSet
from medfuncta.run import Run
from medfuncta.signals.domain import Grid
from medfuncta.signals.psnr import BEST_PSNR
from medfuncta.signals.signal import Signal, SignalHeader
from medfuncta.sources.source import Source
from medfuncta.tasks.compress.codec import Codec
from medfuncta.tasks.compress.image_codecs import image_codecs
from medfuncta.tasks.compress.latents import STEPS, LatentCodec
from medfuncta.tasks.compress.learned_codecs import trace_codecs, wavelet_codecs
from medfuncta.tasks.evaluate.metrics import SignalMetrics, measure, summarise
from medfuncta.tasks.explore.sample import take_sample
from medfuncta.types import ArrayLatents

Pair = tuple[Signal, SignalHeader]
"""A signal, and the header that its latent is decoded with."""
LATENTS: Final = "latents"
_TRAINING: Final = 200
"""Training signals that entropy coders learn from."""
_TRAINING_LATENTS: Final = 4096
"""More of these: their codec has many more numbers to learn."""


@dataclass(frozen=True)
class RatePoint:
    """What a codec reached at one setting.

    Args:
        setting: In words.
        bits: Of the streams, a sample (pixel, voxel); one stream a signal.
        format_bits: How many of these are file format that all signals could share.
        shared_bytes: What a decoder must know besides: tables of the entropy coder, and for latents
            the shared network.
        psnr: Mean in decibels, exact signals with 120; None when all have failed.
        exact: How many signals came back without any error.
    """

    setting: str
    bits: float
    format_bits: float
    shared_bytes: int
    psnr: float | None
    exact: int

    @property
    def lossless(self) -> bool:
        """Whether every signal came back exactly."""
        return self.psnr == BEST_PSNR

    @property
    def payload_bits(self) -> float:
        return self.bits - self.format_bits


@dataclass(frozen=True)
class Verdict:
    """Who needs the fewest bits for the quality of one setting of the latents.

    Args:
        setting: Of the latents.
        psnr: Of the latents at this setting, in decibels.
        bits: By codec, a sample, file formats not counted; None where a codec never reaches this
            PSNR.
    """

    setting: str
    psnr: float
    bits: Mapping[str, float | None]

    @property
    def shortest(self) -> str:
        return min(
            (name for name, bits in self.bits.items() if bits is not None),
            key=lambda name: self.bits[name] or 0.0,
        )


@dataclass(frozen=True, eq=False)
class CompressionReport:
    """Curves of rate against distortion.

    Args:
        source: The data set.
        split: Which part of it was compressed.
        signals, points: How many signals, and samples in all of them.
        curves: By codec; ``"latents"`` is the first.
        unquantised_psnr: Of the stored latents as they are; None when all have failed.
        network_bytes: Of the shared network's weights.
        set_points: Samples of all signals of the latent set, over which what is shared can be
            spread.
    """

    source: str
    split: str
    signals: int
    points: int
    curves: Mapping[str, Sequence[RatePoint]]
    unquantised_psnr: float | None
    network_bytes: int
    set_points: int

    @property
    def verdicts(self) -> list[Verdict]:
        """One for each setting of the latents."""
        return [
            Verdict(
                point.setting,
                point.psnr,
                {name: bits_at(curve, point.psnr) for name, curve in self.curves.items()},
            )
            for point in self.curves[LATENTS]
            if point.psnr is not None
        ]

    def spread_bits(self, point: RatePoint) -> float:
        """Bits a sample when what is shared is spread over every signal of the latent set."""
        return point.bits + 8 * point.shared_bytes / self.set_points

    def to_dict(self) -> dict[str, Any]:
        """Plain data for strict JSON."""
        return {
            "source": self.source,
            "split": self.split,
            "signals": self.signals,
            "points": self.points,
            "network_bytes": self.network_bytes,
            "unquantised_psnr": self.unquantised_psnr,
            "codecs": {
                name: [
                    {**asdict(point), "bits_with_shared": self.spread_bits(point)}
                    for point in curve
                ]
                for name, curve in self.curves.items()
            },
            "verdicts": [
                {**asdict(verdict), "shortest": verdict.shortest} for verdict in self.verdicts
            ],
        }


def bits_at(curve: Sequence[RatePoint], psnr: float) -> float | None:
    """The fewest bits a sample, without file format, at which a codec reaches a PSNR; None where it
    never does.

    Between two settings bits grow linearly with decibels; below the lowest setting they are those
    of that setting. No line is drawn to a lossless setting, whose 120 dB are a convention: it is
    taken as it is for what no lossy one reaches.
    """
    lossy, lossless = [], []
    for point in curve:
        if point.lossless:
            lossless.append(point.payload_bits)
        elif point.psnr is not None:
            lossy.append((point.psnr, point.payload_bits))
    if lossy and psnr <= max(lossy)[0]:
        decibels, bits = np.array(sorted(lossy)).T
        return float(np.interp(psnr, decibels, bits))
    return min(lossless, default=None)


def compare_codecs(
    latents: LatentSet,
    source: Source,
    *,
    split: str = "test",
    limit: int = 100,
    progress: Callable[[str], None] = lambda line: None,
) -> CompressionReport:
    """Compress unseen signals in every way, learning whatever is learned from the training split,
    and decode the streams.

    Args:
        latents: With a training split.
        source: What the latents were fitted from.
        split: The part to compress.
        limit: Signals at the most, evenly spread.
        progress: Told a line before each codec.

    Raises:
        DataError: If the source lacks a signal of the latent set, or signals are scattered or have
            missing points.
        LatentSetError: If the set lacks a split.
        MedFunctaError: If a package is missing.
    """
    chosen, training = take_sample(latents, limit, split), take_sample(latents, _TRAINING, "train")
    signals = _signals_of(source, split, chosen.ids)
    examples = [
        signal.range.normalise(signal.values)
        for signal in _signals_of(source, "train", training.ids)
    ]
    headers = [latents.row(id, split).header for id in chosen.ids]
    pairs = list(zip(signals, headers, strict=True))
    _check_same(source, pairs)
    progress(LATENTS)
    learned = take_sample(latents, _TRAINING_LATENTS, "train").latents
    curves = {
        LATENTS: [
            _latent_point(latents.run, step, learned, list(chosen.latents), pairs) for step in STEPS
        ]
    }
    for codec in _codecs(signals, examples):
        if codec.name not in curves:
            progress(codec.name)
        curves.setdefault(codec.name, []).append(_signal_point(codec, signals))
    points = sum(signal.domain.points for signal in signals)
    return CompressionReport(
        source.info.name,
        split,
        len(signals),
        points,
        curves,
        summarise(_measured(latents.run, chosen.latents, pairs)).psnr.mean,
        _network_bytes(latents.run),
        round(points / len(signals) * len(latents)),
    )


def _signals_of(source: Source, split: str, ids: Sequence[str]) -> list[Signal]:
    """The signals with these ids, in this order."""
    wanted = set(ids)
    found = {signal.id: signal for signal in source.signals(split) if signal.id in wanted}
    missing = [id for id in ids if id not in found]
    if missing:
        raise DataError(
            f"no signal '{missing[0]}' in split '{split}' of {source.info.name}; give the source "
            "that the set was fitted from"
        )
    for signal in found.values():
        if not isinstance(signal.domain, Grid) or signal.mask is not None:
            raise DataError(
                f"signal '{signal.id}' is scattered or has missing points; codecs compare on whole "
                "grids only"
            )
    return [found[id] for id in ids]


def _check_same(source: Source, pairs: Sequence[Pair]) -> None:
    """Raise unless signals have the shapes that they had when they were fitted: ids alone may be
    those of other data."""
    for signal, header in pairs:
        expected = header.shape
        if signal.values.shape != expected:
            raise DataError(
                f"signal '{signal.id}' of {source.info.name} has the shape "
                f"{list(signal.values.shape)}, but {list(expected)} when it was "
                "fitted; give the source that the set was fitted from"
            )


def _codecs(signals: Sequence[Signal], examples: Sequence[np.ndarray]) -> list[Codec]:
    """What there is for signals of this form."""
    dim, channels = signals[0].domain.dim, signals[0].channels
    if dim == 1:
        return [*wavelet_codecs(examples), *trace_codecs(examples)]
    smallest = tuple(np.min([signal.values.shape for signal in signals], axis=0).tolist())
    return [
        *(image_codecs(smallest) if dim == 2 and channels in (1, 3) else []),
        *wavelet_codecs(examples),
    ]


def _latent_point(
    run: Run,
    step: float,
    training: ArrayLatents,
    latents: Sequence[np.ndarray],
    pairs: Sequence[Pair],
) -> RatePoint:
    codec = LatentCodec.learn(training, step)
    streams = [codec.encode(latent) for latent in latents]
    decoded = np.stack([codec.decode(stream) for stream in streams])
    signals = [signal for signal, _ in pairs]
    return _point(
        f"step {step:g} rms",
        map(len, streams),
        (),
        codec.shared_bytes + _network_bytes(run),
        _measured(run, decoded, pairs),
        signals,
    )


def _signal_point(codec: Codec, signals: Sequence[Signal]) -> RatePoint:
    sizes, formats, metrics = [], [], []
    for signal in signals:
        stream = codec.encode(signal.range.normalise(signal.values))
        decoded = codec.decode(stream, signal.values.shape)
        sizes.append(len(stream))
        formats.append(codec.container_bytes(signal.values.shape))
        metrics.append(measure(signal, signal.with_values(signal.range.restore(decoded))))
    return _point(codec.setting, sizes, formats, codec.shared_bytes, metrics, signals)


def _point(
    setting: str,
    sizes: Iterable[int],
    formats: Iterable[int],
    shared: int,
    metrics: Sequence[SignalMetrics],
    signals: Sequence[Signal],
) -> RatePoint:
    bits = 8 / sum(signal.domain.points for signal in signals)
    summary = summarise(metrics)
    return RatePoint(
        setting,
        bits=bits * sum(sizes),
        format_bits=bits * sum(formats),
        shared_bytes=shared,
        psnr=summary.psnr.mean,
        exact=summary.exact,
    )


def _measured(run: Run, latents: ArrayLatents, pairs: Sequence[Pair]) -> list[SignalMetrics]:
    """The field's reconstructions, each on its signal's own grid, beside the signals."""
    signals, headers = zip(*pairs, strict=True)
    return list(map(measure, signals, reconstruct_all(run, torch.from_numpy(latents), headers)))


def _network_bytes(run: Run) -> int:
    return sum(
        parameter.numel() * parameter.element_size() for parameter in run.network.parameters()
    )
