"""Arrays to latents and back, with a run: the work of :meth:`Run.encode` and :meth:`Run.decode`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from medfuncta._src.config import FitConfig, Quality
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError, LatentSetError
from medfuncta._src.field.device import usable_device
from medfuncta._src.field.field import Field
from medfuncta._src.latents.decode import check_grid, check_whole, decode_at
from medfuncta._src.latents.decode import decode as decode_on
from medfuncta._src.latents.fit import fit_latents
from medfuncta._src.latents.given import Given, Ranges
from medfuncta._src.latents.target import CoordinatesOf, Target, numbers_of
from medfuncta._src.run import Run
from medfuncta._src.signals.domain import Domain
from medfuncta._src.signals.signal import ValueRange
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.containers import Channels, as_array

_FEW: Final = 5
"""Signals that an error names."""


def encode(
    run: Run,
    signals: Any,
    *,
    channels: Channels | None,
    spacing: float | Sequence[float] | None,
    mask: Any,
    range: Ranges,
    quality: Quality | None,
    steps: int | None,
    batch: int | None,
    device: torch.device | str | None,
) -> Tensor | np.ndarray:
    """See :meth:`Run.encode`."""
    given = Given.of(run.spec, signals, channels, spacing)
    collected = SignalSet.collect(run.spec, given.signals(run, mask, range))
    config = _fit_config(run.config.fit, quality, steps, batch)
    fitted = fit_latents(run, collected, config, device=device)
    lost = (~fitted.latents.isfinite().all(dim=1)).nonzero().flatten().tolist()
    if lost:
        names = ", ".join(given.name(number) for number in lost[:_FEW])
        raise DataError(
            f"the fit of {len(lost)} of {counted(len(given), 'signal')} did not stay finite "
            f"({names}); their "
            "values are unlike those that this run was trained on, leave them out"
        )
    latents = fitted.latents if given.many else fitted.latents[0]
    if not given.tensors:
        return latents.numpy()
    if isinstance(signals, Tensor):
        return latents.to(signals.device)
    return latents


def _fit_config(
    config: FitConfig, quality: Quality | None, steps: int | None, batch: int | None
) -> FitConfig:
    if quality is not None:
        config = replace(config, quality=quality)
    if batch is not None:
        config = replace(config, batch=batch)
    return config.with_steps(steps)


def decode(
    run: Run,
    latents: Any,
    *,
    shape: int | Sequence[int] | None,
    grid: Domain | None,
    coordinates: Any,
    like: Any,
    channels: Channels | None,
    spacing: float | Sequence[float] | None,
    mask: Any,
    range: Ranges,
    device: torch.device | str | None,
) -> Any:
    """See :meth:`Run.decode`."""
    phi = _latents_of(run, latents)
    target = Target.of(run, len(phi), like, channels, spacing)
    network = run.network
    if device is not None:
        network = network.on(usable_device(device))
    places = target.places(shape, grid, coordinates)
    spans = target.spans(range, mask)
    made = _decoded(network, phi, target, places, spans)
    if np.ndim(latents) == 1:
        return _as_given(made[0], latents)
    return _as_given(_stacked(made), latents)


def _decoded(
    network: Field,
    latents: Tensor,
    target: Target,
    places: Sequence[Domain | CoordinatesOf],
    spans: Sequence[ValueRange],
) -> list[Any]:
    """The signals in the form that was asked for, those at the same coordinates together."""
    made = []
    for rows in _alike(places):
        values = _values(network, latents[rows.start : rows.stop], places[rows.start])
        for number, normalised in zip(rows, values, strict=True):
            restored = _restored(normalised, spans[number])
            made.append(target.made(number, restored, places[number]))
    return made


def _latents_of(run: Run, given: Any) -> Tensor:
    """Latents as ``[signals, latent]``.

    Raises:
        LatentSetError: If they are none, or of another size.
    """
    size = run.config.field.latent_size
    expected = f"expected [{size}] or [signals, {size}] finite numbers"
    try:
        latents = numbers_of(given, "the latents given")
    except (TypeError, ValueError):
        raise LatentSetError(f"latents were given as {type(given).__name__}; {expected}") from None
    if latents.is_complex() or latents.ndim not in (1, 2) or latents.shape[-1] != size:
        raise LatentSetError(
            f"latents of {str(latents.dtype).removeprefix('torch.')} and shape "
            f"{tuple(latents.shape)}; {expected}: decode them with the run that encoded them"
        )
    if not latents.isfinite().all():
        raise LatentSetError(f"latents hold NaN or Inf; {expected}")
    if not len(latents):
        raise LatentSetError(f"no latents; {expected}")
    return latents.reshape(-1, size)


def _alike(places: Sequence[Any]) -> list[range]:
    """Runs of signals that are decoded at the same coordinates."""
    found, start = [], 0
    for number in range(1, len(places)):
        if places[number] != places[start]:
            found.append(range(start, number))
            start = number
    return [*found, range(start, len(places))]


def _values(network: Field, latents: Tensor, place: Domain | CoordinatesOf) -> Tensor:
    """Normalised values, ``[signals, *shape, channels]`` float32, where the network is."""
    if isinstance(place, CoordinatesOf):
        points = len(place.coordinates)
    else:
        points = place.points
        check_grid(place, network.config.channels, "a signal")
    check_whole(len(latents), points * network.config.channels)
    if latents.requires_grad and torch.is_grad_enabled():
        return _with_graph(network, latents, place)
    still = latents.detach().to(network.dtype)
    if isinstance(place, CoordinatesOf):
        values = decode_at(network, still, as_array(place.coordinates).astype(np.float32))
    else:
        values = decode_on(network, still, place)
    return torch.from_numpy(values)


def _with_graph(network: Field, latents: Tensor, place: Domain | CoordinatesOf) -> Tensor:
    """The same with a graph to the latents, and none to the weights."""
    if isinstance(place, CoordinatesOf):
        where, shape = place.coordinates, place.coordinates.shape[:1]
    else:
        where, shape = torch.from_numpy(place.coordinates()), place.shape
    weights = {name: weight.detach() for name, weight in network.named_parameters()}
    inputs = (
        where.to(network.device, network.dtype).unsqueeze(0),
        latents.to(network.device, network.dtype),
    )
    values = functional_call(network, weights, inputs)
    return values.float().reshape(len(latents), *shape, -1)


def _restored(values: Tensor, span: ValueRange) -> Tensor:
    return values * (span.high - span.low) + span.low


def _stacked(made: list[Any]) -> Any:
    """Arrays of one shape as one; images of other libraries, and arrays of several shapes, as a
    list."""
    plain = all(type(one) is Tensor for one in made)
    if plain and len({one.shape for one in made}) == 1:
        return torch.stack(made)
    return made


def _as_given(made: Any, latents: Any) -> Any:
    """A tensor where the latents are one, on their device; else an array."""
    if isinstance(made, list):
        return [_as_given(one, latents) for one in made]
    if type(made) is not Tensor:
        return made
    if isinstance(latents, Tensor):
        return made.to(latents.device)
    return made.detach().cpu().numpy()
