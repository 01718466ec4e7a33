"""What a training run writes down as it goes: a CSV for people and spreadsheets, events for
TensorBoard."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from medfuncta.atomic import write_text

COLUMNS = ("step", "seconds", "loss", "train_psnr", "learning_rate", "gradient_norm", "val_psnr")
METRICS_FILE = "metrics.csv"


class RunLog:
    """``metrics.csv`` and TensorBoard events of a run folder.

    Args:
        folder: The run.
        step: Finished meta-steps; rows after it (written by a session that was killed before its
            checkpoint) are dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        path = folder / METRICS_FILE
        old = _rows_up_to(path, step) if step and path.exists() else []
        write_text(path, "".join(",".join(row) + "\n" for row in [COLUMNS, *old]))
        self._file = path.open("a", newline="", encoding="utf-8")
        self._csv: csv.DictWriter[str] = csv.DictWriter(self._file, COLUMNS, lineterminator="\n")
        self._events = SummaryWriter(folder / "events", purge_step=step + 1 if step else None)

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


def _rows_up_to(path: Path, step: int) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return [row for row in rows if len(row) == len(COLUMNS) and int(row[0]) <= step]
