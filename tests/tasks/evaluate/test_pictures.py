from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.tasks.drawing.figure import png, save_png
from medfuncta._src.tasks.evaluate.metrics import SignalMetrics, measure
from medfuncta._src.tasks.evaluate.pictures import Example, choose_examples, reconstruction_picture
from tasks.drawing.drawn import CASES, make


def example(signal: Signal, error: float = 0.1) -> Example:
    reconstruction = signal.with_values(np.nan_to_num(signal.values) + np.float32(error))
    return Example("worst", measure(signal, reconstruction), signal, reconstruction)


def size(data: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(data)).size


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_signal_has_a_picture(name: str, tmp_path: Path) -> None:
    domain, channels = CASES[name]
    picture = reconstruction_picture([example(make(domain, channels))])
    save_png(picture, tmp_path / "p.png")
    width, height = size((tmp_path / "p.png").read_bytes())
    assert width == (2100 if domain.dim == 3 else 1500)
    assert 200 < height < 3000
    assert picture.subfigs[0].get_suptitle() == "worst   a   20.00 dB"


def test_pictures_of_ragged_and_masked_signals() -> None:
    mask = np.ones((12, 20), bool)
    mask[3:6] = False
    masked = make(Grid((12, 20)), 1, mask)
    exact = example(make(Grid((30, 20), (2.0, 1.0)), 1), 0.0)
    assert exact.title == "worst   a   exact"
    assert np.isnan(example(masked).error[4]).all()
    assert size(png(reconstruction_picture([example(masked), exact])))[0] == 1500


def test_errors_share_one_scale_in_the_physical_unit() -> None:
    signal = make(Grid((12, 20)), 1)
    picture = reconstruction_picture([example(signal, 0.01), example(signal, 0.2)])
    small, large = (row.subfigs[2].axes[0].images[0].get_clim() for row in picture.subfigs)
    assert small == large == pytest.approx((-0.2, 0.2), abs=1e-3)
    assert picture.subfigs[0].subfigs[3].axes[0].get_ylabel() == "error (mV)"


def test_examples_are_the_best_the_median_and_the_worst() -> None:
    def of(id: str, psnr: float) -> SignalMetrics:
        return SignalMetrics(id, None, 1, psnr, None, 1.0, 1.0, 1.0)

    five = [of(str(p), float(p)) for p in (30, 10, 50, 20, 40)]
    failed = SignalMetrics.failure("broken", None, 1)
    chosen = {rank: m.id for rank, m in choose_examples([*five, failed]).items()}
    assert chosen == {"best": "50", "median": "30", "worst": "10"}
    assert list(choose_examples(five[:1])) == ["best"]
    assert choose_examples([failed]) == {}
