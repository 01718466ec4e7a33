from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from guarded_source import guarded_source
from medfuncta._src.errors import ConfigError
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources import identity
from medfuncta._src.sources.cached_split import cache_key, cached_split, watched_files
from medfuncta._src.sources.contents import Survey
from medfuncta._src.sources.identity import KEY_VARIABLE
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source
from medfuncta._src.workflow import train


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(6):
        values = rng.integers(0, 99, (3 + number, 4, 5)).astype(np.int16)
        (tmp_path / "data").mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "data" / f"v{number}.nii")
    return tmp_path / "data"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def opened(folder: Path, options: str = "") -> Source:
    return open_source(f"nifti:{folder}{options}", skip_bad=True)


def test_a_split_is_read_once(folder: Path, cache: Path) -> None:
    expected = SignalSet.collect(opened(folder).spec, opened(folder).signals("train"))
    first = cached_split(opened(folder), "train", cache)
    again = opened(folder)
    unreadable = replace(
        again.contents,
        read=lambda item: pytest.fail("a file was read"),
        survey=lambda: Survey(again.spec),
    )
    second = cached_split(Source(unreadable, again.skips), "train", cache)
    for found in (first, second):
        np.testing.assert_array_equal(found.values, expected.values)
        assert [header.id for header in found.headers] == [header.id for header in expected.headers]


def test_another_key_of_ids_has_a_cache_of_its_own(
    folder: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two who share a cache keep their own ids: neither gets those of the other."""

    def ids_of(who: str) -> tuple[list[str], list[str]]:
        """Ids of the cached split, and those that its source gives, under somebody's key."""
        monkeypatch.setenv(KEY_VARIABLE, who if who == "none" else str(tmp_path / f"{who}.key"))
        source = opened(folder)
        found = cached_split(source, "train", cache)
        return [h.id for h in found.headers], [item.id for item in source.items["train"]]

    cached = {}
    for count, who in enumerate(("one", "another", "none"), start=1):
        cached[who], expected = ids_of(who)
        assert sorted(cached[who]) == sorted(expected)
        assert len(list(cache.iterdir())) == count
    assert len({tuple(ids) for ids in cached.values()}) == 3
    for who in ("one", "another", "none"):
        assert ids_of(who)[0] == cached[who]
        (tmp_path / f"{who}.key").unlink(missing_ok=True)
    assert len(list(cache.iterdir())) == 3


def test_a_key_that_was_made_anew_finds_no_ids_of_before(
    folder: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / "id.key"))
    before = cached_split(opened(folder), "train", cache)
    (tmp_path / "id.key").unlink()
    identity._key.cache_clear()
    after = cached_split(opened(folder), "train", cache)
    assert not {header.id for header in before.headers} & {header.id for header in after.headers}


def test_changed_files_and_other_options_are_noticed(folder: Path, cache: Path) -> None:
    key = cache_key(opened(folder), "train")
    assert key == cache_key(opened(folder), "train")
    assert key.name != cache_key(opened(folder), "val").name
    assert key.name != cache_key(opened(folder, "?shape=2,2,2"), "train").name
    path = folder / "v0.nii"
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    changed = cache_key(opened(folder), "train")
    assert (changed.name, changed.state != key.state) == (key.name, True)


def test_what_was_left_out_is_told_again(folder: Path, cache: Path) -> None:
    train_file = next(item.paths[0] for item in opened(folder).items["train"][1:])
    train_file.write_bytes(train_file.read_bytes()[:400])
    told = []
    for _ in range(2):
        source = opened(folder)
        count = len(cached_split(source, "train", cache))
        told.append((count, [(entry.name, entry.reason) for entry in source.skipped]))
    assert told[0] == told[1]
    assert told[0][1][0][0] == train_file.name


def test_files_that_belong_to_a_file_are_watched(tmp_path: Path) -> None:
    for name in ("100.hea", "100.dat", "100.atr", "101.hea"):
        (tmp_path / name).touch()
    assert [path.name for path in watched_files(tmp_path / "100.hea")] == [
        "100.atr",
        "100.dat",
        "100.hea",
    ]


def test_a_source_without_files_cannot_be_cached(cache: Path) -> None:
    with pytest.raises(ConfigError, match="guarded:waves lies in no files"):
        cached_split(guarded_source(), "train", cache)


def test_training_through_the_cache_gives_the_same_network(
    folder: Path, cache: Path, tmp_path: Path
) -> None:
    settings = {
        "field": {"layers": 3, "width": 8, "latent_size": 4},
        "train": {"steps": 2, "batch": 2, "inner_steps": 2},
        "fit": {"steps": 2},
    }
    prints = [
        train(
            opened(folder), tmp_path / name, settings=settings, device="cpu", cache=place
        ).run.fingerprint
        for name, place in (("plain", None), ("filling", cache), ("cached", cache))
    ]
    assert len(set(prints)) == 1
