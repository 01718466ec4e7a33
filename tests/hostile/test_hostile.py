"""Nothing that lies on the disk crashes a command, hangs it, fills the memory or is taken for what
it is not: it is refused in one line, or does no harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from hostile import checkpoints, latent_sets, leftovers, runs, settings, tables
from hostile.bench import Bench, running
from hostile.case import Case

GROUPS = {
    "runs": runs.CASES,
    "checkpoints": checkpoints.CASES,
    "sets": latent_sets.CASES,
    "tables": tables.CASES,
    "settings": settings.CASES,
    "leftovers": leftovers.CASES,
}
CASES = [case for cases in GROUPS.values() for case in cases]


def by_group() -> dict[str, list[Case]]:
    """Cases that are tried together: all wrong values of one key, all ways to harm one file."""
    groups: dict[str, list[Case]] = {}
    for case in CASES:
        groups.setdefault(case.group, []).append(case)
    return groups


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with running(tmp_path_factory.mktemp("hostile")) as bench:
        yield bench


@pytest.mark.parametrize("cases", by_group().values(), ids=by_group().keys())
def test_it_is_refused_in_one_line_or_does_no_harm(cases: list[Case], bench: Bench) -> None:
    faults = bench.faults(cases)
    if faults:
        lines = [f"{name}: {'; '.join(found)}" for name, found in faults.items()]
        pytest.fail("\n".join([f"{len(faults)} bad answers", *lines]), pytrace=False)


@pytest.mark.parametrize(
    ("subject", "commands"),
    [
        ("run", "info fit evaluate further resume picture"),
        ("set", "info check decode search classify export onto"),
        ("set", "search-for"),
        ("set8", "info check decode"),
        ("volumes", "info image"),
        ("toml", "settings"),
        ("cache", "cached"),
        ("stopped", "continue"),
        ("scans", "volumes"),
    ],
)
def test_what_nobody_harmed_is_accepted(subject: str, commands: str, bench: Bench) -> None:
    """Otherwise a refusal would say nothing of the harm."""
    accepted = [command.replace("-", " ") for command in commands.split()]
    assert not bench.faults([Case("nothing", subject, lambda folder: None, accepted=accepted)])


GOOD = {"code": 2, "out": "", "err": "medfuncta: field.json is cut; copy it again\n", "crash": ""}
GOOD |= {"seconds": 0.1, "grown": 10**6}
BAD = {
    "hung": {"hung": True},
    "died": {"died": True},
    "traceback": {**GOOD, "code": 1, "crash": "Traceback\n  ...\nKeyError: 'config'"},
    "taken for good": {**GOOD, "code": 0, "err": ""},
    "exit code 1": {**GOOD, "code": 1},
    "standard output": {**GOOD, "out": "something"},
    "2 lines": {**GOOD, "err": "a warning\n" + GOOD["err"]},
    "1 lines": {**GOOD, "err": "field.json is cut\n"},
    "a line of 600": {**GOOD, "err": ("medfuncta: field.json" + 600 * "x")[:600]},
    "names none": {**GOOD, "err": "medfuncta: something is wrong\n"},
    "a path": {**GOOD, "err": "medfuncta: /somewhere/field.json is cut\n"},
    "asked for the memory": {**GOOD, "err": "medfuncta: field.json: MemoryError\n"},
    "control characters": {**GOOD, "err": "medfuncta: field.json is \x1b[31mcut\n"},
    "took 60 s": {**GOOD, "seconds": 60.0},
    "took 2048 MiB": {**GOOD, "grown": 2**31},
}


def test_a_good_answer_has_no_fault() -> None:
    case = Case("a file", "run", lambda folder: None, ["info"], names=["field.json"])
    assert not list(case.faults("info", GOOD, "/somewhere"))


@pytest.mark.parametrize("fault", BAD)
def test_every_bad_answer_is_noticed(fault: str) -> None:
    case = Case("a file", "run", lambda folder: None, ["info"], names=["field.json"])
    (found,) = case.faults("info", BAD[fault], "/somewhere")
    assert fault in found


def test_every_case_has_a_name_of_its_own_and_says_what_is_expected() -> None:
    names = Counter(case.name for case in CASES)
    assert not [name for name, count in names.items() if count > 1]
    for case in CASES:
        assert case.commands and case.group, case.name
        assert len(set(case.commands)) == len(case.commands), case.name


def test_the_corpus_is_large() -> None:
    assert sum(bool(case.refused) for case in CASES) >= 150
