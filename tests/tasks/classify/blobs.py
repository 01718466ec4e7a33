"""Latents of known structure."""

from __future__ import annotations

import numpy as np

from medfuncta._src.tasks.classify.examples import Examples, LabelledData
from medfuncta._src.tasks.classify.labelling import Labelling

SIZES = {"train": 150, "val": 60, "test": 90}


def blobs(
    task: str = "multi-class",
    *,
    size: int = 12,
    classes: int = 3,
    distance: float = 4.0,
    shuffled: bool = False,
    seed: int = 0,
) -> LabelledData:
    """Gaussian blobs: one a class; on a line for ordinal classes; sums of directions for several
    labels at once."""
    generator = np.random.default_rng(seed)
    labelling = Labelling(tuple("abcdefghij"[:classes]), task)
    directions = distance * np.linalg.qr(generator.standard_normal((size, size)))[0][:classes]
    splits = {}
    for name, count in SIZES.items():
        if labelling.multi_label:
            labels = generator.integers(0, 2, (count, classes))
            centres = labels @ directions
        else:
            labels = np.arange(count) % classes
            centres = labels[:, None] * directions[0] if labelling.ordinal else directions[labels]
        latents = (centres + generator.standard_normal((count, size))).astype(np.float32)
        splits[name] = Examples(latents, generator.permutation(labels) if shuffled else labels)
    return LabelledData.collect(labelling, splits)
