"""A source whose signals each lie in one file of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from medfuncta.signals.preprocess import Preprocessing
from medfuncta.sources.folder import FileOptions, file_items, find_files
from medfuncta.sources.item_source import ItemSource
from medfuncta.sources.options import details
from medfuncta.sources.source import SourceInfo
from medfuncta.sources.splitting import Item, split_items


class FileSource(ItemSource):
    """Base of ``nifti``, ``nrrd`` and ``images``.

    Args:
        folder: The folder, or one file.
        options: How it is read.
        preprocessing: Steps for every signal.
        skip_bad: Leave bad files out instead of stopping at the first.
        name: What the data set is called; by default the kind and the folder's name.
    """

    kind: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        folder: Path,
        options: FileOptions,
        preprocessing: Preprocessing,
        *,
        skip_bad: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__({}, preprocessing, skip_bad=skip_bad)
        self.location = self.folder = folder
        self.name = name or f"{self.kind}:{folder.name}"
        self._options = options
        self.items = split_items(self._find_items(), options)
        self.items = {split: found[: options.limit] for split, found in self.items.items()}

    def _find_items(self) -> list[Item]:
        """All signals of the folder, before they are split."""
        return file_items(
            self.folder, find_files(self.folder, self.suffixes, self.skip), self._options
        )

    @property
    def own_info(self) -> SourceInfo:
        given = any(
            item.split in ("val", "test") for items in self.items.values() for item in items
        )
        split_by = "given" if given else "patient" if self._options.patient else "file"
        facts = {**details(self._options), "preprocessing": self.preprocessing.to_text()}
        return SourceInfo(self.name, split_by=split_by, details=facts)
