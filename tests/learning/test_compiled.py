"""The form for accelerators: what torch.compile traces gives the same meta-gradient.

In a process of its own: the checks of types that the tests add to every function are not for
    tracing. The kernels that an accelerator would
get are not made here, which takes half a minute.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import torch
from unrolled import draw, make_field, make_points, relative_error
from medfuncta.config import FieldConfig, InnerConfig
from medfuncta.learning.meta_gradient import meta_gradient
from medfuncta.field.passes import CompiledPasses
from medfuncta.learning.siren_objective import SirenObjective

config = FieldConfig(dim=2, layers=4, width=8, latent_size=5, omega_first=3, omega_last=6, residual=True)
field, points = make_field(config), make_points(config)
arguments = field.zero_latents(3), points, draw(points, 2), InnerConfig(0.1)
exact = meta_gradient(SirenObjective(field), *arguments).gradients
traced = meta_gradient(SirenObjective(field, passes=CompiledPasses(backend="eager")), *arguments, workers=1).gradients
assert relative_error(traced, list(exact.values())) < 1e-12
print("equal")
"""


def test_traced_passes_give_the_same_meta_gradient() -> None:
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    done = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    assert done.stdout == "equal\n", done.stderr[-2000:]
