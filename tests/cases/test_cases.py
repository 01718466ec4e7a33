"""Awkward inputs of the kinds that bite users of medical signals, each read with its right value or
refused with its cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases.expectations import check_case
from cases.further_inputs import CASES as OWN_CASES
from cases.make_inputs import CASES as PUBLIC_CASES
from cases.make_inputs import plain

CASES = PUBLIC_CASES | OWN_CASES


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")  # of the libraries that write the inputs
def test_it_is_read_right_or_refused_with_the_cause(name: str, tmp_path: Path) -> None:
    make, facts = CASES[name]
    folder = tmp_path / name
    folder.mkdir()
    more = make(folder) or {}
    right = facts | {key: plain(value) for key, value in more.items()}

    check_case(right, folder)
