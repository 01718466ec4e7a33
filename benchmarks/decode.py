"""Points decoded a second: ``python -m benchmarks.decode``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmarks.case import Case
from benchmarks.command import CaseBenchmark, main
from benchmarks.floor import decode_floor
from benchmarks.measure import Row, Steps, in_turn
from benchmarks.ours import Ours
from medfuncta._src.latents.decode import decode
from medfuncta._src.signals.domain import Grid

_LATENT_SCALE = 0.01  # about the size of a fitted latent's entries


@dataclass(kw_only=True)
class Decode(CaseBenchmark):
    """Latents back to values, one alone and a batch together: ours chunk by chunk on a grid whose
    coordinates are made on the way, theirs a plain forward pass."""

    finer: tuple[int, ...] = (1, 2, 4)
    """Times as many samples along each axis."""
    repeats: int = 5
    """Timed passes of each side, after one warm-up, in turn."""

    def rows(self) -> list[Row]:
        shapes = [tuple(times * n for n in self.case.shape) for times in self.finer]
        cases = [
            replace(self.case, shape=shape, batch=batch)
            for shape in shapes
            for batch in sorted({1, self.case.batch})
        ]
        return [row for case in cases for row in self._on(case)]

    def _on(self, case: Case) -> Iterator[Row]:
        """Rate on one grid, and how far the two sides' values are apart."""
        reference = self.open_reference(case)
        network = Ours(case, reference and reference.weights()).network
        generator = torch.Generator().manual_seed(case.seed)
        latents = _LATENT_SCALE * torch.randn(
            case.batch, case.field.latent_size, generator=generator
        )
        steps: Steps = {
            "ours": lambda: decode(network, latents, Grid(case.shape)),
            "floor": decode_floor(case),
        }
        if reference is not None:
            steps = {**steps, "reference": lambda: reference.decode(latents)}
        name = f"decode {case.batch} x ({' x '.join(map(str, case.shape))})"
        yield in_turn(steps, self.repeats).rate_row(
            name, "points/s", dict.fromkeys(steps, case.batch * case.points)
        )
        if reference is not None:
            ours = np.moveaxis(decode(network, latents, case.domain), -1, 1).ravel()
            difference = float(np.abs(ours - reference.decode(latents).numpy().ravel()).max())
            yield Row(f"{name}, largest difference", "", difference)


if __name__ == "__main__":
    sys.exit(main(Decode))
