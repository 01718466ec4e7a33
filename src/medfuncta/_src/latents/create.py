"""From a source of signals to a latent set, one block of signals in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from medfuncta._src.config import FitConfig
from medfuncta._src.disk.lock import writing
from medfuncta._src.door.callers import expecting
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import ConfigError, LatentSetError
from medfuncta._src.field.field import Field
from medfuncta._src.latents.fit import fitter_of
from medfuncta._src.latents.info import SetInfo, fit_facts
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.quantise import quantise, restore
from medfuncta._src.latents.schema import table_of
from medfuncta._src.latents.writer import LatentSetWriter, SplitWriter
from medfuncta._src.learning.fitter import Fitter
from medfuncta._src.learning.quality import clamped_errors
from medfuncta._src.run import Run
from medfuncta._src.signals.mark import TOLERANCE, DataMark, weighted_mean
from medfuncta._src.signals.psnr import psnr_of
from medfuncta._src.signals.signal import Signal
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.identity import public_name
from medfuncta._src.sources.source import ALL, Skipped, Source
from medfuncta._src.types import ArrayLatents


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

    Raises:
        ConfigError: If ``all`` is one of several splits.
        DataError: If the source does not fit the run, has no such split, or holds a bad file that
            is not to be skipped.
        LatentSetError: If ``out`` holds something else, or was begun with other settings or other
            signals.
        ConfigError: If the device is not there.
        MedFunctaError: If another process writes into ``out``, or the disk is full.
    """
    config = config or run.config.fit
    run.spec.check_fits(source.spec)
    names = _chosen_splits(source, splits)
    fit = fit_facts(config, run.config.inner)
    fitter = fitter_of(run, config, device=device)
    info = SetInfo(
        run.fingerprint,
        run.config.field.latent_size,
        source.spec,
        source.info,
        fit,
        dtype,
        positions,
    )
    with writing(Path(out)):
        writer = LatentSetWriter(out, run, info)
        for name in names:
            target = writer.split(name)
            if target is None:
                continue
            skipped_before = len(source.skipped)
            for block in _blocks(_unfitted(source.signals(name), target), config.batch):
                _append_fitted(target, fitter, info, SignalSet.collect(source.spec, block))
                if progress is not None:
                    progress(writer.info.signals + target.consumed)
            writer.finish_split(
                target, [_published(entry) for entry in source.skipped[skipped_before:]]
            )
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


def _unfitted(signals: Iterator[Signal], target: SplitWriter) -> Iterator[Signal]:
    """The signals after those that an earlier call has fitted.

    Raises:
        LatentSetError: If the source is not the one it was then.
    """
    last = ""
    mark = 0.0
    for place, signal in enumerate(islice(signals, target.consumed)):
        last = signal.id
        mark += weighted_mean(signal.normalised(), place=place)
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
    return signals


def _blocks(signals: Iterator[Signal], size: int) -> Iterator[list[Signal]]:
    while block := list(islice(signals, size)):
        yield block


def _append_fitted(target: SplitWriter, fitter: Fitter, info: SetInfo, signals: SignalSet) -> None:
    """Fit one block and append what came out finite."""
    fitted = fitter.fit(signals)
    latents = fitted.latents.numpy()
    psnr_before_storing = psnr_of(fitted.errors).numpy()
    finite = np.isfinite(latents).all(axis=1) & np.isfinite(psnr_before_storing)
    psnr = psnr_before_storing
    if info.dtype != "float32":
        psnr = _stored_psnr(fitter.field, info.dtype, signals, latents)
    kept_headers, left_out = [], []
    for header, ok in zip(signals.headers, finite, strict=True):
        if ok:
            kept_headers.append(header)
        else:
            left_out.append(Skipped(header.id, "its fit did not stay finite"))
    target.append(
        table_of(info, kept_headers, latents[finite], psnr[finite]),
        last_id=signals.headers[-1].id,
        left_out=left_out,
        fitted_psnr=float(psnr_before_storing[finite].sum(dtype=np.float64)),
        mark=DataMark.of(signals, first=target.consumed).sum,
    )


def _stored_psnr(field: Field, dtype: str, signals: SignalSet, latents: ArrayLatents) -> np.ndarray:
    """The PSNR of what a reader of the set will decode, ``[signals]``."""
    stored, scales = quantise(np.nan_to_num(latents), dtype)
    restored = torch.from_numpy(restore(stored, scales)).to(field.device, field.dtype)
    points = signals.points(range(len(signals))).to(field.device, field.dtype)
    return psnr_of(clamped_errors(field, restored, points)).float().cpu().numpy()
