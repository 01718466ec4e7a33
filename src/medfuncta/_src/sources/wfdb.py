"""Records in the format of PhysioNet's WFDB: those of a folder, in groups that are never split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from medfuncta._src.errors import DataError
from medfuncta._src.sources.contents import Contents, Format
from medfuncta._src.sources.folder import find_files, open_folder
from medfuncta._src.sources.identity import public_name
from medfuncta._src.sources.layout import subject_of
from medfuncta._src.sources.options import option
from medfuncta._src.sources.recordings import CutOptions, Recording, Recordings
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.splitting import Item, SplitOptions
from medfuncta._src.sources.wfdb_header import read_header
from medfuncta._src.sources.wfdb_record import open_record
from medfuncta._src.sources.wfdb_segments import open_segments

_SAMPLE_FILES: Final = (".dat", ".mat", ".rec")
"""Suffixes of signal files that bear their record's name."""


@dataclass(frozen=True)
class WfdbOptions(SplitOptions, CutOptions):
    """What is cut out of which records."""

    annotator: str = option("atr", "suffix of the annotation files")
    exclude: tuple[str, ...] = option(
        (), "records left out; AAMI's practice for MIT-BIH is 102,104,107,217, which are paced"
    )
    patients: tuple[str, ...] = option(
        (), "records of one patient, joined by +, such as 201+202 of MIT-BIH; never split"
    )
    ids: Literal["hash", "names"] = option(
        "hash", "name signals by a 'hash' of their record's name, or by the 'names' themselves"
    )
    limit: int | None = option(None, "the first N signals of each split", at_least=1)


def _records(folder: Path, options: WfdbOptions, skips: Skips) -> list[Item]:
    """An item a record, those of one patient or recording in one group, in the order of the groups'
    names."""
    root = folder.parent if folder.is_file() else folder
    paths = {}
    for header in find_files(folder, (".hea",), skips.skip):
        path = header.with_suffix("")
        name = path.relative_to(root).as_posix()
        if name not in options.exclude:
            paths[name] = path
    if not paths:
        raise DataError(
            f"exclude= leaves no record of '{folder.name}'; expected at least one to be left"
        )
    _join_segments(paths, skips)
    if not paths:
        raise DataError(
            f"no record with signals in '{folder.name}': {skips.entries[0].name} "
            f"{skips.entries[0].reason}"
        )
    group_of = {name: subject_of(Path(name)) or name for name in paths}
    for joined in options.patients:
        members = [name for name in joined.split("+") if name in paths]
        group_of |= dict.fromkeys(members, "+".join(members))
    items = []
    for name in sorted(paths, key=lambda name: group_of[name]):
        id = public_name(name, options.ids).replace("/", "--")
        items.append(Item(id, paths[name].name, paths=(paths[name],), group=group_of[name]))
    return items


def _join_segments(paths: dict[str, Path], skips: Skips) -> None:
    """Take the segments of recordings, and headers that only describe segments, out of ``paths``: a
    recording is read by the header that joins them. A header beside samples of its own name is left
    closed: it may be of the test split."""
    joining, layouts = _headers_without_samples(paths)
    recording_of: dict[str, str] = {}
    for name, segments in joining.items():
        if not joining.keys().isdisjoint(segments):
            skips.leave_out(paths[name].name, "joins segments that join segments themselves")
            del paths[name]
        elif recording_of.keys().isdisjoint(segments):
            recording_of |= dict.fromkeys(segments, name)
        else:
            skips.leave_out(paths[name].name, "joins segments that another header joins too")
            del paths[name]
    for name in layouts:
        if name not in recording_of:
            reason = "tells only which leads the segments of a recording may have"
            skips.leave_out(paths[name].name, reason)
        del paths[name]
    joined = [segment for segment in recording_of if paths.pop(segment, None) is not None]
    if joined:
        count = len(set(recording_of.values()))
        skips.remark(f"{len(joined)} segments are read as the {count} recordings that they make up")


def _headers_without_samples(
    paths: Mapping[str, Path],
) -> tuple[dict[str, list[str]], list[str]]:
    """The headers that join segments, with the names of these, and those that only describe
    segments."""
    joining, layouts = {}, []
    for name, path in paths.items():
        if any(path.with_name(f"{path.name}{suffix}").exists() for suffix in _SAMPLE_FILES):
            continue
        try:
            header = read_header(path)
        except DataError:
            continue  # told when it is read
        if header.joins_segments:
            within = Path(name).parent
            joining[name] = [(within / segment).as_posix() for segment in header.segments]
        elif header.is_layout:
            layouts.append(name)
    return joining, layouts


def _open_wfdb(location: str, options: WfdbOptions, skips: Skips) -> Contents:
    """What lies in ``wfdb:DIR``."""
    folder = open_folder(location)
    inside = folder.parent if folder.is_file() else folder

    excluded = {inside / name for name in options.exclude}

    def open_recording(path: Path) -> Recording:
        if read_header(path).joins_segments:
            return open_segments(path, inside, options.annotator, skips.skip, excluded)
        return open_record(path, inside, options.annotator)

    def modality_of(_lead: str) -> str:
        return "ecg"

    items = _records(folder, options, skips)
    recordings = Recordings(
        folder=folder.name,
        items=items,
        options=options,
        splitting=options,
        open_recording=open_recording,
        skips=skips,
        modality_of=modality_of,
    )
    return recordings.contents("wfdb", folder, limit=options.limit, split_by="record")


FORMAT = Format(
    name="wfdb",
    summary="records of PhysioNet's WFDB: annotated heartbeats, or windows",
    options=WfdbOptions,
    open=_open_wfdb,
)
