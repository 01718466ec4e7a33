"""The start of a field of components: functional principal components in closed form.

The covariance of cosine coefficients over the training signals is shrunk towards that of a
stationary process, whose variances are those of all cosines of about one frequency (Ledoit and Wolf
2004 shrink towards a multiple of the identity), and, where signals are few, tapered with distance
(Furrer and Bengtsson 2007): points far apart are then less correlated than few signals say. How
much of either is chosen by held-out training signals. Signals count by 1 / L, so that the mean of
log L is what falls.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from medfuncta._src.field.components.config import ComponentsConfig
from medfuncta._src.field.components.interpolation import Interpolation, NodeGrid, along_axis
from medfuncta._src.field.components.spectrum import (
    analysed,
    cosine_matrix,
    frequencies,
    lowest_cosines,
    synthesised,
)
from medfuncta._src.signals.domain import Domain, Grid
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.signal_set import SignalSet

_MOST_NUMBERS: Final = 2**25
"""Of the training signals that are looked at, in cosine coefficients: 128 MiB."""
_OVERSAMPLING: Final = 24
"""Directions more than are asked for, in the search for the leading ones (Halko et al. 2011)."""
_HELD_OUT: Final = 5
"""One training signal in so many chooses the regularisation, a stretch of neighbours: neighbours in
a file are often of one patient."""
_PLENTY: Final = 8
"""So many signals for each number of a latent need no choice."""
_TOGETHER: Final = 2**21
"""Numbers on the nodes that are looked at together."""
_KNOWN: Final = 1e-3
"""Of a node, from which on it was observed."""
_FLOOR: Final = 1e-3
"""Of a signal's L, in mean L, below which its weight grows no more."""


@dataclass(frozen=True)
class Regularisation:
    """How a covariance is made of few signals.

    Args:
        shrinkage: Part of the stationary one.
        tapered: Part of the rest that is tapered.
        length: Distance at which a taper has fallen to 0.6, in sides of the box.
        copies: Of each signal, times random fields whose covariance is the taper.
    """

    shrinkage: float = 0.02
    tapered: float = 0.0
    length: float = 0.5
    copies: int = 8


_CANDIDATES: Final = (
    Regularisation(),
    Regularisation(shrinkage=0.1),
    Regularisation(shrinkage=0.3),
    Regularisation(shrinkage=0.05, tapered=0.75),
)


@dataclass(frozen=True, eq=False)
class Principal:
    """What the training signals say of signals.

    Args:
        mean: ``[features, channels]`` cosine coefficients.
        components: ``[components, features, channels]``: orthonormal, the leading one first; fewer
            than were asked for where there are fewer directions.
        variances: Of the coordinates of signals along each component.
        noise: Variance along any other direction, a mean.
    """

    mean: Tensor
    components: Tensor
    variances: Tensor
    noise: float


@torch.no_grad()
def principal_components(
    signals: SignalSet, config: ComponentsConfig, generator: torch.Generator
) -> Principal:
    """Mean and components of signals."""
    on_nodes = _OnNodes(signals, config)
    rows = torch.cat(list(on_nodes.deviations()))
    colours = _colour_axes(rows)
    problem = _Problem(config, rows @ colours, generator)
    found = problem.components(problem.best_regularisation())
    components = found.T.reshape(-1, config.features, config.channels) @ colours.T
    variances = problem.variances(found)
    left = on_nodes.variance() - float(variances.sum())
    others = max(1, problem.nodes * config.channels - len(components))
    return Principal(
        mean=analysed(on_nodes.mean, config)[0] / problem.nodes,
        components=components,
        variances=variances,
        noise=max(0.0, left) / others,
    )


class _Problem:
    """The leading directions of regularised covariances of one set of signals.

    Args:
        config: Sizes.
        coefficients: Of signals, the mean taken off, ``[signals, features, channels]``.
        generator: Of the random fields and the first guess.
    """

    def __init__(
        self, config: ComponentsConfig, coefficients: Tensor, generator: torch.Generator
    ) -> None:
        self._config = config
        self._generator = generator
        self.nodes = math.prod(config.nodes)
        self._rows = coefficients.flatten(1)
        self._bins = torch.from_numpy(frequencies(config).round().astype(int))

    def best_regularisation(self) -> Regularisation:
        """The candidate whose components, of the other signals, leave the least mean log L of the
        held-out ones."""
        count = len(self._rows)
        held_out = count // _HELD_OUT
        if count > _PLENTY * self._config.latent_size or held_out < 2:
            return _CANDIDATES[0]
        others = torch.arange(held_out, count)
        unseen = self._rows[:held_out]
        scores = []
        for candidate in _CANDIDATES:
            components = self.components(candidate, others, reweightings=1)
            left = _left_over(unseen, components)
            scores.append(float((left + 1e-9).log().mean()))
        return _CANDIDATES[int(np.argmin(scores))]

    def variances(self, components: Tensor) -> Tensor:
        """Of the signals' coordinates along orthonormal columns."""
        return (self._rows @ components).square().mean(0)

    def components(
        self, how: Regularisation, of: Tensor | None = None, *, reweightings: int = 2
    ) -> Tensor:
        """Orthonormal columns ``[features * channels, components]``."""
        rows = self._rows if of is None else self._rows[of]
        copies = self._tapered_copies(rows, how)
        weights = rows.new_full((len(rows),), 1 / len(rows))
        subspace, iterations = self._first_guess(rows), 6
        for _ in range(reweightings + 1):
            data = torch.cat([rows, copies])
            own = (1 - how.tapered) * weights
            of_copies = how.tapered / how.copies * weights.repeat(len(copies) // len(rows))
            subspace = _leading(
                data,
                (1 - how.shrinkage) * torch.cat([own, of_copies]),
                how.shrinkage * self._smooth_spectrum(rows, weights),
                subspace,
                iterations,
            )
            iterations = 3  # from a good guess
            left = _left_over(rows, subspace[:, : self._config.latent_size])
            weights = 1 / (left + _FLOOR * left.mean() + 1e-12)
            weights = weights / weights.sum()
        return subspace[:, : self._config.latent_size]

    def _first_guess(self, rows: Tensor) -> Tensor:
        """Some signals and the lowest cosines."""
        size = rows.shape[1]
        width = min(self._config.latent_size + _OVERSAMPLING, size)
        guess = 1e-3 * torch.randn(size, width, generator=self._generator)
        component, feature, channel = lowest_cosines(self._config)
        flat = feature * self._config.channels + channel
        guess[flat, component] += 1
        some = torch.randperm(len(rows), generator=self._generator)[: width // 2]
        guess[:, width - len(some) :] = rows[some].T
        return torch.linalg.qr(guess).Q

    def _smooth_spectrum(self, rows: Tensor, weights: Tensor) -> Tensor:
        """The variance of each cosine and channel of a stationary process: the mean over cosines
        of about one frequency."""
        power = (rows.square() * weights.unsqueeze(1)).sum(0)
        power = power.reshape(self._config.features, self._config.channels)
        count = torch.bincount(self._bins).clamp(min=1)
        total = power.new_zeros(len(count), self._config.channels)
        total.index_add_(0, self._bins, power)
        return (total / count.unsqueeze(1))[self._bins].flatten()

    def _tapered_copies(self, rows: Tensor, how: Regularisation) -> Tensor:
        """Signals times smooth random fields: the covariance of these products is the signals'
        times the fields' (a Schur product), of full rank and never formed."""
        if not how.tapered:
            return self._rows[:0]
        config = self._config
        copies = torch.empty(how.copies, *rows.shape)
        for of_signal in range(len(rows)):
            coefficients = rows[of_signal].reshape(1, config.features, config.channels)
            fields = self._random_fields(how.copies, how.length)
            products = analysed(synthesised(coefficients, config) * fields, config)
            copies[:, of_signal] = products.flatten(1) / self.nodes
        return copies.flatten(0, 1)

    def _random_fields(self, count: int, length: float) -> Tensor:
        """``[count, 1, *nodes]`` of variance 1 and about covariance exp(-(d / length)^2 / 2)."""
        cosines = max(2, math.ceil(3.3 / length))
        dim = self._config.dim
        fields = torch.randn(count, 1, *[cosines] * dim, generator=self._generator)
        k = torch.arange(cosines)
        amplitude = torch.exp(-((math.pi * k * length) ** 2) / 4)
        amplitude = amplitude / amplitude.square().sum().sqrt()
        for axis, nodes in enumerate(self._config.nodes):
            matrix = cosine_matrix(nodes, cosines, fields) * amplitude
            fields = along_axis(fields, matrix, axis)
        return fields


def _leading(
    data: Tensor, weights: Tensor, diagonal: Tensor, guess: Tensor, iterations: int
) -> Tensor:
    """Leading eigenvectors of ``data^T diag(weights) data + diag(diagonal)``, which is not formed,
    by subspace iteration; orthonormal columns, the leading one first."""

    def applied(subspace: Tensor) -> Tensor:
        products = data.T @ ((data @ subspace) * weights.unsqueeze(1))
        return products + diagonal.unsqueeze(1) * subspace

    subspace = guess
    for _ in range(iterations - 1):
        subspace = torch.linalg.qr(applied(subspace)).Q
    within = subspace.T @ applied(subspace)
    _, rotation = torch.linalg.eigh((within + within.T) / 2)
    return subspace @ rotation.flip(1)


def _left_over(rows: Tensor, components: Tensor) -> Tensor:
    """L of each signal with these components alone."""
    return (rows.square().sum(1) - (rows @ components).square().sum(1)).clamp(min=0)


def _colour_axes(coefficients: Tensor) -> Tensor:
    """Orthonormal axes along which the channels are uncorrelated, ``[channels, channels]``."""
    flat = coefficients.flatten(0, 1)
    return torch.linalg.eigh(flat.T @ flat / len(flat))[1]


class _OnNodes:
    """Values of training signals on the nodes, some signals at a time: those of all would not fit
    into memory.

    Args:
        signals: The training signals; so many of them are looked at as have cosine coefficients
            that fit.
        config: Sizes.
    """

    def __init__(self, signals: SignalSet, config: ComponentsConfig) -> None:
        self._signals = signals
        self._config = config
        self._grid = NodeGrid(config.nodes, config.box)
        most = max(2, _MOST_NUMBERS // (config.features * config.channels))
        chosen = np.linspace(0, len(signals) - 1, min(len(signals), most)).astype(int)
        self._chosen = np.unique(chosen)
        self._squares = 0.0
        self.mean = self._mean()
        """``[1, channels, *nodes]``, each node's over the signals that were observed there."""

    def deviations(self) -> Iterator[Tensor]:
        """Cosine coefficients of signals, the mean taken off, ``[some, features, channels]``; 0 at
        nodes that were not observed."""
        self._squares = 0.0
        for values, seen in self._parts():
            deviations = torch.where(seen, values - self.mean, 0.0)
            self._squares += float(deviations.square().sum()) / self._grid.count
            yield analysed(deviations, self._config) / self._grid.count

    def variance(self) -> float:
        """Of the values, all channels together, once :meth:`deviations` has ended."""
        return self._squares / len(self._chosen)

    def _mean(self) -> Tensor:
        total: Any = 0
        count: Any = 0
        for values, seen in self._parts():
            total = total + (values * seen).sum(0, keepdim=True)
            count = count + seen.sum(0, keepdim=True)
        return total / count.clamp(min=1)

    def _parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        """``[some, channels, *nodes]``, and which nodes were observed, ``[some, 1, *nodes]``:
        signals of one grid together."""
        together = 1
        if self._signals.shared_grid:
            together = max(1, _TOGETHER // (self._grid.count * self._config.channels))
        for start in range(0, len(self._chosen), together):
            chosen = self._chosen[start : start + together]
            points = self._signals.points(chosen.tolist())
            yield self._on_nodes(points, self._signals.headers[chosen[0]].domain)

    def _on_nodes(self, points: Points, domain: Domain) -> tuple[Tensor, Tensor]:
        observed = (points.weights > 0).to(points.values.dtype)
        if isinstance(domain, Grid) and bool(observed.all()):
            values = _resampled(points.values, domain, self._grid)
            return values, torch.ones_like(values[:, :1], dtype=torch.bool)
        interpolation = Interpolation(self._grid, points.coordinates)
        known = interpolation.spread(observed.unsqueeze(-1))
        weighted = interpolation.spread(points.values * observed.unsqueeze(-1))
        seen = known > _KNOWN
        return weighted / torch.where(seen, known, 1.0), seen


def _resampled(values: Tensor, domain: Domain, grid: NodeGrid) -> Tensor:
    """Values of samples on a grid, ``[some, points, channels]``, on the nodes of another one: read
    where nodes are denser, averaged where samples are; the outer values reach to the box's end."""
    assert isinstance(domain, Grid)
    samples = NodeGrid(domain.shape, domain.half_sides)
    result = values.mT.reshape(len(values), -1, *domain.shape)
    for axis in range(grid.dim):
        matrix = _resampling(samples, grid, axis)
        if matrix is not None:
            result = along_axis(result, matrix, axis)
    return result


def _resampling(samples: NodeGrid, grid: NodeGrid, axis: int) -> Tensor | None:
    nodes = grid.axis(axis)
    if samples.nodes[axis] / samples.half_sides[axis] <= grid.nodes[axis] / grid.half_sides[axis]:
        return samples.matrix(nodes, axis)
    averaging = grid.matrix(samples.axis(axis), axis)
    if averaging is None:
        return None
    total = averaging.sum(0)
    within = samples.matrix(nodes, axis)
    assert within is not None
    means = averaging.T / torch.where(total > 0.1, total, 1.0).unsqueeze(1)
    return torch.where((total > 0.1).unsqueeze(1), means, within)
