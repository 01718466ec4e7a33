"""An approximate index of a large latent set, by FAISS: cells around centres, and 8 bits for each
principal component."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from medfuncta._src.disk.atomic import write_atomically
from medfuncta._src.disk.refusals import disk_told
from medfuncta._src.door.files import is_utf8
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import LatentSetError, missing_extra
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.status import doing
from medfuncta._src.tasks.search.hits import all_blocks
from medfuncta._src.tasks.search.neighbours import Index, Metric, Neighbours, unit
from medfuncta._src.types import ArrayLatents

_SAMPLE = 40_000
"""Latents that the centres are learned from."""
_PER_CELL = 40
"""Of these for each centre, about FAISS's own minimum."""
_PROBED = 8
"""A query looks into one of so many cells, and into :data:`_PROBES` at the least."""
_PROBES = 32
_PIECE = 2**20
"""Bytes of an index that are written at a time."""
_COMPONENTS = 256
"""Principal components that the index holds of each latent, at the most; they are nearly all that
latents differ in."""


class FaissIndex(Index):
    """Rows of a latent set by number, all splits one after the other.

    Args:
        index: FAISS's.
        metric: What near means.
    """

    def __init__(self, index: Any, metric: Metric) -> None:
        self._index = index
        self._metric: Metric = metric
        cells = _faiss().extract_index_ivf(index)
        cells.nprobe = min(max(_PROBES, cells.nlist // _PROBED), cells.nlist)

    @classmethod
    def open(cls, path: Path, latents: LatentSet, metric: Metric) -> FaissIndex:
        """Read the index, or make it when there is none yet.

        Raises:
            LatentSetError: If the file is no index or one of other latents.
            MedFunctaError: If FAISS is not installed.
        """
        if not is_utf8(path):
            raise LatentSetError(
                f"the index {path.name} or its folder has a name that is not UTF-8, which FAISS "
                "does not open; give another name"
            )
        with disk_told(path.name):
            there = path.exists()
        if there:
            return cls._read(path, latents, metric)
        with doing("making an index of all latents"):
            return cls._make(path, latents, metric)

    @classmethod
    def _read(cls, path: Path, latents: LatentSet, metric: Metric) -> FaissIndex:
        faiss = _faiss()
        try:
            # The cells stay on the disk until a query looks into them.
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
        except RuntimeError as error:
            raise LatentSetError(
                f"{path.name} is not a FAISS index; give another name to make one"
            ) from error
        expected = (len(latents), latents.info.latent_size, _measure(metric))
        has_cells = faiss.try_extract_index_ivf(index) is not None
        if not has_cells or (index.ntotal, index.d, index.metric_type) != expected:
            raise LatentSetError(
                f"the index {path.name} has {counted(index.ntotal, 'latent')} of "
                f"{counted(index.d, 'number')}, or "
                f"another metric than {metric}; this set has {expected[0]:,} of {expected[1]}; "
                "remove the file to make it anew"
            )
        return cls(index, metric)

    @classmethod
    def _make(cls, path: Path, latents: LatentSet, metric: Metric) -> FaissIndex:
        faiss = _faiss()
        step = math.ceil(len(latents) / _SAMPLE)  # neighbouring rows may be alike
        sample = np.concatenate([_prepared(block[::step], metric) for block in all_blocks(latents)])
        cells = max(1, min(round(4 * math.sqrt(len(latents))), len(sample) // _PER_CELL))
        transform = _principal_components(sample)
        stored = faiss.index_factory(transform.d_out, f"IVF{cells},SQ8", _measure(metric))
        index = faiss.IndexPreTransform(transform, stored)
        index.train(sample)
        for block in all_blocks(latents):
            index.add(_prepared(block, metric))
        write_atomically(path, lambda temporary: _write(index, temporary))
        return cls._read(path, latents, metric)

    def search(self, queries: ArrayLatents, k: int) -> Neighbours:
        """The nearest rows that the probed cells hold, at distances of the latents as they are
        stored there."""
        numbers, rows = self._index.search(_prepared(queries, self._metric), k)
        found = int((rows >= 0).sum(axis=1).min())  # cells may hold fewer than k
        if self._metric == "cosine":
            distances = 1 - numbers
        else:
            distances = np.sqrt(np.maximum(numbers, 0))
        return Neighbours(rows[:, :found].astype(np.int64), distances[:, :found])


def _write(index: Any, temporary: Path) -> None:
    """Write an index through Python's files; FAISS's own pass over a full disk."""
    faiss = _faiss()
    with temporary.open("wb") as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write, _PIECE))


def _prepared(latents: ArrayLatents, metric: Metric) -> ArrayLatents:
    """Of length 1 for cosine similarity, which then is the inner product; numbers that are not
    finite become 0. A copy, which keeps no block alive."""
    finite = np.nan_to_num(latents, nan=0.0, posinf=0.0, neginf=0.0)
    return unit(finite) if metric == "cosine" else finite


def _principal_components(sample: ArrayLatents) -> Any:
    """The rotation on those of largest second moment, which keeps inner products and distances;
    FAISS's own takes the mean away."""
    faiss = _faiss()
    directions = np.linalg.eigh(sample.T @ sample)[1][:, ::-1][:, :_COMPONENTS].T
    transform = faiss.LinearTransform(sample.shape[1], len(directions), False)
    faiss.copy_array_to_vector(np.ascontiguousarray(directions).ravel(), transform.A)
    transform.is_trained = True
    return transform


def _measure(metric: Metric) -> int:
    faiss = _faiss()
    return faiss.METRIC_INNER_PRODUCT if metric == "cosine" else faiss.METRIC_L2


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise missing_extra("faiss-cpu", "search") from error
    return faiss
