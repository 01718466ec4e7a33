from __future__ import annotations

import sys

import numpy as np
import pytest

from medfuncta._src.errors import MedFunctaError
from medfuncta._src.tasks.compress.codec import Codec, EntropyCoder
from medfuncta._src.tasks.compress.image_codecs import image_codecs
from medfuncta._src.tasks.compress.learned_codecs import (
    LatentCodec,
    LinearPrediction,
    Wavelet,
    linear_codecs,
    trace_codecs,
    wavelet_codecs,
)
from medfuncta._src.tasks.evaluate.linear import LinearCode, LowestCosines, PrincipalComponents


def smooth(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Values between 0 and 1 that change slowly, of other phases for another seed."""
    grid = np.stack(
        np.meshgrid(*(np.linspace(0, 3, n) for n in shape[:-1]), indexing="ij"), axis=-1
    )
    directions, phases = np.random.default_rng(seed).uniform(0, 1, (2, grid.shape[-1], shape[-1]))
    return (0.5 + 0.45 * np.sin(grid @ directions + phases[0])).astype(np.float32)


def psnr(values: np.ndarray, decoded: np.ndarray) -> float:
    return float(-10 * np.log10(np.square(values - decoded).mean() + 1e-12))


def test_a_stream_is_nearly_as_short_as_the_entropy_of_its_symbols() -> None:
    generator = np.random.default_rng(0)
    symbols = generator.laplace(3, 4, 20_000).round().astype(np.int64)
    groups = np.zeros(symbols.size, np.int64)
    coder = EntropyCoder.learn([symbols], [groups])
    share = np.unique(symbols, return_counts=True)[1] / symbols.size
    entropy = -(share * np.log2(share)).sum()
    assert coder.family == "QuantizedLaplace"
    assert entropy < 8 * len(coder.encode(symbols, groups)) / symbols.size < 1.02 * entropy


def test_each_group_has_its_own_distribution_and_the_better_family_is_taken() -> None:
    generator = np.random.default_rng(0)
    groups = np.tile([0, 1], 2000)
    symbols = np.rint(generator.normal(5 * groups, 1 + 9 * groups)).astype(np.int64)
    coder = EntropyCoder.learn([symbols], [groups])
    assert coder.family == "QuantizedGaussian"
    assert np.allclose(coder.location, [0, 5], atol=0.5)
    assert np.allclose(coder.scale, [1, 10], rtol=0.1)
    assert coder.bytes == 16
    assert np.array_equal(coder.decode(coder.encode(symbols, groups), groups), symbols)


def test_unseen_symbols_far_beyond_the_training_ones_are_clipped() -> None:
    groups = np.zeros(3, np.int64)
    coder = EntropyCoder.learn([np.array([-4, 0, 2])], [groups])
    assert np.array_equal(
        coder.decode(coder.encode(np.array([-8, 1, 500]), groups), groups), [-8, 1, 9]
    )


def test_latents_come_back_within_half_a_step_of_each_component() -> None:
    latents = np.random.default_rng(0).normal(0, [1, 10, 0.1, 0] * 8, (50, 32)).astype(np.float32)
    sizes = []
    for fineness in (1.0, 0.125):
        codec = LatentCodec.learn(latents, fineness)
        assert codec.step == pytest.approx(
            fineness * (latents - latents.mean(axis=0)).std(), rel=1e-4
        )
        streams = [codec.encode(latent) for latent in latents]
        error = np.stack([codec.decode(stream) for stream in streams]) - latents
        assert (np.abs(error @ codec.components) <= 0.501 * codec.step).all()
        assert codec.shared_bytes == 4 * (32 * 2 + 32 + 32 * 32 + 1)
        sizes.append(sum(map(len, streams)))
    assert sizes[0] < sizes[1]


def test_what_entries_have_in_common_is_not_coded_twice() -> None:
    generator = np.random.default_rng(0)
    train, test = (generator.standard_normal((n, 3)) @ np.ones((3, 64)) for n in (400, 20))
    codec = LatentCodec.learn(train.astype(np.float32), 0.25)
    assert max(len(codec.encode(latent)) for latent in test.astype(np.float32)) <= 8, (
        "two words, where 64 entries of two bits take 16 bytes"
    )


def test_latents_of_a_training_split_without_variety_are_coded() -> None:
    codec = LatentCodec.learn(np.ones((1, 5), np.float32), 1.0)
    assert np.allclose(
        codec.decode(codec.encode(np.array([1, 2, 1, 0, 1], np.float32))), [1, 2, 1, 0, 1]
    )


@pytest.mark.parametrize("shape", [(32, 40, 1), (40, 33, 3)])
def test_image_codecs_gain_quality_with_size(shape: tuple[int, ...]) -> None:
    values = smooth(shape)
    codecs = image_codecs(shape)
    assert {codec.name for codec in codecs} == {"JPEG", "JPEG 2000", "WebP"}
    for name in {codec.name for codec in codecs}:
        same = [codec for codec in codecs if codec.name == name]
        worst, best = same[0], same[-1]
        small, large = worst.encode(values), best.encode(values)
        assert len(small) < len(large)
        assert psnr(values, best.decode(large, shape)) > max(
            34, psnr(values, worst.decode(small, shape))
        )
        assert 0 < best.container_bytes(shape) < len(large)


CASES: list[tuple[str, tuple[int, ...]]] = [
    ("wavelet", (187, 1)),
    ("wavelet", (50, 2)),
    ("wavelet", (31, 28, 3)),
    ("wavelet", (15, 18, 13, 1)),
    ("linear prediction", (187, 2)),
]


def make(name: str, training: list[np.ndarray]) -> list[Codec]:
    return {"wavelet": wavelet_codecs, "linear prediction": trace_codecs}[name](training)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_learned_codecs_gain_quality_with_size(name: str, shape: tuple[int, ...]) -> None:
    codecs = make(name, [smooth(shape, seed) for seed in range(1, 4)])
    values = smooth(shape)
    worst, best = codecs[0], codecs[-1]
    small, large = worst.encode(values), best.encode(values)
    assert len(small) < len(large) < values.size * 4
    assert worst.decode(small, shape).shape == shape
    assert psnr(values, best.decode(large, shape)) > max(
        40, psnr(values, worst.decode(small, shape))
    )
    assert best.shared_bytes > 0


def test_wavelets_code_signals_of_other_sizes_than_the_training_ones() -> None:
    codec = Wavelet(6, [smooth((64, 1), 1), smooth((80, 1), 2)])
    values = smooth((90, 1))
    assert psnr(values, codec.decode(codec.encode(values), values.shape)) > 30


def test_whole_numbers_of_few_bits_come_back_exactly() -> None:
    values = (np.rint(smooth((120, 1)) * 255) / 255).astype(np.float32)
    codec = LinearPrediction(8, [values])
    stream = codec.encode(values)
    assert np.array_equal(codec.decode(stream, values.shape), values)
    assert len(stream) < 120 / 2


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(MedFunctaError, match=r"medfuncta\[compress\]"):
        EntropyCoder.learn([np.zeros(2, np.int64)], [np.zeros(2, np.int64)])
    monkeypatch.setitem(sys.modules, "pywt", None)
    with pytest.raises(MedFunctaError, match=r"medfuncta\[compress\]"):
        Wavelet(3, [smooth((30, 1))])


@pytest.mark.parametrize("shape", [(40, 1), (9, 14, 3), (5, 6, 4, 1)])
@pytest.mark.parametrize("kind", ["cosines", "components"])
def test_numbers_that_need_no_network_are_coded_as_latents_are(
    shape: tuple[int, ...], kind: str
) -> None:
    generator = np.random.default_rng(0)
    amounts = generator.normal(0, 0.1, (60, 5)).astype(np.float32)
    basis = LowestCosines(5).values(np.eye(5, dtype=np.float32), shape)
    signals = 0.5 + np.tensordot(amounts, basis, 1)
    code: LinearCode = LowestCosines(5)
    if kind == "components":
        code = PrincipalComponents.of([signals[:50]], shape[:-1]).first(5)
    rough, fine = linear_codecs([code], list(signals[:50]), (0.5, 0.01))
    errors, sizes = [], []
    for codec in (rough, fine):
        streams = [codec.encode(values) for values in signals[50:]]
        back = [codec.decode(stream, shape) for stream in streams]
        sizes.append(sum(map(len, streams)))
        errors.append(np.sqrt(np.square(np.stack(back) - signals[50:]).mean()))
    assert sizes[0] < sizes[1]
    assert errors[1] < 0.003 < errors[0]
    known = 0 if kind == "cosines" else 4 * (basis[0].size + 5 * basis[0].size)
    of_code = LatentCodec.learn(code.numbers(signals[:50]), 0.5)
    assert rough.shared_bytes == of_code.shared_bytes + known
    assert {rough.name, fine.name} == {code.name}
