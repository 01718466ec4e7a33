"""A file from the web: continued where an earlier attempt stopped, and kept only when its checksum
is right."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from medfuncta._src.door.files import reason
from medfuncta._src.errors import DataError, missing_extra
from medfuncta._src.status import status_hidden


def md5_of(path: Path) -> str:
    """The MD5 checksum of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def download(url: str, target: Path, md5: str) -> None:
    """Download ``url`` to ``target``; what arrived of an interrupted download stays beside it and
    is continued next time.

    Raises:
        DataError: If the server cannot be reached, the disk is full, or the checksum differs (the
            file is then removed).
        MedFunctaError: If the extra package is not installed.
    """
    try:
        from pooch import HTTPDownloader
    except ImportError as error:
        raise missing_extra("pooch", "download") from error

    partial = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        have = partial.stat().st_size if partial.exists() else 0
        if not have or md5_of(partial) != md5:
            with partial.open("ab") as file, _ProgressBar(target.name) as bar:
                HTTPDownloader(
                    progressbar=bar, chunk_size=2**20, headers={"Range": f"bytes={have}-"}
                )(url, file, None)
    except OSError as error:  # errors of the network are among them
        raise DataError(
            f"the download of {target.name} stopped ({reason(error)}); run the command again to "
            "continue it"
        ) from error
    if md5_of(partial) != md5:
        partial.unlink()
        raise DataError(
            f"{target.name} arrived with another checksum and was removed; expected MD5 {md5}; run "
            "the command again"
        )
    partial.replace(target)


class _ProgressBar:
    """What the downloader expects of a progress bar, on standard error."""

    def __init__(self, name: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = (
            TextColumn(name),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task(name, total=None)
        self._shown = ExitStack()

    @property
    def total(self) -> float | None:
        """Bytes that the server announced."""
        return self._progress.tasks[0].total

    @total.setter
    def total(self, size: int) -> None:
        self._progress.update(self._task, total=size)

    def update(self, size: int) -> None:
        """So many bytes more have arrived."""
        self._progress.advance(self._task, size)

    def reset(self) -> None:
        """Begin to count again."""
        self._progress.update(self._task, completed=0)

    def __enter__(
        self,
    ) -> Any:  # the downloader is annotated to take a bool, and documented to take a bar
        self._shown.enter_context(status_hidden())
        self._progress.start()
        return self

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()
        self._shown.close()

    def __exit__(self, *_: object) -> None:
        self.close()
