"""What all signals of a source have in common."""

from __future__ import annotations

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.signals.preprocess import CropPad, GridStep, Preprocessing, Resample
from medfuncta._src.signals.signal import Signal, SignalSpec


def spec_of(
    first: Signal, preprocessing: Preprocessing, label_names: tuple[str, ...]
) -> SignalSpec:
    """What all signals have in common when they are like the first one; a shape only if the steps
    give every signal the same."""
    grid_steps = [step for step in preprocessing.steps if isinstance(step, GridStep)]
    last = grid_steps[-1] if grid_steps else None
    shape = None
    if isinstance(last, CropPad | Resample) and last.shape is not None:
        shape = first.values.shape[:-1]
    tasks = {0: "", 2: "binary-class"}
    return SignalSpec(
        dim=first.domain.dim,
        channels=first.channels,
        shape=shape,
        unit=first.unit,
        modality=str(first.metadata.get("modality", "")),
        label_names=label_names,
        task=tasks.get(len(label_names), "multi-class"),
    )


def check_alike(signal: Signal, spec: SignalSpec, name: str, remedy: str) -> None:
    """Raise where a signal is not of the form of the others.

    Raises:
        DataError: If it is not.
    """
    got = _form(signal.domain.dim, signal.channels, signal.unit)
    expected = _form(spec.dim, spec.channels, spec.unit)
    if got != expected:
        raise DataError(f"{name} has {got}; the first file has {expected}; {remedy}")


def _form(dim: int, channels: int, unit: str) -> str:
    in_unit = f" in {unit}" if unit else ""
    return f"{counted(dim, 'dimension')} and {counted(channels, 'channel')}{in_unit}"
