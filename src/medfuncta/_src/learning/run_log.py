"""What a training run writes down as it goes: a CSV for people and spreadsheets, events for
TensorBoard."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from medfuncta._src.disk.atomic import write_text
from medfuncta._src.disk.lock import check_held
from medfuncta._src.disk.places import make_folder, open_to_append, open_to_append_bytes, place
from medfuncta._src.disk.refusals import disk_told
from medfuncta._src.door.files import Origin, read_bytes, reason
from medfuncta._src.door.limits import MAX_LOG_BYTES
from medfuncta._src.errors import RunError

COLUMNS = ("step", "seconds", "loss", "train_psnr", "learning_rate", "gradient_norm", "val_psnr")
METRICS_FILE: Final = "metrics.csv"
EVENTS_FOLDER: Final = "events"
_START: Final = 1
"""TensorBoard's ``SessionLog.START``."""


class RunLog:
    """``metrics.csv`` and TensorBoard events of a run folder.

    Args:
        folder: The run.
        step: Finished meta-steps; rows after it (written by a session that was killed before its
            checkpoint) are dropped.

    Raises:
        MedFunctaError: If the folder cannot be written.
        RunError: If the log of an earlier session is damaged.
    """

    def __init__(self, folder: Path, step: int) -> None:
        path = place(folder, METRICS_FILE)
        old = _rows_up_to(path, step) if step and path.exists() else []
        write_text(path, "".join(",".join(row) + "\n" for row in [COLUMNS, *old]))
        self._path = path
        with disk_told(METRICS_FILE):
            self._file = open_to_append(folder, METRICS_FILE)
        self._csv: csv.DictWriter[str] = csv.DictWriter(self._file, COLUMNS, lineterminator="\n")
        with disk_told(EVENTS_FOLDER):
            events = make_folder(folder, EVENTS_FOLDER)
        self._events = _Events(events, step)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """One row; columns that are not given stay blank.

        Raises:
            MedFunctaError: If the disk is full, or the folder was removed meanwhile.
        """
        check_held(self._path)
        row = {key: f"{value:.7g}" for key, value in values.items()}
        with disk_told(METRICS_FILE):
            self._csv.writerow({"step": step, **row})
            self._file.flush()
        self._events.add(step, values)

    def close(self) -> None:
        """Close both; all was flushed already."""
        with suppress(OSError):  # a row that a full disk did not take
            self._file.close()
        self._events.close()


class _Events:
    """Scalars for TensorBoard, each row written before the next meta-step begins.

    TensorBoard's own writer has a thread, in which a full disk ends in a traceback.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        now = time.time()
        name = f"events.out.tfevents.{now:017.6f}.{os.getpid()}"
        with disk_told(EVENTS_FOLDER):
            self._file = open_to_append_bytes(folder, name)
        self._records = RecordWriter(self._file)
        self._write(wall_time=now, file_version="brain.Event:2")
        if step:  # what an earlier session has said of later steps no longer holds
            self._write(wall_time=now, step=step + 1, session_log={"status": _START})

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """One event with all values."""
        entries = [{"tag": tag, "simple_value": value} for tag, value in values.items()]
        self._write(wall_time=time.time(), step=step, summary={"value": entries})

    def _write(self, **event: Any) -> None:
        from tensorboard.compat.proto import event_pb2

        messages: Any = event_pb2  # made by protobuf as it is imported
        with disk_told(EVENTS_FOLDER):
            self._records.write(messages.Event(**event).SerializeToString())
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            self._file.close()


def read_log(path: Path) -> list[list[str]]:
    """The rows of a ``metrics.csv``, its header first.

    Raises:
        RunError: If it is missing, something else, or no CSV.
    """
    origin = Origin(
        name=path.name,
        error=RunError,
        remedy="give the metrics.csv of a run, or remove it",
        missing=f"cannot read {path.name}: there is no such file; give the metrics.csv of a run",
    )
    content = read_bytes(path, origin, limit=MAX_LOG_BYTES, within=path.parent)
    try:
        return list(csv.reader(io.StringIO(content.decode("utf-8"), newline="")))
    except (csv.Error, UnicodeDecodeError) as error:
        raise RunError(
            f"{path.name} is not a training log ({reason(error)}); {origin.remedy}"
        ) from error


def _rows_up_to(path: Path, step: int) -> list[list[str]]:
    """The rows of a session before this one, up to the step that it got to."""
    header, *rows = read_log(path) or [[]]
    if tuple(header) != COLUMNS:
        raise RunError(
            f"{path.name} is not a training log; expected the columns {', '.join(COLUMNS)}; remove "
            "it to go on without it"
        )
    kept = []
    for row in rows:
        if len(row) == len(COLUMNS) and row[0].isdecimal() and int(row[0][:18]) <= step:
            kept.append(row)
    return kept
