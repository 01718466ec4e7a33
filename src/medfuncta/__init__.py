"""MedFuncta: one compact vector a signal.

What is listed in ``__all__`` is the public surface: it is what the README, the cards of published
latent sets and the documentation use, and it changes with a note in the changelog only. Everything
else may change without one. Each name is imported when it is first used, so that ``import
medfuncta`` costs next to nothing.
"""

import os
import sys


def _is_the_command() -> bool:
    """Whether this process was started as ``medfuncta`` or ``python -m medfuncta``, and not by a
    program that uses the package."""
    if sys.argv[:1] == ["-m"]:
        return sys.orig_argv[1:3] == ["-m", "medfuncta"]
    started = sys.argv[0].replace("\\", "/").rpartition("/")[2] if sys.argv else ""
    return started.removesuffix(".exe") == "medfuncta"


def _stop_quietly(*_: object) -> None:
    os.write(2, b"medfuncta: stopped by Ctrl-C\n")
    os._exit(130)


if _is_the_command():
    # Ctrl-C while modules are imported and while Python shuts down; in between main() cleans up.
    import _signal  # pyright: ignore[reportMissingImports]

    _signal.signal(_signal.SIGINT, _stop_quietly)

from importlib import import_module  # noqa: E402
from typing import TYPE_CHECKING, Any, Final  # noqa: E402

if TYPE_CHECKING:
    from medfuncta.config import FieldConfig, FitConfig, InnerConfig, TrainConfig
    from medfuncta.errors import (
        ConfigError,
        DataError,
        LatentSetError,
        MedFunctaError,
        RunError,
    )
    from medfuncta.estimator import FieldEncoder
    from medfuncta.field.components.config import ComponentsConfig
    from medfuncta.field.field import Field
    from medfuncta.field.finer import FinerConfig
    from medfuncta.field.siren.config import SirenConfig
    from medfuncta.field.table import FieldKind, build_field
    from medfuncta.latents.create import create_latent_set
    from medfuncta.latents.decode import decode, reconstruct
    from medfuncta.latents.edit import filter_latent_set, merge_latent_sets
    from medfuncta.latents.fit import fit_latents, fitter_of
    from medfuncta.latents.latent_set import LatentSet
    from medfuncta.latents.onnx import export_onnx
    from medfuncta.learning.callbacks import StepReport, TrainingCallback
    from medfuncta.learning.fitter import Fitted, Fitter
    from medfuncta.presets import PRESETS
    from medfuncta.process import keep_freed_memory
    from medfuncta.run import Run
    from medfuncta.settings import Config
    from medfuncta.signals.domain import Grid, Scatter
    from medfuncta.signals.signal import Signal, SignalHeader, SignalSpec, ValueRange
    from medfuncta.signals.signal_set import SignalSet
    from medfuncta.sources.arrays import from_arrays
    from medfuncta.sources.contents import Contents, Format, Survey
    from medfuncta.sources.file_format import file_format
    from medfuncta.sources.folder import FileOptions
    from medfuncta.sources.options import option
    from medfuncta.sources.skips import Skips
    from medfuncta.sources.source import Source, SourceInfo
    from medfuncta.sources.splitting import Item
    from medfuncta.sources.table import open_source
    from medfuncta.tasks.evaluate import evaluate
    from medfuncta.trackers import MLflowCallback, WandbCallback
    from medfuncta.workflow import train
    from medfuncta.writers.table import write_signal

__all__ = [
    "PRESETS",
    "ComponentsConfig",
    "Config",
    "ConfigError",
    "Contents",
    "DataError",
    "Field",
    "FieldConfig",
    "FieldEncoder",
    "FieldKind",
    "FileOptions",
    "FinerConfig",
    "FitConfig",
    "Fitted",
    "Fitter",
    "Format",
    "Grid",
    "InnerConfig",
    "Item",
    "LatentSet",
    "LatentSetError",
    "MLflowCallback",
    "MedFunctaError",
    "Run",
    "RunError",
    "Scatter",
    "Signal",
    "SignalHeader",
    "SignalSet",
    "SignalSpec",
    "SirenConfig",
    "Skips",
    "Source",
    "SourceInfo",
    "StepReport",
    "Survey",
    "TrainConfig",
    "TrainingCallback",
    "ValueRange",
    "WandbCallback",
    "build_field",
    "create_latent_set",
    "decode",
    "evaluate",
    "export_onnx",
    "file_format",
    "filter_latent_set",
    "fit_latents",
    "fitter_of",
    "from_arrays",
    "keep_freed_memory",
    "merge_latent_sets",
    "open_source",
    "option",
    "reconstruct",
    "train",
    "write_signal",
]

_HOMES: Final = {
    "PRESETS": "presets",
    "ComponentsConfig": "field.components.config",
    "Config": "settings",
    "ConfigError": "errors",
    "Contents": "sources.contents",
    "DataError": "errors",
    "Field": "field.field",
    "FieldConfig": "config",
    "FieldEncoder": "estimator",
    "FieldKind": "field.table",
    "FileOptions": "sources.folder",
    "FinerConfig": "field.finer",
    "FitConfig": "config",
    "Fitted": "learning.fitter",
    "Fitter": "learning.fitter",
    "Format": "sources.contents",
    "Grid": "signals.domain",
    "InnerConfig": "config",
    "Item": "sources.splitting",
    "LatentSet": "latents.latent_set",
    "LatentSetError": "errors",
    "MLflowCallback": "trackers",
    "MedFunctaError": "errors",
    "Run": "run",
    "RunError": "errors",
    "Scatter": "signals.domain",
    "Signal": "signals.signal",
    "SignalHeader": "signals.signal",
    "SignalSet": "signals.signal_set",
    "SignalSpec": "signals.signal",
    "SirenConfig": "field.siren.config",
    "Skips": "sources.skips",
    "Source": "sources.source",
    "SourceInfo": "sources.source",
    "StepReport": "learning.callbacks",
    "Survey": "sources.contents",
    "TrainConfig": "config",
    "TrainingCallback": "learning.callbacks",
    "ValueRange": "signals.signal",
    "WandbCallback": "trackers",
    "build_field": "field.table",
    "create_latent_set": "latents.create",
    "decode": "latents.decode",
    "evaluate": "tasks.evaluate",
    "export_onnx": "latents.onnx",
    "file_format": "sources.file_format",
    "filter_latent_set": "latents.edit",
    "fit_latents": "latents.fit",
    "fitter_of": "latents.fit",
    "from_arrays": "sources.arrays",
    "keep_freed_memory": "process",
    "merge_latent_sets": "latents.edit",
    "open_source": "sources.table",
    "option": "sources.options",
    "reconstruct": "latents.decode",
    "train": "workflow",
    "write_signal": "writers.table",
}
"""Public names and the modules that hold them."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # slow to import

        return version("medfuncta")
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
