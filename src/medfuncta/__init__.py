"""MedFuncta: one compact vector a signal.

The names below are the public surface; each is imported when it is first used, so that
``import medfuncta`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from medfuncta.errors import MedFunctaError
    from medfuncta.latents.create import create_latent_set
    from medfuncta.latents.decode import reconstruct
    from medfuncta.latents.latent_set import LatentSet
    from medfuncta.presets import PRESETS
    from medfuncta.run import Run
    from medfuncta.signals.signal import Signal
    from medfuncta.sources.source import Source
    from medfuncta.sources.table import open_source
    from medfuncta.tasks.evaluate import evaluate
    from medfuncta.workflow import train
    from medfuncta.writers.table import write_signal

__all__ = [
    "PRESETS",
    "LatentSet",
    "MedFunctaError",
    "Run",
    "Signal",
    "Source",
    "create_latent_set",
    "evaluate",
    "open_source",
    "reconstruct",
    "train",
    "write_signal",
]

__version__ = version("medfuncta")

_HOMES: Final = {
    "PRESETS": "presets",
    "LatentSet": "latents.latent_set",
    "MedFunctaError": "errors",
    "Run": "run",
    "Signal": "signals.signal",
    "Source": "sources.source",
    "create_latent_set": "latents.create",
    "evaluate": "tasks.evaluate",
    "open_source": "sources.table",
    "reconstruct": "latents.decode",
    "train": "workflow",
    "write_signal": "writers.table",
}
"""Public names and the modules that hold them."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
