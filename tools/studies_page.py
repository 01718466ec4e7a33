"""The page of the documentation that says what the paper's experiments show, from the folder that
``medfuncta study report --out`` wrote: ``python -m tools.studies_page FOLDER``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

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


def write_page(report: Path, docs: Path = DOCS) -> Path:
    """Write ``studies.md`` and the figures and numbers beside it.

    Args:
        report: The folder of a report.
        docs: That of the documentation.
    """
    beside = docs / "studies"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    shutil.copy(report / "report.json", beside / "report.json")
    lines = (report / "report.md").read_text().splitlines()
    title, rest = lines[0], "\n".join(lines[1:])
    for picture in sorted(report.glob("*/*.png")):
        shutil.copy(picture, beside / picture.name)
        rest = rest.replace(f"({picture.parent.name}/{picture.name})", f"(studies/{picture.name})")
    page = docs / "studies.md"
    page.write_text(f"{title}\n\n{_INTRODUCTION}\n{rest}\n")
    return page


if __name__ == "__main__":
    print(write_page(Path(sys.argv[1])))
