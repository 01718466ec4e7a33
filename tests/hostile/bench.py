"""Where cases are tried: sound folders, made once, and the process that runs commands on copies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from hostile.case import BEATS, LONGEST_WAIT, POINTS, TAMPERED, TINY_WORDS, Answer, Case
from hostile.settings import FILE, toml

HERE: Final = Path(__file__).parent
STORED: Final = HERE.parent / "stored"
TRAINING: Final = f"--steps 4 --batch 4 --set {TINY_WORDS}".split()


@dataclass(frozen=True)
class _Trial:
    """A case and the folder where it is tried."""

    case: Case
    work: Path

    @property
    def it(self) -> Path:
        """What is harmed."""
        return self.work / TAMPERED

    def _new(self, number: int) -> Path:
        return self.work / f"new-{number}"

    def commands(self, base: Path) -> list[list[str]]:
        """The words of all commands of the case."""
        places = {"it": self.it, "base": base, "stored": STORED}
        found = []
        for number, command in enumerate(self.case.commands):
            found.append(self.case.words_of(command, new=self._new(number), **places))
        return found

    def faults(self, answers: Iterator[Answer], base: Path, private: str) -> dict[str, list[str]]:
        """What is wrong with the next answers, by command."""
        faults = {}
        for command in self.case.commands:
            found = list(self.case.faults(command, next(answers), private))
            if found:
                faults[command] = found
        if self.case.proof is not None and not faults:
            made = self._new(len(self.case.commands) - 1)
            wrong = self.case.proof(self.it, base, made)
            if wrong:
                faults["afterwards"] = [wrong]
        return faults


@contextmanager
def running(place: Path) -> Iterator[Bench]:
    """A bench with its sound folders built, closed afterwards."""
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is measured by /proc, which this system does not have")
    bench = Bench(place)
    try:
        bench.build()
        yield bench
    finally:
        bench.close()


class Bench:
    """Sound folders under one place, and the process beside.

    Args:
        place: An empty folder.
        limit: Seconds after which a command hangs.
    """

    def __init__(self, place: Path, limit: float = LONGEST_WAIT) -> None:
        self.place, self._limit = place, limit
        self.base = place / "base"
        self._number = count()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MEDFUNCTA_NATIVE": "0"}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)

    def build(self) -> None:
        """Make the sound folders by the code as it is; the process then has all in memory that
        commands need."""
        self.base.mkdir()
        _write_beats(self.base / "beats.csv")
        (self.base / "beats.toml").write_text(toml({"train.steps": "1"}))
        (self.base / "toml").mkdir()
        (self.base / "toml" / FILE).write_text(toml({"train.steps": "1"}))
        ecg, points = ["--data", "sample:ecg"], ["--data", POINTS.format(stored=STORED)]
        volumes = ["--data", "sample:volumes"]
        beats = ["--data", BEATS.format(base=self.base), "--config", str(self.base / "beats.toml")]
        base = str(self.base)
        cache = ["--cache", f"{base}/cache"]
        self._sound("train", *ecg, "--out", f"{base}/run", *TRAINING)
        self._sound("train", *ecg, "--out", f"{base}/other", *TRAINING, "--seed", "1")
        self._sound("train", *points, "--out", f"{base}/points-run", *TRAINING)
        self._sound(
            "train", *volumes, "--out", f"{base}/volumes-run", *TRAINING[:-1], "fit.steps=1"
        )
        self._sound("train", *beats, "--out", f"{base}/beats-run", *cache)
        self._sound("fit", f"{base}/run", *ecg, "--out", f"{base}/set")
        self._sound("fit", f"{base}/run", *ecg, "--out", f"{base}/set8", "--dtype", "int8")
        self._sound("fit", f"{base}/points-run", *points, "--out", f"{base}/points", "--positions")
        val = ["--splits", "val"]
        self._sound("fit", f"{base}/volumes-run", *volumes, "--out", f"{base}/volumes", *val)
        self._warm()

    def _warm(self) -> None:
        """Run what imports something of its own."""
        new = str(self.base / "warm")
        self._sound("info", str(self.base / "run"), "--out", new)
        self._sound("classify", str(self.base / "set"), "--classifier", "knn")
        self._sound("search", str(self.base / "set"), "--id", "val-0000")
        for subject, suffix in {"volumes": "nii.gz", "set": "csv"}.items():
            words = ["--id", "val-0000", "--out", f"{new}.{suffix}"]
            self._sound("decode", str(self.base / subject), *words)
        self._sound("evaluate", str(self.base / "run"), "--data", "sample:ecg", "--split", "val")
        self._sound("info", f"nifti:{STORED / 'data' / 'scans'}")

    def _sound(self, *words: str) -> None:
        (answer,) = self._ask([list(words)], copy=False)
        assert answer["code"] == 0, answer["err"] + answer["crash"]

    def _ask(self, commands: Sequence[list[str]], *, copy: bool) -> list[dict[str, Any]]:
        assert self._process.stdin is not None and self._process.stdout is not None
        request = {"commands": commands, "copy": copy, "limit": self._limit}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def answers(self, commands: Sequence[list[str]]) -> list[dict[str, Any]]:
        """What commands answer, each as the program would."""
        return self._ask(commands, copy=True)

    def faults(self, cases: Sequence[Case]) -> dict[str, list[str]]:
        """What is wrong with the answers to cases, by case and command; good ones are left out."""
        work = self.place / f"case-{next(self._number)}"
        trials = [_Trial(case, work / str(number)) for number, case in enumerate(cases)]
        for trial in trials:
            shutil.copytree(self._subject(trial.case.subject), trial.it)
            trial.case.harm(trial.it)
        commands = [words for trial in trials for words in trial.commands(self.base)]
        answers = iter(self._ask(commands, copy=True))
        faults: dict[str, list[str]] = {}
        for trial in trials:
            found = trial.faults(answers, self.base, str(self.place))
            faults |= {f"{trial.case.name}: {command}": lines for command, lines in found.items()}
        shutil.rmtree(work)
        return faults

    def _subject(self, name: str) -> Path:
        if name == "stopped":
            return STORED / "ecg" / "stopped-fit"
        if name == "scans":
            return STORED / "data" / "scans"
        return self.base / name


def _write_beats(path: Path) -> None:
    """Ten traces of ten samples and a label each."""
    rows = []
    for number in range(10):
        samples = [f"{(number * 7 + place * 3) % 11 / 10}" for place in range(10)]
        rows.append(",".join([*samples, str(number % 2)]))
    path.write_text("\n".join(rows) + "\n")
