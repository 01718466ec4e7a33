"""Take every data set of a folder the whole way: ``python tools/every_source.py DATA_FOLDER --out DIR [--steps 50] [--only NAME ...]``.

DATA_FOLDER is laid out as the development data are: ``mitbih/`` (WFDB), ``hippocampus/`` (NIfTI), ``brain_mr_dicom/`` (DICOM),
``bloodcells_64.npz``, ``pneumoniamnist_28.npz``, ``bloodsmears/`` and ``fundus/`` (photographs); what is not there is left out. Each is
trained for a few steps, fitted, evaluated and decoded by the command line in this process, and the decoded file is opened by the
format's own library and compared with the signal that was read. Writes ``every_source.md`` and ``every_source.json`` into DIR.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import nibabel as nib
import numpy as np
from PIL import Image

from medfuncta.atomic import write_json, write_text
from medfuncta.cli.main import main as medfuncta
from medfuncta.signals.domain import Grid
from medfuncta.signals.signal import Signal
from medfuncta.sources.table import open_source

FAST = ("train.inner_steps=5", "train.validate_signals=4", "train.batch=4")
"""Settings that keep a data set below a minute; they say nothing about how well a field can do."""
VOLUME = ("train.context_ratio=0.05", "train.batch=2", "field.width=64", "fit.steps=5")
"""What volumes need besides."""


@dataclass(frozen=True)
class Entry:
    """A data set of the folder.

    Args:
        name: Of its folder or file.
        kind: Of its source.
        options: Of its source, small enough for a quick look.
        suffix: Of the file that a signal is decoded to.
        split: The one that is evaluated.
        settings: Besides :data:`FAST`.
    """

    name: str
    kind: str
    options: str
    suffix: str
    split: str = "test"
    settings: tuple[str, ...] = ()

    def source(self, folder: Path) -> str:
        return f"{self.kind}:{folder / self.name}?{self.options}"


ENTRIES = (
    Entry("mitbih", "wfdb", "limit=64&per_record=16", ".csv"),
    Entry("hippocampus", "nifti", "limit=4&spacing=2,2,2", ".nii.gz", settings=VOLUME),
    Entry(
        "brain_mr_dicom",
        "dicom",
        "val=0&test=0&shape=24,24,22",
        ".nii.gz",
        split="train",  # of one patient, who is never cut in two
        settings=VOLUME,
    ),
    Entry("bloodcells_64.npz", "npz", "limit=32", ".png"),
    Entry("pneumoniamnist_28.npz", "npz", "limit=64", ".png"),
    Entry("bloodsmears", "images", "limit=24&size=60,80", ".png"),
    Entry("fundus", "images", "size=72,70", ".png"),
)


@dataclass(frozen=True)
class Row:
    """What came of one data set.

    Args:
        name, kind, options: Of its entry.
        signals: Fitted ones, all splits together.
        shape: Of the signal that was decoded.
        train_seconds, seconds: Of training, and of everything.
        psnr: Mean over the evaluated split, in dB.
        checks: What was compared after decoding, and whether it agreed.
    """

    name: str
    kind: str
    options: str
    signals: int
    shape: tuple[int, ...]
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


def whole_way(entry: Entry, data: Path, steps: int, folder: Path) -> Row:
    """Train, fit, evaluate and decode one data set."""
    began = perf_counter()
    source = entry.source(data)
    run, latents, decoded = (str(folder / name) for name in ("run", "latents", f"decoded{entry.suffix}"))
    trained = command("train", "--data", source, "--out", run, "--steps", str(steps), "--set", *FAST, *entry.settings)
    fitted = command("fit", run, "--data", source, "--out", latents)
    evaluated = command("evaluate", run, "--data", source, "--split", entry.split)
    original = next(open_source(source).signals(entry.split))
    command("decode", latents, "--id", original.id, "--split", entry.split, "--out", decoded)
    return Row(
        entry.name,
        entry.kind,
        entry.options,
        fitted["signals"],
        original.values.shape,
        trained["seconds"],
        round(perf_counter() - began, 1),
        evaluated["psnr"]["mean"],
        CHECKS[entry.suffix](original, Path(decoded)),
    )


def check_nifti(original: Signal, path: Path) -> dict[str, bool]:
    """A decoded volume against the signal that was read, by nibabel."""
    image = nib.load(path)
    assert isinstance(image, nib.Nifti1Image) and isinstance(original.domain, Grid)
    return {
        "shape": image.shape == original.values.shape[:-1],
        "affine": original.domain.affine is not None and bool(np.allclose(image.affine, original.domain.affine, atol=1e-4)),
        "unit": image.header.get_xyzt_units()[0] == original.domain.unit,
        "dtype": image.get_data_dtype() == np.dtype(original.dtype),
        "finite": bool(np.isfinite(image.get_fdata()).all()),
    }


def check_picture(original: Signal, path: Path) -> dict[str, bool]:
    """A decoded image against the signal that was read, by Pillow; pictures know neither an affine nor a unit."""
    with Image.open(path) as image:
        pixels = np.asarray(image)
    return {
        "shape": pixels.reshape(*pixels.shape[:2], -1).shape == original.values.shape,
        "dtype": pixels.dtype == np.dtype(original.dtype),
        "not blank": int(pixels.min()) < int(pixels.max()),
    }


def check_csv(original: Signal, path: Path) -> dict[str, bool]:
    """A decoded trace against the signal that was read; the header names the units."""
    assert isinstance(original.domain, Grid) and original.domain.spacing is not None
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    numbers = np.array(rows, float)
    return {
        "shape": numbers[:, 1:].shape == original.values.shape,
        "spacing": bool(np.allclose(np.diff(numbers[:, 0]), original.domain.spacing[0])),
        "unit": header == [f"time [{original.domain.unit}]", f"value [{original.unit}]"],
        "finite": bool(np.isfinite(numbers).all()),
    }


CHECKS: Mapping[str, Callable[[Signal, Path], dict[str, bool]]] = {".nii.gz": check_nifti, ".png": check_picture, ".csv": check_csv}


def markdown(rows: Iterable[Row], steps: int) -> str:
    """The table for people."""
    lines = [
        f"Every data set, {steps} meta-steps with fast settings ({', '.join(FAST)}); these PSNRs show that the way is whole, not its end.",
        "",
        "| data set | source | signals | shape | seconds | of these training | PSNR (dB) | decoded file agrees in | differs in |",
        "|---|---|---:|---|---:|---:|---:|---|---|",
    ]
    for row in rows:
        agrees, differs = (", ".join(name for name, ok in row.checks.items() if ok is wanted) or "–" for wanted in (True, False))
        shape = " x ".join(map(str, row.shape))
        times = f"{row.seconds:.0f} | {row.train_seconds:.0f} | {row.psnr:.1f}"
        lines.append(f"| {row.name} | `{row.kind}:?{row.options}` | {row.signals} | {shape} | {times} | {agrees} | {differs} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Returns 0 when every decoded file agrees with its input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--only", nargs="+", choices=[entry.name for entry in ENTRIES], metavar="NAME")
    options = parser.parse_args()
    rows: list[Row] = []
    for entry in ENTRIES:
        if (options.data / entry.name).exists() and entry.name in (options.only or [entry.name]):
            print(f"{entry.name} as {entry.kind}", file=sys.stderr, flush=True)
            with TemporaryDirectory() as folder:
                rows.append(whole_way(entry, options.data, options.steps, Path(folder)))
            write_json(options.out / "every_source.json", {"steps": options.steps, "settings": FAST, "rows": [asdict(row) for row in rows]})
            write_text(options.out / "every_source.md", markdown(rows, options.steps))
    return 0 if rows and all(all(row.checks.values()) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
