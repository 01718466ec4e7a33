from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hostile.bench import Bench


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Sound runs and sets, and a process beside that runs commands and measures them."""
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is measured by /proc, which this system does not have")
    bench = Bench(tmp_path_factory.mktemp("security"))
    try:
        bench.build()
        yield bench
    finally:
        bench.close()
