"""What a number of a latent is worth, row by row: fields of kind ``components`` beside as many
cosines and principal components, on test splits.

    python tools/representation.py train blood-256 --data FOLDER --out rows --seed 1
    python tools/representation.py draw rows

The first trains one row on one thread, and writes ``rows/blood-256-seed1.json``; ``FOLDER`` holds
the public files. The second puts all of them into ``docs/representation.json``, and the table and
the curves of ``docs/representation.md``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Final

import torch

import medfuncta
from medfuncta._src.disk.atomic import write_json, write_text

DOCS: Final = Path(__file__).parents[1] / "docs"
TABLE: Final = ("<!-- rows: the table of all sets -->\n", "<!-- /rows -->")
_TIMED: Final = 12
_CURVES: Final = {
    "ecg": "heartbeats, 187 samples",
    "x-rays": "X-rays, 28 x 28",
    "blood": "blood cells, 64 x 64 RGB",
}
_TURNED: Final = {"train": {"augment": ("flip", "rotate90")}, "field": {"modes": 48}}


@dataclass(frozen=True)
class DataSet:
    """One data set of the table.

    Args:
        title: Of its rows.
        source: Below the folder of the public files.
        seconds: Processor seconds of a training.
        settings: What is set besides the preset of components.
    """

    title: str
    source: str
    seconds: float
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


SETS: Final[Mapping[str, DataSet]] = {
    "ecg": DataSet("ECG, beats of records not trained on", "wfdb:mitbih", 540),
    "x-rays": DataSet(
        "X-rays 28 x 28",
        "npz:pneumoniamnist_28.npz",
        85,
        {"field": {"squeeze": 1, "modes": 48}, "train": {"batch": 16}},
    ),
    "blood": DataSet("blood cells 64 x 64 RGB", "npz:bloodcells_64.npz", 590, _TURNED),
    "donors": DataSet("blood cells of donors 64 x 64 RGB", "npz:pbc_64.npz", 740, _TURNED),
    "ultrasound": DataSet(
        "breast ultrasound 128 x 128",
        "images:breast_ultrasound?size=128,128",
        320,
        {"train": {"augment": ("flip",)}},
    ),
    "hippocampus": DataSet(
        "hippocampus 32 x 32 x 32",
        "nifti:hippocampus/imagesTr?shape=32,32,32",
        370,
        {"train": {"learning_rate": 1e-3}},
    ),
    "ragged": DataSet(
        "hippocampus, each of its own size",
        "nifti:hippocampus/imagesTr",
        300,
        {"train": {"learning_rate": 1e-3}},
    ),
    "adrenal": DataSet(
        "adrenal shapes 64 x 64 x 64",
        "npz:adrenalmnist3d_64.npz",
        300,
        {
            "field": {"squeeze": 4, "width": 64, "modes": 16},
            "train": {"learning_rate": 1e-3},
        },
    ),
}


@dataclass(frozen=True)
class TableRow:
    """One trained field on a test split.

    Args:
        set: Name in :data:`SETS`.
        numbers: Of a latent.
        seed: Of the training.
        seconds: Processor seconds of the training, one thread.
        steps: Meta-steps.
        signals: Of the test split.
        psnr: Mean of the field, in dB.
        components, cosines: The same of as many principal components (None where there are fewer
            training signals) and lowest cosines.
        fit_ms: Processor milliseconds of a fit.
    """

    set: str
    numbers: int
    seed: int
    seconds: float
    steps: int
    signals: int
    psnr: float
    components: float | None
    cosines: float
    fit_ms: float


def main(words: Sequence[str] | None = None) -> None:
    """Train a row, or draw all of them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    tasks = parser.add_subparsers(required=True, dest="task")
    training = tasks.add_parser("train", help="train and measure one row")
    training.add_argument("row", help=f"set-numbers, such as blood-256; sets: {', '.join(SETS)}")
    training.add_argument("--data", type=Path, required=True, help="folder of the public files")
    training.add_argument("--out", type=Path, required=True, help="folder of rows")
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--seconds", type=float, help="processor seconds; those of the set")
    drawing = tasks.add_parser("draw", help="put rows into the documentation")
    drawing.add_argument("rows", type=Path, help="folder of rows")
    options = parser.parse_args(words)
    if options.task == "draw":
        draw(read(options.rows))
        return
    name, _, numbers = options.row.rpartition("-")
    row = measured(name, int(numbers), options.seed, options.data, options.seconds)
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / f"{options.row}-seed{options.seed}.json", asdict(row))
    print(row)


def measured(
    name: str, numbers: int, seed: int, data: Path, seconds: float | None = None
) -> TableRow:
    """Train on one thread for about so many processor seconds, and measure on the test split."""
    torch.set_num_threads(1)
    chosen = SETS[name]
    kind, _, place = chosen.source.partition(":")
    with medfuncta.allowing(command_gib=16):
        source = medfuncta.open_source(f"{kind}:{data / place}")
        budget = seconds or chosen.seconds
        with tempfile.TemporaryDirectory() as folder:
            steps = max(_TIMED, int(budget / _step_seconds(source, chosen, numbers, Path(folder))))
            settings = _settings(chosen, numbers, seed, steps)
            before = time.process_time()
            training = medfuncta.train(
                source, Path(folder) / "run", settings=settings, device="cpu"
            )
            taken = time.process_time() - before
            run = training.run
        before = time.process_time()
        field_alone = medfuncta.evaluate(run, source, split="test", device="cpu")
        fit_seconds = time.process_time() - before
        beside = medfuncta.evaluate(run, source, split="test", device="cpu", baselines=True)
    assert beside.baselines is not None
    point = beside.baselines.at_latent_size
    return TableRow(
        set=name,
        numbers=numbers,
        seed=seed,
        seconds=round(taken),
        steps=steps,
        signals=len(field_alone.signals),
        psnr=round(field_alone.summary.psnr.mean, 2),
        components=None if point.components is None else round(point.components, 2),
        cosines=round(point.cosines, 2),
        fit_ms=round(1e3 * fit_seconds / len(field_alone.signals), 1),
    )


def _settings(chosen: DataSet, numbers: int, seed: int, steps: int) -> dict[str, dict[str, Any]]:
    every = max(20, steps // 6)
    return {
        "field": {**chosen.settings.get("field", {}), "latent_size": numbers},
        "train": {
            **chosen.settings.get("train", {}),
            "seed": seed,
            "steps": steps,
            "validate_every": every,
            "validate_signals": 64,
        },
    }


def _step_seconds(source: medfuncta.Source, chosen: DataSet, numbers: int, folder: Path) -> float:
    """Processor seconds of a meta-step, the first ones left out."""
    clock: list[float] = []
    settings = _settings(chosen, numbers, 0, _TIMED)
    medfuncta.train(
        source,
        folder / "timed",
        settings=settings,
        device="cpu",
        listener=lambda _: clock.append(time.process_time()),
    )
    first, last = 2, _TIMED - 2  # the very last one holds the validation
    return (clock[last] - clock[first]) / (last - first)


def read(folder: Path) -> list[TableRow]:
    """The rows of a folder, in the order of the sets."""
    rows = [TableRow(**json.loads(path.read_text())) for path in folder.glob("*.json")]
    if not rows:
        sys.exit(f"{folder} holds no rows; expected JSON files that 'train' wrote")
    order = list(SETS)
    return sorted(rows, key=lambda row: (order.index(row.set), row.numbers, row.seed))


def draw(rows: Sequence[TableRow]) -> None:
    """Write the numbers, the table and the picture of the page."""
    write_json(DOCS / "representation.json", [asdict(row) for row in rows])
    page = DOCS / "representation.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(TABLE[0])
    _, _, after = rest.partition(TABLE[1])
    write_text(page, before + TABLE[0] + "\n".join(table(rows)) + "\n" + TABLE[1] + after)
    draw_curves(rows, DOCS / "representation_curves.png")


def table(rows: Sequence[TableRow]) -> Iterator[str]:
    """Lines of Markdown, one for each set and latent size."""
    yield (
        "| set, test signals | numbers | training | field | principal components "
        "| lowest cosines | fit of a signal |"
    )
    yield "|---|---|---|---|---|---|---|"
    for same in _together(rows):
        first = same[0]
        components = "–" if first.components is None else f"{first.components:.2f}"
        yield (
            f"| {SETS[first.set].title}, {first.signals:,} | {first.numbers} "
            f"| {mean(row.seconds for row in same):.0f} s | {_psnr(same)} | {components} "
            f"| {first.cosines:.2f} | {_milliseconds(first.fit_ms)} |"
        )


def _milliseconds(number: float) -> str:
    """Three digits, or whole milliseconds."""
    return f"{number:,.0f} ms" if number >= 1000 else f"{number:.3g} ms"


def _together(rows: Sequence[TableRow]) -> list[list[TableRow]]:
    """The seeds of a row side by side."""
    found: dict[tuple[str, int], list[TableRow]] = {}
    for row in rows:
        found.setdefault((row.set, row.numbers), []).append(row)
    return list(found.values())


def _psnr(same: Sequence[TableRow]) -> str:
    """The mean of the seeds, with their spread; bold where it is above both baselines."""
    found = mean(row.psnr for row in same)
    best = max(same[0].cosines, same[0].components or 0.0)
    text = f"**{found:.2f}**" if found > best else f"{found:.2f}"
    if len(same) == 1:
        return text
    return f"{text} ± {stdev(row.psnr for row in same):.2f} ({len(same)} seeds)"


def draw_curves(rows: Sequence[TableRow], path: Path) -> None:
    """PSNR over the numbers stored, a panel a set."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.4), layout="constrained")
    for panel, (name, title) in zip(figure.subplots(1, 3), _CURVES.items(), strict=True):
        shown = [same for same in _together(rows) if same[0].set == name]
        numbers = [same[0].numbers for same in shown]
        for label, colour, marker, values in (
            ("field", "#0072B2", "o", [mean(row.psnr for row in same) for same in shown]),
            ("principal components", "#D55E00", "s", [same[0].components for same in shown]),
            ("lowest cosines", "#555555", "^", [same[0].cosines for same in shown]),
        ):
            panel.plot(numbers, values, marker=marker, color=colour, label=label, markersize=4)
        panel.set_xscale("log", base=2)
        panel.set_xticks(numbers, [str(number) for number in numbers])
        panel.minorticks_off()
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("numbers stored a signal")
        panel.grid(alpha=0.3)
    figure.axes[0].set_ylabel("PSNR on the test split (dB)")
    figure.axes[0].legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=160)


if __name__ == "__main__":
    main()
