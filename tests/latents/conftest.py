from __future__ import annotations

from pathlib import Path

import pytest

from latents.sets import SetMaker, make_run, write_set
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.run import Run


@pytest.fixture(scope="session")
def small_run() -> Run:
    return make_run()


@pytest.fixture
def make_set(tmp_path: Path) -> SetMaker:
    """:func:`write_set` into the test's own folder, under ``set`` unless a ``name`` is given."""

    def make(name: str = "set", **options: object) -> LatentSet:
        return write_set(tmp_path / name, **options)

    return make
