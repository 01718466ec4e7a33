"""What the demo did, on one page for a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from medfuncta._src.demo.steps import (
    LATENTS_FOLDER,
    REPORT_FOLDER,
    RUN_FOLDER,
    SOURCE,
    Demonstration,
)
from medfuncta._src.disk.atomic import write_json
from medfuncta._src.disk.places import place
from medfuncta._src.learning.run_log import METRICS_FILE
from medfuncta._src.sources.source import SPLITS
from medfuncta._src.tasks.classify import METRICS, Comparison, comparison_picture
from medfuncta._src.tasks.drawing.figure import save_png
from medfuncta._src.tasks.drawing.page import Page
from medfuncta._src.tasks.evaluate.report import key_figures
from medfuncta._src.tasks.info import curve_picture

PAGE_FILE: Final = "index.html"
OWN_DATA: Final = (
    "medfuncta train --data wfdb:FOLDER --out my-run",
    "medfuncta evaluate my-run --data wfdb:FOLDER --out my-report",
    "medfuncta fit my-run --data wfdb:FOLDER --out my-latents",
    "medfuncta classify my-latents",
)
"""What to try next."""
_OTHER_SOURCES: Final = (
    "Instead of wfdb:FOLDER, give images:FOLDER, nifti:FOLDER, dicom:FOLDER, nrrd:FOLDER, npz:FILE "
    "or csv:FILE; 'medfuncta info SOURCE' shows what is in it."
)

_CAPTIONS: Final = {
    "reconstructions": (
        "The best, the median and the worst heartbeat of the test split: the original in black, "
        "what its latent decodes to in red, and below them the difference."
    ),
    "curve": (
        "Quality on the training batches and on the validation split while the shared network was "
        "learned. The best network on the validation split was kept; the test split took no part."
    ),
    "classification": (
        "How the nearest neighbour (knn) and a logistic regression did on the test split, with 95 "
        "% bootstrap intervals, and which share of each true class (rows) was called what "
        "(columns)."
    ),
}


def write_demo_report(demo: Demonstration, folder: Path) -> None:
    """Write the page ``index.html``; its pictures and figures join those of the evaluation in the
    report's folder."""
    report = place(folder, REPORT_FOLDER)
    save_png(curve_picture(folder / RUN_FOLDER / METRICS_FILE), report / "curve.png")
    save_png(comparison_picture(demo.comparison), report / "classification.png")
    write_json(report / "classification.json", demo.comparison.to_json())
    pictures = {name: (report / f"{name}.png").read_bytes() for name in _CAPTIONS}
    _demo_page(demo, pictures).save(place(folder, PAGE_FILE))


def _demo_page(demo: Demonstration, pictures: dict[str, bytes]) -> Page:
    """The page, given its pictures by name."""
    size, points = demo.latents.info.latent_size, demo.evaluation.signals[0].points
    page = Page(
        f"Heartbeats as {size} numbers each",
        f"medfuncta demo on {demo.info.name}, {demo.seconds:.0f} seconds",
    )
    page.tiles(_tiles(demo))
    page.heading("What happened")
    for paragraph in _story(demo, size, points):
        page.text(paragraph)
    page.heading("How the heartbeats come back")
    page.picture(pictures["reconstructions"], _CAPTIONS["reconstructions"])
    page.heading("How the shared network was learned")
    page.picture(pictures["curve"], _CAPTIONS["curve"])
    page.heading("What the latents know")
    page.text(_classes(demo.comparison))
    page.picture(pictures["classification"], _CAPTIONS["classification"])
    page.heading("What is in this folder")
    page.facts(_folders(demo))
    page.heading("On your own data")
    page.command("\n".join(OWN_DATA))
    page.text(_OTHER_SOURCES)
    page.heading("The data")
    page.facts(_provenance(demo))
    return page


def _tiles(demo: Demonstration) -> dict[str, str]:
    figures = key_figures(demo.evaluation.summary, demo.evaluation.spec.unit)
    accuracy = demo.comparison.classifiers[0].metrics["balanced_accuracy"].value
    text = "–" if accuracy is None else f"{100 * accuracy:.1f} %"
    figures[f"nearest neighbours, {METRICS['balanced_accuracy']}"] = text
    return figures


def _story(demo: Demonstration, size: int, points: int) -> Sequence[str]:
    progress = demo.training.progress
    parameters = sum(parameter.numel() for parameter in demo.training.run.network.parameters())
    counts = {name: len(demo.latents.split(name)) for name in SPLITS}
    return (
        f"A shared network of {parameters:,} parameters was meta-learned in {progress.step} steps "
        f"({progress.seconds:.0f} seconds) on {counts['train']} heartbeats. It has seen no "
        "heartbeat of the test split.",
        f"Then the network was held still, and each of {sum(counts.values())} heartbeats was given "
        f"its own latent by {demo.evaluation.fit.steps} steps of gradient descent: {size} numbers "
        f"in place of {points} samples.",
        f"From its latent, each of the {counts['test']} test heartbeats was decoded and compared "
        "with the original, and its class was read off the nearest training latent.",
    )


def _classes(comparison: Comparison) -> str:
    first, second = comparison.labelling.names
    return (
        f"The labels, '{first}' and '{second}', follow from a rule on the width of the beat and "
        "not from a cardiologist; they show that a latent keeps the shape of its signal. All beats "
        "are of one patient: nothing here says anything about diagnosis."
    )


def _folders(demo: Demonstration) -> dict[str, str]:
    return {
        f"{RUN_FOLDER}/": (
            "the shared network (field.safetensors, field.json), its settings, its log, and "
            "checkpoints to continue from"
        ),
        f"{LATENTS_FOLDER}/": (
            "the latents as Parquet with a data card; pandas, polars, DuckDB and datasets read "
            "them as they are"
        ),
        f"{REPORT_FOLDER}/": (
            "these pictures, report.json and classification.json for programs, signals.csv with a "
            "row a heartbeat"
        ),
    }


def _provenance(demo: Demonstration) -> dict[str, str]:
    source = demo.info
    facts = {
        "source": SOURCE,
        "licence": source.licence,
        "citation": source.citation,
        "splits kept apart by": source.split_by,
    }
    for name, value in source.details.items():
        facts[name.replace("_", " ")] = str(value)
    return facts
