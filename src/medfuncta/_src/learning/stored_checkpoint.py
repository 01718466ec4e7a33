"""What lies in the file of a checkpoint: read, held to declared types, and known to be as it was
written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

import torch
from msgspec import Meta
from torch import Tensor

from medfuncta._src.door.declared import Fault, convert, from_text
from medfuncta._src.door.files import Origin, decode_json
from medfuncta._src.door.limits import Count
from medfuncta._src.door.stored_arrays import TensorHeader, read_tensor_header, read_tensors
from medfuncta._src.door.wording import shortened, shown
from medfuncta._src.errors import RunError
from medfuncta._src.settings import ADDED, without_retired
from medfuncta._src.signals.mark import DataMark

_Format: TypeAlias = Literal["medfuncta-checkpoint-3"]
FORMAT: Final = get_args(_Format)[0]
"""Of the files."""
_FREE: Final = {("train", "keep_checkpoints"), ("train", "checkpoint_minutes")}
"""Settings that may be others when a run goes on: no number depends on them."""
Settings: TypeAlias = Mapping[str, Mapping[str, Any]]


class DamagedCheckpoint(RunError):
    """A checkpoint is missing, or not as it was written."""


@dataclass
class Progress:
    """How far a run is.

    What is read from a checkpoint keeps to the bounds of these annotations.

    Args:
        step: Finished meta-steps.
        seconds: Wall time of training so far, over all sessions.
        best_psnr: Best validation PSNR in dB so far, or None before the first validation.
        best_step: After which meta-step that was.
        skipped: Meta-steps whose gradient was not finite.
        returns: How often the best network was gone back to; each time halved the rate of all later
            meta-steps.
    """

    step: Count = 0
    seconds: Annotated[float, Meta(ge=0)] = 0.0
    best_psnr: float | None = None
    best_step: Count = 0
    skipped: Count = 0
    returns: Annotated[int, Meta(ge=0, le=64)] = 0


@dataclass(frozen=True)
class _Notes:
    """The header of a checkpoint, whose entries are texts."""

    format: _Format
    config: str
    progress: str
    average_updates: str
    data: str = ""
    due: str = "null"
    job: str = ""
    checksum: str = ""


@dataclass(frozen=True, eq=False)
class StoredCheckpoint:
    """What a checkpoint holds."""

    origin: Origin
    header: TensorHeader
    tensors: Mapping[str, Tensor]
    progress: Progress
    average_updates: int
    data: DataMark | None
    due: dict[str, float] | None

    @classmethod
    def read(cls, path: Path, config: Settings) -> StoredCheckpoint:
        """A checkpoint that was written with these settings.

        Raises:
            RunError: If it is missing, damaged, or was written with others.
        """
        origin = Origin(
            name=f"the checkpoint {path.name}",
            error=DamagedCheckpoint,
            remedy="train anew into another folder; the best network so far is in this one",
            missing=f"no checkpoint {path.name} to resume from; start the run without --resume",
        )
        header = read_tensor_header(path, origin)
        if header.notes.get("format") != FORMAT:
            raise RunError(
                f"{path.name} is not a checkpoint of this program's version; start the run anew "
                "without --resume"
            )
        with origin.blamed():
            notes = convert(header.notes, _Notes)
            stored = convert(_note(notes, "config"), dict[str, dict[str, Any]], "config")
            progress = convert(_note(notes, "progress"), Progress, "progress", whole=True)
            updates = from_text(notes.average_updates, Count, "average_updates")
            data = None
            if notes.data:  # older ones say nothing of it
                data = convert(_note(notes, "data"), DataMark, "data", whole=True)
            due = convert(_note(notes, "due"), dict[str, float] | None, "due")
        stored = without_retired(stored)
        _check_kind(stored, config)
        with origin.blamed():
            _check_whole(stored, config)
        _check_settings(stored, config)
        with origin.blamed():
            _check_progress(progress, stored["train"]["steps"])
            tensors = read_tensors(path)
        return cls(origin, header, tensors, progress, updates, data, due)

    def check_sum(self) -> None:
        """Raise unless everything is as it was written; older ones have no checksum.

        Raises:
            Fault: If something is not.
        """
        notes = dict(self.header.notes)
        written = notes.pop("checksum", "")
        if written and written != checksum_of(self.tensors, notes):
            raise Fault("", "is not what was written")

    def check_data(self, now: DataMark) -> None:
        """Raise unless the training signals are those that it learned from.

        Raises:
            RunError: If they are others.
        """
        difference = "" if self.data is None else self.data.difference(now)
        if difference:
            raise RunError(
                f"the training signals are not those that the run was started with: {difference}; "
                "resume with the same data, or start a new run with --start-from"
            )


def _note(notes: _Notes, name: str) -> Any:
    """An entry of the header as plain data.

    Raises:
        Fault: If it is none. No person writes it, so that what a reader of JSON says would help
            nobody.
    """
    try:
        return decode_json(getattr(notes, name))
    except Fault as error:
        raise Fault(f"its entry '{name}'", "is not as it was written") from error


def written_by(path: Path) -> tuple[int, str]:
    """After which meta-step a checkpoint was written, and by which job.

    Raises:
        DamagedCheckpoint: If it does not say.
    """
    origin = Origin(f"the checkpoint {path.name}", DamagedCheckpoint, "remove it")
    with origin.blamed():
        notes = read_tensor_header(path, origin).notes
        progress = convert(decode_json(notes.get("progress", "")), Progress, "progress", whole=True)
    return progress.step, notes.get("job", "")


def checksum_of(tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> str:
    """A digest of everything that a checkpoint holds."""
    digest = hashlib.sha256(json.dumps(dict(notes), sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _check_progress(progress: Progress, steps: int) -> None:
    """Raise where the numbers of meta-steps contradict each other."""
    if progress.step > steps:
        raise Fault("progress.step", f"is {progress.step:,}; expected at most {steps:,}")
    for name in ("best_step", "skipped"):
        count = getattr(progress, name)
        if count > progress.step:
            expected = f"expected at most {progress.step:,}, the steps taken"
            raise Fault(f"progress.{name}", f"is {count:,}; {expected}")


def _check_kind(stored: Settings, config: Settings) -> None:
    """Raise where the run is of another kind of field, whose settings are others altogether."""
    before = stored.get("field", {}).get("kind", "siren")
    now = config["field"]["kind"]
    if before != now:
        raise RunError(
            f"the run was started with a field of kind {shown(before)}, now it is {shown(now)}; "
            "resume with the same --preset and settings"
        )


def _check_whole(stored: Settings, config: Settings) -> None:
    """Raise where a setting is missing; those that were added later had their default before."""
    for section, settings in config.items():
        for key in settings:
            if key not in stored.get(section, {}) and (section, key) not in ADDED:
                raise Fault(f"config.{section}.{key}", "is missing")


def _check_settings(stored: Settings, config: Settings) -> None:
    """Raise at the first setting that is another one now."""
    current = json.loads(json.dumps(config))
    for section, settings in stored.items():
        for key, before in settings.items():
            if (section, key) in _FREE:
                continue
            now = current.get(section, {}).get(key)
            if before != now:
                name = shortened(f"{section}.{key}", 80)
                raise RunError(
                    f"the run was started with {name} = {shown(before)}, now it is {shown(now)}; "
                    "resume with the same settings or start a new run"
                )
