"""Compute golden values with the authors' code: python tools/golden_values.py REFERENCE_DIR

REFERENCE_DIR is a checkout of https://github.com/pfriedri/medfuncta. Its network gets parameters by
formula, runs forward, inner loop and meta-gradient in float64, and the numbers go to
``tests/golden/reference.json`` together with all settings that made them. Only numbers are kept;
the test rebuilds everything else.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from medfuncta._src.disk.atomic import write_json

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
sys.path.insert(0, str(GOLDEN))
import formula  # noqa: E402

CASES: dict[str, dict[str, Any]] = {
    "trace": {"shape": [9], "channels": 1, "batch": 3},
    "image": {"shape": [4, 5], "channels": 3, "batch": 2},
    "volume": {"shape": [2, 3, 4], "channels": 1, "batch": 2},
}
SETTINGS: dict[str, Any] = {
    "layers": 4,
    "width": 5,
    "latent_size": 3,
    "omega_first": 2.0,
    "omega_increment": 0.5,
    "parameter_scale": 0.4,
    "step_size": 0.3,
    "inner_steps": 3,
}
DATA_TYPES = {1: "timeseries", 2: "img", 3: "img3d"}


def our_name(name: str) -> str | None:
    """What the authors' parameter is called here; None for the unused shift map of their last
    layer."""
    if name.startswith("last_layer.modulate"):
        return None
    return name.replace("modulate_shift_layer", "shift").replace("last_layer.linear", "last")


def load_reference(folder: Path) -> SimpleNamespace:
    """The three pieces of the authors' code that are run."""
    sys.path.insert(0, str(folder))
    from models.inrs import LatentModulatedSIREN
    from models.model_wrapper import ModelWrapper
    from train.maml_boot import inner_loop_step

    return SimpleNamespace(
        network=LatentModulatedSIREN, wrapper=ModelWrapper, inner_step=inner_loop_step
    )


def make_network(reference: SimpleNamespace, case: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The authors' network with the parameters of the formula, and these under our names."""
    network = reference.network(
        in_size=len(case["shape"]),
        out_size=case["channels"],
        hidden_size=SETTINGS["width"],
        num_layers=SETTINGS["layers"],
        latent_modulation_dim=SETTINGS["latent_size"],
        w0=SETTINGS["omega_first"],
        w0_increments=SETTINGS["omega_increment"],
    )
    named = {
        ours: p for name, p in network.named_parameters() if (ours := our_name(name)) is not None
    }
    filled = formula.parameters(
        ((name, p.shape) for name, p in named.items()), SETTINGS["parameter_scale"]
    )
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(filled[name])
    return network, named


def golden(
    reference: SimpleNamespace, case: dict[str, Any], context_size: int | None
) -> dict[str, Any]:
    """Forward values, the inner loop and the meta-gradient of one case; all points are seen when
    ``context_size`` is None."""
    shape, channels, batch = case["shape"], case["channels"], case["batch"]
    network, named = make_network(reference, case)
    arguments = SimpleNamespace(
        data_type=DATA_TYPES[len(shape)], data_size=[channels, *shape], device="cpu"
    )
    wrapper = reference.wrapper(arguments, network)
    data = formula.signal_values(batch, shape, channels).movedim(-1, 1).contiguous()
    network.modulations = formula.latents(batch, SETTINGS["latent_size"])
    forward = network(wrapper.grid.expand(batch, -1, -1)).tolist()
    network.modulations = torch.zeros(batch, SETTINGS["latent_size"], requires_grad=True)
    inner_losses = []
    for step in range(SETTINGS["inner_steps"]):
        if context_size is not None:
            wrapper.sampled_index = torch.tensor(formula.context(step, prod(shape), context_size))
            wrapper.sampled_coord = wrapper.grid[wrapper.sampled_index]
        inner_losses.append(reference.inner_step(wrapper, data, SETTINGS["step_size"]).tolist())
    wrapper.coord_init()
    losses = wrapper(data)
    losses.mean().backward()
    return {
        **case,
        "context_size": context_size,
        "forward": forward,
        "inner_losses": inner_losses,
        "latents": network.modulations.tolist(),
        "outer_losses": losses.tolist(),
        "meta_gradient": {name: parameter.grad.tolist() for name, parameter in named.items()},
    }


def main() -> None:
    """Read the command line, run every case, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", type=Path, help="checkout of the authors' repository")
    folder = parser.parse_args().reference.resolve()
    commit = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    torch.set_default_dtype(torch.float64)
    reference = load_reference(folder)
    cases = {name: golden(reference, case, None) for name, case in CASES.items()}
    cases |= {
        f"{name}, context": golden(reference, case, prod(case["shape"]) // 3)
        for name, case in CASES.items()
    }
    origin = {
        "repository": "https://github.com/pfriedri/medfuncta",
        "commit": commit,
        "torch": torch.__version__,
        "dtype": "float64",
    }
    write_json(GOLDEN / "reference.json", {"origin": origin, "settings": SETTINGS, "cases": cases})


if __name__ == "__main__":
    main()
