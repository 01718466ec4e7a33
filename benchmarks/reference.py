"""The authors' code, run as it is, from a checkout (https://github.com/pfriedri/medfuncta): on a
CPU or, for ``benchmarks.device``, on a graphics card.

Nothing of it is copied or changed: what it needs from its scripts is handed in from outside, and
    :data:`REPLACED` names all of it.
"""

from __future__ import annotations

import importlib
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from benchmarks.case import FIT_STEPS, Case, sample_values
from benchmarks.measure import extra_memory, free_memory
from medfuncta._src.errors import MedFunctaError
from medfuncta._src.signals.psnr import psnr_of

REPLACED: Final = (
    "on a CPU torch.cuda.synchronize, called after each meta-step, does nothing",
    (
        "the arguments come from here, with its configuration files' values, instead of from its "
        "command line"
    ),
    "its data sets and loaders: tensors are handed in",
    "its logger: none, and the step at which it would draw pictures is never reached",
    (
        "fitting calls its inner_adapt_test_scale as its fit_nfs does, without writing a pickle "
        "for "
        "each signal"
    ),
    "warnings about arguments that PyTorch has deprecated are silenced",
)
"""What stops the authors' code on a CPU or without its scripts, and what stands in its place."""

DIFFERENCES: Final = (
    (
        "the authors' code draws one context set for the whole batch, ours one for each signal; "
        "gamma "
        "is the same"
    ),
)
"""What is not the same on both sides."""

_ROOM = 0.9  # the part of the free memory that a measurement may be expected to take
_NEVER = sys.maxsize
_DATA_TYPES: Final = {1: "timeseries", 2: "img", 3: "img3d"}
_MODULES: Final = ("models.inrs", "models.model_wrapper", "train.maml_boot", "common.utils")
_OUR_NAMES: Final = (  # the last layer's shift map is never used there and does not exist here
    (re.compile(r"layers\.(\d+)\.linear\.(\w+)"), r"layers.\1.linear.\2"),
    (re.compile(r"layers\.(\d+)\.modulate_shift_layer\.(\w+)"), r"layers.\1.shift.\2"),
    (re.compile(r"last_layer\.linear\.(\w+)"), r"last.\1"),
)


class Reference:
    """Their network, wrapper and optimiser.

    Args:
        directory: The checkout.
        case: Sizes and settings.
        device: Where it computes.

    Raises:
        MedFunctaError: If the folder is not a checkout, or a package that it needs is missing.
    """

    def __init__(self, directory: Path, case: Case, device: str = "cpu") -> None:
        self.case, self._device = case, torch.device(device)
        inrs, wrappers, self._maml, utils = _import(directory)
        self._arguments = _arguments(case, device)
        field = case.field
        torch.manual_seed(case.seed)
        self._model = inrs.LatentModulatedSIREN(
            field.dim,
            field.channels,
            field.width,
            field.layers,
            field.latent_size,
            w0=field.omega_first,
            w0_increments=field.omega_increment,
        )
        self._wrapper = wrappers.ModelWrapper(self._arguments, self._model).to(self._device)
        self._optimiser = torch.optim.AdamW(self._wrapper.parameters(), lr=case.learning_rate)
        self._metrics = utils.MetricLogger()

    def weights(self) -> dict[str, Tensor]:
        """A copy of their weights under our parameter names."""
        return {name: parameter.detach().clone() for name, parameter in self._named()}

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights under our parameter names."""
        for name, parameter in self._named():
            parameter.copy_(weights[name])

    def _named(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        for theirs, parameter in self._model.named_parameters():
            for pattern, ours in _OUR_NAMES:
                if pattern.fullmatch(theirs):
                    yield pattern.sub(ours, theirs), parameter

    def data(self, values: np.ndarray) -> Tensor:
        """Values ``[signals, points, channels]`` as ``[signals, channels, *shape]``."""
        return (
            torch.from_numpy(values)
            .transpose(1, 2)
            .reshape(len(values), -1, *self.case.shape)
            .contiguous()
            .to(self._device)
        )

    def meta_step(self, data: Tensor) -> None:
        """Their ``train_step``."""
        with self._ready(len(data)):
            self._maml.train_step(
                self._arguments, 1, self._wrapper, self._optimiser, data, self._metrics, None
            )

    def contexts(self, seed: int) -> list[Tensor]:
        """The points that each inner step of :meth:`meta_gradient` sees with this seed."""
        torch.manual_seed(seed)
        indices = []
        for _ in range(self.case.inner_steps):
            self._wrapper.random_sample()
            indices.append(self._wrapper.sampled_index)
        return indices

    def meta_gradient(self, data: Tensor, seed: int) -> dict[str, Tensor]:
        """The gradient of their ``train_step`` before it is clipped, under our parameter names."""
        torch.manual_seed(seed)
        with self._ready(len(data)):
            self._model.zero_grad()
            self._wrapper.coord_init()
            arguments = self._arguments
            self._maml.inner_adapt(
                self._wrapper,
                data,
                arguments.inner_lr,
                arguments.inner_steps,
                False,
                arguments.sample_type,
            )
            self._wrapper.coord_init()
            self._wrapper(data).mean().backward()
        return {
            name: parameter.grad for name, parameter in self._named() if parameter.grad is not None
        }

    def fit(self, data: Tensor, batch: int) -> Tensor:
        """Latents after H steps of their test-time adaptation (two gradients a step), as many
        signals at a time as ``batch``."""
        parts = []
        for signals in data.split(batch):
            with self._ready(len(signals)):
                self._wrapper.coord_init()
                self._maml.inner_adapt_test_scale(
                    self._wrapper,
                    signals,
                    self._arguments.inner_lr,
                    FIT_STEPS,
                    True,
                    self._arguments.sample_type,
                    "grad",
                )
            parts.append(self._model.modulations.detach())
        return torch.cat(parts)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Their plain forward pass on the whole grid, ``[signals, channels, *shape]``."""
        self._wrapper.coord_init()
        self._model.modulations = latents
        return self._wrapper()

    def psnr(self, data: Tensor, batch: int) -> float:
        """Mean PSNR in dB after fitting, of values clamped to [0, 1], measured as ours is."""
        latents = self.fit(data, batch)
        decoded = torch.cat([self.decode(part) for part in latents.split(batch)]).clamp(0, 1)
        errors = (decoded.reshape(len(data), -1) - data.reshape(len(data), -1)).square().mean(dim=1)
        return float(psnr_of(errors).mean())

    @contextmanager
    def _ready(self, batch: int) -> Iterator[None]:
        """Latents of this batch at zero, as their scripts set them, and what stops a CPU out of the
        way."""
        self._model.modulations = torch.zeros(
            batch, self.case.field.latent_size, device=self._device, requires_grad=True
        )
        with warnings.catch_warnings(), ExitStack() as stack:
            warnings.simplefilter("ignore")
            if self._device.type == "cpu":
                stack.enter_context(mock.patch("torch.cuda.synchronize"))
            yield


def meta_step(directory: Path, case: Case) -> Callable[[], None]:
    """A meta-step, ready to run on signals that come with our package."""
    reference = Reference(directory, case)
    data = reference.data(sample_values(case, case.batch))
    return lambda: reference.meta_step(data)


def meta_step_memory(directory: Path, case: Case) -> tuple[float | None, str]:
    """Extra memory of a meta-step in mebibytes; or None and the reason, when this machine cannot be
    expected to have it.

    Their memory grows by the same amount with each inner step, so one and two of them tell what all
    will take.
    """
    one, two = (
        extra_memory(meta_step, directory, replace(case, inner_steps=steps)) for steps in (1, 2)
    )
    reason = _shortage(one + (case.inner_steps - 1) * (two - one))
    return (None, reason) if reason else (extra_memory(meta_step, directory, case), "")


def fit(directory: Path, case: Case, batch: int) -> Callable[[], object]:
    """Test-time adaptation of one batch of signals that come with our package."""
    reference = Reference(directory, case)
    data = reference.data(sample_values(case, batch))
    return lambda: reference.fit(data, batch)


def fit_shortage(directory: Path, case: Case, batch: int) -> str:
    """Why this machine cannot be expected to fit that many signals side by side; empty when it
    can."""
    one, two = (extra_memory(fit, directory, case, few) for few in (1, 2))
    return _shortage(one + (batch - 1) * (two - one))


def _shortage(expected: float) -> str:
    free = free_memory()
    if expected <= _ROOM * free:
        return ""
    return (
        f"the reference would take about {expected / 1024:.1f} GiB, {free / 1024:.1f} GiB are free"
    )


def _arguments(case: Case, device: str) -> SimpleNamespace:
    """What their command line and configuration files would give."""
    return SimpleNamespace(
        device=device,
        data_type=_DATA_TYPES[case.field.dim],
        data_size=(case.field.channels, *case.shape),
        in_size=case.field.dim,
        out_size=case.field.channels,
        data_ratio=case.context_ratio,
        sample_type="random",
        inner_lr=case.config.inner.step_size,
        inner_steps=case.inner_steps,
        inner_lr_boot=case.config.inner.step_size,
        inner_steps_boot=0,
        lam=0.0,
        print_step=_NEVER,
    )


def check_checkout(directory: Path) -> None:
    """Raise where there is no checkout, or a package that it needs is missing.

    Raises:
        MedFunctaError: If so.
    """
    _import(directory)


def _import(directory: Path) -> list[Any]:
    """Their modules, whose names are as general as ``train``: the checkout is on the path only
    while they are imported."""
    if not (directory / "train" / "maml_boot.py").is_file():
        raise MedFunctaError(
            f"'{directory}' is not a checkout of the authors' code: no train/maml_boot.py in it; "
            "clone their repository"
        )
    sys.path.insert(0, str(directory.resolve()))
    try:
        return [importlib.import_module(name) for name in _MODULES]
    except ModuleNotFoundError as error:
        raise MedFunctaError(
            f"the authors' code needs the package '{error.name}', which is not installed; pip "
            f"install {error.name}"
        ) from error
    finally:
        sys.path.pop(0)
