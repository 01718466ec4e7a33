"""Every setting of training and fitting, section by section."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import Final, Literal, TypeAlias, get_args

from medfuncta.errors import ConfigError, suggest

Quality: TypeAlias = Literal["fast", "paper", "best"]
QUALITIES: Final = get_args(Quality)


@dataclass(frozen=True, kw_only=True)
class FieldConfig:
    """What the settings of every kind of field have in common; each kind adds its own.

    Args:
        kind: Name of the field, a row of :data:`medfuncta.field.table.FIELDS`.
        dim: Spatial axes of the coordinates.
        channels: Numbers per point.
        latent_size: P, numbers in a latent.

    Raises:
        ConfigError: If a size is not positive.
    """

    kind: str = "siren"
    dim: int = 2
    channels: int = 1
    latent_size: int = 2048

    def __post_init__(self) -> None:
        expect("field.dim", self.dim, 1 <= self.dim <= 3, "1, 2 or 3")
        expect("field.channels", self.channels, self.channels >= 1, "a positive number")
        expect("field.latent_size", self.latent_size, self.latent_size >= 1, "a positive number")


@dataclass(frozen=True)
class InnerConfig:
    """The inner loop, shared by training and fitting.

    Args:
        step_size: alpha.
        momentum: Heavy-ball momentum of the inner steps; 0 is the paper's plain SGD.
        channel_mean: Average the squared error over channels (the authors' code) instead of summing
            it (Eq. 5).
    """

    step_size: float = 1e-2
    momentum: float = 0.0
    channel_mean: bool = False

    def __post_init__(self) -> None:
        expect("inner.step_size", self.step_size, 0 < self.step_size < inf, "a positive number")
        expect("inner.momentum", self.momentum, 0 <= self.momentum < 1, "at least 0 and below 1")


@dataclass(frozen=True)
class TrainConfig:
    """Meta-learning of the shared network.

    Args:
        steps: Meta-steps.
        batch: Signals a meta-step.
        inner_steps: G.
        context_ratio: gamma, the part of a signal's points that an inner step sees.
        context: ``"random"`` draws points independently, ``"stratified"`` one from each stretch of
            neighbouring points.
        outer_loss: A row of :data:`medfuncta.learning.outer_loss.OUTER_LOSSES`: ``"mean"`` of the
            signals' squared errors (Eq. 5), or ``"log"``: of their logarithms, so that the mean
            PSNR is learned.
        shift_init: The shift maps at the start: ``"uniform"``, PyTorch's default, or
            ``"orthogonal"`` ones of the same size.
        first_order: Drop the second-order terms (for comparison; quality suffers).
        optimiser: ``"adamw"``, or ``"muon"`` for the matrices of layers 2..K-1 with AdamW for all
            else.
        learning_rate: beta, the peak of the schedule.
        omega_scaled: Scale AdamW's rate of layer k by w_1 / w_k (Muon's always is).
        weight_decay: AdamW's.
        warmup: Meta-steps of linear warm-up.
        schedule: ``"cosine"`` to zero or ``"constant"``.
        clip: Largest norm of the meta-gradient; 0 switches clipping off.
        average: Decay of an exponential moving average of the weights, used for validation and
            saving; 0 switches it off.
        validate_every: Meta-steps between validations.
        validate_signals: Validation signals at the most, spread evenly over the split.
        seed: Of every random draw.
        dtype: Floating type of weights and latents, ``"float32"`` or ``"float64"``.
        autocast: ``"bfloat16"`` runs the matrix products in bfloat16 with latents and sums in
            ``dtype``; ``""`` does not.
        memory_mb: Budget for kept inner activations, in mebibytes; past it they are recomputed.
    """

    steps: int = 2000
    batch: int = 24
    inner_steps: int = 10
    context_ratio: float = 1.0
    context: str = "random"
    outer_loss: str = "mean"
    shift_init: str = "uniform"
    first_order: bool = False
    optimiser: str = "adamw"
    learning_rate: float = 1e-4
    omega_scaled: bool = False
    weight_decay: float = 1e-2
    warmup: int = 20
    schedule: str = "cosine"
    clip: float = 1.0
    average: float = 0.0
    validate_every: int = 200
    validate_signals: int = 128
    seed: int = 0
    dtype: str = "float32"
    autocast: str = ""
    memory_mb: int = 128

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "inner_steps", "validate_every", "validate_signals"):
            expect(f"train.{name}", getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("learning_rate", "weight_decay", "clip", "warmup", "memory_mb"):
            expect(
                f"train.{name}",
                getattr(self, name),
                0 <= getattr(self, name) < inf,
                "a finite number, at least 0",
            )
        expect("train.seed", self.seed, 0 <= self.seed < 2**63, "at least 0 and below 2^63")
        expect(
            "train.context_ratio",
            self.context_ratio,
            0 < self.context_ratio <= 1,
            "more than 0 and at most 1",
        )
        choose("train.context", self.context, ("random", "stratified"))
        choose("train.shift_init", self.shift_init, ("uniform", "orthogonal"))
        choose("train.optimiser", self.optimiser, ("adamw", "muon"))
        choose("train.schedule", self.schedule, ("cosine", "constant"))
        choose("train.dtype", self.dtype, ("float32", "float64"))
        choose("train.autocast", self.autocast, ("", "bfloat16"))
        expect("train.average", self.average, 0 <= self.average < 1, "at least 0 and below 1")


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
        steps: H, inner steps on all points of a signal, of the qualities ``"paper"`` and
            ``"best"``.
        batch: Signals fitted side by side; changes speed and memory, never a latent.
        quality: ``"paper"`` takes H inner steps, ``"fast"`` fewer of them and three Gauss-Newton
            steps, ``"best"`` Gauss-Newton steps after all H until a signal gets no better.
        fast_steps: Inner steps of the quality ``"fast"``.
    """

    steps: int = 20
    batch: int = 64
    quality: str = "paper"
    fast_steps: int = 5

    def __post_init__(self) -> None:
        choose("fit.quality", self.quality, QUALITIES)
        for name in ("steps", "batch", "fast_steps"):
            expect(f"fit.{name}", getattr(self, name), getattr(self, name) >= 1, "at least 1")

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


def expect(name: str, value: object, ok: bool, expected: str) -> None:
    """Raise a :class:`ConfigError` that says what was expected of a setting unless it is ``ok``."""
    if not ok:
        raise ConfigError(f"setting '{name}' is {value}; expected {expected}")


def choose(name: str, value: str, known: Iterable[str]) -> None:
    """Raise a :class:`ConfigError` that names the nearest known word unless a setting is one."""
    if value not in known:
        raise ConfigError(f"setting '{name}' is '{value}'; {suggest(value, known)}")
