"""Batches of points on the device that computes with them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final

import torch

from medfuncta._src.signals.points import Points

_READER: Final = "medfuncta-reader"


class Loading:
    """Batches by their number, which rises by one from call to call, on a device.

    For a graphics card the next batch is read on a thread while the card is busy with the one
    before, and from memory that it copies by itself. A CPU has no core to spare: there each batch
    is read when it is asked for. The points are the same either way.

    Args:
        read: Reads the batch of a number, on the CPU; what it gives depends on nothing else.
        stop: The number behind the last.
        device: Where the points go.
        dtype: In which floating type.
        ahead: Whether to read ahead; for a graphics card when None.
    """

    def __init__(
        self,
        read: Callable[[int], Points],
        stop: int,
        device: torch.device,
        dtype: torch.dtype,
        *,
        ahead: bool | None = None,
    ) -> None:
        self._read, self._stop = read, stop
        self._device, self._dtype = device, dtype
        self._pinned = device.type == "cuda"
        self._reader: ThreadPoolExecutor | None = None
        if self._pinned if ahead is None else ahead:
            self._reader = ThreadPoolExecutor(1, thread_name_prefix=_READER)
        self._under_way: tuple[int, Future[Points]] | None = None

    def __call__(self, number: int) -> Points:
        """The batch of this number.

        Raises:
            Exception: What reading it raised, whenever that was.
        """
        if self._reader is None:
            return self._ready(number).to(self._device)
        if self._under_way is None or self._under_way[0] != number:
            self._under_way = number, self._reader.submit(self._ready, number)
        points = self._under_way[1].result()
        self._under_way = None
        if number + 1 < self._stop:
            self._under_way = number + 1, self._reader.submit(self._ready, number + 1)
        return points.to(self._device, non_blocking=self._pinned)

    def __enter__(self) -> Loading:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._reader is not None:
            self._reader.shutdown(wait=False, cancel_futures=True)

    def _ready(self, number: int) -> Points:
        points = self._read(number).to(dtype=self._dtype)
        return points.pinned() if self._pinned else points
