"""The table of fields: the only place where one is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from dataclasses import field as dataclass_field
from importlib import import_module
from importlib.metadata import entry_points
from math import prod
from typing import TYPE_CHECKING, Any, Final

from medfuncta._src.config import FieldConfig
from medfuncta._src.door.limits import MAX_PARAMETERS
from medfuncta._src.errors import ConfigError, suggest

if TYPE_CHECKING:
    import torch

    from medfuncta._src.field.field import Field
    from medfuncta._src.field.weights import Bounds
    from medfuncta._src.signals.signal_set import SignalSet

FIELDS: Final = {
    "siren": "medfuncta._src.field.siren.field:KIND",
    "finer": "medfuncta._src.field.finer:KIND",
    "components": "medfuncta._src.field.components.field:KIND",
}
"""The word of ``field.kind`` and where its :class:`FieldKind` stands; imported when asked for."""

ENTRY_POINTS: Final = "medfuncta.fields"
"""Group of entry points by which another package adds rows; a name of ours is never replaced."""


@dataclass(frozen=True)
class FieldKind:
    """One row of the table.

    Args:
        config: The type of its settings, a :class:`FieldConfig` whose ``kind`` is its name.
        build: Makes the field, its initial parameters drawn from the generator.
        fitted_to: The settings with those filled in that follow from the training signals.
        bounds: What the numbers of its tensors may be, by the tensor's name, where not any number
            will do; files of others are held to them.
    """

    config: type[FieldConfig]
    build: Callable[[Any, torch.Generator], Field]
    fitted_to: Callable[[Any, SignalSet], Any] = lambda config, signals: config
    bounds: Mapping[str, Bounds] = dataclass_field(default_factory=dict)


def field_names() -> list[str]:
    """The words that ``field.kind`` may be, those of other packages included."""
    others = [point.name for point in entry_points(group=ENTRY_POINTS)]
    return [*FIELDS, *sorted(set(others) - FIELDS.keys())]


def field_kind(name: str) -> FieldKind:
    """One row of the table.

    Raises:
        ConfigError: If there is none of this name; the nearest one is named.
    """
    if name in FIELDS:
        module, attribute = FIELDS[name].split(":")
        return getattr(import_module(module), attribute)
    for point in entry_points(group=ENTRY_POINTS, name=name):
        return point.load()
    raise ConfigError(f"setting 'field.kind' is '{name}'; {suggest(name, field_names())}")


def build_field(config: FieldConfig, generator: torch.Generator | None = None) -> Field:
    """A field with fresh parameters.

    Args:
        config: Its settings; ``config.kind`` says which field.
        generator: Where the initial parameters are drawn from; seed 0 when not given.

    Raises:
        ConfigError: If it would be too large; nothing is allocated then.
    """
    import torch

    field_shapes(config)
    generator = generator or torch.Generator().manual_seed(0)
    return field_kind(config.kind).build(config, generator)


def box_of(config: FieldConfig) -> tuple[float, ...] | None:
    """The box of a field of these settings (:attr:`Field.box`), built without numbers as
    :func:`field_shapes` does; None also for a field that cannot be.

    Raises:
        ConfigError: If there is no such kind of field.
    """
    import torch

    kind = field_kind(config.kind)
    try:
        with torch.device("meta"):
            return kind.build(config, torch.Generator("cpu").manual_seed(0)).box
    except (RuntimeError, TypeError, ValueError):  # it asks its numbers for something
        return None


def field_shapes(config: FieldConfig) -> dict[str, tuple[int, ...]] | None:
    """The tensors of a field and their shapes, known before memory is asked for: it is built on
    PyTorch's ``meta`` device, where tensors have no numbers. None for a field that cannot be.

    Raises:
        ConfigError: If it would be too large.
    """
    import torch

    kind = field_kind(config.kind)
    try:
        with torch.device("meta"):
            field = kind.build(config, torch.Generator("cpu").manual_seed(0))
    except (RuntimeError, TypeError, ValueError):  # it asks its numbers for something
        return None
    shapes = {name: tuple(tensor.shape) for name, tensor in field.state_dict().items()}
    numbers = sum(map(prod, shapes.values()))
    if numbers > MAX_PARAMETERS:
        sizes = {name: size for name, size in asdict(config).items() if type(size) is int}
        words = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
        raise ConfigError(
            f"the settings [field] ask for a network of {numbers:,} numbers ({words}); expected at "
            f"most {MAX_PARAMETERS:,}"
        )
    return shapes
