"""The page of the documentation that says what the paper's experiments show, from the folder that
``medfuncta study report --out`` wrote: ``python -m tools.studies_page FOLDER``."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from medfuncta._src.disk.atomic import write_json, write_text

DOCS: Final = Path(__file__).parents[1] / "docs"
_INTRODUCTION: Final = (
    "Made by `medfuncta study report` ([how to](guides/studies.md)) on small networks and few "
    "meta-steps: it shows which way an effect goes and how sure that is, not the paper's decibels. "
    "A claim is *confirmed here* when the numbers of this page say so. That one setting is better "
    "than another counts if every seed of the one is above every seed of the other and the means "
    "are 0.2 dB apart at least; that it does as well, if no seed loses the margin that is named. "
    "It is *not confirmed here* when they do not, which may be the scale's doing as much as the "
    "claim's. Where the paper has a figure for a claim, it stands beside ours. Numbers in brackets "
    "are the lowest and the highest seed. "
    "The X-rays are a re-split of a subset of PneumoniaMNIST (Kermany et al. 2018, CC BY 4.0), "
    "the donors' cells a subset of PBC (Acevedo et al. 2020, CC BY 4.0): none of the official "
    "splits. The other cells are crops of BCCD (MIT), the ECG is of the MIT-BIH Arrhythmia "
    "Database (ODC-By 1.0), split by patient; the ultrasound of BUSI (Al-Dhabyani et al. 2020), "
    "the volumes of the Medical Segmentation Decathlon (CC BY-SA 4.0), the MR series of TCIA."
)


_EARLIER: Final = (
    "*Of an earlier report of one seed, in which a claim was judged by the numbers of that seed.*"
)
_MARK: Final = " (earlier, 1 seed)"
_SECTION: Final = "\n## "


def write_page(report: Path, docs: Path = DOCS) -> Path:
    """Write ``studies.md`` and the figures and numbers beside it. Studies that the report lacks
    (``--collect``) stay on the page as they are there, and are marked as earlier ones.

    Args:
        report: The folder of a report.
        docs: That of the documentation.
    """
    page, beside = docs / "studies.md", docs / "studies"
    found = json.loads((report / "report.json").read_text())
    lines = (report / "report.md").read_text().splitlines()
    title, rest = lines[0], "\n".join(lines[1:])
    kept = _Kept.of(page, beside, found.get("unfinished", ()))
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for picture in sorted(report.glob("*/*.png")):
        shutil.copy(picture, beside / picture.name)
        rest = rest.replace(f"({picture.parent.name}/{picture.name})", f"(studies/{picture.name})")
    for name, picture in kept.pictures.items():
        (beside / name).write_bytes(picture)
    head, *sections = rest.split(_SECTION)
    head = _with_rows(head, kept.rows)
    studies = found.get("studies", {}) | kept.studies
    write_json(beside / "report.json", {**found, "studies": studies})
    body = _SECTION.join([head, *sections, *kept.sections]).rstrip("\n")
    write_text(page, f"{title}\n\n{_INTRODUCTION}\n{body}\n")
    return page


@dataclass(frozen=True)
class _Kept:
    """What is left on the page of an earlier report.

    Args:
        studies: Their numbers, by name.
        rows: Of the table of claims.
        sections: Without their ``##``.
        pictures: Their figures.
    """

    studies: dict[str, Any]
    rows: list[str]
    sections: list[str]
    pictures: dict[str, bytes]

    @classmethod
    def of(cls, page: Path, beside: Path, names: Sequence[str]) -> _Kept:
        """Of those of these studies that are on the page."""
        kept = cls({}, [], [], {})
        if not names or not page.is_file():
            return kept
        studies = json.loads((beside / "report.json").read_text())["studies"]
        head, *sections = page.read_text().split(_SECTION)
        for name in names:
            if name not in studies:
                continue
            kept.studies[name] = studies[name]
            for row in head.splitlines():
                if row.startswith(f"| {name} |"):
                    kept.rows.append(f"{row.removesuffix(' |').removesuffix(_MARK)}{_MARK} |")
            title = studies[name]["title"]
            (section,) = [one for one in sections if one.partition("\n")[0] == title]
            _, _, text = section.partition("\n")
            text = text.replace(f"{_EARLIER}\n\n", "").strip("\n")
            kept.sections.append(f"{title}\n\n{_EARLIER}\n\n{text}\n")
            for picture in studies[name]["captions"]:
                kept.pictures[f"{picture}.png"] = (beside / f"{picture}.png").read_bytes()
        return kept


def _with_rows(head: str, rows: Sequence[str]) -> str:
    """The table of claims with these rows below its own."""
    lines = head.splitlines()
    places = [number for number, line in enumerate(lines) if line.startswith("|")]
    if places:
        lines[places[-1] + 1 : places[-1] + 1] = rows
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(write_page(Path(sys.argv[1])))
