"""Import of what the authors' code writes: its shared network and its folders of one pickled latent
a signal.

Its layers are ours with residual sums, a shifted first layer, an omega that grows by a fixed
increment and 0.5 added to the output; its last layer owns a shift map that is never used. Its grids
run from -1 to 1 at the *outer samples*, ours at the box around them: coordinates along an axis of n
samples differ by the factor n / (n - 1), which is put into the first layer's weights, so that an
imported field works on our grids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from medfuncta._src.config import InnerConfig
from medfuncta._src.door.allowance import NUMBER, check_signal
from medfuncta._src.door.declared import settle
from medfuncta._src.door.files import reason
from medfuncta._src.door.limits import MAX_CLASSES, Increment, Omega, Shape
from medfuncta._src.door.wording import counted, shortened
from medfuncta._src.errors import LatentSetError, MedFunctaError
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.field.siren.omega import omegas
from medfuncta._src.field.table import field_shapes
from medfuncta._src.latents.inert_objects import StandIn, state_of
from medfuncta._src.latents.inert_pickle import load_inert
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.signal import Label, SignalSpec

_OUTPUT_OFFSET: Final = 0.5
ODD: Final = (LookupError, RuntimeError, ValueError, TypeError, AttributeError, ArithmeticError)
"""What comes of tensors and modules that are not as the authors' code makes them."""
_HINT: Final = "expected the layers of the authors' LatentModulatedSIREN with shift modulation only"


@dataclass(frozen=True)
class ReferenceSettings:
    """What a file of bare weights does not say; the defaults are those of the authors' experiments.

    Args:
        omega_first: w of the first layer.
        omega_increment: What each further layer adds; None for the authors' 10 for traces, 5 for
            images and volumes.
        residual: Whether hidden layers are summed with their input.
        shape: The grid that the field was trained on; None where the file says it.
        omega_last: w of the last layer, the linear one, where it rises linearly from the first to
            it, as in the paper; it takes the place of an increment.
    """

    omega_first: Omega = 10.0
    omega_increment: Increment | None = None
    residual: bool = True
    shape: Shape | None = None
    omega_last: Omega | None = None

    def __post_init__(self) -> None:
        settle(self, noun="option")


def read_reference_field(path: Path, settings: ReferenceSettings | None = None) -> Run:
    """The shared network in ``model.pt`` (a pickled module, which says its own omegas) or
    ``*.model`` (bare weights, which say their grid).

    Nothing in the file is executed. ``run.spec.shape`` is the grid that it was trained on.

    Raises:
        LatentSetError: If the file holds something else, or the grid is said nowhere.
    """
    return reference_field_of(load_inert(path), path.name, settings)


def reference_field_of(content: Any, name: str, settings: ReferenceSettings | None = None) -> Run:
    """As :func:`read_reference_field`, of what a file of this name holds.

    Raises:
        LatentSetError: As :func:`read_reference_field`.
    """
    settings = settings or ReferenceSettings()
    try:
        state, settings = _state_and_settings(content, settings)
        shape = settings.shape or _shape_of_grid(state.get("grid"))
        if shape is None:
            raise LatentSetError(
                f"{name} does not say the grid of its signals; give it with --shape, such as "
                "--shape 64,64"
            )
        weights = {name.removeprefix("model."): t.float() for name, t in state.items()}
        config = _field_config(weights, settings)
        ours = _our_names(weights, config, shape)
        check_shapes(ours, config)  # before memory is asked for
        network = SirenField(config)
        network.load_state_dict(ours)
    except LatentSetError:
        raise
    except (MedFunctaError, *ODD) as error:
        line = shortened(reason(error))
        raise LatentSetError(
            f"{name} does not hold a field that can be imported ({line}); {_HINT}"
        ) from error
    whole = Config(field=config, inner=InnerConfig(channel_mean=True))
    spec = SignalSpec(config.dim, config.channels, shape)
    return Run(network.eval(), whole, spec, {"imported": name})


def _state_and_settings(
    content: Any, settings: ReferenceSettings
) -> tuple[dict[str, Tensor], ReferenceSettings]:
    """The tensors by name, and what the file itself says of the settings."""
    if isinstance(content, StandIn):
        return state_of(content), _settings_of(content, settings)
    if not isinstance(content, Mapping):
        return {}, settings
    tensors = {str(name): t for name, t in content.items() if isinstance(t, Tensor)}
    return tensors, settings


def check_shapes(weights: Mapping[str, Tensor], config: SirenConfig) -> None:
    """Raise unless weights have the shapes of a field.

    Raises:
        KeyError: At the first that has not.
    """
    for name, shape in (field_shapes(config) or {}).items():
        found = tuple(weights[name].shape)
        if found != shape:
            raise KeyError(f"{name} has the shape {list(found)}; expected {list(shape)}")


def _settings_of(module: StandIn, settings: ReferenceSettings) -> ReferenceSettings:
    """The omegas and the residual sums that a pickled module says of itself."""
    attributes = module.state if isinstance(module.state, dict) else {}
    inner = attributes.get("_modules", {}).get("model")
    if isinstance(inner, StandIn) and isinstance(inner.state, dict):
        attributes = inner.state
    children = attributes.get("_modules", {})
    layers = (
        children["layers"].state["_modules"].values()
        if isinstance(children.get("layers"), StandIn)
        else ()
    )
    omegas = [float(layer.state["w0"]) for layer in layers]
    if len(omegas) < 2:
        raise ValueError(f"the pickled module has {len(omegas)} layers with an omega")
    increments = np.diff(omegas)
    if not np.allclose(increments, increments[0]):
        raise ValueError(f"the omegas {omegas} do not grow evenly")
    return ReferenceSettings(
        omegas[0],
        float(increments[0]),
        bool(attributes.get("enable_skip_connections", True)),
        settings.shape,
    )


def _shape_of_grid(grid: Tensor | None) -> tuple[int, ...] | None:
    """The samples along each axis of the coordinates ``[points, dim]`` that the authors' wrapper
    keeps."""
    return (
        None
        if grid is None
        else tuple(len(grid[:, axis].unique()) for axis in range(grid.shape[1]))
    )


def _field_config(weights: Mapping[str, Tensor], settings: ReferenceSettings) -> SirenConfig:
    if any("modulate_scale" in name for name in weights):
        raise KeyError("it modulates scales too")
    hidden = len({name.split(".")[1] for name in weights if name.startswith("layers.")})
    width, dim = weights["layers.0.linear.weight"].shape
    increment = settings.omega_increment
    if settings.omega_last is not None:
        increment = (settings.omega_last - settings.omega_first) / hidden
    if increment is None:
        increment = 10.0 if dim == 1 else 5.0
    return SirenConfig(
        dim=dim,
        channels=len(weights["last_layer.linear.bias"]),
        layers=hidden + 1,
        width=width,
        latent_size=weights["layers.0.modulate_shift_layer.weight"].shape[1],
        omega_first=settings.omega_first,
        omega_last=settings.omega_first + increment * hidden,
        omega_increment=increment,
        residual=settings.residual,
        shift_first=True,
        output_offset=_OUTPUT_OFFSET,
    )


def _our_names(
    weights: Mapping[str, Tensor], config: SirenConfig, shape: Sequence[int]
) -> dict[str, Tensor]:
    state = {f"last.{kind}": weights[f"last_layer.linear.{kind}"] for kind in ("weight", "bias")}
    for layer in range(config.layers - 1):
        for kind in ("weight", "bias"):
            state[f"layers.{layer}.linear.{kind}"] = weights[f"layers.{layer}.linear.{kind}"]
            state[f"layers.{layer}.shift.{kind}"] = weights[
                f"layers.{layer}.modulate_shift_layer.{kind}"
            ]
    if len(shape) != config.dim or min(shape) < 2:
        raise KeyError(
            f"the shape {tuple(shape)} does not fit coordinates of "
            f"{counted(config.dim, 'axis', 'axes')}"
        )
    first = "layers.0.linear.weight"
    state[first] = state[first] * torch.tensor([n / (n - 1) for n in shape])
    return state


def reference_state(
    run: Run, shape: tuple[int, ...]
) -> tuple[dict[str, Tensor], dict[str, float | int | bool]]:
    """The weights of a field as the authors' wrapper names them, and the settings of their
    configuration that go with them.

    Any field of ours is one of theirs: a first layer without a shift gets a shift map of zeros, and
        the output's offset goes into the last
    bias. Their grid is that of ``shape`` without spacing.

    Raises:
        LatentSetError: If an axis has a single sample, for which the authors' grid has no scale.
    """
    if not isinstance(run.network, SirenField):
        raise LatentSetError(
            f"a field of kind '{run.config.field.kind}' has no counterpart in the authors' layout; "
            "export npz"
        )
    config = run.network.config
    if len(shape) != config.dim or min(shape) < 2:
        raise LatentSetError(
            f"signals of shape {shape}; the authors' layout needs "
            f"{counted(config.dim, 'axis', 'axes')} of at least "
            "two samples"
        )
    check_signal(f"the grid of shape {list(shape)}", prod(shape) * len(shape) * NUMBER)
    ours = {name: tensor.detach().cpu() for name, tensor in run.network.state_dict().items()}
    state = {
        "last_layer.linear.weight": ours["last.weight"],
        "last_layer.linear.bias": ours["last.bias"] + config.output_offset - _OUTPUT_OFFSET,
    }
    for layer in range(config.layers - 1):
        for kind, empty in (
            ("weight", (config.width, config.latent_size)),
            ("bias", (config.width,)),
        ):
            state[f"layers.{layer}.linear.{kind}"] = ours[f"layers.{layer}.linear.{kind}"]
            state[f"layers.{layer}.modulate_shift_layer.{kind}"] = ours.get(
                f"layers.{layer}.shift.{kind}", torch.zeros(empty)
            )
    state["layers.0.linear.weight"] = state["layers.0.linear.weight"] / torch.tensor(
        [n / (n - 1) for n in shape]
    )
    state["last_layer.modulate_shift_layer.weight"] = torch.zeros(
        config.channels, config.latent_size
    )  # theirs has one and never uses it
    state["last_layer.modulate_shift_layer.bias"] = torch.zeros(config.channels)
    axes = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in shape), indexing="ij")
    first, second, *_ = omegas(config)
    settings = {
        "in_size": config.dim,
        "out_size": config.channels,
        "hidden_size": config.width,
        "num_layers": config.layers,
        "latent_modulation_dim": config.latent_size,
        "w0": first,
        "w0_increment": second - first,
        "enable_skip_connections": config.residual,
    }
    return {f"model.{name}": tensor for name, tensor in state.items()} | {
        "grid": torch.stack(axes, -1).reshape(-1, len(shape))
    }, settings


@dataclass(frozen=True, eq=False)
class Datapoint:
    """One pickled latent.

    Args:
        number: In its file's name.
        latent: ``[latent]`` float32.
        label: Class number; the numbers of the classes that hold for a label of several 0 and 1;
            None without one.
    """

    number: int
    latent: np.ndarray
    label: Label


def datapoint_of(content: Any, name: str, number: int, latent_size: int) -> Datapoint:
    """One of them.

    Args:
        content: What its file holds.
        name: Of the file.
        number: In its name.
        latent_size: Numbers that it should have.

    Raises:
        LatentSetError: If it holds something else, a latent of another size, or a label that is no
            number.
    """
    latent = content.get("modulations") if isinstance(content, dict) else None
    if not isinstance(latent, Tensor) or latent.numel() != latent_size:
        got = counted(latent.numel(), "number") if isinstance(latent, Tensor) else "no tensor"
        raise LatentSetError(f"{name} holds {got} as modulations; expected {latent_size}")
    try:
        label = _label(content.get("label"))
    except ValueError as error:
        raise LatentSetError(
            f"{name} holds {error} as its label; expected the number of a class, or 0 or 1 for each"
        ) from error
    own = latent.to(torch.float32, copy=True)  # of a view, its file holds a whole batch
    return Datapoint(number, own.reshape(-1).numpy(), label)


def _label(stored: Any) -> Label:
    """The classes of a datapoint.

    Raises:
        ValueError: If they are no numbers of classes.
    """
    if stored is None:
        return None
    if isinstance(stored, int):
        stored = torch.tensor([min(stored, 2**62)])
    if not isinstance(stored, Tensor):
        raise ValueError("no number")
    flat = stored.reshape(-1)
    if not len(flat):
        return None
    if len(flat) == 1 and flat.dtype == torch.int64:  # of every latent of most sets
        number = flat.item()
        if abs(number) <= MAX_CLASSES:
            return int(number)
    if flat.is_complex() or not flat.isfinite().all() or (flat != flat.round()).any():
        raise ValueError("fractions, NaN or Inf")
    if flat.abs().max() > MAX_CLASSES:
        raise ValueError("a number beyond any class")
    if len(flat) == 1:
        return int(flat[0])
    return tuple(flat.nonzero().reshape(-1).tolist())
