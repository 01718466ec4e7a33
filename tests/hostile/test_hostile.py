"""Nothing that lies on the disk crashes a command, hangs it, fills the memory or is taken for what
it is not: it is refused in one line, or does no harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostile import checkpoints, leftovers, runs, sets, settings, tables
from hostile.bench import Bench
from hostile.case import Case

GROUPS = {
    "runs": runs.CASES,
    "checkpoints": checkpoints.CASES,
    "sets": sets.CASES,
    "tables": tables.CASES,
    "settings": settings.CASES,
    "leftovers": leftovers.CASES,
}
CASES = [case for cases in GROUPS.values() for case in cases]


def together() -> dict[str, list[Case]]:
    """Cases that are tried together: all wrong values of one key."""
    groups: dict[str, list[Case]] = {}
    for case in CASES:
        groups.setdefault(case.group or case.name, []).append(case)
    return groups


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is measured by /proc, which this system does not have")
    bench = Bench(tmp_path_factory.mktemp("hostile"))
    bench.build()
    yield bench
    bench.close()


@pytest.mark.parametrize("cases", together().values(), ids=together().keys())
def test_it_is_refused_in_one_line_or_does_no_harm(cases: list[Case], bench: Bench) -> None:
    faults = bench.faults(cases)
    assert not faults, "\n".join(f"{name}: {lines}" for name, lines in faults.items())


def test_every_case_has_a_name_of_its_own_and_says_what_is_expected() -> None:
    names = Counter(case.name for case in CASES)
    assert not [name for name, count in names.items() if count > 1]
    for case in CASES:
        assert case.commands, case.name
        assert len(set(case.commands)) == len(case.commands), case.name


def test_the_corpus_is_large() -> None:
    assert sum(bool(case.refused) for case in CASES) >= 150
