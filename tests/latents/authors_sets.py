"""Sets in the layout of the authors' code, made up, in folders and archives."""

from __future__ import annotations

import io
import math
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from medfuncta._src.latents import import_set
from medfuncta._src.latents.official import read_reference_field
from medfuncta._src.sources.source import SourceInfo

LATENT = 6
SHAPE = (4, 3)
WIDTH, CHANNELS, HIDDEN = 8, 1, 3


def formula(count: int, k: int) -> Tensor:
    return (0.05 * torch.sin(0.7 * torch.arange(count, dtype=torch.float64) + k)).float()


def weights() -> dict[str, Tensor]:
    """Bare weights with their grid, as ``best.model`` holds them."""
    sizes = [(f"layers.{i}", WIDTH if i else 2, WIDTH) for i in range(HIDDEN)]
    sizes.append(("last_layer", WIDTH, CHANNELS))
    state: dict[str, Tensor] = {}
    for layer, inputs, outputs in sizes:
        shapes = {
            f"{layer}.linear.weight": (outputs, inputs),
            f"{layer}.linear.bias": (outputs,),
            f"{layer}.modulate_shift_layer.weight": (outputs, LATENT),
            f"{layer}.modulate_shift_layer.bias": (outputs,),
        }
        for name, shape in shapes.items():
            state[f"model.{name}"] = formula(math.prod(shape), len(state)).reshape(shape)
    axes = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    state["grid"] = torch.stack(axes, -1).reshape(-1, 2)
    return state


def saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def datapoint(number: int, label: Sequence[int] = (1,), batch: int = 4) -> bytes:
    """One latent, a view of its whole batch, as a modulation that was never moved is."""
    stack = torch.stack([formula(LATENT, number + row) for row in range(-(number % batch), batch)])
    view = stack[number % batch]
    return saved({"modulations": view, "label": torch.tensor(label)})


def files(
    counts: dict[str, int], prefix: str = "", doubled: bool = False, label: Sequence[int] = (1,)
) -> Iterator[tuple[str, bytes]]:
    """Names and contents of a whole set."""
    for split, count in counts.items():
        folder = f"{prefix}{split}/{split}/" if doubled else f"{prefix}{split}/"
        for number in reversed(range(count)):
            yield f"{folder}datapoint_{number}.pt", datapoint(number, label)
    yield f"{prefix}best.model", saved(weights())


def write_folder(path: Path, entries: Iterator[tuple[str, bytes]]) -> Path:
    for name, content in entries:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def write_zip(path: Path, entries: Iterator[tuple[str, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def write_tar(path: Path, entries: Iterator[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


WRITERS = {
    "folder": ("set", write_folder),
    "zip": ("set.zip", write_zip),
    "tar": ("set.tar", write_tar),
    "tar.gz": ("set.tar.gz", write_tar),
}


def import_in_small_blocks(what: Path, out: Path) -> None:
    """An import that has often something to lose, for a process of its own."""
    import_set._BLOCK = 32
    path = what.parent / "w.model"
    path.write_bytes(saved(weights()))
    import_set.import_latent_set(what, read_reference_field(path), out, SourceInfo("a"))
