"""A folder of the authors' code, or an archive of one, as a latent set of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from medfuncta._src.disk.lock import writing
from medfuncta._src.door.limits import MAX_DATAPOINT
from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents.file_tree import FileTree, base, open_tree
from medfuncta._src.latents.inert_pickle import load_inert_from
from medfuncta._src.latents.info import SetInfo
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.layout_of_authors import Entry, Layout, find_layout
from medfuncta._src.latents.official import Datapoint, datapoint_of
from medfuncta._src.latents.schema import table_of
from medfuncta._src.latents.writer import LatentSetWriter, SplitWriter
from medfuncta._src.run import Run
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import SignalHeader, ValueRange
from medfuncta._src.sources.source import Skipped, SourceInfo
from medfuncta._src.status import counted_on_line

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
    inside: str | None = None,
) -> LatentSet:
    """Read ``train/``, ``val/`` and ``test/`` of ``datapoint_<i>.pt`` files; goes on where an
    earlier call was stopped.

    The signals themselves are not in such a folder, so their PSNR is not known. Rows stand in the
    order of the files' numbers; of a packed tar archive, in the order of the archive.

    Args:
        folder: What the authors' ``fit_NFset.py`` wrote, or a zip, tar or tar.gz archive of it;
            folders may lie around it.
        run: Its field, from ``read_reference_field``.
        out: Where the latent set goes.
        source: What is known of the data.
        label_names: Names of the classes by number.
        dtype: How latents are stored.
        skip_bad: Leave out files that cannot be read, instead of stopping at the first.
        inside: The folder of the set, where several lie in ``folder``.

    Raises:
        LatentSetError: If there is no split, a file is bad, an archive is not to be trusted, or
            ``out`` holds something else.
        DataError: If an archive unpacks to more than it may.
        MedFunctaError: If another process writes into ``out``, or the disk is full.
    """
    tree = open_tree(folder, MAX_DATAPOINT)
    layout = find_layout(tree, inside)
    return import_layout(
        tree,
        layout,
        run,
        out,
        source,
        label_names=label_names,
        dtype=dtype,
        skip_bad=skip_bad,
    )


def import_layout(
    tree: FileTree,
    layout: Layout,
    run: Run,
    out: Path | str,
    source: SourceInfo,
    *,
    label_names: Sequence[str] = (),
    dtype: str = "float32",
    skip_bad: bool = False,
) -> LatentSet:
    """As :func:`import_latent_set`, of files that were found.

    Raises:
        LatentSetError, MedFunctaError: As :func:`import_latent_set`.
    """
    size = run.config.field.latent_size
    first = next(iter(layout.splits.values()))
    example = next(_readable(tree, first, size, skip_bad))
    multi_label = isinstance(example, Datapoint) and isinstance(example.label, tuple)
    spec = replace(
        run.spec, label_names=tuple(label_names), task="multi-label" if multi_label else ""
    )
    info = SetInfo(run.fingerprint, size, spec, source, {}, dtype)
    with writing(Path(out)):
        writer = LatentSetWriter(out, run, info)
        for split, entries in layout.splits.items():
            target = writer.split(split)
            if target is not None:
                _check_same_files(target, entries)
                _import_split(target, tree, entries, writer.info, run, skip_bad)
                writer.finish_split(target)
        return writer.finish()


def _check_same_files(target: SplitWriter, entries: Sequence[Entry]) -> None:
    """Raise unless the last file that an earlier call has read stands where it stood then.

    Raises:
        LatentSetError: If it does not.
    """
    if not target.consumed:
        return
    last = target.consumed - 1
    if len(entries) <= last or base(entries[last].file.name) != target.last_id:
        raise LatentSetError(
            f"file {target.consumed} of split '{target.name}' is no longer '{target.last_id}'; the "
            "folder has changed since its import was begun: write to another folder"
        )


def _import_split(
    target: SplitWriter,
    tree: FileTree,
    entries: Sequence[Entry],
    info: SetInfo,
    run: Run,
    skip_bad: bool,
) -> None:
    done = target.consumed
    stream = _readable(tree, entries[done:], info.latent_size, skip_bad)
    while read := list(islice(stream, _BLOCK)):
        done += len(read)
        points = [entry for entry in read if isinstance(entry, Datapoint)]
        headers = [_header(f"{target.name}-{point.number}", point, run) for point in points]
        latents = np.empty((len(points), info.latent_size), np.float32)
        for row, point in enumerate(points):
            latents[row] = point.latent
        table = table_of(info, headers, latents, np.full(len(points), np.nan, np.float32))
        target.append(
            table,
            last_id=base(entries[done - 1].file.name),
            left_out=[entry for entry in read if isinstance(entry, Skipped)],
        )


def _readable(
    tree: FileTree, entries: Sequence[Entry], latent_size: int, skip_bad: bool
) -> Iterator[Datapoint | Skipped]:
    opened = tree.opened(entry.file for entry in entries)
    files = counted_on_line(zip(entries, opened, strict=True), "reading files of latents")
    for entry, (name, opener) in files:
        last = base(name)
        try:
            with opener() as file:
                content = load_inert_from(file, last)
            point = datapoint_of(content, last, entry.number, latent_size)
            if not np.isfinite(point.latent).all():
                raise LatentSetError(f"{last} holds a latent with NaN or Inf")
            yield point
        except LatentSetError as error:
            if not skip_bad:
                raise LatentSetError(f"{error} (--skip-bad leaves such files out)") from error
            yield Skipped(last, str(error))


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
