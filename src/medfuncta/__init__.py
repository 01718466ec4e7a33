"""MedFuncta: one compact vector a signal.

What is listed in ``__all__`` is the public surface: it is what the README, the cards of published
latent sets and the documentation use, and it changes with a note in the changelog only. All else
lies below ``_src``, and may change without one. Each name is imported when it is first used, so
that ``import medfuncta`` costs next to nothing.
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
    from medfuncta._src.config import FieldConfig, FitConfig, InnerConfig, TrainConfig
    from medfuncta._src.door.allowance import allowing
    from medfuncta._src.errors import (
        ConfigError,
        DataError,
        LatentSetError,
        MedFunctaError,
        RunError,
    )
    from medfuncta._src.estimator import FieldEncoder
    from medfuncta._src.field.components.config import ComponentsConfig
    from medfuncta._src.field.field import Field
    from medfuncta._src.field.finer import FinerConfig
    from medfuncta._src.field.siren.config import SirenConfig
    from medfuncta._src.field.table import FieldKind, build_field
    from medfuncta._src.latents.create import create_latent_set
    from medfuncta._src.latents.decode import decode, reconstruct
    from medfuncta._src.latents.edit import filter_latent_set, merge_latent_sets
    from medfuncta._src.latents.fit import fit_latents, fitter_of
    from medfuncta._src.latents.latent_set import LatentSet
    from medfuncta._src.latents.onnx import export_onnx
    from medfuncta._src.learning.callbacks import StepReport, TrainingCallback
    from medfuncta._src.learning.fitter import Fitted, Fitter
    from medfuncta._src.presets import PRESETS
    from medfuncta._src.process import keep_freed_memory
    from medfuncta._src.run import Run
    from medfuncta._src.settings import Config
    from medfuncta._src.signals.domain import Grid, Scatter
    from medfuncta._src.signals.signal import Signal, SignalHeader, SignalSpec, ValueRange
    from medfuncta._src.signals.signal_set import SignalSet
    from medfuncta._src.sources.arrays import from_arrays
    from medfuncta._src.sources.contents import Contents, Format, Survey
    from medfuncta._src.sources.file_format import file_format
    from medfuncta._src.sources.folder import FileOptions
    from medfuncta._src.sources.options import option
    from medfuncta._src.sources.skips import Skips
    from medfuncta._src.sources.source import Source, SourceInfo
    from medfuncta._src.sources.splitting import Item
    from medfuncta._src.sources.table import open_source
    from medfuncta._src.tasks.evaluate import evaluate
    from medfuncta._src.tasks.explore import find_leaks
    from medfuncta._src.tasks.view import view, write_view
    from medfuncta._src.trackers import MLflowCallback, WandbCallback
    from medfuncta._src.workflow import train
    from medfuncta._src.writers.table import write_signal

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
    "allowing",
    "build_field",
    "create_latent_set",
    "decode",
    "evaluate",
    "export_onnx",
    "file_format",
    "filter_latent_set",
    "find_leaks",
    "fit_latents",
    "fitter_of",
    "from_arrays",
    "keep_freed_memory",
    "merge_latent_sets",
    "open_source",
    "option",
    "reconstruct",
    "train",
    "view",
    "write_signal",
    "write_view",
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
    "allowing": "door.allowance",
    "build_field": "field.table",
    "create_latent_set": "latents.create",
    "decode": "latents.decode",
    "evaluate": "tasks.evaluate",
    "export_onnx": "latents.onnx",
    "file_format": "sources.file_format",
    "filter_latent_set": "latents.edit",
    "find_leaks": "tasks.explore",
    "fit_latents": "latents.fit",
    "fitter_of": "latents.fit",
    "from_arrays": "sources.arrays",
    "keep_freed_memory": "process",
    "merge_latent_sets": "latents.edit",
    "open_source": "sources.table",
    "option": "sources.options",
    "reconstruct": "latents.decode",
    "train": "workflow",
    "view": "tasks.view",
    "write_signal": "writers.table",
    "write_view": "tasks.view",
}
"""Public names and the modules that hold them."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # slow to import

        return version("medfuncta")
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}._src.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
