"""The shortest way to a format: a function that reads one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from medfuncta._src.signals.preprocess import Preprocessing
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.contents import Contents, Format
from medfuncta._src.sources.folder import (
    FileOptions,
    file_items,
    find_signals,
    folder_contents,
    open_folder,
)
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.splitting import Item

Options = TypeVar("Options", bound=FileOptions)


def file_format(
    name: str,
    summary: str,
    suffixes: tuple[str, ...],
    read: Callable[[Path, Options], Signal],
    options: type[Options],
    preprocessing: Callable[[Options], Preprocessing] = lambda _: Preprocessing(),
) -> Format:
    """A format whose files hold one signal each.

    Splits by patient or file, labels, ids that tell nothing of the file's name, bad files and the
    options of every folder (``val``, ``test``, ``patient``, ``labels``, ``limit``, ...) come with
    it.

    Args:
        name: The word before the colon, as in ``raw:FOLDER``.
        summary: One line for the help text.
        suffixes: Lower-case ends of the files' names, such as ``(".raw",)``.
        read: ``read(path, options)`` gives the signal of a file as it lies in it; whatever id and
            label it has are replaced. It raises a :class:`DataError` of one line, naming the file
            but no folder, for a file that it cannot read.
        options: A dataclass of :func:`~medfuncta._src.sources.options.option` fields.
        preprocessing: Steps that options ask for.
    """

    def open_files(location: str, chosen: Options, skips: Skips) -> Contents:
        folder = open_folder(location)
        found = find_signals(folder, suffixes, chosen, skips)
        items = file_items(folder, found.signals, chosen)

        def read_item(item: Item) -> Signal:
            return read(item.paths[0], chosen)

        return folder_contents(
            name, folder, items, chosen, read=read_item, preprocessing=preprocessing(chosen)
        )

    return Format(name, summary, options, open_files)
