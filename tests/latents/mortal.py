"""A job of workers that kills them; a module of its own, which workers can import."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latents.sets import make_run
from latents.smooth import smooth
from medfuncta._src.cluster.worker import Work
from medfuncta._src.config import FitConfig
from medfuncta._src.latents import create as create_module
from medfuncta._src.latents.create import create_latent_set
from medfuncta._src.latents.fit_blocks import FitJob


@dataclass(frozen=True, eq=False)
class MortalJob(FitJob):
    """Kills its own process at the second and the fourth block that any has begun."""

    def begin(self, place: int) -> Work:
        work = super().begin(place)
        notes = Path(os.environ["MEDFUNCTA_TEST_NOTES"])

        def mortal(task: Any) -> Any:
            with (notes / "begun").open("ab") as file:
                file.write(b".")
                begun = file.tell()
            if begun in (2, 4):
                os.kill(os.getpid(), signal.SIGKILL)
            return work(task)

        return mortal


@dataclass(frozen=True, eq=False)
class SlowJob(FitJob):
    """Notes its process, and takes its time."""

    def begin(self, place: int) -> Work:
        work = super().begin(place)
        Path(os.environ["MEDFUNCTA_TEST_NOTES"], f"worker-{os.getpid()}").touch()

        def slow(task: Any) -> Any:
            time.sleep(0.2)
            return work(task)

        return slow


def fit_slowly(folder: Path) -> None:
    """A fit by two workers that can be killed in its middle."""
    create_module.FitJob = SlowJob  # type: ignore[misc]
    create_latent_set(
        make_run(), smooth(count=20), folder, config=FitConfig(steps=2, batch=2), workers=2
    )
