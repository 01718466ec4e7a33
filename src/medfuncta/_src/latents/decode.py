"""From a latent back to values, on any grid or at any positions, in memory of the result and one
chunk of points a core."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Final, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from medfuncta._src.door.allowance import NUMBER, check_signal
from medfuncta._src.door.callers import expecting
from medfuncta._src.door.limits import MAX_POINTS, Chunk
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError, LatentSetError
from medfuncta._src.field.field import Field
from medfuncta._src.learning.workers import side_by_side, workers_for
from medfuncta._src.run import Run
from medfuncta._src.signals.domain import Domain, Grid, Scatter
from medfuncta._src.signals.preprocess import InputGrid
from medfuncta._src.signals.signal import Signal, SignalHeader
from medfuncta._src.types import ArrayCoordinates, ArrayMask, ArrayValues

CHUNK: Final = 65536
"""Points decoded at a time, those of several small signals together, on the CPU by each core."""
_LEAST: Final = 1024
"""Points that are worth a core of their own."""
_EDGE: Final = 1e-6
"""How far beyond its box rounding can put a sample that lies on the edge: coordinates are
float32."""

_Target: TypeAlias = Domain | InputGrid
"""Where to decode."""
_Locator: TypeAlias = Callable[[np.ndarray], tuple[ArrayCoordinates, ArrayMask]]
"""Flat indices ``[n]`` of samples of a target to coordinates ``[n, dim]`` in the box of a signal,
and whether each lies inside, ``[n]``."""


@dataclass(frozen=True, eq=False)
class _Piece:
    """Some samples of several signals.

    Args:
        samples: Which of the target's.
        inside: ``[samples]`` whether each lies in the signals' box.
        values: ``[signals, samples, channels]`` float32, normalised.
    """

    samples: slice
    inside: ArrayMask
    values: np.ndarray


@expecting
def decode(
    network: Field,
    latents: Float[Tensor, " latent"] | Float[Tensor, "signals latent"],
    domain: Domain,
    *,
    chunk: Chunk | None = None,
    device: torch.device | str | None = None,
) -> ArrayValues:
    """f(x; theta, phi) at all samples of a domain.

    Args:
        network: The shared network.
        latents: phi, ``[latent]``, or of many signals, ``[signals, latent]``.
        domain: Where.
        chunk: Points of a signal at a time, on the CPU by each core; chosen when None. Bounds
            memory, changes results by rounding only.
        device: Where to compute; by default where the network is.

    Returns:
        Normalised values, float32, ``[*grid.shape, channels]`` or ``[points, channels]`` when
        scattered, behind an axis of signals when there are many; a trained field stays near [0, 1].

    Raises:
        DataError: If the domain has more points than any signal, or than one may ask for.
        LatentSetError: If the latents are not of the network's size.
    """
    rows = latents.reshape(-1, latents.shape[-1])
    check_grid(domain, network.config.channels, "a signal")
    check_whole(len(rows), domain.points * network.config.channels)
    values = np.empty((len(rows), domain.points, network.config.channels), np.float32)
    locate = partial(_in_the_box, domain)
    for piece in _pieces(network.on(device), rows, locate, domain.points, chunk):
        values[:, piece.samples] = piece.values
    return values.reshape(*latents.shape[:-1], *domain.shape, values.shape[-1])


def decode_at(
    network: Field,
    latents: Float[Tensor, "signals latent"],
    coordinates: ArrayCoordinates,
    *,
    device: torch.device | str | None = None,
) -> ArrayValues:
    """f(x; theta, phi) at any coordinates, those outside the box included.

    Args:
        network: The shared network.
        latents: phi of the signals.
        coordinates: Where, the same for all of them.
        device: Where to compute; by default where the network is.

    Returns:
        Normalised values, ``[signals, points, channels]`` float32.

    Raises:
        LatentSetError: If the latents are not of the network's size.
    """

    def locate(index: np.ndarray) -> tuple[ArrayCoordinates, ArrayMask]:
        return coordinates[index], np.ones(len(index), bool)

    points = len(coordinates)
    check_whole(len(latents), points * network.config.channels)
    values = np.empty((len(latents), points, network.config.channels), np.float32)
    for piece in _pieces(network.on(device), latents, locate, points, None):
        values[:, piece.samples] = piece.values
    return values


@expecting
def reconstruct(
    run: Run,
    latent: Float[Tensor, " latent"],
    header: SignalHeader,
    domain: _Target | None = None,
    *,
    chunk: Chunk | None = None,
    device: torch.device | str | None = None,
) -> Signal:
    """The signal that a latent stands for, in physical units.

    Args:
        run: The field that the latent was fitted with.
        latent: phi, ``[latent]``.
        header: The signal that was fitted: its place, value range and unit.
        domain: Where to decode instead of the signal's own samples. On an
            :class:`~medfuncta._src.signals.preprocess.InputGrid` samples lie where preprocessing
            has put them, and those that it has cut off are masked. Between two grids that both know
            their place in the world (an affine), samples lie where they are in the world, and those
            outside the signal's box are masked. Any other domain fills the same box.
        chunk: As for :func:`decode`.
        device: Where to compute; by default where the network is.

    Raises:
        DataError: If the domain is of another dimension, wholly outside the signal's box, or has
            more points than any signal.
        LatentSetError: If the latent is not of the network's size.
    """
    where = [domain or header.domain]
    signals = reconstruct_all(run, latent.unsqueeze(0), [header], where, chunk=chunk, device=device)
    return next(signals)


@expecting
def reconstruct_all(
    run: Run,
    latents: Float[Tensor, "signals latent"],
    headers: Sequence[SignalHeader],
    domains: Sequence[_Target] | None = None,
    *,
    chunk: Chunk | None = None,
    device: torch.device | str | None = None,
) -> Iterator[Signal]:
    """The signals that latents stand for, one after the other; neighbours with the same small grid
    are decoded together, which for heartbeats is several times faster than one by one.

    Arguments and errors are those of :func:`reconstruct`, with one header, and one domain if any,
    for each latent. ``chunk`` bounds the points of signals that are decoded together.
    """
    network = run.network.on(device)
    targets = domains or [header.domain for header in headers]
    for group in _alike(headers, targets, chunk or CHUNK):
        target = targets[group.start]
        yield from _reconstructed(network, latents[group], headers[group], target, chunk)


def _alike(
    headers: Sequence[SignalHeader], targets: Sequence[_Target], most_points: int
) -> Iterator[slice]:
    """Runs of signals that are decoded at the same coordinates and together have no more points
    than these; or one signal."""
    start = 0
    while start < len(headers):
        own, target = headers[start].domain, targets[start]
        most = max(1, most_points // target.points)
        stop = start + 1
        while stop < min(start + most, len(headers)):
            if headers[stop].domain != own or targets[stop] != target:
                break
            stop += 1
        yield slice(start, stop)
        start = stop


def _reconstructed(
    network: Field,
    latents: Tensor,
    headers: Sequence[SignalHeader],
    target: _Target,
    chunk: int | None,
) -> Iterator[Signal]:
    """Signals that are decoded at the same coordinates."""
    check_grid(target, network.config.channels, f"signal '{headers[0].id}'")
    locate = _locator(headers[0], target)
    values = np.empty((len(headers), target.points, network.config.channels), np.float32)
    inside = np.empty(target.points, bool)
    for piece in _pieces(network, latents, locate, target.points, chunk):
        inside[piece.samples] = piece.inside
        known = piece.inside[:, None]
        for header, restored, normalised in zip(headers, values, piece.values, strict=True):
            somewhere = np.where(known, normalised, np.float32(0))
            restored[piece.samples] = header.range.restore(somewhere)
    if not inside.any():
        raise DataError(
            f"signal '{headers[0].id}': the grid asked for lies wholly outside it; give one that "
            "overlaps it in the world"
        )
    mask = None if inside.all() else inside.reshape(target.shape)
    for header, restored in zip(headers, values, strict=True):
        if isinstance(target, InputGrid):
            decoded = target.header_before(header)
        else:
            decoded = replace(header, domain=target)
        yield Signal(decoded, restored.reshape(*target.shape, -1), mask)


def _pieces(
    network: Field, latents: Tensor, locate: _Locator, points: int, chunk: int | None
) -> Iterator[_Piece]:
    """Chunk by chunk, on the CPU one a core at once."""
    size, signals = network.config.latent_size, len(latents)
    if latents.shape[1:] != (size,):
        raise LatentSetError(
            f"a latent of shape {tuple(latents.shape[1:])}; this field expects ({size},): decode "
            "it with the field it was fitted with"
        )
    if not signals:
        return
    values_at = network.values_of(latents.to(network.device, network.dtype), points)

    def decoded(samples: slice) -> _Piece:
        coordinates, inside = locate(np.arange(samples.start, samples.stop))
        where = torch.from_numpy(coordinates).to(network.device, network.dtype)
        values = values_at(where.unsqueeze(0))
        return _Piece(samples, inside, values.float().cpu().numpy())

    cores = workers_for(network.device)
    if chunk is None:
        a_core = -(-points // cores)
        chunk = max(1, min(CHUNK // signals, max(_LEAST // signals, a_core)))
    starts = range(0, points, chunk)
    parts = (slice(start, min(start + chunk, points)) for start in starts)
    while several := list(islice(parts, cores)):
        yield from side_by_side([partial(decoded, part) for part in several])


def check_whole(signals: int, numbers: int) -> None:
    """Raise where signals are decoded at once that have more values together than any signal.

    Args:
        signals: How many.
        numbers: Values of one.

    Raises:
        DataError: If they have.
    """
    if signals * numbers > MAX_POINTS:
        raise DataError(
            f"{counted(signals, 'signal')} of {numbers:,} values; expected at most {MAX_POINTS:,} "
            "values "
            "together; decode fewer at a time, or on fewer points"
        )


def check_grid(target: _Target, channels: int, what: str) -> None:
    """Raise where a signal would have more values than it may ask for: a mistyped shape would
    otherwise be computed for hours.

    Args:
        target: Where it is decoded.
        channels: Values of a point.
        what: What an error calls it.

    Raises:
        DataError: If it would.
    """
    if target.points > MAX_POINTS:
        raise DataError(
            f"a grid of shape {target.shape} has {counted(target.points, 'point')}; expected at "
            "most "
            f"{MAX_POINTS:,}"
        )
    held = target.positions.nbytes if isinstance(target, Scatter) else 0
    needed = target.points * channels * NUMBER
    check_signal(f"{what} on a grid of {list(target.shape)}", needed, held)


def _locator(header: SignalHeader, target: _Target) -> _Locator:
    """How samples of ``target`` get coordinates in the signal's box."""
    own = header.domain
    if own.dim != target.dim:
        raise DataError(
            f"signal '{header.id}' has {counted(own.dim, 'dimension')}; the domain asked for has "
            f"{target.dim}"
        )
    if isinstance(target, InputGrid):
        return target.locate
    if not isinstance(own, Grid) or not isinstance(target, Grid):
        return partial(_in_the_box, target)
    if own.affine is None or target.affine is None:
        return partial(_in_the_box, target)
    voxels = _voxels_of(header, own.affine) @ target.affine
    return partial(_in_the_world, own, target, voxels)


def _voxels_of(header: SignalHeader, affine: np.ndarray) -> np.ndarray:
    """From world coordinates to voxel indices, ``[4, 4]``."""
    try:
        return np.linalg.inv(affine)
    except np.linalg.LinAlgError as error:
        raise DataError(
            f"signal '{header.id}' is placed in the world by a singular matrix; decode it by a "
            "shape or on its own grid"
        ) from error


def _in_the_world(
    own: Grid, target: Grid, voxels: np.ndarray, index: np.ndarray
) -> tuple[ArrayCoordinates, ArrayMask]:
    """Where samples of ``target`` lie on ``own``, told a matrix ``[4, 4]`` from voxel indices of
    the one to those of the other."""
    turn, shift = voxels[: own.dim, : own.dim], voxels[: own.dim, 3]
    positions = np.stack(np.unravel_index(index, target.shape), axis=-1)
    coordinates = own.coordinates_at(positions @ turn.T + shift)
    inside = np.abs(coordinates) <= np.array(own.half_sides) + _EDGE
    return coordinates, np.all(inside, axis=-1)


def _in_the_box(target: Domain, index: np.ndarray) -> tuple[ArrayCoordinates, ArrayMask]:
    """The samples of a domain that fills the signal's box."""
    return target.coordinates_of(index), np.ones(len(index), bool)
