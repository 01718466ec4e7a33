from __future__ import annotations

from collections.abc import Iterator

import pytest

from hostile.bench import Bench, running


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Sound runs and sets, and a process beside that runs commands and measures them."""
    with running(tmp_path_factory.mktemp("security")) as bench:
        yield bench
