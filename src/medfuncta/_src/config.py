"""Every setting of training and fitting, section by section. The bounds of a setting stand in its
annotation and hold however it is given: in Python, a file, a flag, or a run of somebody else's."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Final, Literal, TypeAlias, get_args

from msgspec import Meta

from medfuncta._src.door.declared import settle
from medfuncta._src.door.limits import LatentSize

Quality: TypeAlias = Literal["fast", "paper", "best"]
_QUALITIES: Final = get_args(Quality)
Steps: TypeAlias = Annotated[int, Meta(ge=1, le=10**9)]
"""Meta-steps, and all that is counted in them."""
InnerSteps: TypeAlias = Annotated[int, Meta(ge=1, le=10**6)]
"""Steps of one latent; the paper takes 10 in training and 20 in fitting."""
Batch: TypeAlias = Annotated[int, Meta(ge=1, le=2**16)]
"""Signals that are in memory side by side."""
Word: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
"""A row of a table that other packages may add to."""
LATER: Final = {"later": True}
"""Marks a setting that runs of older versions do not hold: its default is what these did."""
Rate: TypeAlias = Annotated[float, Meta(ge=0, le=1e6)]
"""A step size or a strength, 0 for none."""


@dataclass(frozen=True, kw_only=True)
class FieldConfig:
    """What the settings of every kind of field have in common; each kind adds its own.

    Args:
        kind: Which kind of network decodes latents: ``siren`` is the paper's, of sines; ``finer``
            has sines whose frequency grows with their input; ``components`` adds up principal
            components of the training signals and refines the sum by convolutions.
        dim: Axes of a signal: 1 for traces, 2 for images, 3 for volumes; follows from the data.
        channels: Values at each point, such as 3 for colour; follows from the data.
        latent_size: How many numbers a latent has (P of the paper).

    Raises:
        ConfigError: If a setting is out of its bounds.
    """

    kind: Word = field(default="siren", metadata=LATER)
    dim: Annotated[int, Meta(ge=1, le=3)] = 2
    channels: Annotated[int, Meta(ge=1, le=2**16)] = 1
    latent_size: LatentSize = 2048

    def __post_init__(self) -> None:
        settle(self, prefix="field.")


@dataclass(frozen=True)
class InnerConfig:
    """The inner loop, shared by training and fitting.

    Args:
        step_size: Step size of the gradient steps that fit a latent (alpha of the paper).
        momentum: Heavy-ball momentum of the inner steps; 0 is the paper's plain SGD.
        channel_mean: Average the squared error over channels (the authors' code) instead of summing
            it (Eq. 5).
    """

    step_size: Annotated[float, Meta(gt=0, le=1e6)] = 1e-2
    momentum: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    channel_mean: bool = False

    def __post_init__(self) -> None:
        settle(self, prefix="inner.")


@dataclass(frozen=True)
class TrainConfig:
    """Meta-learning of the shared network.

    Args:
        steps: How many meta-steps training takes: updates of the shared network.
        batch: Signals that each meta-step learns from.
        inner_steps: Gradient steps that a latent takes before each meta-step (G of the paper).
        context_ratio: The part of a signal's points that an inner step sees (gamma of the paper).
        context: How those points are drawn: ``"random"`` draws them independently,
            ``"stratified"`` one from each stretch of neighbouring points.
        outer_loss: What a meta-step lowers: ``"mean"``, the mean of the signals' squared errors
            (Eq. 5 of the paper), or ``"log"``, that of their logarithms, so that the mean PSNR is
            learned.
        shift_init: How the maps from a latent to the layers start: ``"uniform"``, PyTorch's
            default, or ``"orthogonal"`` ones of the same size.
        first_order: Drop the second-order terms (for comparison; quality suffers).
        optimiser: What updates the network: ``"adamw"``, or ``"muon"`` for the matrices of all but
            the first and the last layer, with AdamW for all else.
        learning_rate: Learning rate of the network at its highest (beta of the paper).
        omega_scaled: Let AdamW's learning rate of a layer fall as its omega grows (Muon's always
            does).
        weight_decay: Weight decay of AdamW.
        warmup: Meta-steps in which the learning rate grows from 0 to its highest.
        schedule: The learning rate after that: ``"cosine"`` falls to zero, ``"constant"`` stays.
        clip: Largest norm of the meta-gradient; 0 switches clipping off.
        average: Decay of an exponential moving average of the weights, used for validation and
            saving; 0 switches it off.
        validate_every: Meta-steps between validations.
        validate_signals: Validation signals at the most, spread evenly over the split.
        checkpoint_minutes: Minutes after which a checkpoint is written between validations too; 0
            writes none. A run that is stopped by Ctrl-C or SIGTERM writes one in any case.
        keep_checkpoints: How many of the last checkpoints are kept, so that the run can go on from
            the one before where the newest is damaged.
        augment: Changes of training signals that make others of their kind of them, separated by
            commas: ``"flip"``, ``"rotate90"`` and ``"elastic"``; none when empty.
        seed: Seed of every random draw; the same one gives the same run on one machine.
        dtype: Floating type of weights and latents, ``"float32"`` or ``"float64"``.
        autocast: ``"bfloat16"`` runs the matrix products in bfloat16, which is faster on a GPU and
            less exact; when empty, all is done in the type of train.dtype.
        memory_mb: Budget for kept inner activations, in mebibytes; past it they are recomputed.
            Where it is the default, a graphics card takes a quarter of its memory instead.
    """

    steps: Steps = 2000
    batch: Batch = 24
    inner_steps: InnerSteps = 10
    context_ratio: Annotated[float, Meta(gt=0, le=1)] = 1.0
    context: Literal["random", "stratified"] = "random"
    outer_loss: Word = field(default="mean", metadata=LATER)
    shift_init: Literal["uniform", "orthogonal"] = field(default="uniform", metadata=LATER)
    first_order: bool = False
    optimiser: Literal["adamw", "muon"] = field(default="adamw", metadata=LATER)
    learning_rate: Rate = 1e-4
    omega_scaled: bool = False
    weight_decay: Rate = 1e-2
    warmup: Annotated[int, Meta(ge=0, le=10**9)] = 20
    schedule: Literal["cosine", "constant"] = "cosine"
    clip: Rate = 1.0
    average: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    validate_every: Steps = 200
    validate_signals: Annotated[int, Meta(ge=1, le=10**9)] = 128
    checkpoint_minutes: Annotated[float, Meta(ge=0, le=1e6)] = field(default=10.0, metadata=LATER)
    keep_checkpoints: Annotated[int, Meta(ge=1, le=1000)] = field(default=2, metadata=LATER)
    augment: tuple[Word, ...] = field(default=(), metadata=LATER)
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    dtype: Literal["float32", "float64"] = "float32"
    autocast: Literal["", "bfloat16"] = ""
    memory_mb: Annotated[int, Meta(ge=0, le=2**20)] = 128

    def __post_init__(self) -> None:
        settle(self, prefix="train.")


@dataclass(frozen=True)
class FitPlan:
    """The steps that a fit takes.

    Args:
        inner_steps: Gradient steps.
        gauss_newton_steps: Damped Gauss-Newton steps after them, at the most.
        until_no_better: Whether a signal is done as soon as it gets no better.
    """

    inner_steps: int
    gauss_newton_steps: int = 0
    until_no_better: bool = False

    def __str__(self) -> str:
        first = f"{self.inner_steps} inner steps"
        if not self.gauss_newton_steps:
            return first
        if self.until_no_better:
            return f"{first}, then Gauss-Newton steps until a signal gets no better"
        return f"{first}, then {self.gauss_newton_steps} Gauss-Newton steps"


@dataclass(frozen=True)
class FitConfig:
    """Test-time adaptation.

    Args:
        steps: Gradient steps that fit a latent, on all points of its signal (H of the paper), of
            the qualities ``"paper"`` and ``"best"``.
        batch: Signals fitted side by side; changes speed and memory, never a latent.
        quality: ``"paper"`` takes fit.steps gradient steps; ``"fast"`` takes fit.fast_steps and
            three Gauss-Newton steps; ``"best"`` takes fit.steps, then Gauss-Newton steps until a
            signal gets no better.
        fast_steps: Gradient steps of the quality ``"fast"``.
    """

    steps: InnerSteps = 20
    batch: Batch = 64
    quality: Quality = field(default="paper", metadata=LATER)
    fast_steps: InnerSteps = field(default=5, metadata=LATER)

    def __post_init__(self) -> None:
        settle(self, prefix="fit.")

    @property
    def plan(self) -> FitPlan:
        """The steps that this comes to."""
        if self.quality == "fast":  # 1 dB above H = 20 inner steps, in less of their time
            return FitPlan(self.fast_steps, gauss_newton_steps=3)
        if self.quality == "best":
            return FitPlan(self.steps, gauss_newton_steps=60, until_no_better=True)
        return FitPlan(self.steps)

    def with_steps(self, steps: int | None) -> FitConfig:
        """The same with so many inner steps, whatever the quality; itself for None."""
        if steps is None:
            return self
        if self.quality == "fast":
            return replace(self, fast_steps=steps)
        return replace(self, steps=steps)
