"""A field that starts where linear methods end, and goes on from there.

    u(y) = m(y) + sum_j phi_j b_j(y)          on the nodes y of a grid
    v(x) = sum_y k(x, y) (u + R(u))(y)        at any x

The mean ``m`` and the components ``b_j`` are sums of cosines. At the start the components are the
functional principal components of the training signals (Ramsay and Silverman 2005, chapter 8), with
a covariance that is regularised, so that few signals do not spoil it. ``R`` is a small network of
convolutions, 0 at the start; ``k`` is cubic convolution, so that a value is defined everywhere. The
components are orthonormal on the box: from the projection of a signal on them, which is the
least-squares latent of the linear part, a few gradient steps find the latent of the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

from medfuncta._src.field.components.completion import Completion
from medfuncta._src.field.components.config import ComponentsConfig, fitted_to
from medfuncta._src.field.components.interpolation import Interpolation, NodeGrid, read, spread
from medfuncta._src.field.components.objective import ComponentsObjective
from medfuncta._src.field.components.principal import principal_components
from medfuncta._src.field.components.refinement import Refinement
from medfuncta._src.field.components.spectrum import analysed, lowest_cosines, synthesised
from medfuncta._src.field.components.start import coverage_of, largest_eigenvalue, solved
from medfuncta._src.field.field import Field, ParameterGroup
from medfuncta._src.field.table import FieldKind
from medfuncta._src.field.weights import Bounds
from medfuncta._src.signals.points import BatchPart, Points
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.types import Coordinates, Features, Latents, Values, Weights

_LEAST_VARIANCE: Final = 1e-12
_LEAST_STORED: Final = 1e-13
"""As small as a variance may be where one is read: what was rounded is let through. The noise is
divided by it."""
_MOST_VARIANCE: Final = 1e12
_POWERS: Final = 10
_MARGIN: Final = 1.1
"""The iteration for latents diverges where an eigenvalue is larger than it was told, and power
iteration comes near to the largest one from below."""
_CAUTION: Final = 10.0
"""What the noise is multiplied by where points are missing: what the components leave of a signal
is no white noise. Of 1, 3, 10 and 30 it filled gaps of validation heartbeats best."""


class ComponentsField(Field[ComponentsConfig]):
    """Components and their refinement.

    Args:
        config: Sizes; grid and box are those of the data by then.
        generator: Where the initial weights are drawn from.
    """

    def __init__(self, config: ComponentsConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        self.grid = NodeGrid(config.nodes, config.box)
        self.mean = nn.Parameter(torch.zeros(config.features, config.channels))
        self.components = nn.Parameter(
            torch.zeros(config.latent_size, config.features, config.channels)
        )
        self.refinement = Refinement(config, generator)
        self.completion: Completion | None = None
        if config.completion:
            self.completion = Completion(config, generator)
        self.variances: Tensor
        self.noise: Tensor
        self.register_buffer("variances", torch.ones(config.latent_size))
        self.register_buffer("noise", torch.zeros(()))
        with torch.no_grad():
            rows, features, channels = lowest_cosines(config)
            self.components[rows, features, channels] = 1.0

    @property
    def box(self) -> tuple[float, ...]:
        return self.grid.half_sides

    def forward(self, coordinates: Coordinates, latents: Latents) -> Values:
        grid = self.grid
        flat = self.node_values(latents).flatten(2).transpose(1, 2)
        taps = [grid.taps(coordinates[..., axis], axis) for axis in range(grid.dim)]
        index, weights = taps[0]
        for axis in range(1, grid.dim):
            nodes, of_nodes = taps[axis]
            index = (index.unsqueeze(-1) * grid.nodes[axis] + nodes.unsqueeze(-2)).flatten(-2)
            weights = (weights.unsqueeze(-1) * of_nodes.unsqueeze(-2)).flatten(-2)
        # Sizes are read off shapes, so that an exported model takes any number of either.
        signals, channels = flat.shape[0], self.config.channels
        wanted = index.flatten(1).unsqueeze(-1).expand(signals, -1, channels)
        values = flat.gather(1, wanted).reshape(signals, -1, index.shape[2], channels)
        return (weights.unsqueeze(-1) * values).sum(2)

    def node_values(self, latents: Latents) -> Tensor:
        """``[batch, channels, *nodes]``."""
        linear = self.linear_values(latents)
        return linear + self.refinement(linear)

    def linear_values(self, latents: Latents) -> Tensor:
        """Those of the mean and the components alone."""
        return synthesised(self.mean + self._combined(latents), self.config)

    def _combined(self, latents: Latents) -> Tensor:
        """Cosine coefficients of the components' sum, ``[batch, features, channels]``."""
        return torch.einsum("bp,pfc->bfc", latents, self.components)

    def initial_latents(self, points: Points) -> Latents:
        """The most probable latents for the linear part."""
        return self.most_probable(points, Interpolation(self.grid, points.coordinates))

    def most_probable(self, points: Points, interpolation: Interpolation) -> Latents:
        """The same, told how the points are read (:mod:`medfuncta._src.field.components.start`)."""
        mean = synthesised(self.mean.expand(points.batch, -1, -1), self.config)
        deviations = points.values - read(interpolation, mean)
        coverage = coverage_of(points, interpolation)
        if coverage is None:
            return self._projected(deviations, points.weights, interpolation)
        weights = coverage * points.weights
        ridge = (1 - coverage) * _CAUTION * self.noise / self.variances

        def product(latents: Latents) -> Latents:
            values = read(interpolation, synthesised(self._combined(latents), self.config))
            return self._projected(values, weights, interpolation)

        right = self._projected(deviations, weights, interpolation)
        largest = self._stretch() * largest_eigenvalue(weights, interpolation)
        return solved(product, right, ridge, largest)

    @torch.no_grad()
    def _stretch(self) -> Tensor:
        """No less than the largest eigenvalue of the components' products, 1 at the start and more
        where training has moved them: by power iteration, and what that may lack."""
        components = self.components.flatten(1)
        place = torch.arange(len(components), device=components.device, dtype=components.dtype)
        vector, largest = place.cos(), torch.ones_like(place[0])
        for _ in range(_POWERS):
            vector = components @ (components.T @ (vector / vector.norm()))
            largest = vector.norm()
        return _MARGIN * largest.clamp(min=1.0)

    def _projected(self, values: Values, weights: Weights, interpolation: Interpolation) -> Latents:
        """``B^T W values``."""
        of_nodes = spread(interpolation, weights.unsqueeze(-1) * values)
        return torch.einsum("bfc,pfc->bp", analysed(of_nodes, self.config), self.components)

    def objective(self, *, channel_mean: bool = False, autocast: str = "") -> ComponentsObjective:
        return ComponentsObjective(self, channel_mean=channel_mean, autocast=autocast)

    def values_of(self, latents: Latents, points: int) -> Callable[[Coordinates], Values]:
        del points
        with torch.no_grad():
            nodes = self.node_values(latents)

        def values(coordinates: Coordinates) -> Values:
            with torch.no_grad():
                return Interpolation(self.grid, coordinates).read(nodes)

        return values

    def features(self, coordinates: Coordinates, latents: Latents) -> Features:
        nodes = self.refinement.features(self.linear_values(latents))
        return read(Interpolation(self.grid, coordinates), nodes)

    def completed(self, points: Points) -> Points:
        if self.completion is None:
            return points
        return self.completion.completed(points, self._linear_guess)

    def side_loss(
        self, points: Points, generator: torch.Generator, part: BatchPart | None = None
    ) -> Tensor | None:
        if self.completion is None:
            return None
        return self.completion.loss(points, self._linear_guess, generator, part)

    def _linear_guess(self, points: Points) -> Tensor:
        """What the mean and the components say of signals, ``[batch, channels, *nodes]``."""
        return self.linear_values(self.initial_latents(points))

    def parameter_groups(self) -> list[ParameterGroup]:
        networks = list(self.refinement.parameters())
        if self.completion is not None:
            networks += self.completion.parameters()
        return [
            ParameterGroup([self.mean, self.components], scale=self.config.component_rate),
            ParameterGroup(networks),
        ]

    @property
    def starts_trained(self) -> bool:
        return self.completion is None

    @torch.no_grad()
    def learn_start(self, signals: SignalSet, generator: torch.Generator) -> None:
        """Take the mean and the principal components of these signals."""
        found = principal_components(signals, self.config, generator)
        components, variances = found.components, found.variances
        missing = self.config.latent_size - len(components)
        if missing > 0:  # fewer signals than numbers: the lowest cosines that are left
            components = _completed(components, self.components, self.config.latent_size)
            variances = torch.cat([variances, variances[-1:].expand(missing)])
        self.mean.copy_(found.mean)
        self.variances.copy_(variances.clamp(min=max(found.noise, _LEAST_VARIANCE)))
        self.noise.fill_(found.noise)
        self.components.copy_(components)


def _completed(components: Tensor, others: Tensor, count: int) -> Tensor:
    """Orthonormal rows: the components, then what the others add to them."""
    rows = torch.cat([components, others.to(components)]).flatten(1)
    basis = torch.linalg.qr(rows[: len(components) + count].T).Q
    signs = torch.ones(basis.shape[1]).to(basis)
    signs[: len(components)] = (basis[:, : len(components)].T * components.flatten(1)).sum(1).sign()
    return (basis * signs).T[:count].reshape(count, *components.shape[1:])


KIND = FieldKind(
    ComponentsConfig,
    ComponentsField,
    fitted_to,
    bounds={"variances": Bounds(_LEAST_STORED, _MOST_VARIANCE), "noise": Bounds(0, _MOST_VARIANCE)},
)
