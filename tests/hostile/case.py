"""One hostile or broken thing on the disk, the commands that meet it, and what is a good answer."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

MOST_SECONDS: Final = 10.0
"""Of a processor."""
LONGEST_WAIT: Final = 60.0
"""Seconds by the clock after which a command hangs: machines that test are slow, and shared."""
MOST_MEMORY: Final = 2**30
LONGEST_LINE: Final = 500
TAMPERED: Final = "tampered"
"""Name of the folder that is harmed."""


Harm = Callable[[Path], None]
"""Changes one thing in a sound folder."""
Answer = Mapping[str, Any]
"""What a command gave, see ``server.run_command``."""

TINY: Final = {
    "field.kind": '"siren"',
    "field.layers": "3",
    "field.width": "8",
    "field.latent_size": "4",
    "train.steps": "4",
    "train.batch": "4",
    "train.inner_steps": "1",
    "train.validate_every": "2",
    "train.validate_signals": "4",
    "train.warmup": "1",
    "train.keep_checkpoints": "1",
    "fit.steps": "1",
}
LONG: Final = "@long@"
"""Stands for ten million letters, which are put in where they are needed and nowhere kept."""
TINY_WORDS: Final = " ".join(f"{name}={value}" for name, value in TINY.items()).replace('"', "")
POINTS: Final = "csv:{stored}/data/points.csv?position=x,y&value=v&id=id&label=kind&box=0,10,0,10"
BEATS: Final = "csv:{base}/beats.csv?rate=10&val=0.2&test=0.2"

COMMANDS: Final = {
    # of a run
    "info": "info {it}",
    "fit": "fit {it} --data sample:ecg --out {new} --splits val",
    "evaluate": "evaluate {it} --data sample:ecg --split val",
    "further": "train --data sample:ecg --start-from {it} --out {new} --steps 1",
    "resume": f"train --data sample:ecg --out {{it}} --resume --set {TINY_WORDS}",
    "picture": "info {it} --out {new}",
    # of a latent set
    "check": "info {it} --check",
    "decode": "decode {it} --id val-0000 --split val --out {new}.csv",
    "image": "decode {it} --id val-0000 --split val --out {new}.nii.gz",
    "nobody": "decode {it} --id nobody --out {new}.csv",
    "search": "search {it} --id val-0000 --split val",
    "search for": "search {it} --file sample:ecg",
    "classify": "classify {it} --classifier knn",
    "export": "export {it} --to npz --out {new}",
    "onto": "fit {base}/run --data sample:ecg --out {it}",
    # of settings, a cache, a fit that was stopped, and a folder of volumes
    "settings": "train --data sample:ecg --out {new} --config {it}/settings.toml",
    "cached": f"train --data '{BEATS}' --out {{new}} --cache {{it}} --config {{base}}/beats.toml",
    "continue": "fit {stored}/ecg/run --data sample:ecg --out {it} --splits val test",
    "volumes": "info nifti:{it}",
}
"""What a user may do with what was harmed, which lies at ``{it}``; ``{new}`` is not there yet,
``{base}`` holds what is sound."""
WITH_PROGRESS: Final = {"fit", "onto", "continue", "evaluate", "resume", "further", "settings"}
WITH_PROGRESS |= {"classify", "cached"}
"""Commands that show their progress on standard error, where the one line comes last."""


def lengthened(text: str) -> str:
    """A text with ten million letters at each ``LONG``."""
    return text.replace(LONG, "8" * 10_000_000)


@dataclass(frozen=True)
class Case:
    """One mutation.

    Args:
        name: In words.
        subject: What is harmed: the name of a sound folder.
        harm: The mutation.
        refused: Commands that must refuse it, with exit code 2 and one line.
        others: Commands that may refuse it as well or do without what was harmed.
        accepted: Commands that must work all the same: the change does no harm.
        names: The line holds one of these.
        words: Further words of all commands.
        group: Cases of one group are tried together, which takes less time.
        proof: Called after all commands with the harmed folder, the sound ones and what the last
            command made; says what is wrong then.
    """

    name: str
    subject: str
    harm: Harm
    refused: Sequence[str] = ()
    others: Sequence[str] = ()
    accepted: Sequence[str] = ()
    names: Sequence[str] = ()
    words: Sequence[str] = field(default=(), repr=False)
    group: str = ""
    proof: Callable[[Path, Path, Path], str] | None = None

    @property
    def commands(self) -> list[str]:
        return [*self.refused, *self.others, *self.accepted]

    def words_of(self, command: str, **places: Path) -> list[str]:
        """The words of a command line."""
        words = [word.format(**places) for word in shlex.split(COMMANDS[command])]
        return [*words, *map(lengthened, self.words)]

    def faults(self, command: str, answer: Answer, private: str) -> Iterator[str]:
        """What is wrong with the answer of a command; nothing when it is a good one.

        Args:
            command: One of :attr:`commands`.
            answer: Its answer.
            private: A path that must not be told.
        """
        yield from cost_faults(answer)
        if "code" not in answer or answer["crash"]:
            return
        if answer["code"] == 0:
            if command in self.refused:
                yield f"taken for good, and said: {answer['out'][:200]!r}"
        elif command in self.accepted:
            yield f"refused though it does no harm: {answer['err'][-200:]!r}"
        else:
            yield from self._line_faults(command, answer, private)
        if not _printable(answer["out"]) or not _printable(answer["err"]):
            yield "control characters on the terminal"

    def _line_faults(self, command: str, answer: Answer, private: str) -> Iterator[str]:
        if answer["code"] != 2 or answer["out"]:
            yield f"exit code {answer['code']}, and on standard output {answer['out'][:200]!r}"
        lines = [line for line in answer["err"].splitlines() if line.strip()]
        complaints = [line for line in lines if line.startswith("medfuncta: ")]
        if len(complaints) != 1 or (len(lines) > 1 and command not in WITH_PROGRESS):
            yield f"{len(lines)} lines: {answer['err'][:300]!r}"
            return
        line = complaints[0]
        if len(line) > LONGEST_LINE:
            yield f"a line of {len(line)} characters: {line[:200]!r} ..."
        if self.names and not any(name in line for name in self.names):
            yield f"names none of {', '.join(self.names)}: {line[:LONGEST_LINE]!r}"
        if private in line:
            yield f"tells a path: {line[:LONGEST_LINE]!r}"
        if any(sign in line for sign in ("llocat", "MemoryError", "bad_alloc", "out of memory")):
            yield f"asked for the memory first: {line[:LONGEST_LINE]!r}"


def together(title: str, cases: Iterable[Case]) -> list[Case]:
    """Cases of one group, but for those that have one."""
    return [replace(case, group=case.group or title) for case in cases]


def cost_faults(answer: Answer) -> Iterator[str]:
    """Whether a command crashed, or took too long or too much."""
    if answer.get("hung"):
        yield "hung"
    elif answer.get("died"):
        yield "the process died"
    elif answer["crash"]:
        last = answer["crash"].strip().splitlines()[-1]
        yield f"a traceback: {last[:200]}"
    if answer.get("seconds", 0) > MOST_SECONDS:
        yield f"took {answer['seconds']:.0f} s"
    if answer.get("grown", 0) > MOST_MEMORY:
        yield f"took {answer['grown'] / 2**20:.0f} MiB"


def _printable(text: str) -> bool:
    return text.replace("\n", "").replace("\t", "").isprintable()
