"""How fast, and in how much memory, a set in the layout of the authors' code is imported:
``python -m benchmarks.import_set --files 20000``.

The files are made up: latents of 2,048 numbers, each in a file that holds its whole batch of 24, as
those of MedNF do. They are written first, which is not timed.
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.measure import peak_memory
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.latents.import_set import import_latent_set
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.sources.source import SourceInfo

FORMS = ("folder", "zip", "tar", "tar.gz")
SIDE = 64


@dataclass(frozen=True)
class Imported:
    """What one import took.

    Args:
        form: What the files lay in.
        files: How many.
        latent_size: Numbers of each.
        seconds: Of the import.
        processor_seconds: The same, of the processor alone: other programs and a slow disk change
            little of it.
        rows_a_second: Files a second of the processor.
        peak_mib: The most memory of the process, all that Python and PyTorch take included.
    """

    form: str
    files: int
    latent_size: int
    seconds: float
    processor_seconds: float
    rows_a_second: float
    peak_mib: float


def measure(form: str, files: int, folder: Path, latent_size: int, batch: int) -> Imported:
    """Write files, import them, and look at time and memory."""
    what = _written(form, files, folder, latent_size, batch)
    config = SirenConfig(dim=2, layers=3, width=16, latent_size=latent_size, shift_first=True)
    run = Run(SirenField(config), Config(field=config), SignalSpec(2, 1, (SIDE, SIDE)))
    started, before = time.perf_counter(), time.process_time()
    latents, peak = peak_memory(
        lambda: import_latent_set(what, run, folder / "out", SourceInfo("made up"))
    )
    seconds, busy = time.perf_counter() - started, time.process_time() - before
    assert len(latents) == files
    return Imported(
        form=form,
        files=files,
        latent_size=latent_size,
        seconds=round(seconds, 2),
        processor_seconds=round(busy, 2),
        rows_a_second=round(files / busy, 1),
        peak_mib=round(peak, 1),
    )


def _written(form: str, files: int, folder: Path, latent_size: int, batch: int) -> Path:
    """The files, of which nine in ten are of the training split."""
    path = folder / f"set.{form}"
    entries = _entries(files, latent_size, batch)
    if form == "folder":
        for split in ("train", "test"):
            (path / split).mkdir(parents=True)
        for name, content in entries:
            (path / name).write_bytes(content)
    elif form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in entries:
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w:gz" if form == "tar.gz" else "w") as tar:
            for name, content in entries:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def _entries(files: int, latent_size: int, batch: int) -> Iterator[tuple[str, bytes]]:
    generator = np.random.default_rng(0)
    stack = torch.empty(0)
    for number in range(files):
        row = number % batch
        if row == 0:
            drawn = generator.normal(0, 0.01, (batch, latent_size)).astype(np.float32)
            stack = torch.from_numpy(drawn)
        buffer = io.BytesIO()
        torch.save({"modulations": stack[row], "label": torch.tensor([number % 9])}, buffer)
        split = "test" if number % 10 == 9 else "train"
        yield f"{split}/datapoint_{number}.pt", buffer.getvalue()


def main() -> None:
    """Measure each form and print a line of JSON for it."""
    parser = argparse.ArgumentParser(description="Measure the import of made-up sets.")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--latent-size", type=int, default=2048)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--forms", nargs="*", choices=FORMS, default=FORMS)
    options = parser.parse_args()
    for form in options.forms:
        with tempfile.TemporaryDirectory() as name:
            size, batch = options.latent_size, options.batch
            found = measure(form, options.files, Path(name), size, batch)
        print(json.dumps(asdict(found)), flush=True)


if __name__ == "__main__":
    main()
