"""From a latent back to values, on any grid or at any positions, in memory of the result and one
chunk of points a core."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from medfuncta.errors import DataError, LatentSetError
from medfuncta.field.field import Field
from medfuncta.learning.workers import side_by_side, workers_for
from medfuncta.run import Run
from medfuncta.signals.domain import Domain, Grid
from medfuncta.signals.signal import Signal, SignalHeader
from medfuncta.types import ArrayCoordinates, ArrayValues

CHUNK = 65536
"""Points decoded at a time, those of several small signals together, on the CPU by each core."""
_LEAST = 1024  # points that are worth a core of their own
_EDGE = 1e-6  # coordinates are float32: how far beyond the box's edge rounding can put a sample that lies on it

Locator = Callable[[np.ndarray], ArrayCoordinates]
"""Flat indices of samples to their coordinates."""
Piece = tuple[slice, ArrayCoordinates, ArrayValues]
"""Which samples, their coordinates, and their normalised values, ``[signals, samples, channels]``
float32."""


def decode(
    network: Field,
    latents: Float[Tensor, " latent"] | Float[Tensor, "signals latent"],
    domain: Domain,
    *,
    chunk: int | None = None,
    device: torch.device | str | None = None,
) -> ArrayValues:
    """f(x; theta, phi) at all samples of a domain.

    Args:
        network: The shared network; moved to ``device`` when one is given.
        latents: phi, ``[latent]``, or of many signals, ``[signals, latent]``.
        domain: Where.
        chunk: Points of a signal at a time, on the CPU by each core; chosen when None. Bounds
            memory, changes results by rounding only.
        device: Where to compute; by default where the network is.

    Returns:
        Normalised values, float32, ``[*grid.shape, channels]`` or ``[points, channels]`` when
        scattered, behind an axis of signals when there are many; a trained field stays near [0, 1].

    Raises:
        LatentSetError: If the latents are not of the network's size.
    """
    rows = latents if latents.ndim > 1 else latents.unsqueeze(0)
    values = np.empty((len(rows), domain.points, network.config.channels), np.float32)
    for part, _, piece in _pieces(
        network, rows, domain.coordinates_of, domain.points, chunk, device
    ):
        values[:, part] = piece
    return values.reshape(*latents.shape[:-1], *_shape(domain), values.shape[-1])


def reconstruct(
    run: Run,
    latent: Float[Tensor, " latent"],
    header: SignalHeader,
    domain: Domain | None = None,
    *,
    chunk: int | None = None,
    device: torch.device | str | None = None,
) -> Signal:
    """The signal that a latent stands for, in physical units.

    Args:
        run: The field that the latent was fitted with.
        latent: phi, ``[latent]``.
        header: The signal that was fitted: its place, value range and unit.
        domain: Where to decode instead of the signal's own samples. Between two grids that both
            know their place in the world (an affine), samples lie where they are in the world, and
            those outside the signal's box are masked; any other domain fills the same box.
        chunk: As for :func:`decode`.
        device: Where to compute; by default where the network is.

    Raises:
        DataError: If the domain is of another dimension, or wholly outside the signal's box.
        LatentSetError: If the latent is not of the network's size.
    """
    domains = None if domain is None else [domain]
    return next(
        reconstruct_all(run, latent.unsqueeze(0), [header], domains, chunk=chunk, device=device)
    )


def reconstruct_all(
    run: Run,
    latents: Float[Tensor, "signals latent"],
    headers: Sequence[SignalHeader],
    domains: Sequence[Domain] | None = None,
    *,
    chunk: int | None = None,
    device: torch.device | str | None = None,
) -> Iterator[Signal]:
    """The signals that latents stand for, one after the other; neighbours with the same small grid
    are decoded together, which for heartbeats is several times faster than one by one.

    Arguments and errors are those of :func:`reconstruct`, with one header, and one domain if any,
    for each latent.
    """
    targets = [header.domain for header in headers] if domains is None else domains
    for group in _alike(headers, targets):
        yield from _reconstructed(
            run, latents[group], headers[group], targets[group.start], chunk, device
        )


def _alike(headers: Sequence[SignalHeader], targets: Sequence[Domain]) -> Iterator[slice]:
    """Runs of signals that are decoded at the same coordinates and have no more points than a chunk
    together; or one signal."""
    start = 0
    while start < len(headers):
        own, target = headers[start].domain, targets[start]
        stop, most = start + 1, start + max(1, CHUNK // target.points)
        while (
            stop < min(most, len(headers))
            and headers[stop].domain == own
            and targets[stop] == target
        ):
            stop += 1
        yield slice(start, stop)
        start = stop


def _reconstructed(
    run: Run,
    latents: Tensor,
    headers: Sequence[SignalHeader],
    target: Domain,
    chunk: int | None,
    device: torch.device | str | None,
) -> Iterator[Signal]:
    """Signals that are decoded at the same coordinates."""
    locate, half_sides = _place(headers[0], target)
    values = np.empty((len(headers), target.points, run.network.config.channels), np.float32)
    inside = np.empty(target.points, bool)
    for part, coordinates, piece in _pieces(
        run.network, latents, locate, target.points, chunk, device
    ):
        inside[part] = (np.abs(coordinates) <= half_sides + _EDGE).all(axis=-1)
        for header, all_values, some in zip(headers, values, piece, strict=True):
            all_values[part] = header.range.restore(
                np.where(inside[part, None], some, np.float32(0))
            )
    if not inside.any():
        raise DataError(
            f"signal '{headers[0].id}': the grid asked for lies wholly outside it; give one that "
            "overlaps it in the world"
        )
    shape = _shape(target)
    mask = None if inside.all() else inside.reshape(shape)
    for header, all_values in zip(headers, values, strict=True):
        yield Signal(replace(header, domain=target), all_values.reshape(*shape, -1), mask)


def _pieces(
    network: Field,
    latents: Tensor,
    locate: Locator,
    points: int,
    chunk: int | None,
    device: torch.device | str | None,
) -> Iterator[Piece]:
    """Chunk by chunk, on the CPU one a core at once."""
    size, signals = network.config.latent_size, len(latents)
    if latents.shape[1:] != (size,):
        raise LatentSetError(
            f"a latent of shape {tuple(latents.shape[1:])}; this field expects ({size},): decode "
            "it with the field it was fitted with"
        )
    if not signals:
        return
    if device is not None:
        network = network.to(device)
    like = next(network.parameters())
    values_at = network.values_of(latents.to(like), points)

    def decoded(part: slice) -> Piece:
        coordinates = locate(np.arange(part.start, part.stop))
        values = values_at(torch.from_numpy(coordinates).to(like).unsqueeze(0))
        return part, coordinates, values.float().cpu().numpy()

    cores = workers_for(like.device)
    chunk = chunk or max(1, min(CHUNK // signals, max(_LEAST // signals, -(-points // cores))))
    parts = (slice(start, min(start + chunk, points)) for start in range(0, points, chunk))
    while several := list(islice(parts, cores)):
        yield from side_by_side([partial(decoded, part) for part in several])


def _place(header: SignalHeader, target: Domain) -> tuple[Locator, np.ndarray]:
    """How samples of ``target`` get coordinates in the signal's box, and half the sides of that
    box."""
    own = header.domain
    if own.dim != target.dim:
        raise DataError(
            f"signal '{header.id}' has {own.dim} dimensions; the domain asked for has {target.dim}"
        )
    if (
        not (isinstance(own, Grid) and isinstance(target, Grid))
        or own.affine is None
        or target.affine is None
    ):
        return target.coordinates_of, np.ones(own.dim)
    voxels = np.linalg.inv(own.affine) @ target.affine
    turn, shift = voxels[: own.dim, : own.dim], voxels[: own.dim, 3]

    def locate(index: np.ndarray) -> ArrayCoordinates:
        return own.coordinates_at(
            np.stack(np.unravel_index(index, target.shape), axis=-1) @ turn.T + shift
        )

    return locate, np.array(own.half_sides)


def _shape(domain: Domain) -> tuple[int, ...]:
    return domain.shape if isinstance(domain, Grid) else (domain.points,)
