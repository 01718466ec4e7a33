"""Take every kind of source the whole way: ``python tools/every_source.py DATA_FOLDER --out DIR
[--steps 50] [--only NAME ...]``.

DATA_FOLDER is laid out as the development data are: ``mitbih/`` (WFDB), ``hippocampus/`` (NIfTI),
    ``brain_mr_dicom/`` (DICOM),
``ct_slices/`` (single DICOM slices), ``bloodcells_64.npz``, ``pbc_64.npz``,
``pneumoniamnist_28.npz``, ``adrenalmnist3d_64.npz``, ``bloodsmears/`` and ``fundus/``
(photographs), ``breast_ultrasound/`` (class folders with masks).
Other formats and layouts are made from them first (``layouts.py``). Each source is trained on for a
few steps, fitted, evaluated and decoded by the command line in this process, on the grid on which
its signals were recorded; the decoded file is opened by the format's own library and compared with
what was read (``decoded_files.py``). Writes ``every_source.md``, ``every_source.json`` and a folder
of reports with pictures into DIR.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from decoded_files import CHECKS
from layouts import LAYOUTS

from medfuncta._src.cli.main import main as medfuncta
from medfuncta._src.disk.atomic import write_json, write_text
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source
from medfuncta._src.writers.table import write_signal

FAST = ("train.inner_steps=5", "train.validate_signals=4", "train.batch=2", "fit.steps=5")
"""Settings that keep a data set below a minute; they say nothing about how well a field can do."""
VOLUME = ("train.context_ratio=0.05", "field.width=32", "field.latent_size=256")
"""What volumes need besides."""


@dataclass(frozen=True)
class Entry:
    """A source.

    Args:
        text: It names the source; ``{data}`` stands for the development data, ``{made}`` for what
            was made of them.
        suffix: Of the file that a signal is decoded to.
        sizing: Options that make signals small enough for a quick look.
        recorded: Names the source that reads the same signals on the grids on which they were
            recorded; ``text`` when not given.
        split: The one that is evaluated.
        settings: Besides :data:`FAST`.
    """

    text: str
    suffix: str
    sizing: str = ""
    recorded: str = ""
    split: str = "test"
    settings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For people, and for ``--only``."""
        kind, _, rest = self.text.partition(":")
        location, _, options = rest.partition("?")
        size = "_64" if "size=64" in options else ""
        return f"{kind}:{location.rpartition('/')[2]}{size}"


ENTRIES = (
    Entry("wfdb:{data}/mitbih?limit=64&per_record=16", ".hea"),
    Entry("nifti:{data}/hippocampus?limit=4", ".nii.gz", "&spacing=2,2,2", settings=VOLUME),
    Entry(
        "dicom:{data}/brain_mr_dicom?val=0&test=0",
        ".nii.gz",
        "&shape=24,24,22",
        split="train",
        settings=VOLUME,
    ),  # of one patient
    Entry("npz:{data}/bloodcells_64.npz?limit=8", ".png"),
    Entry("npz:{data}/pneumoniamnist_28.npz?limit=64", ".tif"),
    Entry("npz:{data}/pbc_64.npz?limit=8", ".png"),
    Entry("npz:{data}/adrenalmnist3d_64.npz?limit=2", ".npy", settings=VOLUME),
    Entry("images:{data}/breast_ultrasound?limit=6", ".png", "&size=64,64"),
    Entry("dicom:{data}/ct_slices?limit=6", ".nii.gz", "&shape=64,64"),
    Entry("images:{data}/bloodsmears?limit=6", ".png", "&size=48,64"),
    Entry("images:{data}/fundus?limit=6", ".tif", "&size=50,48"),
    Entry("sample:ecg", ".csv"),
    Entry("sample:slices", ".png", settings=("field.width=32",)),
    Entry("sample:histology", ".tif"),
    Entry("sample:volumes", ".nii.gz", settings=VOLUME),
    Entry("csv:{made}/kaggle?rate=125&limit=64", ".csv"),
    Entry("nrrd:{made}/nrrd?limit=4", ".nrrd", "&spacing=2,2,2", settings=VOLUME),
    Entry("medmnist:bloodmnist?root={made}/medmnist&verify=false&limit=32", ".png"),
    Entry("medmnist:bloodmnist?root={made}/medmnist&verify=false&size=64&limit=8", ".png"),
    Entry("medmnist:pneumoniamnist?root={made}/medmnist&verify=false&limit=32", ".png"),
    Entry("medmnist:pneumoniamnist?root={made}/medmnist&verify=false&size=64&limit=8", ".png"),
    Entry(
        "medmnist:organmnist3d?root={made}/medmnist&verify=false&limit=2", ".npy", settings=VOLUME
    ),
    Entry(
        "medmnist:organmnist3d?root={made}/medmnist&verify=false&size=64&limit=2",
        ".npy",
        settings=VOLUME,
    ),
    Entry("brats:{made}/brats", ".nii.gz", "?size=16", "nifti:{made}/brats", settings=VOLUME),
    Entry("lidc:{made}/lidc", ".nii.gz", "?size=16", "dicom:{made}/lidc", settings=VOLUME),
)


@dataclass(frozen=True)
class Row:
    """What came of one source.

    Args:
        name: Of its entry.
        options: That it was read with.
        signals: Fitted ones, all splits together.
        trained, recorded: Shapes of the signal that was decoded, as it was learned and as it was
            recorded and decoded.
        file: Suffix of the decoded file.
        train_seconds, seconds: Of training, and of everything.
        psnr: Mean over the evaluated split, in dB.
        checks: What was compared after decoding, and whether it agreed.
    """

    name: str
    options: str
    signals: int
    trained: tuple[int, ...]
    recorded: tuple[int, ...]
    file: str
    train_seconds: float
    seconds: float
    psnr: float
    checks: Mapping[str, bool]


def command(*words: str) -> dict[str, Any]:
    """One command of medfuncta and its result.

    Raises:
        SystemExit: If it does not succeed; it has said why.
    """
    text = io.StringIO()
    with redirect_stdout(text):
        code = medfuncta([*words, "--json"])
    if code:
        raise SystemExit(f"medfuncta {' '.join(words)} ended with {code}")
    return json.loads(text.getvalue())


def whole_way(
    entry: Entry, places: Mapping[str, Path], steps: int, folder: Path, report: Path
) -> Row:
    """Train, fit, evaluate and decode one source."""
    began = perf_counter()
    source, recorded = (
        (text + end).format(**places)
        for text, end in ((entry.text, entry.sizing), (entry.recorded or entry.text, ""))
    )
    run, latents, decoded = (
        str(folder / name) for name in ("run", "latents", f"decoded{entry.suffix}")
    )
    trained = command(
        "train",
        "--data",
        source,
        "--out",
        run,
        "--steps",
        str(steps),
        "--set",
        *FAST,
        *entry.settings,
    )
    fitted = command("fit", run, "--data", source, "--out", latents)
    evaluated = command(
        "evaluate", run, "--data", source, "--split", entry.split, "--out", str(report)
    )
    small = next(open_source(source).signals(entry.split))
    original, file = find(open_source(recorded), small.id)
    command(
        "decode",
        latents,
        "--id",
        small.id,
        "--split",
        entry.split,
        *where(small, original, folder),
        "--out",
        decoded,
    )
    return Row(
        entry.name,
        (entry.text + entry.sizing)
        .partition("?")[2]
        .replace("root={made}/medmnist&verify=false", "")
        .strip("&"),
        fitted["signals"],
        small.values.shape[:-1],
        original.values.shape[:-1],
        entry.suffix,
        trained["seconds"],
        round(perf_counter() - began, 1),
        evaluated["psnr"]["mean"],
        {
            name: bool(ok)
            for name, ok in CHECKS[entry.suffix](original, Path(decoded), file).items()
        },
    )


ONE_SIGNAL_A_FILE = ("nifti", "nrrd", "images", "brats")


def find(source: Source, id: str) -> tuple[Signal, Path | None]:
    """A signal by its id, and the file that holds it alone, if there is one."""
    signal = next(
        signal for split in source.splits for signal in source.signals(split) if signal.id == id
    )
    if source.info.name.partition(":")[0] not in ONE_SIGNAL_A_FILE:
        return signal, None
    [item] = [item for items in source.items.values() for item in items if item.id == id]
    return signal, item.paths[0]


def where(small: Signal, original: Signal, folder: Path) -> list[str]:
    """The options of decode that ask for the grid of the original."""
    assert isinstance(original.domain, Grid)
    if small.domain == original.domain:
        return []
    if original.domain.affine is None:
        return ["--shape", ",".join(map(str, original.domain.shape))]
    write_signal(original, folder / "original.nii.gz")
    return ["--like", str(folder / "original.nii.gz")]


def markdown(rows: Iterable[Row], steps: int) -> str:
    """The table for people."""
    lines = [
        f"Every kind of source, {steps} meta-steps with fast settings ({', '.join(FAST)}).",
        "These PSNRs show that the way is whole, not its end.",
        "",
        (
            "| source | options | signals | learned at | decoded at | seconds | training | PSNR "
            "(dB) | "
            "file | agrees in | differs in |"
        ),
        "|---|---|---:|---|---|---:|---:|---:|---|---|---|",
    ]
    for row in rows:
        agrees, differs = (
            ", ".join(name for name, ok in row.checks.items() if ok is wanted) or "–"
            for wanted in (True, False)
        )
        shapes = " | ".join(" x ".join(map(str, shape)) for shape in (row.trained, row.recorded))
        times = f"{row.seconds:.0f} | {row.train_seconds:.0f} | {row.psnr:.1f}"
        lines.append(
            f"| {row.name} | {row.options} | {row.signals} | {shapes} | {times} | {row.file} | "
            f"{agrees} | {differs} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Returns 0 when every decoded file agrees with its input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument(
        "--only", nargs="+", choices=[entry.name for entry in ENTRIES], metavar="NAME"
    )
    options = parser.parse_args()
    chosen = [entry for entry in ENTRIES if entry.name in (options.only or [entry.name])]
    rows: list[Row] = []
    with TemporaryDirectory() as made:
        for name in (
            name for name in LAYOUTS if any(f"{{made}}/{name}" in entry.text for entry in chosen)
        ):
            (Path(made) / name).mkdir()
            LAYOUTS[name](options.data, Path(made) / name)
        for entry in chosen:
            print(entry.name, file=sys.stderr, flush=True)
            with TemporaryDirectory() as folder:
                places = {"data": options.data, "made": Path(made)}
                rows.append(
                    whole_way(
                        entry,
                        places,
                        options.steps,
                        Path(folder),
                        options.out / entry.name.replace(":", "-"),
                    )
                )
            write_json(
                options.out / "every_source.json",
                {"steps": options.steps, "settings": FAST, "rows": [asdict(row) for row in rows]},
            )
            write_text(options.out / "every_source.md", markdown(rows, options.steps))
    return 0 if rows and all(all(row.checks.values()) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
