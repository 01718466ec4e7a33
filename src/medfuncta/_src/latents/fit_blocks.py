"""One block of signals to rows of a latent set, here or in a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from medfuncta._src.cluster.worker import Work
from medfuncta._src.config import FitConfig
from medfuncta._src.door.allowance import GIB, allowance, allowing
from medfuncta._src.errors import DataError
from medfuncta._src.field.field import Field
from medfuncta._src.field.table import build_field
from medfuncta._src.latents.fit import fitter_of
from medfuncta._src.latents.info import SetInfo
from medfuncta._src.latents.quantise import quantise, restore
from medfuncta._src.latents.schema import table_of
from medfuncta._src.learning.fitter import Fitter
from medfuncta._src.learning.quality import clamped_errors
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.mark import DataMark, mean_of
from medfuncta._src.signals.psnr import psnr_of
from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.source import Reopening, Skipped, Source
from medfuncta._src.sources.table import open_source
from medfuncta._src.types import ArrayLatents


@dataclass(frozen=True, eq=False)
class FittedBlock:
    """What a block of signals adds to a split.

    Args:
        table: Its rows.
        last_id: Its last signal, kept or left out.
        left_out: Signals without a row.
        fitted_psnr, mark: As in :class:`~medfuncta._src.latents.shards.Note`.
        signals: How many there were.
    """

    table: pa.Table
    last_id: str
    left_out: Sequence[Skipped]
    fitted_psnr: float
    mark: float
    signals: int

    def __reduce__(self) -> tuple[Any, ...]:
        """On its way to another process rows take Arrow's own form: its pickle forgets which
        columns may be empty."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.table.schema) as stream:
            stream.write_table(self.table)
        others = (self.last_id, self.left_out, self.fitted_psnr, self.mark, self.signals)
        return (_unpacked, (sink.getvalue().to_pybytes(), *others))


def _unpacked(rows: bytes, *others: Any) -> FittedBlock:
    """A block that has arrived."""
    return FittedBlock(pa.ipc.open_stream(rows).read_all(), *others)


class BlockFitter:
    """Fits blocks for one latent set.

    Args:
        fitter: Fits signals.
        info: What holds for all rows.
    """

    def __init__(self, fitter: Fitter, info: SetInfo) -> None:
        self._fitter = fitter
        self._info = info

    def fit(self, signals: SignalSet, first: int) -> FittedBlock:
        """Fit one block and keep what came out finite.

        Args:
            signals: The block.
            first: How many signals of the split stand before it.
        """
        info = self._info
        fitted = self._fitter.fit(signals)
        latents = fitted.latents.numpy()
        psnr_before_storing = psnr_of(fitted.errors).numpy()
        finite = np.isfinite(latents).all(axis=1) & np.isfinite(psnr_before_storing)
        psnr = psnr_before_storing
        if info.dtype != "float32":
            psnr = _stored_psnr(self._fitter.field, info.dtype, signals, latents)
        kept_headers, left_out = [], []
        for header, ok in zip(signals.headers, finite, strict=True):
            if ok:
                kept_headers.append(header)
            else:
                left_out.append(Skipped(header.id, "its fit did not stay finite"))
        return FittedBlock(
            table_of(info, kept_headers, latents[finite], psnr[finite]),
            last_id=signals.headers[-1].id,
            left_out=left_out,
            fitted_psnr=float(psnr_before_storing[finite].sum(dtype=np.float64)),
            mark=DataMark.of(signals, first=first).sum,
            signals=len(signals),
        )


def _stored_psnr(field: Field, dtype: str, signals: SignalSet, latents: ArrayLatents) -> np.ndarray:
    """The PSNR of what a reader of the set will decode, ``[signals]``."""
    stored, scales = quantise(np.nan_to_num(latents), dtype)
    restored = torch.from_numpy(restore(stored, scales)).to(field.device, field.dtype)
    points = signals.points(range(len(signals))).to(field.device, field.dtype)
    return psnr_of(clamped_errors(field, restored, points)).float().cpu().numpy()


# --- in a worker


@dataclass(frozen=True, eq=False)
class RunParcel:
    """A run on its way to another process: settings, and weights as plain arrays.

    Args:
        config, spec: As in :class:`~medfuncta._src.run.Run`.
        weights: By name.
    """

    config: Config
    spec: SignalSpec
    weights: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, run: Run) -> RunParcel:
        """Packed."""
        weights = {}
        for name, tensor in run.network.state_dict().items():
            weights[name] = tensor.detach().cpu().numpy()
        return cls(run.config, run.spec, weights)

    def opened(self) -> Run:
        """Unpacked; what it was trained on is not known any more."""
        tensors = {name: torch.tensor(array) for name, array in self.weights.items()}
        dtypes = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
        network = build_field(self.config.field).to(dtypes.pop())
        network.load_state_dict(tensors)
        return Run(network.eval(), self.config, self.spec)


@dataclass(frozen=True)
class Reading:
    """How a worker reads signals itself, each of a file of its own.

    Args:
        reopening: Of the source.
        items: How many it has in each split, and the id of the last, by which a worker knows that
            it sees the same ones.
        signal_bytes, command_bytes: What they may ask for.
        links: Whether links are followed.
    """

    reopening: Reopening
    items: Mapping[str, tuple[int, str]]
    signal_bytes: int
    command_bytes: int
    links: bool

    @classmethod
    def of(cls, source: Source) -> Reading | None:
        """That of a source; None where a file may hold many signals, so that nobody knows which
        signals stand where before all are read, or another process cannot open it."""
        if source.contents.many or source.reopening is None:
            return None
        allowed = allowance()
        return cls(
            source.reopening,
            _items_of(source),
            allowed.signal,
            allowed.command,
            allowed.links,
        )

    def open(self, stack: ExitStack) -> Source:
        """The source, opened again.

        Args:
            stack: Until it is closed, files may ask for what they might in the first process.

        Raises:
            DataError: If it holds others than it should.
        """
        stack.enter_context(
            allowing(
                signal_gib=self.signal_bytes / GIB,
                command_gib=self.command_bytes / GIB,
                links=self.links,
            )
        )
        source = open_source(self.reopening.text, skip_bad=self.reopening.skip_bad)
        if _items_of(source) != self.items:
            raise DataError(
                "a worker finds other signals than the process that started it; it must see the "
                "same files, and the same key of ids (MEDFUNCTA_ID_KEY)"
            )
        return source


def _items_of(source: Source) -> dict[str, tuple[int, str]]:
    """How many items each split has, and the id of the last."""
    return {split: (len(items), items[-1].id) for split, items in source.items.items()}


@dataclass(frozen=True, eq=False)
class SignalsTask:
    """Signals to fit, as the first process has read them."""

    signals: SignalSet
    first: int


@dataclass(frozen=True)
class ItemsTask:
    """Items whose signals a worker reads itself.

    Args:
        places: The split and the number in it of each.
        first: How many signals of the split that is fitted stand before them.
        fit: Whether they are fitted; else they are read only, as earlier ones were fitted before.
    """

    places: Sequence[tuple[str, int]]
    first: int
    fit: bool


@dataclass(frozen=True, eq=False)
class ItemsFound:
    """What a worker has made of items.

    Args:
        bad: Those, by their place among them, that hold no signal and were left out; then nothing
            was fitted.
        skipped: What the source says of these.
        remarks: What it says of the others, and of which.
        sizes: How many values each signal has.
        means: The mean of each signal's values.
        last_id: Of the last signal.
        fitted: Their rows; None where they were read only.
    """

    bad: Sequence[int]
    skipped: Sequence[Skipped]
    remarks: Sequence[tuple[str, str]]
    sizes: Sequence[int] = ()
    means: Sequence[float] = ()
    last_id: str = ""
    fitted: FittedBlock | None = None


@dataclass(frozen=True, eq=False)
class FitJob:
    """The job of workers that fit: the field is built once in each and stays on its device.

    Args:
        run: The field.
        config: Steps and batch.
        info: Of the set.
        device: Where to compute, as the user says; see :func:`device_of`.
        reading: How to read signals; None where they are sent.
    """

    run: RunParcel
    config: FitConfig
    info: SetInfo
    device: str | None
    reading: Reading | None

    def begin(self, place: int) -> Work:
        run = self.run.opened()
        fitter = fitter_of(run, self.config, device=device_of(self.device, place))
        source = None
        if self.reading is not None:
            source = self.reading.open(ExitStack())
        return _FitWork(BlockFitter(fitter, self.info), source)


def device_of(device: str | None, place: int) -> str | None:
    """The device of a worker: where a machine has several accelerators of the kind that is asked
    for, workers take them in turn.

    Args:
        device: As the user says.
        place: Which worker it is.
    """
    count = torch.cuda.device_count()
    if device in (None, "cuda") and count > 1:
        return f"cuda:{place % count}"
    return device


class _FitWork:
    """What a worker does.

    Args:
        fitter: Fits blocks.
        source: To read from; None where signals are sent.
    """

    def __init__(self, fitter: BlockFitter, source: Source | None) -> None:
        self._fitter = fitter
        self._source = source

    def __call__(self, task: Any) -> FittedBlock | ItemsFound:
        if isinstance(task, SignalsTask):
            return self._fitter.fit(task.signals, task.first)
        assert self._source is not None
        return self._of_items(self._source, task)

    def _of_items(self, source: Source, task: ItemsTask) -> ItemsFound:
        signals, bad = [], []
        for index, (split, number) in enumerate(task.places):
            signal = source.signal_of(source.items[split][number])
            if signal is None:
                bad.append(index)
            else:
                signals.append(signal)
        skipped, remarks = source.skips.take()
        if bad:
            return ItemsFound(bad, skipped, remarks)
        collected = SignalSet.collect(source.spec, signals)
        means = [mean_of(collected.normalised(index)) for index in range(len(collected))]
        fitted = None
        if task.fit:
            fitted = self._fitter.fit(collected, task.first)
        return ItemsFound(
            (),
            skipped,
            remarks,
            sizes=[signal.values.size for signal in signals],
            means=means,
            last_id=signals[-1].id,
            fitted=fitted,
        )
