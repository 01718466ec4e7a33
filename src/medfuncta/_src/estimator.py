"""A shared network as a transformer of scikit-learn: signals in, latents out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from medfuncta._src.config import InnerSteps, Quality
from medfuncta._src.door.callers import expecting
from medfuncta._src.door.limits import Fraction, LatentSize, MetaSteps
from medfuncta._src.door.wording import shown
from medfuncta._src.errors import DataError
from medfuncta._src.field.components.config import ComponentsConfig
from medfuncta._src.field.table import build_field, field_kind
from medfuncta._src.learning.train import train_network, untrained
from medfuncta._src.presets import sized_for
from medfuncta._src.run import Run
from medfuncta._src.settings import Config, override
from medfuncta._src.signals.data_facts import DataFacts
from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.arrays import from_arrays
from medfuncta._src.sources.containers import Channels, as_array
from medfuncta._src.sources.held import check_given, check_readable
from medfuncta._src.workflow import resolve

_SEEDS: Final = 2**31 - 1
_RUN: Final = "run_"
_FLOATS: Final[Any] = [np.float64, np.float32]


class FieldEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Learns a shared network on signals, and turns each signal into its latent.

    By default the network is a field of components: principal components of the signals in closed
    form, then ``steps`` meta-steps of what these cannot say. It is trained in memory, or in a
    temporary folder that is removed.

    >>> import numpy as np
    >>> traces = np.sin(np.linspace(0, 6, 32) + np.arange(20)[:, None])
    >>> encoder = FieldEncoder(latent_size=4, steps=0).fit(traces)
    >>> encoder.transform(traces).shape
    (20, 4)

    Args:
        latent_size: P, numbers in a latent; when None that of the preset, or as many as the signals
            are worth, and no more than they allow.
        preset: Settings by name; ``components-1d``, ``-2d`` or ``-3d`` when None.
        steps: Meta-steps; 0 stops at what the field takes from the signals in closed form.
        fit_steps: H, inner steps of a latent; the preset's when None.
        quality: Of a fit: ``"paper"``, ``"fast"`` or ``"best"``.
        signal_shape: The axes of a signal, those of channels included, where X is flattened,
            ``[n, samples]``; each row is a trace when None.
        channels: Where signals have their channels, ``"none"``, ``"first"`` or ``"last"``. Traces
            without channels need not say it; images and volumes must.
        spacing: Seconds (1D) or millimetres from sample to sample.
        validation_fraction: Part of the signals that chooses the best network while it is trained;
            0 trains on all of them.
        settings: Further settings by section, such as ``{"train": {"batch": 8}}``.
        random_state: Of every random draw.
        device: Where to compute; an accelerator when there is one.

    Attributes:
        run_: The shared network, a :class:`Run`.
        n_features_in_: Length of the second axis of X.
        signal_shape_: The axes of a signal.

    Latents are computed in float32, so that the batch that a signal lies in moves the last digits;
    with ``settings={"train": {"dtype": "float64"}}`` it does not, at twice the time.
    """

    def __init__(
        self,
        latent_size: int | None = None,
        *,
        preset: str | None = None,
        steps: int = 100,
        fit_steps: int | None = None,
        quality: Quality = "paper",
        signal_shape: Sequence[int] | None = None,
        channels: Channels | None = None,
        spacing: float | Sequence[float] | None = None,
        validation_fraction: float = 0.1,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        random_state: int | np.random.RandomState | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        self.latent_size = latent_size
        self.preset = preset
        self.steps = steps
        self.fit_steps = fit_steps
        self.quality = quality
        self.signal_shape = signal_shape
        self.channels: Channels | None = channels
        self.spacing = spacing
        self.validation_fraction = validation_fraction
        self.settings = settings
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any = None) -> FieldEncoder:
        """Learn the shared network.

        Args:
            X: ``[n, samples]``, or ``[n, ...]`` images or volumes; real numbers without NaN.
            y: Not looked at.

        Raises:
            ValueError: If X is no array of numbers, as scikit-learn says it.
            ConfigError, DataError: If a parameter is out of its bounds or does not fit X.
        """
        del y
        _check_parameters(**self.get_params(deep=False))
        X = validate_data(
            self,
            _readable(X),
            dtype=_FLOATS,
            allow_nd=True,
            ensure_min_samples=2,
            ensure_min_features=2,
        )
        if not X.size:
            raise DataError(f"X is an array of shape {X.shape}; expected at least one value")
        self._given_shape = X.shape[1:]
        self.signal_shape_ = self._shape_of(X)
        seed = int(check_random_state(self.random_state).randint(_SEEDS))
        source = from_arrays(
            X.reshape(-1, *self.signal_shape_),
            channels=self.channels,
            spacing=self.spacing,
            val=0,
            test=0,
        )
        signals = SignalSet.collect(source.spec, source.signals("train"))
        config = self._config(source.spec, signals, seed)
        network, config = self._network(signals, config)
        training = {"source": source.info.name, "steps": self.steps, "seed": seed}
        training["data"] = DataFacts.of_set(signals).to_dict()
        self.run_ = Run(network.cpu().eval(), config, source.spec, training)
        self._n_features_out = config.field.latent_size
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Latents of signals.

        Args:
            X: As for :meth:`fit`.

        Returns:
            ``[n, latent]``, in the floating type of X.

        Raises:
            ValueError: If X is of another form than in :meth:`fit`.
            DataError: If a signal cannot be fitted.
        """
        check_is_fitted(self)
        X = validate_data(self, _readable(X), reset=False, dtype=_FLOATS, allow_nd=True)
        if X.shape[1:] != self._given_shape:
            raise ValueError(
                f"X has signals of shape {X.shape[1:]}, but FieldEncoder is expecting "
                f"{self._given_shape} as input"
            )
        latents = self.run_.encode(
            X.reshape(-1, *self.signal_shape_),
            channels=self.channels,
            spacing=self.spacing,
            device=self.device,
        )
        return np.asarray(latents, X.dtype)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Signals of latents, in their own units and of the shape that :meth:`fit` was given.

        Args:
            X: Latents ``[n, latent]``.

        Raises:
            ValueError: If X is no array of finite numbers.
            LatentSetError: If the latents are of another size.
        """
        check_is_fitted(self)
        latents = check_array(_readable(X), dtype=_FLOATS)
        values = self.run_.decode(latents, channels=self.channels, device=self.device)
        return values.reshape(-1, *self._given_shape).astype(latents.dtype)

    def _shape_of(self, X: np.ndarray) -> tuple[int, ...]:
        """The axes of a signal, channels included."""
        if self.signal_shape is None:
            return X.shape[1:]
        sides = tuple(self.signal_shape)
        numbers = prod(X.shape[1:])
        whole = all(isinstance(side, int | np.integer) and side > 0 for side in sides)
        if not whole or prod(sides) != numbers:
            raise DataError(
                f"signal_shape is {shown(sides)}; expected whole numbers whose product is "
                f"{numbers}, the numbers of a signal in X"
            )
        return tuple(int(side) for side in sides)

    def _config(self, spec: SignalSpec, signals: SignalSet, seed: int) -> Config:
        """The settings: those of the preset, then further ones, then the parameters."""
        train: dict[str, Any] = {"seed": seed}
        if self.steps:
            train["steps"] = self.steps
        config = resolve(spec, self.preset, self.settings or {}, {"train": train})
        fit = replace(config.fit, quality=self.quality).with_steps(self.fit_steps)
        config = replace(config, fit=fit)
        if self.latent_size is not None:
            return override(config, {"field": {"latent_size": self.latent_size}})
        if self.preset is None:
            config = sized_for(config, signals)
        return _within_grid(config, signals)

    def _network(self, signals: SignalSet, config: Config) -> tuple[Any, Config]:
        """The shared network and its settings, fitted to the signals."""
        if not self.steps:
            return untrained(signals, config)
        train, val = self._divided(signals, config.train.seed)
        batch = min(config.train.batch, len(train))
        config = override(config, {"train": {"batch": batch}})
        with TemporaryDirectory(prefix="medfuncta-") as folder:
            training = train_network(train, val, Path(folder) / "run", config, device=self.device)
        return training.run.network, training.run.config

    def _divided(self, signals: SignalSet, seed: int) -> tuple[SignalSet, SignalSet]:
        """Signals to train on, and those that choose the best network."""
        order = np.random.default_rng(seed).permutation(len(signals))
        held_out = round(self.validation_fraction * len(signals))
        if not held_out:
            return signals, signals
        return signals.subset(np.sort(order[held_out:])), signals.subset(np.sort(order[:held_out]))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        assert tags.transformer_tags is not None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """For pickling and copies: the network as arrays and settings."""
        inherited: Any = super().__getstate__()
        state: dict[str, Any] = dict(inherited)
        if _RUN in state:
            state[_RUN] = _plain(state[_RUN])
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        state = dict(state)
        if _RUN in state:
            state[_RUN] = _run_of(state[_RUN])
        super().__setstate__(state)


def _parameters(
    *,
    latent_size: LatentSize | None,
    preset: str | None,
    steps: MetaSteps,
    fit_steps: InnerSteps | None,
    quality: str,
    signal_shape: Sequence[Any] | np.ndarray | None,
    channels: str | None,
    spacing: Any,
    validation_fraction: Fraction,
    settings: Mapping[str, Any] | None,
    random_state: Any,
    device: Any,
) -> None:
    """Of which kinds the parameters are, which no estimator may look at before :meth:`fit`."""


_parameters.__name__ = FieldEncoder.__name__  # who an error says is speaking
_check_parameters = expecting(_parameters)


def _readable(X: Any) -> Any:
    """What scikit-learn can look at: tensors as arrays.

    Raises:
        DataError: If X would take far more memory than it has, or cannot be read.
    """
    check_given("X", X)
    check_readable("X", X)
    return as_array(X) if isinstance(X, torch.Tensor) else X


def _within_grid(config: Config, signals: SignalSet) -> Config:
    """The settings with a latent of no more numbers than the grid of the signals has."""
    if not isinstance(config.field, ComponentsConfig):
        return config
    least = replace(config.field, latent_size=1)
    fitted = field_kind(least.kind).fitted_to(least, signals)
    size = min(config.field.latent_size, fitted.features * fitted.channels)
    return override(config, {"field": {"latent_size": size}})


def _plain(run: Run) -> dict[str, Any]:
    """A run as arrays and plain data."""
    tensors = run.network.state_dict()
    return {
        "weights": {name: tensor.cpu().numpy() for name, tensor in tensors.items()},
        "config": run.config.to_dict(),
        "signal": asdict(run.spec),
        "training": dict(run.training),
    }


def _run_of(plain: Mapping[str, Any]) -> Run:
    """The inverse of :func:`_plain`."""
    config = Config.from_dict(plain["config"])
    weights = {name: torch.from_numpy(array) for name, array in plain["weights"].items()}
    network = build_field(config.field).to(next(iter(weights.values())).dtype)
    network.load_state_dict(weights)
    return Run(network.eval(), config, SignalSpec.from_dict(plain["signal"]), plain["training"])
