"""Every setting of training and fitting, and how they are layered: default < preset < file <
flag."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from math import inf, isfinite
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar, get_args, get_type_hints

from medfuncta.errors import ConfigError, suggest

T = TypeVar("T")

Quality: TypeAlias = Literal["fast", "paper", "best"]
QUALITIES: Final = get_args(Quality)


@dataclass(frozen=True)
class FieldConfig:
    """Sizes and frequencies of a shared network. The defaults are the paper's 2D field (Table 6).

    Args:
        dim: Spatial axes of the coordinates.
        channels: Numbers per point.
        layers: K, the first and the last one included.
        width: L, units of a layer.
        latent_size: P, numbers in a latent.
        omega_first, omega_last: w_1 and w_K of the linear schedule; equal for a constant omega.
        omega_increment: When set, w_k = omega_first + (k - 1) * omega_increment instead (the
            authors' code).
        residual: Add each hidden layer's input to its output (the authors' code).
        shift_first: Let the latent shift the first layer too (the authors' code).
        output_offset: A constant added to the output (0.5 in the authors' code).

    Raises:
        ConfigError: If a size or an omega is not positive or there are fewer than 3 layers.
    """

    dim: int = 2
    channels: int = 1
    layers: int = 15
    width: int = 256
    latent_size: int = 2048
    omega_first: float = 20.0
    omega_last: float = 400.0
    omega_increment: float | None = None
    residual: bool = False
    shift_first: bool = False
    output_offset: float = 0.0

    def __post_init__(self) -> None:
        sizes = {name: getattr(self, name) for name in ("dim", "channels", "width", "latent_size")}
        for name, size in sizes.items():
            if size < 1:
                raise ConfigError(f"field.{name} is {size}; expected a positive number")
        if not self.dim <= 3:
            raise ConfigError(f"field.dim is {self.dim}; expected 1, 2 or 3")
        if self.layers < 3:
            raise ConfigError(
                f"field.layers is {self.layers}; expected at least 3: a first, a shifted and a "
                "last one"
            )
        for name in ("omega_first", "omega_last"):
            _expect(
                f"field.{name}",
                getattr(self, name),
                0 < getattr(self, name) < inf,
                "a positive number",
            )
        if self.omega_increment is not None:
            last = self.omega_first + self.omega_increment * (self.layers - 1)
            _expect(
                "field.omega_increment",
                self.omega_increment,
                0 < last < inf,
                "one that leaves every omega positive",
            )
        _expect(
            "field.output_offset",
            self.output_offset,
            isfinite(self.output_offset),
            "a finite number",
        )


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
        _expect("inner.step_size", self.step_size, 0 < self.step_size < inf, "a positive number")
        _expect("inner.momentum", self.momentum, 0 <= self.momentum < 1, "at least 0 and below 1")


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
        outer_loss: ``"mean"`` of the signals' squared errors (Eq. 5), or ``"log"``: of their
            logarithms, so that the mean PSNR is learned.
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
        compile: Fuse elementwise passes by ``torch.compile``; the first start compiles for about
            half a minute.
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
    compile: bool = False
    memory_mb: int = 128

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "inner_steps", "validate_every", "validate_signals"):
            _expect(f"train.{name}", getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("learning_rate", "weight_decay", "clip", "warmup", "memory_mb"):
            _expect(
                f"train.{name}",
                getattr(self, name),
                0 <= getattr(self, name) < inf,
                "a finite number, at least 0",
            )
        _expect("train.seed", self.seed, 0 <= self.seed < 2**63, "at least 0 and below 2^63")
        _expect(
            "train.context_ratio",
            self.context_ratio,
            0 < self.context_ratio <= 1,
            "more than 0 and at most 1",
        )
        _choose("train.context", self.context, ("random", "stratified"))
        _choose("train.outer_loss", self.outer_loss, ("mean", "log"))
        _choose("train.shift_init", self.shift_init, ("uniform", "orthogonal"))
        _choose("train.optimiser", self.optimiser, ("adamw", "muon"))
        _choose("train.schedule", self.schedule, ("cosine", "constant"))
        _choose("train.dtype", self.dtype, ("float32", "float64"))
        _choose("train.autocast", self.autocast, ("", "bfloat16"))
        _expect("train.average", self.average, 0 <= self.average < 1, "at least 0 and below 1")


@dataclass(frozen=True)
class FitConfig:
    """Test-time adaptation.

    Args:
        steps: H, inner steps on all points of a signal; ``"fast"`` takes five of its own.
        batch: Signals fitted side by side; changes speed and memory, never a latent.
        quality: ``"paper"`` takes H inner steps, ``"fast"`` five of them and three Gauss-Newton
            steps, ``"best"`` Gauss-Newton steps after all H until a signal gets no better.
    """

    steps: int = 20
    batch: int = 64
    quality: str = "paper"

    def __post_init__(self) -> None:
        _choose("fit.quality", self.quality, QUALITIES)
        _expect("fit.steps", self.steps, self.steps >= 1, "at least 1")
        _expect("fit.batch", self.batch, self.batch >= 1, "at least 1")

    @property
    def description(self) -> str:
        """What a fit does, in words."""
        return {
            "fast": "Gauss-Newton steps",
            "paper": f"{self.steps} inner steps",
            "best": f"{self.steps} inner steps, then Gauss-Newton steps",
        }[self.quality]


@dataclass(frozen=True)
class Config:
    """All settings of a run."""

    field: FieldConfig = dataclasses.field(default_factory=FieldConfig)
    inner: InnerConfig = dataclasses.field(default_factory=InnerConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    fit: FitConfig = dataclasses.field(default_factory=FitConfig)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain nested dictionaries, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Mapping[str, Any]]) -> Config:
        """The inverse of :meth:`to_dict`.

        Raises:
            ConfigError: On an unknown key or a value of the wrong type.
        """
        return override(cls(), data)


def override(config: T, changes: Mapping[str, Any], path: str = "") -> T:
    """A copy of a (nested) configuration with some values replaced.

    Raises:
        ConfigError: On an unknown key (the nearest known one is named) or a value of the wrong
            type.
    """
    known = {f.name for f in fields(config)}  # type: ignore[arg-type]
    hints = get_type_hints(type(config))
    new: dict[str, Any] = {}
    for key, value in changes.items():
        name = f"{path}{key}"
        if key not in known:
            raise ConfigError(f"unknown setting '{name}'; {suggest(key, known)}")
        current = getattr(config, key)
        if is_dataclass(current):
            if not isinstance(value, Mapping):
                raise ConfigError(
                    f"setting '{name}' is a section, got {value!r}; expected settings such as "
                    f"{name}.{fields(current)[0].name}"
                )
            new[key] = override(current, value, f"{name}.")
        else:
            new[key] = _convert(name, value, hints[key])
    return replace(config, **new)  # type: ignore[type-var]


def read_config_file(path: Path) -> dict[str, Any]:
    """The settings of a TOML file with the sections [field], [inner], [train] and [fit].

    Raises:
        ConfigError: If the file is missing, is not TOML, or has a setting outside of a section.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"cannot read the configuration file {path.name}: {error.strerror}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not a TOML file: {error}") from error
    for name, section in settings.items():
        if not isinstance(section, dict):
            raise ConfigError(
                f"'{name}' in {path.name} stands outside of a section; put it below [field], "
                "[inner], [train] or [fit]"
            )
    return settings


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """``["train.batch=8"]`` to ``{"train": {"batch": "8"}}``.

    Raises:
        ConfigError: If one is not of the form section.name=value.
    """
    result: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        section, dot, name = key.partition(".")
        if not (equals and dot and section and name):
            raise ConfigError(
                f"got the setting '{assignment}'; expected section.name=value, such as "
                "train.batch=8"
            )
        result.setdefault(section, {})[name] = value
    return result


def _convert(name: str, value: Any, hint: Any) -> Any:
    """A value as the type of its setting; text (from a flag) is parsed, other types must match."""
    options = getattr(hint, "__args__", (hint,))
    if type(None) in options and value in (None, "none"):
        return None
    kind = next(t for t in options if t is not type(None))
    if kind is bool and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    try:
        if kind is bool and not isinstance(value, bool):
            raise ValueError
        if kind is int and (
            isinstance(value, bool) or (not isinstance(value, str) and value != int(value))
        ):
            raise ValueError
        if kind is str and not isinstance(value, str):
            raise ValueError
        return kind(value)
    except (TypeError, ValueError, OverflowError):  # int(inf) overflows
        raise ConfigError(f"setting '{name}' got {value!r}; expected {kind.__name__}") from None


def _expect(name: str, value: object, ok: bool, expected: str) -> None:
    if not ok:
        raise ConfigError(f"setting '{name}' is {value}; expected {expected}")


def _choose(name: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise ConfigError(f"setting '{name}' is '{value}'; {suggest(value, known)}")
