"""Volumes of different shapes: learned as they are, or resampled to one grid first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from medfuncta.errors import ConfigError, DataError
from medfuncta.field.run import Run
from medfuncta.latents.decode import reconstruct
from medfuncta.latents.fit import fit_latents
from medfuncta.signals.domain import Grid
from medfuncta.signals.preprocess import Preprocessing, Resample
from medfuncta.signals.signal import Signal
from medfuncta.signals.signal_set import SignalSet
from medfuncta.sources.preprocessed import PreprocessedSource
from medfuncta.sources.table import open_source
from medfuncta.studies.findings import Findings, Trial
from medfuncta.studies.network import facts_of, held_out, network_for
from medfuncta.studies.pictures import quality_picture
from medfuncta.studies.table import StudyOptions
from medfuncta.tasks.metrics import SignalMetrics, measure

SIDE: Final = 32
"""Samples along each axis of the common grid."""
AS_THEY_ARE: Final = "learned as they are"
RESAMPLED: Final = f"learned at {SIDE} x {SIDE} x {SIDE}"
RESAMPLING_ALONE: Final = "resampling alone"

_EXPLANATION: Final = (
    "Both networks have the same size, seed and number of meta-steps, and both ways are compared with the original voxels: a latent is "
    f"decoded on the volume's own grid. '{RESAMPLING_ALONE}' takes each volume to the common grid and back by linear interpolation, with "
    "no network: what the resampled way loses before it begins."
)


def mixed_shapes(options: StudyOptions) -> Findings:
    """Train and fit both ways, and compare them on the held-out volumes' own grids.

    Raises:
        ConfigError: If a run is given: two are trained here.
        MedFunctaError: If the data are no volumes on grids of different shapes.
    """
    if options.run is not None:
        raise ConfigError("got a run for a study that trains two of its own; leave it out")
    native = open_source(options.data, skip_bad=options.skip_bad)
    if native.spec.dim != 3:
        raise DataError(f"{native.info.name} holds {native.spec.dim}D signals; expected volumes, 3D")
    shape = (SIDE, SIDE, SIDE)
    to_common = Preprocessing((Resample(shape),))
    resampled = PreprocessedSource(native, to_common, shape)
    signals = held_out(native, options)
    shapes = {signal.values.shape[:-1] for signal in signals}
    if len(shapes) < 2:
        raise DataError(f"all volumes of {native.info.name} have the shape {shapes.pop()}; expected several shapes")
    common = [to_common.apply(signal) for signal in signals]
    runs = [network_for(native, options), network_for(resampled, options)]
    metrics = {
        AS_THEY_ARE: _fitted(runs[0], signals, signals, options),
        RESAMPLED: _fitted(runs[1], common, signals, options),
        RESAMPLING_ALONE: [measure(signal, _back(to_common, there, signal)) for signal, there in zip(signals, common, strict=True)],
    }
    trial = Trial(f"volumes of {len(shapes)} shapes, on their own grids", metrics)
    facts = facts_of(native, runs[0], len(signals), options) | {"second network": f"{runs[1].fingerprint}, on the common grid"}
    return Findings("Volumes of different shapes", _EXPLANATION, facts, [trial], quality_picture([trial]))


def _fitted(run: Run, fitted: Iterable[Signal], originals: Sequence[Signal], options: StudyOptions) -> list[SignalMetrics]:
    """Fit signals, decode them where their originals lie, and compare."""
    collected = SignalSet.collect(run.spec, fitted)
    fit = fit_latents(run, collected, device=options.device)
    metrics = []
    for original, header, latent, error in zip(originals, collected.headers, fit.latents, fit.errors, strict=True):
        if error.isfinite():
            metrics.append(measure(original, reconstruct(run, latent, header, original.domain)))
        else:
            metrics.append(SignalMetrics.failure(original.id, original.label, original.domain.points))
    return metrics


def _back(preprocessing: Preprocessing, signal: Signal, original: Signal) -> Signal:
    assert isinstance(original.domain, Grid)
    return replace(preprocessing.invert(signal, original.domain), range=original.range)
