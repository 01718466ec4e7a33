"""What a study of cells found: claims and what became of them, tables, figures, and files of it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias

from medfuncta._src.disk.atomic import write_atomically, write_json, write_text
from medfuncta._src.disk.places import place
from medfuncta._src.result import Result
from medfuncta._src.tasks.drawing.figure import pdf, png
from medfuncta._src.tasks.drawing.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Judgement: TypeAlias = Literal["confirmed here", "not confirmed here", "not testable at this scale"]
CONFIRMED: Final[Judgement] = "confirmed here"
NOT_CONFIRMED: Final[Judgement] = "not confirmed here"
NOT_TESTABLE: Final[Judgement] = "not testable at this scale"


@dataclass(frozen=True)
class Claim(Result):
    """A claim and what became of it.

    Args:
        claim: What is claimed.
        by: Who claims it, and where.
        verdict: What was found.
        because: The numbers that say so, and of how many seeds they are.
    """

    claim: str
    by: str
    verdict: Judgement
    because: str


def judged(claim: str, by: str, holds: bool, because: str) -> Claim:
    """A claim that the numbers confirm, or do not."""
    return Claim(claim, by, CONFIRMED if holds else NOT_CONFIRMED, because)


LEAST_GAP: Final = 0.2
"""dB: two trainings of one setting differ by as much."""


def clearly_above(ours: Sequence[float], theirs: Sequence[float], least: float = LEAST_GAP) -> bool:
    """Whether every seed of one is above every seed of another, in dB, and their means are further
    apart than a little luck puts them.

    >>> clearly_above([30.0, 31.0], [29.0, 29.5]), clearly_above([30.0], [29.9])
    (True, False)
    """
    gap = sum(ours) / len(ours) - sum(theirs) / len(theirs)
    return min(ours) > max(theirs) and gap > least


def judged_above(
    claim: str,
    by: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    because: str,
    *,
    least: float = LEAST_GAP,
) -> Claim:
    """A claim that one setting is better than another, in dB: confirmed where the difference is
    larger than the spread of seeds. One seed has no spread, and nothing follows from it.

    Args:
        claim: What is claimed.
        by: Who claims it.
        ours: Of each seed, what should be higher.
        theirs: Of each seed, what should be lower.
        because: The numbers, as a sentence.
        least: What the means must differ by.
    """
    if len(ours) < 2:
        return Claim(claim, by, NOT_TESTABLE, f"{because} One seed has no spread.")
    if clearly_above(ours, theirs, least):
        return Claim(claim, by, CONFIRMED, because)
    if clearly_above(theirs, ours):
        return Claim(claim, by, NOT_CONFIRMED, f"{because} The opposite holds.")
    why = f"That is within the spread of seeds, or below {LEAST_GAP:g} dB."
    if clearly_above(ours, theirs):
        why = f"That is more than the spread of seeds, but less than {least:g} dB."
    return Claim(claim, by, NOT_CONFIRMED, f"{because} {why}")


def judged_no_worse(
    claim: str,
    by: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    because: str,
    *,
    margin: float,
) -> Claim:
    """A claim that one setting does as well as another: confirmed where no seed of it loses as much
    as the margin.

    Args:
        claim: What is claimed.
        by: Who claims it.
        ours: Of each seed, what should not be lower.
        theirs: Of the same seeds, what it is held against.
        because: The numbers, as a sentence.
        margin: dB.
    """
    if len(ours) < 2:
        return Claim(claim, by, NOT_TESTABLE, f"{because} One seed has no spread.")
    lost = max(other - own for own, other in zip(ours, theirs, strict=True))
    said = f"{because} As well means that no seed loses {margin:g} dB; the worst loses {lost:.2f}."
    return judged(claim, by, lost < margin, said)


@dataclass(frozen=True)
class Table(Result):
    """Numbers as they are shown.

    Args:
        title: What they are.
        header: Names of the columns.
        rows: Cells, the first of a row being its name.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def csv(self) -> str:
        """As the text of a CSV file."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.header, *self.rows])
        return text.getvalue()


@dataclass(frozen=True, eq=False)
class Outcome(Result):
    """The result of a study.

    Args:
        title: What was asked.
        explanation: How it was measured, and what is not fair about it.
        claims: What became of what is claimed.
        tables: The numbers.
        facts: Data, settings and seeds by name.
        captions: What each figure shows, by its name.
        figures: For a person, by the same names.
    """

    json_keys: ClassVar = ("title", "explanation", "claims", "tables", "facts", "captions")

    title: str
    explanation: str
    claims: Sequence[Claim]
    tables: Sequence[Table]
    facts: Mapping[str, str]
    captions: Mapping[str, str]
    figures: Mapping[str, Figure] = field(repr=False)

    @cached_property
    def pictures(self) -> dict[str, bytes]:
        """The figures as PNG files, each drawn once."""
        return {name: png(figure) for name, figure in self.figures.items()}


def write_outcome(outcome: Outcome, folder: Path) -> None:
    """Write ``report.json`` and ``report.html``, each table as CSV, each figure as PNG and PDF."""
    write_json(folder / "report.json", outcome.to_json())
    for number, table in enumerate(outcome.tables, start=1):
        write_text(place(folder, f"table-{number}.csv"), table.csv())
    for name, figure in outcome.figures.items():
        _write_bytes(place(folder, f"{name}.png"), outcome.pictures[name])
        _write_bytes(place(folder, f"{name}.pdf"), pdf(figure))
    page = Page(outcome.title)
    add_to_page(outcome, page)
    page.save(place(folder, "report.html"))


def add_to_page(outcome: Outcome, page: Page) -> None:
    """Put what was found on a page."""
    page.text(outcome.explanation)
    for claim in outcome.claims:
        page.text(f"{claim.verdict.capitalize()}: {claim.claim} ({claim.by}). {claim.because}")
    for name, picture in outcome.pictures.items():
        page.picture(picture, outcome.captions[name])
    for table in outcome.tables:
        page.text(f"{table.title}:")
        page.table(table.header, table.rows)
    page.facts(outcome.facts)


def as_markdown(outcome: Outcome, pictures: str) -> list[str]:
    """What was found as lines of Markdown.

    Args:
        outcome: What.
        pictures: What stands before the name of a figure in its address.
    """
    lines = [f"## {outcome.title}", "", outcome.explanation, ""]
    for claim in outcome.claims:
        verdict = claim.verdict.capitalize()
        lines += [f"- **{verdict}**: {claim.claim} ({claim.by}). {claim.because}"]
    for name, caption in outcome.captions.items():
        lines += ["", f"![{outcome.title}]({pictures}{name}.png)", "", f"*{caption}*"]
    for table in outcome.tables:
        lines += ["", f"{table.title}:", ""]
        lines.append(f"| {' | '.join(table.header)} |")
        lines.append("|" + "---|" * len(table.header))
        for row in table.rows:
            lines.append(f"| {' | '.join(map(literal, row))} |")
    facts = [f"{name}: {literal(fact)}" for name, fact in outcome.facts.items()]
    return [*lines, "", "; ".join(facts), ""]


def literal(text: str) -> str:
    """Text, such as the name of somebody's data, as Markdown shows it and takes nothing for markup.

    >>> literal("a_b|c")
    'a\\\\_b\\\\|c'
    """
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", " ".join(text.split()))


def _write_bytes(path: Path, data: bytes) -> None:
    write_atomically(path, lambda temporary: temporary.write_bytes(data))
