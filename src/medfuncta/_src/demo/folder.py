"""The demo's folder: filled aside, then put in the place of an earlier one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from medfuncta._src.demo.page import PAGE_FILE
from medfuncta._src.demo.steps import LATENTS_FOLDER, REPORT_FOLDER, RUN_FOLDER
from medfuncta._src.disk.lock import check_held, remove_abandoned, writing
from medfuncta._src.disk.places import TEMPORARY, fresh_folder, move, open_to_append, remove_folder
from medfuncta._src.disk.refusals import disk_told
from medfuncta._src.errors import ConfigError

_MARK: Final = ".medfuncta-demo"  # says that what lies beside it was written by a demo
_PARTS: Final = (RUN_FOLDER, LATENTS_FOLDER, REPORT_FOLDER, PAGE_FILE)


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A fresh folder to fill; when all went well, its parts take the place of those that an earlier
    demo left in ``out``.

    Raises:
        ConfigError: If ``out`` holds something by one of their names that no demo wrote.
        MedFunctaError: If the folder cannot be written, or another process writes there.
    """
    with writing(out), disk_told(out.name):
        foreign = [name for name in _PARTS if (out / name).exists()]
        if foreign and not (out / _MARK).exists():
            raise ConfigError(
                f"'{out.name}' holds '{foreign[0]}', which no demo wrote; give another folder with "
                "--out"
            )
        remove_abandoned(out, f"{TEMPORARY}*")
        with fresh_folder(out) as fresh:
            yield fresh
            check_held(out)
            open_to_append(out, _MARK).close()
            for part in _PARTS:
                if (out / part).is_dir():
                    remove_folder(out, part)
                move(fresh / part, out, part)
