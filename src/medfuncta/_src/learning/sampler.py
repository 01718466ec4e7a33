"""Which signals each meta-step sees."""

from __future__ import annotations

import torch


def batch_indices(signals: int, batch: int, step: int, seed: int) -> list[int]:
    """The signals of meta-step ``step`` (from 0): each epoch is a fresh permutation, batches run on
    across epochs.

    A pure function of its arguments, so that a resumed run needs no sampler state and sees what an
    undisturbed one would.

    >>> sorted(batch_indices(4, 2, 0, seed=0) + batch_indices(4, 2, 1, seed=0))
    [0, 1, 2, 3]
    """
    positions = range(step * batch, (step + 1) * batch)
    orders = {
        epoch: _order(signals, epoch, seed)
        for epoch in {position // signals for position in positions}
    }
    return [int(orders[position // signals][position % signals]) for position in positions]


def _order(signals: int, epoch: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(signals, generator=generator)
