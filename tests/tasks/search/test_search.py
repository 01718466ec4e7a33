from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from medfuncta._src.errors import ConfigError, DataError, LatentSetError, MedFunctaError
from medfuncta._src.tasks.search.faiss_index import FaissIndex
from medfuncta._src.tasks.search.hits import all_blocks, row_of, search_set
from medfuncta._src.tasks.search.neighbours import Metric, nearest
from tasks.blob_set import write_blob_set

SIZES = {"train": 30, "test": 20}


def latents(rows: int, size: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, size)).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("blocks", [1, 7, 200])
def test_neighbours_are_those_of_scikit_learn_however_the_set_is_cut(
    metric: Metric, blocks: int
) -> None:
    queries, searched = latents(9, seed=1), latents(200)
    found = nearest(queries, np.array_split(searched, blocks), 5, metric)
    distances, rows = (
        NearestNeighbors(n_neighbors=5, metric=metric, algorithm="brute")
        .fit(searched)
        .kneighbors(queries)
    )
    assert np.array_equal(found.rows, rows)
    assert np.allclose(found.distances, distances, atol=1e-5)


def test_equal_distances_keep_the_order_of_the_rows() -> None:
    same = np.tile(latents(1), (50, 1))
    assert nearest(latents(1), np.array_split(same, 6), 4).rows.tolist() == [[0, 1, 2, 3]]


def test_fewer_latents_than_asked_for_are_all_found() -> None:
    assert nearest(latents(2, seed=1), [latents(3)], 5).rows.shape == (2, 3)


def test_a_latent_with_nan_is_never_near_and_no_question() -> None:
    searched = latents(20)
    searched[4] = np.nan
    assert 4 not in nearest(latents(3, seed=1), [searched], 19, "euclidean").rows
    with pytest.raises(DataError, match="the latent to search for holds NaN"):
        nearest(searched[4:5], [searched], 3)


def test_no_neighbours_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="0 neighbours; expected at least 1"):
        nearest(latents(1), [latents(3)], 0)


def test_memory_does_not_grow_with_the_set() -> None:
    def peak(blocks: int) -> int:
        tracemalloc.start()
        nearest(latents(50), (latents(500, seed=n) for n in range(blocks)), 10)
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return memory

    peak(2)
    assert peak(20) < 1.2 * peak(4)


def test_a_signal_finds_its_class_in_all_splits_but_not_itself(tmp_path: Path) -> None:
    latent_set = write_blob_set(tmp_path, SIZES)
    query = latent_set.row("test-3")
    hits = search_set(latent_set, query.latent, 40, "euclidean", leave_out=query)
    assert len(hits) == 40
    assert {hit.row.label for hit in hits[:24]} == {1}
    assert {hit.row.split for hit in hits[:24]} == {"train", "test"}
    assert query.id not in {hit.row.id for hit in hits}
    assert [hit.distance for hit in hits] == sorted(hit.distance for hit in hits)


def test_rows_are_counted_through_all_splits(tmp_path: Path) -> None:
    latent_set = write_blob_set(tmp_path, SIZES)
    together = np.concatenate(list(all_blocks(latent_set)))
    for number in (0, 29, 30, 49):
        assert np.array_equal(row_of(latent_set, number).latent, together[number])


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("components", [256, 5])
def test_an_index_finds_nearly_the_same_and_is_kept(
    tmp_path: Path, metric: Metric, components: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("faiss")
    monkeypatch.setattr("medfuncta._src.tasks.search.faiss_index._COMPONENTS", components)
    latent_set = write_blob_set(tmp_path / "set", {"train": 300})
    path = tmp_path / "set.faiss"
    made = FaissIndex.open(path, latent_set, metric)
    queries = latent_set.split("train").latents[:20]
    exact, found = nearest(queries, all_blocks(latent_set), 10, metric), made.search(queries, 10)
    shared = np.mean(
        [len(set(a) & set(b)) / 10 for a, b in zip(exact.rows, found.rows, strict=True)]
    )
    assert shared > (0.8 if components == 256 else 0.4)
    assert np.allclose(found.distances, exact.distances, atol=0.05 if components == 256 else 0.5)
    assert np.array_equal(
        FaissIndex.open(path, latent_set, metric).search(queries, 10).rows, found.rows
    )


def test_an_index_of_other_latents_or_no_index_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    FaissIndex.open(tmp_path / "a.faiss", write_blob_set(tmp_path / "a", {"train": 50}), "cosine")
    other = write_blob_set(tmp_path / "b", {"train": 51})
    with pytest.raises(
        LatentSetError, match=r"a.faiss has 50 latents of 6 numbers, .* this set has 51"
    ):
        FaissIndex.open(tmp_path / "a.faiss", other, "cosine")
    (tmp_path / "b.faiss").write_text("no index")
    with pytest.raises(LatentSetError, match=r"b.faiss is not a FAISS index"):
        FaissIndex.open(tmp_path / "b.faiss", other, "cosine")


def test_a_missing_faiss_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MedFunctaError, match=r"medfuncta\[search\]"):
        FaissIndex.open(
            tmp_path / "x.faiss", write_blob_set(tmp_path / "set", {"train": 5}), "cosine"
        )
