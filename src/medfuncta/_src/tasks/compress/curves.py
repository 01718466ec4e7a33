"""Curves of rate against distortion, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from medfuncta._src.result import Result
from medfuncta._src.signals.psnr import BEST_PSNR

LATENTS: Final = "latents"


@dataclass(frozen=True)
class RatePoint(Result):
    """What a codec reached at one setting.

    Args:
        setting: In words.
        bits: Of the streams, a sample (pixel, voxel); one stream a signal.
        bytes: Of the stream of a signal, a mean.
        format_bits: How many of these are file format that all signals could share.
        shared_bytes: What a decoder must know besides: tables of the entropy coder, and for latents
            the shared network.
        bits_with_shared: ``bits`` when what is shared is spread over every signal of the latent
            set.
        psnr: Mean in decibels, exact signals with 120; None when all have failed.
        exact: How many signals came back without any error.
    """

    setting: str
    bits: float
    bytes: float
    format_bits: float
    shared_bytes: int
    bits_with_shared: float
    psnr: float | None
    exact: int

    @property
    def lossless(self) -> bool:
        """Whether every signal came back exactly."""
        return self.psnr == BEST_PSNR

    @property
    def payload_bits(self) -> float:
        """The bits of the streams that are no file format."""
        return self.bits - self.format_bits

    @property
    def payload_bytes(self) -> float:
        """The bytes of a signal's stream that are no file format."""
        if not self.format_bits:
            return self.bytes
        return self.bytes * self.payload_bits / self.bits


@dataclass(frozen=True)
class Verdict(Result):
    """Who needs the fewest bits for the quality of one setting of the latents.

    Args:
        setting: Of the latents.
        psnr: What the latents reach at this setting, in decibels.
        bits: By codec, a sample, file formats not counted; None where a codec never reaches this
            PSNR.
    """

    json_keys: ClassVar = ("setting", "psnr", "bits", "shortest")

    setting: str
    psnr: float
    bits: Mapping[str, float | None]

    @property
    def shortest(self) -> str:
        """The codec that needs the fewest."""
        reached = {name: bits for name, bits in self.bits.items() if bits is not None}
        return min(reached, key=lambda name: reached[name])


@dataclass(frozen=True, eq=False)
class CompressionReport(Result):
    """Curves of rate against distortion.

    Args:
        source: The data set.
        split: Which part of it was compressed.
        signals, points: How many signals, and samples in all of them.
        codecs: The curve of each; ``"latents"`` is the first.
        unquantised_psnr: Of the stored latents as they are; None when all have failed.
        network_bytes: Of the shared network's weights.
    """

    json_keys: ClassVar = (
        *("source", "split", "signals", "points", "network_bytes", "unquantised_psnr"),
        *("codecs", "verdicts"),
    )

    source: str
    split: str
    signals: int
    points: int
    codecs: Mapping[str, Sequence[RatePoint]]
    unquantised_psnr: float | None
    network_bytes: int

    @property
    def verdicts(self) -> list[Verdict]:
        """One for each setting of the latents."""
        verdicts = []
        for point in self.codecs[LATENTS]:
            if point.psnr is not None:
                bits = {name: bits_at(curve, point.psnr) for name, curve in self.codecs.items()}
                verdicts.append(Verdict(point.setting, point.psnr, bits))
        return verdicts


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
