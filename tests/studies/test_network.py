from __future__ import annotations

from pathlib import Path

import pytest

from medfuncta._src.errors import DataError
from medfuncta._src.sources.table import open_source
from medfuncta._src.studies.network import facts_of, held_out, network_for, network_like
from medfuncta._src.studies.study import StudyOptions
from tasks.list_source import small_run

ECG = "sample:ecg"


def test_a_network_is_trained_when_none_is_given() -> None:
    told: list[str] = []
    options = StudyOptions(ECG, steps=1, seed=5, device="cpu", tell=told.append)
    run = network_for(open_source(ECG), options)
    assert (run.training["steps"], run.config.train.seed) == (1, 5)
    assert told[0] == "training a shared network on sample:ecg for 1 meta-steps"
    assert told[1].startswith("step 1 of 1: ")
    assert "1 meta-steps, " in facts_of(open_source(ECG), run, 3, options)["shared network"]


def test_a_second_network_has_every_setting_of_the_first() -> None:
    source, options = open_source(ECG), StudyOptions(ECG, steps=1, seed=5, device="cpu")
    first = network_for(source, options)
    second = network_like(first, source, StudyOptions(ECG, device="cpu"))
    assert second.config == first.config
    assert second.fingerprint == first.fingerprint


def test_a_run_of_other_data_is_refused(tmp_path: Path) -> None:
    small_run(open_source(ECG).spec).save(tmp_path)
    with pytest.raises(DataError, match="trained on 1 dimension and"):
        network_for(open_source("sample:slices"), StudyOptions("sample:slices", tmp_path))


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_signals_all_over_the_test_split_are_held_out(limit: int) -> None:
    every = [signal.id for signal in open_source(ECG).signals("test")]
    held = [signal.id for signal in held_out(open_source(ECG), StudyOptions(ECG, limit=limit))]
    assert len(held) == min(limit, len(every)) and held == sorted(set(held))
    if limit == 3:
        assert held[0] == every[0] and every.index(held[-1]) > len(every) // 2
    if limit == 1000:
        assert held == every
