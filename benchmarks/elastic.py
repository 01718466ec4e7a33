"""Ranks that are killed again and again while torchrun starts them anew: whether the network at the
end is that of an undisturbed training. ``python -m benchmarks.elastic --kills 20``."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.command import main
from benchmarks.measure import Row, rows_table
from medfuncta._src.cli.command import Command
from medfuncta._src.errors import MedFunctaError
from medfuncta._src.learning.saving import CHECKPOINT
from medfuncta._src.learning.stored_checkpoint import written_by
from medfuncta._src.run import Run

_LOOK: Final = 0.05
_SETTINGS: Final = (
    "field.kind=siren field.layers=4 field.width=32 field.latent_size=8 train.batch=8 "
    "train.inner_steps=3 train.context_ratio=0.5 train.validate_every=10 train.validate_signals=8"
)


@dataclass(kw_only=True)
class Elastic(Command):
    """Kill random ranks of a training under torchrun, and compare its network with an undisturbed
    one."""

    kills: int = 20
    """How often a rank is killed (SIGKILL)."""
    ranks: int = 2
    """Processes that train."""
    steps: int = 1000
    """Meta-steps; enough of them that all kills come before the end."""
    data: str = "sample:ecg"
    """Source of the signals."""
    set: tuple[str, ...] = field(default_factory=lambda: tuple(_SETTINGS.split()))
    """Settings of the training."""
    seed: int = 0
    """Of when, and whom, it hits."""

    def run(self) -> dict[str, Any]:
        draws = random.Random(self.seed)
        with TemporaryDirectory() as name:
            folder = Path(name)
            start = time.perf_counter()
            self._undisturbed(folder / "whole")
            undisturbed = time.perf_counter() - start
            start = time.perf_counter()
            hits = self._disturbed(folder / "run", draws)
            disturbed = time.perf_counter() - start
            fingerprints = [Run.load(folder / run).fingerprint for run in ("whole", "run")]
        lost = max((hit.lost for hit in hits), default=0)
        rows = [
            Row("ranks killed", "", len(hits)),
            Row("of these the first rank", "", sum(hit.first for hit in hits)),
            Row("same weights, bit for bit", "", float(fingerprints[0] == fingerprints[1])),
            Row("meta-steps taken again after a kill, most", "", lost),
            Row("undisturbed", "s", undisturbed),
            Row("with the kills", "s", disturbed),
        ]
        return {"rows": [asdict(row) for row in rows], "settings": self._settings()}

    def _settings(self) -> dict[str, Any]:
        return {"ranks": self.ranks, "steps": self.steps, "data": self.data, "set": list(self.set)}

    def summary(self, result: dict[str, Any]) -> str:
        return rows_table(Row(**row) for row in result["rows"])

    def _words(self, out: Path, restarts: int) -> list[str]:
        """The command line of the training."""
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--monitor-interval", "0.1"]
        launched = [f"--nproc-per-node={self.ranks}", f"--max-restarts={restarts}"]
        return [sys.executable, *torchrun, *launched, "-m", "medfuncta", *self.training(out)]

    def training(self, out: Path) -> list[str]:
        """What each rank is started with."""
        words = ["train", "--data", self.data, "--out", str(out), "--steps", str(self.steps)]
        return [*words, "--device", "cpu", "--set", *self.set]

    def _undisturbed(self, out: Path) -> None:
        ended = subprocess.run(self._words(out, 0), capture_output=True, text=True, check=False)
        _check(ended.returncode, ended.stderr)

    def _disturbed(self, out: Path, draws: random.Random) -> list[_Hit]:
        hits: list[_Hit] = []
        with (
            (out.parent / "told").open("w+") as told,
            subprocess.Popen(self._words(out, self.kills), stderr=told, stdout=told) as agent,
        ):
            reached = 0
            while agent.poll() is None and len(hits) < self.kills:
                step = _step(out)
                if step <= reached:  # nothing was done yet since the last one
                    time.sleep(_LOOK)
                    continue
                time.sleep(draws.random())
                ranks = _children(agent.pid)
                if len(ranks) < self.ranks:
                    continue
                victim = draws.randrange(len(ranks))
                before = _logged(out)
                reached = max(_step(out), step)
                os.kill(ranks[victim], signal.SIGKILL)
                hits.append(_Hit(first=victim == 0, lost=max(0, before - reached)))
            code = agent.wait()
            told.seek(0)
            _check(code, told.read())
        return hits


@dataclass(frozen=True)
class _Hit:
    """A rank that was killed.

    Args:
        first: Whether it was the first one.
        lost: Meta-steps that the log knew of beyond the last checkpoint.
    """

    first: bool
    lost: int


def _check(code: int, told: str) -> None:
    if code:
        raise MedFunctaError(f"torchrun ended with {code}: {told}")


def _step(out: Path) -> int:
    """After which meta-step the newest checkpoint was written."""
    try:
        return written_by(out / CHECKPOINT)[0]
    except MedFunctaError:
        return 0


def _logged(out: Path) -> int:
    """The last meta-step of the log."""
    try:
        lines = (out / "metrics.csv").read_text().splitlines()
    except OSError:
        return 0
    word = lines[-1].partition(",")[0] if lines else ""
    return int(word) if word.isdecimal() else 0


def _children(process: int) -> Sequence[int]:
    """The ranks that a torchrun has started, in their order."""
    words = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ranks = {}
    for word in words:
        try:
            environment = Path(f"/proc/{word}/environ").read_bytes().decode().split("\0")
        except OSError:
            continue
        told = dict(entry.split("=", 1) for entry in environment if "=" in entry)
        if told.get("RANK", "").isdecimal():
            ranks[int(told["RANK"])] = int(word)
    return [ranks[rank] for rank in sorted(ranks)]


if __name__ == "__main__":
    sys.exit(main(Elastic))
