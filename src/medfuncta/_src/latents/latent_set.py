"""A latent set: the folder that ``medfuncta fit`` writes, read lazily."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import torch
from numpy import ndarray
from torch import Tensor
from torch.utils.data import Dataset

from medfuncta._src.config import FitConfig
from medfuncta._src.door.callers import expecting
from medfuncta._src.door.wording import counted, printable
from medfuncta._src.errors import ConfigError, LatentSetError, MedFunctaError, suggest
from medfuncta._src.latents.decode import reconstruct, reconstruct_all
from medfuncta._src.latents.hub import fetched_set, limit_of, push_set
from medfuncta._src.latents.info import FIELD_FOLDER, INFO_FILE, SetInfo, fit_config_of
from medfuncta._src.latents.rows import LatentRow, nearest_id
from medfuncta._src.latents.schema import schema_of
from medfuncta._src.latents.shards import find_shards, quality_text
from medfuncta._src.latents.split import Split, SplitSet
from medfuncta._src.latents.views import data_frame, dataset_dict
from medfuncta._src.remote.fetching import fetched
from medfuncta._src.run import Run, RunDescription
from medfuncta._src.signals.domain import Domain
from medfuncta._src.signals.preprocess import InputGrid, Preprocessing
from medfuncta._src.signals.signal import Signal, SignalHeader
from medfuncta._src.types import ArrayLatents

if TYPE_CHECKING:
    import datasets
    import pandas

_GridName: TypeAlias = Literal["own", "input"]
"""On which of its grids a signal is decoded: the one it was fitted on, or that of its file."""
_IDS_SHOWN = 1000


class LatentSet(SplitSet, Dataset[tuple[Tensor, Tensor]]):
    """Latents of many signals with the field that decodes them. Make one with :meth:`open`.

    It is a ``Dataset`` of PyTorch over the signals of all splits, one split after the other; so is
    each :meth:`split`.
    """

    def __init__(self, folder: Path, info: SetInfo, splits: Sequence[Split]) -> None:
        super().__init__(folder, info)
        self._splits = {split.name: split for split in splits}

    def __repr__(self) -> str:
        splits = ", ".join(f"{name} {len(split):,}" for name, split in self._splits.items())
        shards = [shard for split in self._splits.values() for shard in split.shards]
        return printable(
            f"LatentSet({str(self.folder)!r}, of {self.info.source.name}, {splits}, "
            f"P {self.info.latent_size}, {self.info.dtype}{quality_text(shards)})"
        )

    @classmethod
    @expecting
    def open(cls, folder: Path | str) -> LatentSet:
        """Read what the set says of itself and the footers of its shards; no latent yet.

        Args:
            folder: Where it lies; an address in an object store, such as ``s3://bucket/set``, is
                copied to this machine first, once.

        Raises:
            MedFunctaError: If it is to be copied and cannot be.
            LatentSetError: If it is no latent set, has no finished split, or a shard is missing,
                damaged or of another field.
        """
        folder = fetched(folder, limit_of)
        info = SetInfo.load(folder)
        if not info.splits:
            raise LatentSetError(
                f"the latent set '{folder.name}' has no finished split; run the same 'medfuncta "
                "fit' again to finish it"
            )
        schema = schema_of(info)
        splits = [Split(name, find_shards(folder, name, schema), info) for name in info.splits]
        _check_field_fits(folder, info)
        for split in splits:
            expected = info.splits[split.name].signals
            if len(split) != expected:
                raise LatentSetError(
                    f"split '{split.name}' of '{folder.name}' has {counted(len(split), 'row')}; "
                    "expected "
                    f"{expected}; copy the whole folder again"
                )
            for shard in split.shards:
                if shard.note.fingerprint != info.fingerprint:
                    raise LatentSetError(
                        f"{shard.path.name} was fitted with another field than '{folder.name}'; "
                        "copy the whole folder again"
                    )
        return cls(folder, info, splits)

    @cached_property
    def run(self) -> Run:
        """The field that decodes the latents.

        Raises:
            RunError: If it is missing or damaged.
            LatentSetError: If it is not the one that the latents were fitted with.
        """
        run = Run.load(self.folder / FIELD_FOLDER, self.folder)
        self.check_field(run)
        return run

    def field(self) -> Run:
        """As :attr:`run`."""
        return self.run

    @classmethod
    @expecting
    def from_hub(
        cls,
        repository: str,
        *,
        revision: str | None = None,
        out: Path | str | None = None,
        cache: Path | None = None,
    ) -> LatentSet:
        """A set of a hub (the Hugging Face Hub, or the server that ``HF_ENDPOINT`` names).

        Its files are held to the limits of any stranger's, and to the checksums that the hub
        states; nothing but the files of a latent set is downloaded.

        Args:
            repository: ``owner/name`` of a data set.
            revision: A branch, tag or commit; the newest when None.
            out: A new folder to copy it to, with ``download.json``, which says what came from
                where; it stays in the cache when None.
            cache: The folder of downloads; that of ``huggingface_hub`` when None.

        Raises:
            LatentSetError: If it is no latent set, or damaged.
            ConfigError: If ``out`` holds something.
            MedFunctaError: If it cannot be downloaded, or ``huggingface_hub`` is not installed.
        """
        return cls.open(fetched_set(repository, revision, out, cache))

    @expecting
    def push_to_hub(
        self,
        repository: str,
        *,
        previews: bool = False,
        private: bool | None = None,
        branch: str | None = None,
        message: str = "Add latents of MedFuncta",
    ) -> str:
        """Push a checked copy of the set, with its data card and ``croissant.json``, to a hub as a
        data set; the repository is made where it is missing. Log in with ``hf auth login`` first.

        Args:
            repository: ``owner/name``.
            previews: Whether rows get a small picture of what they decode to, which viewers show.
            private: Whether a repository that is made is; as its owner's settings say when None.
            branch: Where to; the main branch when None.
            message: Of the commit.

        Returns:
            The hub's address of the commit.

        Raises:
            LatentSetError: If the set is not sound.
            MedFunctaError: If it cannot be pushed, or ``huggingface_hub`` is not installed.
        """
        return push_set(
            self,
            repository,
            previews=previews,
            private=private,
            branch=branch,
            message=message,
        )

    @property
    def fit_config(self) -> FitConfig:
        """How to fit a further signal as these were: the settings that the set was made with, the
        field's own where it does not say."""
        return fit_config_of(self.info.fit, self.run.config.fit)

    def check_field(self, run: Run) -> None:
        """Raise unless ``run`` is the field that these latents were fitted with.

        Raises:
            LatentSetError: If it is another one.
        """
        if run.fingerprint != self.info.fingerprint:
            raise LatentSetError(
                f"the latents in '{self.folder.name}' were fitted with the field "
                f"{self.info.fingerprint[:8]}, got {run.fingerprint[:8]}; "
                "use the run that they were fitted with"
            )

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the finished splits."""
        return tuple(self._splits)

    def __len__(self) -> int:
        return sum(len(split) for split in self._splits.values())

    @expecting
    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        place = index + len(self) if index < 0 else index
        for split in self._splits.values():
            if 0 <= place < len(split):
                return split[place]
            place -= len(split)
        raise IndexError(f"row {index} of {len(self)}")

    def numpy(self) -> dict[str, tuple[ArrayLatents, ndarray]]:
        """Latents and labels of each split; see :meth:`Split.numpy`."""
        return {name: split.numpy() for name, split in self._splits.items()}

    def pandas(self) -> pandas.DataFrame:
        """All signals as a data frame; see :meth:`Split.pandas`.

        Raises:
            MedFunctaError: If pandas is not installed.
        """
        return data_frame({name: split.rows for name, split in self._splits.items()})

    def datasets(self) -> datasets.DatasetDict:
        """Each split as a ``Dataset`` of Hugging Face; see :meth:`Split.datasets`.

        Raises:
            MedFunctaError: If ``datasets`` is not installed.
        """
        return dataset_dict({name: split.rows for name, split in self._splits.items()})

    @expecting
    def split(self, name: str) -> Split:
        """One split.

        Raises:
            LatentSetError: If there is none of that name.
        """
        if name not in self._splits:
            raise LatentSetError(
                f"no split '{name}' in '{self.folder.name}'; {suggest(name, self._splits)}"
            )
        return self._splits[name]

    @expecting
    def row(self, id: str, split: str | None = None) -> LatentRow:
        """The signal with this id.

        Args:
            id: Of the signal.
            split: Where to look; everywhere when None.

        Raises:
            LatentSetError: If no signal, or one in several splits, has this id.
        """
        names = self.splits
        if split is not None:
            names = (split,)
        places = [self.split(name) for name in names]
        found: dict[str, int] = {}
        for place in places:
            index = place.find(id)
            if index is not None:
                found[place.name] = index
        if not found:
            few: list[str] = []
            for place in places:
                few += place.id_column.slice(0, _IDS_SHOWN).to_pylist()
            hint = nearest_id(id, few, sum(map(len, places)))
            raise LatentSetError(f"no signal '{id}' in '{self.folder.name}'; {hint}")
        if len(found) > 1:
            raise LatentSetError(f"'{id}' is in the splits {', '.join(found)}; say which one")
        [(name, index)] = found.items()
        return self.split(name).row(index)

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """The steps that signals went through on their way from their files; none where the set
        names none.

        Raises:
            ConfigError: If what the set says of them cannot be read.
        """
        return Preprocessing.from_details(self.info.source.details)

    def input_grid(self, header: SignalHeader) -> InputGrid | None:
        """The grid on which a signal of this set lay in its file; None where no step has moved its
        samples, so that it is the signal's own.

        Raises:
            ConfigError, DataError: If what is known of it or of the steps is damaged.
        """
        return InputGrid.of(header, self.preprocessing)

    @expecting
    def decode(
        self,
        id: str,
        domain: Domain | InputGrid | None = None,
        *,
        grid: _GridName = "own",
        split: str | None = None,
        device: torch.device | str | None = None,
    ) -> Signal:
        """The signal that the latent with this id stands for, in physical units.

        Args:
            id: Of the signal.
            domain: Where to decode instead of the signal's own samples; see
                :func:`~medfuncta._src.latents.decode.reconstruct`.
            grid: Where to decode when ``domain`` is None: on the signal's ``"own"`` samples, or on
                those of its file (``"input"``), as they lay before they were turned, resampled or
                cut. What was cut off is masked. Clipped values, several channels that became one
                and pieces cut out of a longer recording are not brought back.
            split: Where to look; everywhere when None.
            device: Where to compute; by default where the network is.

        Raises:
            ConfigError: If ``grid`` is another word, or both it and ``domain`` are given.
            DataError: If the domain is of another dimension, wholly outside the signal's box, or
                larger than any signal.
            LatentSetError: As :meth:`row`.
        """
        if grid not in get_args(_GridName):
            raise ConfigError(f"a grid '{grid}'; {suggest(grid, get_args(_GridName))}")
        if grid == "input" and domain is not None:
            raise ConfigError("got both a domain and grid='input'; give one of them")
        row = self.row(id, split)
        if grid == "input":
            domain = self.input_grid(row.header)
        latent = torch.from_numpy(row.latent)
        return reconstruct(self.run, latent, row.header, domain, device=device)

    def decode_all(
        self, split: str, *, device: torch.device | str | None = None
    ) -> Iterator[Signal]:
        """The signals of a split in order, each on its own samples and in physical units; small
        ones are decoded many at a time.

        Raises:
            LatentSetError: If there is no split of that name, or a shard is damaged.
        """
        for rows in self.split(split).batches():
            latents = torch.from_numpy(rows.latents)
            yield from reconstruct_all(self.run, latents, rows.headers, device=device)


def _check_field_fits(folder: Path, info: SetInfo) -> None:
    """Raise where the field beside the latents says of itself that it is the one that they were
    fitted with, but for another kind of signal. A field that is damaged, another one or not there
    is told by whoever needs it.

    Raises:
        LatentSetError: If it does.
    """
    try:
        described = RunDescription.load(folder / FIELD_FOLDER, folder)
    except MedFunctaError:
        return
    if described.fingerprint != info.fingerprint:
        return
    field = described.config.field
    ours = {"latent_size": info.latent_size, "dim": info.spec.dim, "channels": info.spec.channels}
    for name, size in ours.items():
        if getattr(field, name) != size:
            raise LatentSetError(
                f"{INFO_FILE} in '{folder.name}' is damaged ({name} is {size:,}, that of its field "
                f"{getattr(field, name):,}); copy the latent set again"
            )
