from __future__ import annotations

import numpy as np
import pytest
import torch
from peak_memory import peak_bytes
from training_data import TINY, make_signals

from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.learning.quality import clamped_errors
from medfuncta._src.learning.ranks import Ranks
from medfuncta._src.learning.validate import validation_psnr
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.psnr import psnr_of


def test_a_runaway_signal_counts_as_nothing_reconstructed() -> None:
    network = SirenField(TINY.field)
    clean, spoiled = make_signals(4), make_signals(4)
    spoiled.values[3] = np.nan
    alone = Ranks(torch.device("cpu"))
    three = validation_psnr(network, clean.subset([1, 2, 3]), TINY, alone)
    four = validation_psnr(network, spoiled, TINY, alone)
    assert four == pytest.approx(0.75 * three, rel=1e-5)


def test_errors_are_of_clamped_values() -> None:
    network = SirenField(TINY.field)
    torch.nn.init.zeros_(network.last.weight)
    torch.nn.init.constant_(network.last.bias, 7.0)
    points = make_signals(2).points([0, 1])
    expected = ((1 - points.values) ** 2).mean((1, 2))
    torch.testing.assert_close(clamped_errors(network, network.zero_latents(2), points), expected)


def test_memory_depends_neither_on_the_batch_nor_on_the_points() -> None:
    network = SirenField(TINY.field)

    def peak(batch: int, count: int) -> int:
        points = Points(
            torch.zeros(1, count, 1), torch.zeros(batch, count, 1), torch.zeros(batch, count)
        )
        return peak_bytes(lambda: clamped_errors(network, network.zero_latents(batch), points))

    assert max(peak(1, 2**17), peak(16, 2**14)) < 1.1 * peak(1, 2**14)


def test_psnr_of_what_is_exact_half_and_wrong() -> None:
    torch.testing.assert_close(
        psnr_of(torch.tensor([0.0, 0.01, 1.0])), torch.tensor([120.0, 20.0, 0.0])
    )
