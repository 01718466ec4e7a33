from __future__ import annotations

import json
from pathlib import Path

import pytest

from medfuncta._src.errors import DataError
from medfuncta._src.tasks.compress import compare_codecs, curves_picture
from medfuncta._src.tasks.compress.curves import LATENTS, RatePoint, bits_at
from tasks.compress.fitted_set import write_fitted_set
from tasks.list_source import list_source


def point(bits: float, psnr: float | None, format_bits: float = 0.0) -> RatePoint:
    return RatePoint("", bits, bits, format_bits, 0, bits, psnr, 0)


def test_bits_at_a_quality() -> None:
    curve = [point(3, 40), point(1, 20), point(2, 30)]
    assert bits_at(curve, 35) == pytest.approx(2.5)
    assert bits_at(curve, 10) == 1  # the coarsest setting is better already
    assert bits_at(curve, 41) is None
    assert bits_at([*curve, point(5, 120.0)], 41) == 5  # an exact setting reaches everything
    assert bits_at([point(5, 120.0)], 41) == 5
    assert bits_at([*curve, point(5, None)], 41) is None
    assert bits_at([point(3, 40, format_bits=1)], 40) == 2


def test_bytes_without_file_format() -> None:
    def bytes_of(size: float, format_bits: float) -> float:
        return RatePoint("", 0.3, size, format_bits, 0, 0.3, 40.0, 0).payload_bytes

    assert bytes_of(71.7, 0.0) == 71.7  # exactly: such a curve has no second line
    assert bytes_of(90.0, 0.1) == pytest.approx(60.0)


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ((60,), {"wavelet", "linear prediction"}),
        ((20, 24), {"JPEG", "JPEG 2000", "WebP", "wavelet"}),
    ],
)
def test_latents_beside_codecs(tmp_path: Path, shape: tuple[int, ...], names: set[str]) -> None:
    latents, source = write_fitted_set(tmp_path, shape, train=20, test=3)
    report = compare_codecs(latents, source, limit=2)
    linear = {"lowest cosines", "principal components"}
    assert set(report.codecs) == {LATENTS, *linear, *names}
    assert report.signals == 2
    ours = report.codecs[LATENTS]
    assert [p.bits for p in ours] == sorted(p.bits for p in ours)
    assert ours[0].psnr < ours[-1].psnr
    assert report.unquantised_psnr > ours[-1].psnr
    assert report.network_bytes == 4 * sum(p.numel() for p in latents.run.network.parameters())
    assert ours[0].shared_bytes == report.network_bytes + 4 * (3 * 8 + 8 * 8 + 1)
    spread = 8 * ours[0].shared_bytes / (23 * latents.row("test-0").header.domain.points)
    assert ours[0].bits_with_shared == pytest.approx(ours[0].bits + spread)
    for verdict in report.verdicts:
        assert verdict.bits[verdict.shortest] == min(
            bits for bits in verdict.bits.values() if bits is not None
        )
    json.dumps(report.to_json(), allow_nan=False)
    assert len(curves_picture(report).axes) == 1


def test_the_test_split_teaches_nothing(tmp_path: Path) -> None:
    opened: list[str] = []
    latents, source = write_fitted_set(tmp_path, (60,), opened=opened, train=6, test=2)
    whole = compare_codecs(latents, source).codecs["wavelet"]
    assert opened.count("train") == opened.count("test") == 1
    alone = compare_codecs(latents, source, limit=1).codecs["wavelet"]
    assert [p.shared_bytes for p in whole] == [p.shared_bytes for p in alone]


def test_another_source_is_refused(tmp_path: Path) -> None:
    latents, source = write_fitted_set(tmp_path, (60,), train=6, test=2)
    other = list_source(source.spec, {"train": [], "test": []})
    with pytest.raises(
        DataError, match="no signal 'test-0' in split 'test' of list:test; give the source"
    ):
        compare_codecs(latents, other)
    _, longer = write_fitted_set(tmp_path / "longer", (70,), train=6, test=2)
    with pytest.raises(
        DataError,
        match=r"'test-0' of list:test has the shape \[70, 1\], but \[60, 1\] when it was fitted",
    ):
        compare_codecs(latents, longer)
