from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import medfuncta

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Makes Python believe that a package of another project is installed, whose entry points are
    those of the text."""

    def install(group: str, entry: str) -> None:
        info = tmp_path / "site" / "another_project-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: another-project\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[{group}]\n{entry}\n")
        monkeypatch.syspath_prepend(str(EXAMPLES))
        monkeypatch.syspath_prepend(str(tmp_path / "site"))

    return install


@pytest.fixture(scope="session")
def ecg_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one meta-step on the sample heartbeats."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    sizes = {"kind": "siren", "layers": 3, "width": 8, "latent_size": 4}
    medfuncta.train(
        "sample:ecg",
        folder,
        settings={"field": sizes, "train": {"steps": 1, "batch": 2, "validate_signals": 2}},
    )
    return folder
