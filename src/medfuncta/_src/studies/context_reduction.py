"""What a smaller context set saves and costs: gamma, and how its points are chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from medfuncta._src.door.wording import counted
from medfuncta._src.field.field import Field
from medfuncta._src.learning.adapt import adapt
from medfuncta._src.learning.checkpoint import TrainingState
from medfuncta._src.learning.context import ContextIndex, context_points, draw_context
from medfuncta._src.settings import Config
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.studies.ablation import Ablation, Finished, Row, by_name
from medfuncta._src.studies.charts import draw_lines, draw_rows, mean_and_spread, mean_of, panels
from medfuncta._src.studies.meta_gradients import (
    Batch,
    apply,
    drawn,
    exact,
    stored_bytes,
    tape_bytes,
)
from medfuncta._src.studies.outcome import (
    LEAST_GAP,
    Claim,
    Outcome,
    Table,
    judged,
    judged_above,
    judged_no_worse,
)
from medfuncta._src.studies.plan import Plan
from medfuncta._src.studies.training import Learned, Reached, learn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAMMAS: Final = (0.1, 0.25, 0.5, 0.75, 1.0)
"""The paper's (Table 4)."""
CHOICES: Final = ("fresh", "fixed", "stratified", "pruned")
"""Drawn anew for each inner step (the paper); once for all steps of a meta-step; anew, one of each
stretch of neighbours; those points where the error matters most (GradNCP)."""
_GAMMA: Final = 0.25
"""At which the choices are compared."""
_MIB: Final = 2**20
_LITTLE: Final = 2.0
"""dB: twice what the paper loses."""

_EXPLANATION: Final = (
    "Networks with the same seed, batches and number of meta-steps; the outer loss always sees all "
    "points, and held-out signals are fitted to all of theirs. The stored graph is counted: all "
    "tensors that autograd saves in a meta-step as the authors' code does it, for the whole batch, "
    "the same on every machine. Kept activations are those that this package keeps where its "
    "budget allows; without them it needs a fixed amount of memory at any gamma, and more time. "
    "Pruning (Tack et al. 2023) keeps the points whose gradient of the last layer is largest, at "
    "the latent that the inner loop has reached; scores cost one forward pass over all points."
)


@dataclass(frozen=True)
class Reduced:
    """What a cell measures.

    Args:
        reached: The training.
        stored: Bytes that a stored graph of a meta-step keeps.
        kept: Bytes of activations that this package keeps for one, given the budget.
    """

    reached: Reached
    stored: int
    kept: int


def rows(plan: Plan) -> list[Row]:
    """Every gamma, and every choice at one of them."""
    source = plan.source("x-rays")
    found = []
    for gamma in GAMMAS:
        for seed in plan.seeds:
            found.append(_row(plan, source, seed, gamma, "fresh"))
    for choice in CHOICES:
        for seed in plan.seeds:
            if choice != "fresh":
                found.append(_row(plan, source, seed, _GAMMA, choice))
    return found


def _row(plan: Plan, source: str, seed: int, gamma: float, choice: str) -> Row:
    train: dict[str, Any] = {"context_ratio": gamma}
    if choice == "stratified":
        train["context"] = "stratified"
    settings = plan.training(seed, source, train=train)
    return Row(_name(gamma, choice), {**settings, "choice": choice})


def _name(gamma: float, choice: str) -> str:
    return f"gamma {gamma:g}, {choice}"


def measure(settings: Mapping[str, Any]) -> Reduced:
    """One cell."""
    learned = learn(settings, step=partial(step, choice=settings["choice"]))
    batch = _first_batch(learned)
    kept = tape_bytes(learned.field, batch, learned.config) or 0
    return Reduced(learned.reached, stored_bytes(learned.field, batch, learned.config), kept)


def step(state: TrainingState, train: SignalSet, config: Config, *, choice: str) -> None:
    """A meta-step with contexts of this choice."""
    batch = drawn(state, train, config)
    steps = len(batch.contexts)
    if choice == "fixed":
        contexts = [batch.contexts[0]] * steps
        batch = Batch(batch.indices, batch.points, contexts, batch.initial)
    elif choice == "pruned":
        contexts = pruned_contexts(state.field, batch, config)
        batch = Batch(batch.indices, batch.points, contexts, batch.initial)
    apply(state, exact(state.field, batch, config), config)


def pruned_contexts(field: Field, batch: Batch, config: Config) -> list[ContextIndex]:
    """For each inner step the points that matter most at the latent that it starts from."""
    objective = field.objective(channel_mean=config.inner.channel_mean)
    latents = batch.initial
    contexts: list[ContextIndex] = []
    for _ in batch.contexts:
        index = most_important(field, latents, batch.points, config.train.context_ratio)
        contexts.append(index)
        context = context_points(batch.points, index)
        latents = adapt(objective, latents, lambda _, c=context: c, 1, config.inner).latents
    return contexts


@torch.no_grad()
def most_important(field: Field, latents: Tensor, points: Points, ratio: float) -> ContextIndex:
    """The points with the largest gradient of the last layer's weights: of a squared error with a
    linear last layer, the size of the error times that of what the layer reads (GradNCP, Eq. 6).

    Args:
        field: One whose last layer can be read (:meth:`Field.features`).
        latents: Where.
        points: All points of each signal.
        ratio: gamma.
    """
    if ratio == 1:
        return None
    features = field.features(points.coordinates, latents)
    errors = field(points.coordinates, latents) - points.values
    with_bias = (features.square().sum(-1) + 1).sqrt()
    scores = errors.norm(dim=-1) * with_bias * (points.weights > 0)
    count = max(1, round(ratio * points.count))
    return scores.topk(count, dim=1).indices.sort(dim=1).values


def _first_batch(learned: Learned) -> Batch:
    """The first training signals, with contexts as the settings say."""
    config, field = learned.config, learned.field
    indices = list(range(min(config.train.batch, len(learned.train))))
    points = learned.train.points(indices).to(field.device, field.dtype)
    generator = torch.Generator().manual_seed(0)
    contexts = [
        draw_context(points, config.train, generator) for _ in range(config.train.inner_steps)
    ]
    return Batch(indices, points, contexts, field.zero_latents(len(indices)))


def reduce(plan: Plan, cells: Sequence[Finished]) -> Outcome:
    """Table, claims and figure."""
    found = by_name(cells)
    names = [_name(gamma, "fresh") for gamma in GAMMAS]
    names += [_name(_GAMMA, choice) for choice in CHOICES if choice != "fresh"]
    table_rows = []
    for name in names:
        cell = found[name]
        speed = mean_of([100 * one.reached.seconds / plan.steps for one in cell])
        psnr = mean_and_spread([one.reached.psnr for one in cell])
        sizes = (f"{cell[0].stored / _MIB:.1f}", f"{cell[0].kept / _MIB:.1f}")
        table_rows.append((name, psnr, *sizes, f"{speed:.2f}"))
    header = (
        "context",
        "PSNR (dB)",
        "stored graph (MiB)",
        "kept (MiB)",
        "processor s per 100 meta-steps",
    )
    return Outcome(
        "Context reduction",
        _EXPLANATION,
        claims=_claims(found, plan),
        tables=[Table("Quality, memory and time by context", header, tuple(table_rows))],
        facts=plan.facts("x-rays"),
        captions={
            "context-reduction": "Over gamma, the part of the points that an inner step sees: PSNR "
            "of held-out signals (band: lowest to highest seed), and what a stored graph holds. "
            f"Right: ways to choose the points at gamma {_GAMMA:g}; a dot a seed, a bar at their "
            "mean."
        },
        figures={"context-reduction": _figure(found)},
    )


def _claims(found: Mapping[str, Sequence[Reduced]], plan: Plan) -> list[Claim]:
    by_gamma = {gamma: found[_name(gamma, "fresh")] for gamma in GAMMAS}
    psnrs = {gamma: [one.reached.psnr for one in cell] for gamma, cell in by_gamma.items()}
    stored = {gamma: cell[0].stored for gamma, cell in by_gamma.items()}
    seeds = len(plan.seeds)
    sizes = list(stored.values())
    saved = 1 - stored[0.25] / stored[1.0]
    memory = judged(
        "memory falls with gamma",
        "paper, Table 4: 11.43 against 34.34 GB at gamma 0.25 and 1",
        sizes == sorted(sizes) and sizes[0] < sizes[-1],
        f"a stored graph takes {saved:.0%} less at gamma 0.25 than at 1 (paper: 67%); counted, the "
        "same for every seed.",
    )
    lost = mean_of(psnrs[1.0]) - mean_of(psnrs[0.25])
    said = ", ".join(f"{g:g}: {mean_and_spread(v)} dB" for g, v in psnrs.items())
    quality = judged_no_worse(
        "quality falls little, by about 1 dB, from gamma 1 to 0.25",
        "paper, Table 4: 36.60 to 35.62 dB",
        psnrs[0.25],
        psnrs[1.0],
        f"{said}; {lost:+.2f} dB lost at 0.25; {counted(seeds, 'seed')}.",
        margin=_LITTLE,
    )
    seconds = {g: [one.reached.seconds for one in cell] for g, cell in by_gamma.items()}
    ratio = mean_of(seconds[0.25]) / mean_of(seconds[1.0])
    time = judged(
        "a meta-step takes less time",
        "paper, Table 4: 42 against 92 s per 100 meta-steps",
        max(seconds[0.25]) < min(seconds[1.0]),
        f"{ratio:.2f} times the time of gamma 1 at 0.25 (paper: 0.46), every seed of the one "
        "against every seed of the other; the outer loss sees all points either way; "
        f"{counted(seeds, 'seed')}, processor time.",
    )
    fresh, pruned = psnrs[_GAMMA], _choice(found, "pruned")
    gradncp = judged_no_worse(
        "drawing at random is as good as pruning by gradient (GradNCP)",
        "paper, on context reduction",
        fresh,
        pruned,
        f"pruned {mean_and_spread(pruned)} dB, random {mean_and_spread(fresh)} dB at gamma "
        f"{_GAMMA:g}; {counted(seeds, 'seed')}. Pruning takes "
        f"{_seconds(found, 'pruned') / mean_of(seconds[_GAMMA]):.1f} times the time.",
        margin=LEAST_GAP,
    )
    stratified, fixed = _choice(found, "stratified"), _choice(found, "fixed")
    claims = [memory, quality, time, gradncp]
    others = {
        "one point of each stretch of neighbours is better than drawing independently": (
            stratified,
            fresh,
            f"stratified {mean_and_spread(stratified)} dB, independent {mean_and_spread(fresh)} dB",
        ),
        "points drawn anew for each inner step are better than one draw for all of them": (
            fresh,
            fixed,
            f"anew {mean_and_spread(fresh)} dB, one draw {mean_and_spread(fixed)} dB",
        ),
    }
    for claim, (ours, theirs, numbers) in others.items():
        because = f"{numbers} at gamma {_GAMMA:g}; {counted(seeds, 'seed')}."
        claims.append(judged_above(claim, "this package", ours, theirs, because))
    return claims


def _seconds(found: Mapping[str, Sequence[Reduced]], choice: str) -> float:
    return mean_of([one.reached.seconds for one in found[_name(_GAMMA, choice)]])


def _choice(found: Mapping[str, Sequence[Reduced]], choice: str) -> list[float]:
    return [one.reached.psnr for one in found[_name(_GAMMA, choice)]]


def _figure(found: Mapping[str, Sequence[Reduced]]) -> Figure:
    by_gamma = {gamma: found[_name(gamma, "fresh")] for gamma in GAMMAS}
    psnrs = {g: [one.reached.psnr for one in cell] for g, cell in by_gamma.items()}
    stored = {g: [one.stored / _MIB for one in cell] for g, cell in by_gamma.items()}
    kept = {g: [one.kept / _MIB for one in cell] for g, cell in by_gamma.items()}
    with panels(3, width=2.6) as (figure, (left, middle, right)):
        draw_lines(left, {"PSNR": psnrs})
        left.set_ylabel("PSNR (dB)")
        draw_lines(middle, {"stored graph": stored, "kept by this package": kept})
        middle.set_ylabel("memory of a meta-step (MiB)")
        middle.set_ylim(bottom=0)
        for axes in (left, middle):
            axes.set_xlabel("context ratio, gamma")
        draw_rows(right, {choice: _choice(found, choice) for choice in CHOICES})
        right.set_xlabel("PSNR (dB)")
    return figure


STUDY: Final = Ablation(rows, "medfuncta._src.studies.context_reduction:measure", Reduced, reduce)
