"""The shared network and the held-out signals of a study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.learning.callbacks import StepReport
from medfuncta._src.run import Run
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.source import Source
from medfuncta._src.studies.study import HELD_OUT, StudyOptions
from medfuncta._src.workflow import resolve, train


def network_for(source: Source, options: StudyOptions) -> Run:
    """The run that the options name, or one trained on the source's training split and kept in
    memory only.

    Raises:
        MedFunctaError: If the run or the data cannot be read or do not fit each other.
    """
    if options.run is not None:
        run = Run.load(options.run)
        run.spec.check_fits(source.spec)
        return run
    return _trained(source, _training_settings(options), options)


def network_like(run: Run, source: Source, options: StudyOptions) -> Run:
    """A network trained on another source with every setting of a run.

    Raises:
        MedFunctaError: If the data cannot be read or do not fit the run.
    """
    run.spec.check_fits(source.spec)
    return _trained(source, run.config.to_dict(), options)


def _trained(
    source: Source, settings: Mapping[str, Mapping[str, Any]], options: StudyOptions
) -> Run:
    steps = resolve(source.spec, None, settings).train.steps

    def listen(report: StepReport) -> None:
        if report.val_psnr is not None:
            options.tell(
                f"step {report.progress.step} of {steps}: {report.val_psnr:.2f} dB on validation "
                "signals"
            )

    options.tell(f"training a shared network on {source.info.name} for {steps} meta-steps")
    with TemporaryDirectory() as folder:
        return train(
            source, Path(folder) / "run", settings=settings, device=options.device, listener=listen
        ).run


def _training_settings(options: StudyOptions) -> dict[str, dict[str, Any]]:
    """What the options change in the preset; validation is often enough to be heard of."""
    train = {"seed": options.seed, "validate_signals": 24}
    if options.steps is not None:
        train["steps"] = options.steps
        train["validate_every"] = max(1, options.steps // 4)
    return {"train": train}


def held_out(source: Source, options: StudyOptions) -> list[Signal]:
    """Signals of the test split, evenly spread, since neighbours are often of one patient.

    Raises:
        DataError: If there is no such split, or no signal in it.
    """
    signals = spread_out(source.signals("test"), options.limit or HELD_OUT)
    if not signals:
        raise DataError(
            f"no signals in the test split of {source.info.name}; expected at least one"
        )
    return signals


def spread_out(signals: Iterable[Signal], limit: int) -> list[Signal]:
    """All of the signals, or every second, third, ... of them, at most ``limit``; one pass, with
    twice as many in memory."""
    held: list[Signal] = []
    stride = 1
    for index, signal in enumerate(signals):
        if index % stride:
            continue
        held.append(signal)
        if len(held) == 2 * limit:
            held = held[::2]
            stride *= 2
    places = np.linspace(0, len(held) - 1, min(limit, len(held))).round().astype(int)
    return [held[place] for place in places.tolist()]


def facts_of(source: Source, run: Run, signals: int, options: StudyOptions) -> dict[str, str]:
    """Where the numbers of a study come from."""
    trained = run.training
    network = f"{run.fingerprint}, {trained.get('steps', 'unknown')} meta-steps"
    if "val_psnr" in trained:
        network += f", {trained['val_psnr']:.2f} dB on validation signals"
    return {
        "data": source.info.name,
        "licence": source.info.licence,
        "signals": f"{signals} of the test split, kept apart by {source.info.split_by}",
        "shared network": network,
        "latent": f"{counted(run.config.field.latent_size, 'number')} a signal",
        "fit": str(run.config.fit.plan),
        "seed": str(options.seed),
    }
