"""Volumes of different shapes: learned as they are, or resampled to one grid first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from medfuncta._src.errors import DataError
from medfuncta._src.latents.round_trip import round_trip
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.preprocess import Preprocessing, Resample
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.preprocessed import preprocessed
from medfuncta._src.sources.table import open_source
from medfuncta._src.studies.findings import Findings, Trial
from medfuncta._src.studies.network import facts_of, held_out, network_for, network_like
from medfuncta._src.studies.pictures import quality_picture
from medfuncta._src.studies.study import StudyOptions
from medfuncta._src.tasks.evaluate.metrics import SignalMetrics, measure, summarise
from medfuncta._src.tasks.evaluate.report import number

SIDE: Final = 32
"""Samples along each axis of the common grid."""
_AS_THEY_ARE: Final = "learned as they are"
_RESAMPLED: Final = f"learned at {SIDE} x {SIDE} x {SIDE}"

_EXPLANATION: Final = (
    "Both networks have the same size, seed and number of meta-steps, and both ways are compared "
    "with the original voxels: a latent is decoded on the volume's own grid. Taking each volume to "
    "the common grid and back by linear interpolation, with no network, shows what the resampled "
    "way loses before it begins."
)


def mixed_shapes(options: StudyOptions) -> Findings:
    """Train and fit both ways, and compare them on the held-out volumes' own grids.

    A run that the options name has learned the volumes as they are; the other network is trained
    with its settings.

    Raises:
        MedFunctaError: If the data are no volumes on grids of different shapes, or the run does not
            fit them.
    """
    native = open_source(options.data, skip_bad=options.skip_bad)
    if native.spec.dim != 3:
        raise DataError(
            f"{native.info.name} holds {native.spec.dim}D signals; expected volumes, 3D"
        )
    shape = (SIDE, SIDE, SIDE)
    to_common = Preprocessing((Resample(shape),))
    resampled = preprocessed(native, to_common, shape)
    signals = held_out(native, options)
    shapes = {signal.values.shape[:-1] for signal in signals}
    if len(shapes) < 2:
        raise DataError(
            f"all volumes of {native.info.name} have the shape {shapes.pop()}; expected several "
            "shapes"
        )
    common = [to_common.apply(signal) for signal in signals]
    run = network_for(native, options)
    second = network_like(run, resampled, options)
    own = [signal.domain for signal in signals]
    metrics = {
        _AS_THEY_ARE: _measured(signals, round_trip(run, signals, device=options.device)),
        _RESAMPLED: _measured(signals, round_trip(second, common, own, device=options.device)),
    }
    bound = summarise(_measured(signals, map(_there_and_back, common, signals)))
    trial = Trial(f"volumes of {len(shapes)} shapes, on their own grids", metrics)
    facts = facts_of(native, run, len(signals), options)
    facts["second network"] = f"{second.fingerprint}, on the common grid"
    facts["there and back without a network"] = number(bound.psnr.mean, 2, " dB")
    return Findings(
        "Volumes of different shapes", _EXPLANATION, facts, [trial], quality_picture([trial])
    )


def _measured(
    originals: Iterable[Signal], restored: Iterable[Signal | None]
) -> list[SignalMetrics]:
    return list(map(measure, originals, restored))


def _there_and_back(common: Signal, original: Signal) -> Signal:
    """A volume on the common grid, brought back to its own by interpolation."""
    assert isinstance(original.domain, Grid)
    back = Resample(original.domain.shape).apply(common)
    return original.with_values(back.values, back.mask)
