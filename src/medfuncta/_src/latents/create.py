"""From a source of signals to a latent set, one block of signals in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch

from medfuncta._src.cluster.crew import Crew, crew_of
from medfuncta._src.config import FitConfig
from medfuncta._src.disk.lock import writing
from medfuncta._src.door.callers import expecting
from medfuncta._src.door.limits import Processes
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import ConfigError, LatentSetError
from medfuncta._src.latents.fit import fitter_of
from medfuncta._src.latents.fit_blocks import BlockFitter, FitJob, FittedBlock, Reading, RunParcel
from medfuncta._src.latents.fit_on_crew import ItemReader, fitted_from_signals
from medfuncta._src.latents.info import SetInfo, fit_facts
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.writer import LatentSetWriter, SplitWriter
from medfuncta._src.run import Run
from medfuncta._src.signals.mark import TOLERANCE, weighted_mean
from medfuncta._src.signals.signal import Signal
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.identity import public_name
from medfuncta._src.sources.source import ALL, Skipped, Source


@expecting
def create_latent_set(
    run: Run,
    source: Source,
    out: Path | str,
    *,
    config: FitConfig | None = None,
    splits: Sequence[str] | None = None,
    dtype: str = "float32",
    positions: bool = False,
    device: torch.device | str | None = None,
    progress: Callable[[int], None] | None = None,
    workers: Processes | None = None,
    cluster: str | None = None,
    on_loss: Callable[[int], None] | None = None,
) -> LatentSet:
    """Fit every signal of a source and write the latents; goes on where an earlier call with the
    same settings was stopped.

    Signals whose fit does not stay finite have no row; they and files that the source skipped
    (under a digest of their name) are in ``info.splits[...].left_out``.

    Args:
        run: The shared network.
        source: Where the signals come from.
        out: The folder; it is made when missing.
        config: H and the batch; the run's own when None.
        splits: Which; each of the source's when None. ``["all"]`` puts all signals into one split
            of that name, as suits data that the network has never seen.
        dtype: How latents are stored: ``"float32"``, ``"float16"`` or ``"int8"``. PSNR is that of
            what was stored.
        positions: Keep the positions of scattered samples.
        device: Where to fit.
        progress: Called after each block with the number of signals that are done, those of earlier
            calls included.
        workers: Fit in so many processes of one thread each, which the set does not show: it is
            that of one process, bit for bit where all compute alike. Whichever of them dies, no
            signal is lost or doubled. In this process when None. A program that gives a number
            stands behind ``if __name__ == "__main__":``, since each worker imports it.
        cluster: Where workers run: ``"local"``, ``"ray"`` or ``"ray:ADDRESS"``; as many as suit it
            where only this is given.
        on_loss: Called at the end with the number of workers that died, where one did.

    Raises:
        ConfigError: If ``all`` is one of several splits.
        DataError: If the source does not fit the run, has no such split, or holds a bad file that
            is not to be skipped.
        LatentSetError: If ``out`` holds something else, or was begun with other settings or other
            signals.
        ConfigError: If the device or the cluster is not there, or ``workers`` is no number of them.
        MedFunctaError: If another process writes into ``out``, the disk is full, or several workers
            died of one block.
    """
    config = config or run.config.fit
    run.spec.check_fits(source.spec)
    names = _chosen_splits(source, splits)
    fit = fit_facts(config, run.config.inner)
    info = SetInfo(
        run.fingerprint,
        run.config.field.latent_size,
        source.spec,
        source.info,
        fit,
        dtype,
        positions,
    )

    def job() -> FitJob:
        return FitJob(RunParcel.of(run), config, info, _name(device), Reading.of(source))

    with writing(Path(out)), crew_of(workers, cluster, job) as crew:
        if crew is None:
            blocks = _Here(BlockFitter(fitter_of(run, config, device=device), info))
        else:
            blocks = _OnCrew(crew)
        writer = LatentSetWriter(out, run, info)
        for name in names:
            target = writer.split(name)
            if target is None:
                continue
            skipped_before = len(source.skipped)
            for block in blocks.fitted(source, name, target, config.batch):
                target.append(
                    block.table,
                    last_id=block.last_id,
                    left_out=block.left_out,
                    fitted_psnr=block.fitted_psnr,
                    mark=block.mark,
                )
                if progress is not None:
                    progress(writer.info.signals + target.consumed)
            writer.finish_split(
                target, [_published(entry) for entry in source.skipped[skipped_before:]]
            )
        if crew is not None and crew.lost and on_loss is not None:
            on_loss(crew.lost)
        return writer.finish()


def _chosen_splits(source: Source, splits: Sequence[str] | None) -> Sequence[str]:
    """The splits to fit.

    Raises:
        ConfigError: If ``all`` is asked for beside another one: signals would be there twice.
        DataError: If the source has no such split.
    """
    if splits is None:
        return source.splits
    for name in splits:
        source.check_split(name)
    if ALL in splits and len(splits) > 1:
        raise ConfigError(
            f"got the splits {', '.join(splits)}; '{ALL}' is every signal already, give it alone"
        )
    return splits


def _published(entry: Skipped) -> Skipped:
    """What a set may tell of a file that was left out: its name, and an error that quotes it, may
    name a patient."""
    return Skipped(public_name(entry.name, "hash"), "left out when the source was read")


class _Here:
    """Blocks that this process fits.

    Args:
        fitter: Fits one.
    """

    def __init__(self, fitter: BlockFitter) -> None:
        self._fitter = fitter

    def fitted(
        self, source: Source, split: str, target: SplitWriter, batch: int
    ) -> Iterator[FittedBlock]:
        """Those of a split that are still to be fitted."""
        for signals in _unfitted_blocks(source, split, target, batch):
            yield self._fitter.fit(signals, target.consumed)


class _OnCrew:
    """Blocks that workers fit.

    Args:
        crew: The workers.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def fitted(
        self, source: Source, split: str, target: SplitWriter, batch: int
    ) -> Iterator[FittedBlock]:
        """Those of a split that are still to be fitted."""
        if Reading.of(source) is not None:
            reader = ItemReader(self._crew, source, split, batch)
            return reader.fitted(target, lambda last, mark: _check_same(target, last, mark))
        blocks = _unfitted_blocks(source, split, target, batch)
        return fitted_from_signals(self._crew, blocks, target.consumed)


def _unfitted_blocks(
    source: Source, split: str, target: SplitWriter, batch: int
) -> Iterator[SignalSet]:
    """The signals after those that an earlier call has fitted, block by block.

    Raises:
        LatentSetError: If the source is not the one it was then.
    """
    for block in _blocks(_unfitted(source.signals(split), target), batch):
        yield SignalSet.collect(source.spec, block)


def _unfitted(signals: Iterator[Signal], target: SplitWriter) -> Iterator[Signal]:
    last = ""
    mark = 0.0
    for place, signal in enumerate(islice(signals, target.consumed)):
        last = signal.id
        mark += weighted_mean(signal.normalised(), place=place)
    _check_same(target, last, mark)
    return signals


def _check_same(target: SplitWriter, last: str, mark: float) -> None:
    """Raise where the signals that an earlier call has fitted are others now.

    Args:
        target: Where their rows are.
        last: The id of the last of them; ``""`` where there is none.
        mark: Of all of them.

    Raises:
        LatentSetError: If they are.
    """
    changed = ""
    if last != target.last_id:
        changed = (
            f"signal {target.consumed} of split '{target.name}' is '{last}', but was "
            f"'{target.last_id}' when it was fitted"
        )
    elif target.mark is not None and abs(mark - target.mark) > TOLERANCE:
        changed = (
            f"the first {counted(target.consumed, 'signal')} of split '{target.name}' have other "
            "values "
            "than when they were fitted"
        )
    if changed:
        raise LatentSetError(f"{changed}; the data has changed since: write to another folder")


def _name(device: torch.device | str | None) -> str | None:
    if device is None:
        return None
    return str(device)


def _blocks(signals: Iterator[Signal], size: int) -> Iterator[list[Signal]]:
    while block := list(islice(signals, size)):
        yield block
