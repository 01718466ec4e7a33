"""What learning, fitting, decoding and heads know of a field."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from medfuncta._src.config import FieldConfig
from medfuncta._src.errors import MedFunctaError
from medfuncta._src.field.device import usable_device
from medfuncta._src.field.functional import FunctionalObjective
from medfuncta._src.field.objective import Objective
from medfuncta._src.signals.points import BatchPart, Points
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.types import Coordinates, Features, Latents, Values

Settings = TypeVar("Settings", bound=FieldConfig)


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that share one learning rate.

    Args:
        parameters: The parameters.
        rate: What the rate of every meta-step is multiplied by where rates follow the omegas
            (w_1 / w_k for layer k of a SIREN); 1 for a field without omegas.
        scale: What the rate of every meta-step is multiplied by in any case.
        hidden: Whether it is a layer between the first and the last, whose matrices Muon takes.
    """

    parameters: Sequence[nn.Parameter]
    rate: float = 1.0
    scale: float = 1.0
    hidden: bool = False


class Field(nn.Module, ABC, Generic[Settings]):
    """A shared network f(x; theta, phi): coordinates and latents in, values out.

    A new field writes ``forward``, sets ``config``, and is a row of
    :data:`medfuncta._src.field.table.FIELDS`; everything else has a form that works for any module.
    """

    config: Settings

    @property
    def omegas(self) -> tuple[float, ...]:
        """w of each layer; empty for a field without them."""
        return ()

    @property
    def box(self) -> tuple[float, ...] | None:
        """Half the length of each side of the box, in coordinates, that the field has values of its
        own in; outside of it values are those of its edge. None where it has values everywhere."""
        return None

    @abstractmethod
    def forward(self, coordinates: Coordinates, latents: Latents) -> Values:
        """Values at coordinates.

        Args:
            coordinates: ``[batch, points, dim]``, or ``[1, points, dim]`` for a grid that all
                latents share.
            latents: ``[batch, latent]``.

        Returns:
            ``[batch, points, channels]``, near [0, 1] for a trained field. A value depends on its
            own coordinate and latent only.
        """

    @property
    def device(self) -> torch.device:
        """Where the parameters lie."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The floating type of the parameters."""
        return next(self.parameters()).dtype

    def on(self, device: torch.device | str | None) -> Field[Settings]:
        """This field when it lies there already (or ``device`` is None), else a copy that does.

        Raises:
            ConfigError: If there is no such device, or it does not compute.
        """
        if device is None:
            return self
        target = usable_device(device)
        if target == self.device:
            return self
        return self.copied().to(target)

    def copied(self) -> Field[Settings]:
        """A field of its own with the same parameters."""
        return copy.deepcopy(self)

    def zero_latents(self, signals: int) -> Latents:
        """phi_0 = 0 for so many signals: one row in memory, seen ``signals`` times."""
        row = torch.zeros(1, self.config.latent_size, device=self.device, dtype=self.dtype)
        return row.expand(signals, -1)

    def initial_latents(self, points: Points) -> Latents:
        """phi_0 of the signals with these points, ``[batch, latent]``; all 0 as in the paper where
        a field knows nothing better. Where it depends on the parameters, the field's objective
        differentiates it (:meth:`Objective.back_to_start`)."""
        return self.zero_latents(points.batch)

    def completed(self, points: Points) -> Points:
        """The points of signals with values at those that were not observed, where a field can tell
        them from the others, so that a latent is fitted to all of them; the points themselves where
        it cannot."""
        return points

    def side_loss(
        self, points: Points, generator: torch.Generator, part: BatchPart | None = None
    ) -> Tensor | None:
        """A loss on a batch of training signals of parameters that the meta-gradient does not
        reach, such as those of :meth:`completed`, whose gradient each meta-step adds to it; None
        where there are none.

        Args:
            points: All points of the signals.
            generator: Of what is drawn, on the CPU.
            part: Which signals of the batch these are where several processes have a part each:
                what is drawn is drawn for all of it.
        """
        del points, generator, part
        return None

    @property
    def starts_trained(self) -> bool:
        """Whether what :meth:`learn_start` leaves is a network that may be the best there will be,
        with no part of it that is still to be learned."""
        return False

    def learn_start(self, signals: SignalSet, generator: torch.Generator) -> None:
        """Take from the training signals, before the first meta-step, what needs no training;
        nothing where a field starts from random parameters."""
        del signals, generator

    def objective(self, *, channel_mean: bool = False, autocast: str = "") -> Objective:
        """The squared error of this field and its derivatives; weights that change ask for a new
        one.

        Args:
            channel_mean: Average the squared error over channels instead of summing it.
            autocast: ``"bfloat16"`` for matrix products in that type; ``""`` for the field's own.
        """
        return FunctionalObjective(self, channel_mean=channel_mean, autocast=autocast)

    def values_of(self, latents: Latents, points: int) -> Callable[[Coordinates], Values]:
        """The field with its latents filled in, without a graph; several threads may use it.

        Args:
            latents: ``[batch, latent]``.
            points: How many points a signal will be asked for, about.
        """
        del points

        def values(coordinates: Coordinates) -> Values:
            with torch.inference_mode():
                return self(coordinates, latents)

        return values

    def features(self, coordinates: Coordinates, latents: Latents) -> Features:
        """What the last layer reads, ``[batch, points, width]``, for heads that learn on it.

        Raises:
            MedFunctaError: If this field has no such thing.
        """
        raise MedFunctaError(
            f"a field of kind '{self.config.kind}' has no features that a head could learn on; "
            "train one of kind 'siren'"
        )

    def parameter_groups(self) -> list[ParameterGroup]:
        """All parameters, group by group; here the first and the last apart from those between."""
        parameters = list(self.parameters())
        ends = [ParameterGroup(part) for part in (parameters[:1], parameters[-2:]) if part]
        if len(parameters) <= 3:
            return [ParameterGroup(parameters)]
        return [ends[0], ParameterGroup(parameters[1:-2], hidden=True), ends[1]]

    def shift_maps(self) -> list[nn.Linear]:
        """The maps from latents to what they add to layers; empty for a field without them."""
        return []

    @torch.no_grad()
    def orthogonalise_shifts(self, generator: torch.Generator) -> None:
        """Draw the shift maps anew, each orthogonal and of the size it has: entries of a latent
        then move the shifts of a layer equally far and independently of each other (Saxe et al.
        2014)."""
        for shift in self.shift_maps():
            weight, size = shift.weight, shift.weight.norm()
            nn.init.orthogonal_(weight, generator=generator)
            weight *= size / weight.norm()
