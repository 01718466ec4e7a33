"""Settings: TOML files and ``--set``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from hostile.case import LONG, TINY, Case, lengthened, together
from hostile.files import DEPTH, KINDS, TEXTS, encoded, kind_of, leaves, linked, turned
from hostile.runs import CHOICES, LATER, MAY_BE_NEGATIVE, STORED

FILE: Final = "settings.toml"
SETTINGS: Final = json.loads((STORED / "ecg" / "run" / "config.json").read_text())
KINDS_OF: Final = {
    f"{key[0]}.{key[1]}": "number" if key[-1] == "omega_increment" else kind_of(value)
    for key, value in leaves(SETTINGS)
    if len(key) == 2
}
KINDS_OF.update({f"{key[1]}.{key[2]}": kind_of(value) for key, value in LATER})
"""Every setting and the kind of its value."""
del KINDS_OF["train.compile"]  # there is no such setting any more

NOT_A_NUMBER: Final = {
    "text": '"many"',
    "true": "true",
    "a list": "[8]",
    "a table": "{a = 1}",
    "a date": "1979-05-27",
    "nan": "nan",
    "inf": "inf",
    "1e30": "1e30",
    "of 400 digits": "1" + "0" * 400,
    "of 5000 digits": "1" + "0" * 5000,
    "negative": "-3",
}
WRONG: Final[dict[str, dict[str, str]]] = {
    "whole": {**NOT_A_NUMBER, "a fraction": "2.5"},
    "number": NOT_A_NUMBER,
    "flag": {"text": '"perhaps"', "a list": "[true]", "a table": "{a = 1}", "a number": "2"},
    "text": {"a number": "3", "true": "true", "a list": '["a"]', "a table": "{a = 1}"},
}
WRONG_WORDS: Final[dict[str, dict[str, str]]] = {
    "whole": {"a fraction": "2.5", "negative": "-3", "1e30": "1e30", "a list": "[8]"},
    "number": {"negative": "-3", "1e30": "1e30", "1e999": "1e999", "a list": "[8]"},
    "flag": {"a word": "perhaps", "a number": "2", "empty": "", "a list": "[true]"},
    "text": {"another word": "banana", "a very long text": LONG},
}
for _kind in ("whole", "number"):
    WRONG_WORDS[_kind] |= {"a word": "many", "empty": "", "true": "true", "nan": "nan"}
    WRONG_WORDS[_kind] |= {"inf": "inf", "of 5000 digits": "9" * 5000, "two": "8 8"}


def toml(changes: dict[str, str]) -> str:
    """The tiny settings with some replaced, as TOML."""
    sections: dict[str, list[str]] = {}
    for dotted, value in {**TINY, **changes}.items():
        section, _, name = dotted.partition(".")
        sections.setdefault(section, []).append(f"{name} = {value}")
    lines = []
    for section, entries in sections.items():
        lines += [f"[{section}]", *entries]
    return "\n".join(lines) + "\n"


def written(text: str) -> Callable[[Path], None]:
    """The harm that writes the file anew."""

    def harm(folder: Path) -> None:
        data = lengthened(text).encode()
        (folder / FILE).write_bytes(data)

    return harm


def _file_case(what: str, harm: Callable[[Path], None], *names: str, group: str = "") -> Case:
    refused = ["settings"]
    return Case(f"{FILE} {what}", "toml", harm, refused, names=[*names, FILE], group=group)


def _set_case(what: str, words: list[str], *names: str, group: str = "") -> Case:
    title, refused = f"--set {what}", ["settings"]
    return Case(title, "toml", unharmed, refused, names=names, words=words, group=group)


def unharmed(folder: Path) -> None:
    """What is wrong stands in the words of the command."""


def key_cases() -> Iterator[Case]:
    """Every setting with every value that it must not have, in a file and behind ``--set``."""
    for dotted, kind in KINDS_OF.items():
        name = dotted.partition(".")[2]
        for what, token in WRONG[kind].items():
            if what == "negative" and name in MAY_BE_NEGATIVE:
                continue
            yield _file_case(
                f"{dotted} is {what}", written(toml({dotted: token})), name, group=dotted
            )
        if name in CHOICES:
            other = written(toml({dotted: '"banana"'}))
            yield _file_case(f"{dotted} is another word", other, name, group=dotted)
        for what, word in WRONG_WORDS[kind].items():
            if what == "negative" and name in MAY_BE_NEGATIVE:
                continue
            words = ["--set", f"{dotted}={word}"]
            yield _set_case(f"{dotted} is {what}", words, name, group=dotted)


def file_cases() -> Iterator[Case]:
    """The file as a whole."""
    for kind in KINDS:
        if kind == "empty":
            continue  # has no settings; the presets are not tiny
        harm = _turned_cut if kind == "cut" else turned(FILE, kind)
        yield _file_case(f"is {kind}", harm, "validate")
    for encoding in TEXTS:
        yield _file_case(f"is {encoding}", encoded(FILE, encoding))
    yield Case(f"{FILE} is a link to a sound file", "toml", linked(FILE), accepted=["settings"])
    comment = written(toml({}) + "# " + "x" * 1000 + "\n[inner]\n")
    yield Case(f"{FILE} has an empty section", "toml", comment, accepted=["settings"])
    texts: dict[str, tuple[str, str]] = {
        "is nested deeply": ("a = " + "[" * DEPTH + "]" * DEPTH, FILE),
        "has deeply nested tables": ("a = " + "{a=" * DEPTH + "1" + "}" * DEPTH, FILE),
        "has a deeply dotted key": (".".join("a" * DEPTH) + " = 1", "a"),
        "has a setting outside of a section": ("steps = 4\n" + toml({}), "steps"),
        "has an unknown section": (toml({}) + "[tarin]\nsteps = 4\n", "tarin"),
        "has an unknown setting": (toml({"train.stpes": "4"}), "stpes"),
        "has a section in a section": (toml({}) + "[train.more]\nsteps = 4\n", "more"),
        "has a section twice": (toml({}) + "[train]\nsteps = 4\n", "train"),
        "has a setting twice": (toml({}).replace("steps", "steps = 4\nsteps", 1), "steps"),
        "has a list of sections": ("[[train]]\nsteps = 4\n", "train"),
        "has a section that is a number": ("train = 3\n", "train"),
        "has a section that is null": ("train = null\n", FILE),
        "has a very long text": (toml({"train.context": '"' + LONG + '"'}), "context"),
        "has a very long name": (toml({}) + f"[train.{LONG}]\n", FILE),
        "has a name with colours": (toml({}) + '[fit."\\u001b[31mred"]\na = 1\n', "fit"),
        "is JSON": (json.dumps({"train": {"steps": 4}}), FILE),
    }
    for what, (text, name) in texts.items():
        yield _file_case(what, written(text), name)


def _turned_cut(folder: Path) -> None:
    (folder / FILE).write_text(toml({})[:-40] + "= 3\n")


def claim_cases() -> Iterator[Case]:
    """Settings that would not fit into any memory or lifetime."""
    claims: dict[str, dict[str, str]] = {
        "a field of 10 GB": {"field.layers": "6", "field.width": "25_000"},
        "a field of 10^12 parameters": {"field.width": "1_000_000"},
        "a million layers": {"field.layers": "1_000_000"},
        "a latent of 10^9": {"field.latent_size": "1_000_000_000"},
        "a batch of 10^12": {"train.batch": "1_000_000_000_000"},
        "a batch of 10^12 in fits": {"fit.batch": "1_000_000_000_000"},
        "10^12 inner steps": {"train.inner_steps": "1_000_000_000_000"},
        "10^12 steps in fits": {"fit.steps": "1_000_000_000_000"},
        "10^12 validation signals": {"train.validate_signals": "1_000_000_000_000"},
        "10^15 MiB of memory": {"train.memory_mb": "1_000_000_000_000_000"},
        "a warm-up of 10^18": {"train.warmup": "1_000_000_000_000_000_000"},
        "10^18 steps": {"train.steps": "1_000_000_000_000_000_000"},
        "a seed of 2^63": {"train.seed": "9223372036854775808"},
        "an increment of 1e300": {"field.omega_increment": "1e300"},
    }
    for what, changes in claims.items():
        names = [key.partition(".")[2] for key in changes]
        if "field.width" in changes:
            names.append("[field]")  # it is no single one that is too large
        yield _file_case(f"asks for {what}", written(toml(changes)), *names)
        words = [f"{key}={value.replace('_', '')}" for key, value in changes.items()]
        yield _set_case(f"asks for {what}", ["--set", *words], *names)


def word_cases() -> Iterator[Case]:
    """What stands behind ``--set`` is no setting, or one that is not known."""
    words = {
        "nothing": "",
        "no value": "train.steps",
        "no name": "=3",
        "no section": "steps=3",
        "an empty name": "train.=3",
        "an empty section": ".steps=3",
        "a name in a name": "train.steps.more=3",
        "an unknown section": "tarin.steps=3",
        "an unknown name": "train.stpes=3",
        "a section as a value": "train=3",
        "a name with colours": "train.\x1b[31mred=3",
        "a value with colours": "train.context=\x1b[31mred",
        "a value with a line break": "train.context=a\nb",
        "a very long name": f"train.{LONG}=3",
        "half a character": "train.context=\udcff",
    }
    for what, word in words.items():
        yield _set_case(f"holds {what}", ["--set", word])


def harmless_cases() -> Iterator[Case]:
    """What is odd and right."""
    for what, words in {
        "whole numbers for fractions": ["train.clip=1", "field.output_offset=-0"],
        "no increment": ["field.omega_increment=none"],
        "capitals": ["field.residual=True"],
        "a setting twice": ["train.seed=2", "train.seed=3"],
    }.items():
        yield Case(
            f"--set holds {what}",
            "toml",
            unharmed,
            accepted=["settings"],
            words=["--set", *words],
        )


CASES: Final = [
    *key_cases(),
    *together("settings.toml as a whole", file_cases()),
    *together("settings beyond any memory", claim_cases()),
    *together("words behind --set", word_cases()),
    *together("what is odd and right", harmless_cases()),
]
