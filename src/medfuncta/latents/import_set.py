"""A folder of the authors' code as a latent set of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from medfuncta.disk.lock import writing
from medfuncta.errors import LatentSetError
from medfuncta.latents.info import SetInfo
from medfuncta.latents.latent_set import LatentSet
from medfuncta.latents.official import Datapoint, datapoint_files, read_datapoint
from medfuncta.latents.schema import table_of
from medfuncta.latents.writer import LatentSetWriter, SplitWriter
from medfuncta.run import Run
from medfuncta.signals.domain import Grid
from medfuncta.signals.signal import SignalHeader, ValueRange
from medfuncta.sources.source import SPLITS, Skipped, SourceInfo

_BLOCK: Final = 1024


def import_latent_set(
    folder: Path,
    run: Run,
    out: Path | str,
    source: SourceInfo,
    *,
    label_names: Sequence[str] = (),
    dtype: str = "float32",
    skip_bad: bool = False,
) -> LatentSet:
    """Read ``train/``, ``val/`` and ``test/`` of ``datapoint_<i>.pt`` files; goes on where an
    earlier call was stopped.

    The signals themselves are not in such a folder, so their PSNR is not known.

    Args:
        folder: What the authors' ``fit_NFset.py`` wrote.
        run: Its field, from ``read_reference_field``.
        out: Where the latent set goes.
        source: What is known of the data.
        label_names: Names of the classes by number.
        dtype: How latents are stored.
        skip_bad: Leave out files that cannot be read, instead of stopping at the first.

    Raises:
        LatentSetError: If there is no split, a file is bad, or ``out`` holds something else.
        MedFunctaError: If another process writes into ``out``, or the disk is full.
    """
    files = {split: found for split in SPLITS if (found := datapoint_files(folder / split))}
    if not files:
        raise LatentSetError(
            f"no datapoint_<i>.pt files in train/, val/ or test/ of '{folder.name}'; give the "
            "folder that fit_NFset.py wrote"
        )
    size = run.config.field.latent_size
    example = next(_readable(folder, next(iter(files.values())), size, skip_bad))
    multi_label = isinstance(example, Datapoint) and isinstance(example.label, tuple)
    spec = replace(
        run.spec, label_names=tuple(label_names), task="multi-label" if multi_label else ""
    )
    info = SetInfo(run.fingerprint, size, spec, source, {}, dtype)
    with writing(Path(out)):
        writer = LatentSetWriter(out, run, info)
        for split, paths in files.items():
            target = writer.split(split)
            if target is not None:
                _check_same_files(target, paths)
                _import_split(target, folder, paths, writer.info, run, skip_bad)
                writer.finish_split(target)
        return writer.finish()


def _check_same_files(target: SplitWriter, paths: Sequence[Path]) -> None:
    """Raise unless the last file that an earlier call has read stands where it stood then.

    Raises:
        LatentSetError: If it does not.
    """
    if not target.consumed:
        return
    before = paths[: target.consumed]
    if len(before) < target.consumed or before[-1].name != target.last_id:
        raise LatentSetError(
            f"file {target.consumed} of split '{target.name}' is no longer '{target.last_id}'; the "
            "folder has changed since its import was begun: write to another folder"
        )


def _import_split(
    target: SplitWriter,
    folder: Path,
    paths: Sequence[Path],
    info: SetInfo,
    run: Run,
    skip_bad: bool,
) -> None:
    for start in range(target.consumed, len(paths), _BLOCK):
        block = paths[start : start + _BLOCK]
        read = list(_readable(folder, block, info.latent_size, skip_bad))
        points = [entry for entry in read if isinstance(entry, Datapoint)]
        headers = [_header(f"{target.name}-{point.number}", point, run) for point in points]
        latents = (
            np.stack([point.latent for point in points])
            if points
            else np.empty((0, info.latent_size), np.float32)
        )
        table = table_of(info, headers, latents, np.full(len(points), np.nan, np.float32))
        target.append(
            table,
            last_id=block[-1].name,
            left_out=[entry for entry in read if isinstance(entry, Skipped)],
        )


def _readable(
    folder: Path, paths: Sequence[Path], latent_size: int, skip_bad: bool
) -> Iterator[Datapoint | Skipped]:
    for path in paths:
        try:
            point = read_datapoint(path, latent_size, folder)
            if not np.isfinite(point.latent).all():
                raise LatentSetError(f"{path.name} holds a latent with NaN or Inf")
            yield point
        except LatentSetError as error:
            if not skip_bad:
                raise LatentSetError(f"{error} (--skip-bad leaves such files out)") from error
            yield Skipped(path.name, str(error))


def _header(id: str, point: Datapoint, run: Run) -> SignalHeader:
    """A signal on the grid that the field was trained on, with values in [0, 1]: all that the
    authors' folder says."""
    return SignalHeader(
        id=id,
        domain=Grid(run.spec.shape or ()),
        channels=run.spec.channels,
        range=ValueRange(0.0, 1.0),
        label=point.label,
    )
