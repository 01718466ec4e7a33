"""What a training run writes down as it goes: a CSV for people and spreadsheets, events for
TensorBoard."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from medfuncta.atomic import write_text
from medfuncta.door.files import Origin, read_bytes, reason
from medfuncta.door.limits import MAX_LOG_BYTES
from medfuncta.errors import RunError
from medfuncta.places import open_to_append, place

COLUMNS = ("step", "seconds", "loss", "train_psnr", "learning_rate", "gradient_norm", "val_psnr")
METRICS_FILE = "metrics.csv"
_EVENTS_FOLDER = "events"


class RunLog:
    """``metrics.csv`` and TensorBoard events of a run folder.

    Args:
        folder: The run.
        step: Finished meta-steps; rows after it (written by a session that was killed before its
            checkpoint) are dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        path = place(folder, METRICS_FILE)
        old = _rows_up_to(path, step) if step and path.exists() else []
        write_text(path, "".join(",".join(row) + "\n" for row in [COLUMNS, *old]))
        self._file = open_to_append(folder, METRICS_FILE)
        self._csv: csv.DictWriter[str] = csv.DictWriter(self._file, COLUMNS, lineterminator="\n")
        events = place(folder, _EVENTS_FOLDER)
        self._events = SummaryWriter(events, purge_step=step + 1 if step else None)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """One row; columns that are not given stay blank."""
        self._csv.writerow({"step": step, **{key: f"{value:.7g}" for key, value in values.items()}})
        self._file.flush()
        for key, value in values.items():
            self._events.add_scalar(key, value, step)

    def close(self) -> None:
        """Flush and close both."""
        self._file.close()
        self._events.close()


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
