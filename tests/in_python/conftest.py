from __future__ import annotations

from collections.abc import Callable, Iterator

import jaxtyping
import pytest

import medfuncta

SMALL = {"components-1d": 16, "components-2d": 12, "components-3d": 8}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., medfuncta.Run]:
    """Trains a small network for a step: ``trained(source)``; that of one source is kept."""
    kept: dict[str, medfuncta.Run] = {}

    def train(source: medfuncta.Source | str, name: str = "") -> medfuncta.Run:
        key = name or str(source)
        if key not in kept:
            opened = medfuncta.open_source(source) if isinstance(source, str) else source
            preset = f"components-{opened.spec.dim}d"
            settings = {
                "field": {"latent_size": SMALL[preset], "modes": 16, "width": 4, "most_nodes": 32},
                "train": {"steps": 1, "batch": 2, "validate_signals": 4},
                "fit": {"steps": 3},
            }
            folder = tmp_path_factory.mktemp("runs") / "run"
            kept[key] = medfuncta.train(opened, folder, preset, settings=settings, device="cpu").run
        return kept[key]

    return train


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Types are not checked by the tests, as they are not for users."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
