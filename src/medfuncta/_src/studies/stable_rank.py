"""Which layer to hold still, or to shift: does a layer's stable rank say so?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from medfuncta._src.door.wording import counted
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.psnr import psnr_of_one
from medfuncta._src.studies.ablation import Ablation, Finished, Numbers, Row, values_of
from medfuncta._src.studies.charts import draw_rows, mean_and_spread, mean_of, panels
from medfuncta._src.studies.outcome import Outcome, Table, judged
from medfuncta._src.studies.plan import Plan
from medfuncta._src.studies.training import Learned, learn, quality_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIGNALS: Final = 6
"""That the whole network is adapted to, one by one."""
_STEPS: Final = 60
_RATE: Final = 1e-4
_STRONG: Final = 0.5
"""A rank correlation."""

_EXPLANATION: Final = (
    "The stable rank of a matrix is its squared Frobenius norm over its squared spectral norm. A "
    "network of the paper's kind is trained; then each hidden layer in turn is (a) held still "
    f"while the rest of the network is adapted to single held-out signals by {_STEPS} steps of "
    "Adam, as when a cohort's network is fine-tuned, and (b) no longer shifted by the latent while "
    "signals are fitted. What is lost against the whole network is set beside the stable rank of "
    "the layer's matrix. With few layers a rank correlation is rough."
)


def rows(plan: Plan) -> list[Row]:
    """A trained network a seed."""
    source = plan.source("x-rays")
    return [Row("trained", plan.training(seed, source)) for seed in plan.seeds]


def measure(settings: Mapping[str, Any]) -> Numbers:
    """One cell."""
    learned = learn(settings)
    field = cast(SirenField, learned.field)
    layers = range(1, len(field.siren_layers))
    values = {f"rank/{k + 1}": stable_rank(field.siren_layers[k].linear.weight) for k in layers}
    values["frozen/none"] = _fine_tuned(learned, field, None)
    values["unshifted/none"] = learned.reached.psnr
    for layer in layers:
        values[f"frozen/{layer + 1}"] = _fine_tuned(learned, field, layer)
        values[f"unshifted/{layer + 1}"] = _unshifted(learned, field, layer)
    return Numbers(values)


def stable_rank(matrix: Tensor) -> float:
    """The squared Frobenius norm over the squared spectral norm; from 1 to the rank."""
    values = torch.linalg.svdvals(matrix.detach().double())
    return float(values.square().sum() / values[0].square())


def _fine_tuned(learned: Learned, field: SirenField, frozen: int | None) -> float:
    """Mean PSNR of single signals that the network is adapted to with one layer held still."""
    signals = learned.held_out
    psnrs = []
    for index in range(min(_SIGNALS, len(signals))):
        points = signals.points([index]).to(field.device, field.dtype)
        psnrs.append(_adapted_to(field, points, frozen))
    return mean_of(psnrs)


def _adapted_to(field: SirenField, points: Points, frozen: int | None) -> float:
    network = cast(SirenField, field.copied())
    latents = network.zero_latents(1)
    if frozen is not None:
        network.siren_layers[frozen].requires_grad_(False)
    moving = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(moving, lr=_RATE)
    for _ in range(_STEPS):
        loss = (network(points.coordinates, latents) - points.values).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        values = network(points.coordinates, latents).clamp(0, 1)
        return psnr_of_one(float((values - points.values).square().mean()))


@torch.no_grad()
def _unshifted(learned: Learned, field: SirenField, layer: int) -> float:
    """Mean PSNR of fits whose latent does not shift one layer."""
    network = cast(SirenField, field.copied())
    shift = network.siren_layers[layer].shift
    assert shift is not None
    shift.weight.zero_()  # what it adds at a latent of 0 stays
    return quality_of(network, learned.held_out, learned.config).psnr


def reduce(plan: Plan, cells: Sequence[Finished]) -> Outcome:
    """Table, claims and figure."""
    found = values_of(cells)
    layers = [name.partition("/")[2] for name in found if name.startswith("rank/")]
    lost = {
        what: {
            layer: [
                whole - part
                for whole, part in zip(found[f"{what}/none"], found[f"{what}/{layer}"], strict=True)
            ]
            for layer in layers
        }
        for what in ("frozen", "unshifted")
    }
    table_rows = []
    for layer in layers:
        ranks = mean_and_spread(found[f"rank/{layer}"])
        losses = [mean_and_spread(lost[what][layer]) for what in lost]
        table_rows.append((layer, ranks, *losses))
    header = ("layer", "stable rank", "lost when held still (dB)", "lost when not shifted (dB)")
    return Outcome(
        "Stable rank: which layer to hold still",
        _EXPLANATION,
        claims=[_claim(found, lost, layers, what) for what in lost],
        tables=[Table("Hidden layers", header, tuple(table_rows))],
        facts=plan.facts("x-rays"),
        captions={
            "stable-rank": "By hidden layer: its stable rank, what is lost when it is held still "
            "while the network is adapted to single signals, and what is lost when the latent does "
            "not shift it. A dot a seed, a bar at their mean."
        },
        figures={"stable-rank": _figure(found, lost, layers)},
    )


def _claim(
    found: Mapping[str, Sequence[float]],
    lost: Mapping[str, Mapping[str, Sequence[float]]],
    layers: Sequence[str],
    what: str,
) -> Any:
    correlations, hits = [], 0
    seeds = len(found[f"{what}/none"])
    for seed in range(seeds):
        ranks = [found[f"rank/{layer}"][seed] for layer in layers]
        losses = [lost[what][layer][seed] for layer in layers]
        with np.errstate(all="ignore"):
            correlation, _ = spearmanr(ranks, losses)
        correlations.append(float(np.nan_to_num(cast(float, correlation))))
        hits += int(np.argmax(ranks) == np.argmin(losses))
    said = ", ".join(f"{correlation:+.2f}" for correlation in correlations)
    action = {"frozen": "held still", "unshifted": "left without a shift"}[what]
    by = "arXiv 2605.08298" if what == "frozen" else "this package"
    return judged(
        f"the layer of the highest stable rank is the one that can be {action} at least cost",
        by,
        hits == seeds and max(correlations) < -_STRONG,
        f"in {hits} of {counted(seeds, 'seed')} it is; rank correlation of stable rank and loss "
        f"{said}.",
    )


def _figure(
    found: Mapping[str, Sequence[float]],
    lost: Mapping[str, Mapping[str, Sequence[float]]],
    layers: Sequence[str],
) -> Figure:
    with panels(3, width=2.4) as (figure, (left, middle, right)):
        draw_rows(left, {f"layer {layer}": found[f"rank/{layer}"] for layer in layers})
        left.set_xlabel("stable rank")
        draw_rows(middle, lost["frozen"])
        middle.set_xlabel("lost when held still (dB)")
        draw_rows(right, lost["unshifted"])
        right.set_xlabel("lost when not shifted (dB)")
    return figure


STUDY: Final = Ablation(rows, "medfuncta._src.studies.stable_rank:measure", Numbers, reduce)
