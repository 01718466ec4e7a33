"""A latent set in other forms: NumPy archives, the authors' layout, and a folder for a hub."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from medfuncta.disk.atomic import new_folder, write_atomically, write_text
from medfuncta.disk.places import file_name, place
from medfuncta.door.files import Origin, open_regular, read_bytes, reason
from medfuncta.errors import LatentSetError
from medfuncta.latents.latent_set import FIELD_FOLDER, LatentSet
from medfuncta.latents.official import reference_state
from medfuncta.latents.shards import DATA_FOLDER
from medfuncta.latents.split import Split
from medfuncta.latents.validate import validate
from medfuncta.latents.writer import CARD_FILE

_LARGE_FILES: Final = ("*.parquet", "*.safetensors")
_GIT_ATTRIBUTES: Final = "".join(
    f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in _LARGE_FILES
)


def export_npz(latent_set: LatentSet, out: Path) -> None:
    """One archive a split, ``<split>.npz`` with ``ids``, ``latents`` float32, ``labels``, ``psnr``;
    and the field's two files.

    Raises:
        LatentSetError: If a shard is damaged.
        ConfigError: If the folder holds something.
    """
    with new_folder(out) as folder:
        for name in latent_set.splits:
            split = latent_set.split(name)
            archive = place(folder, f"{file_name(name)}.npz")
            write_atomically(archive, lambda path, split=split: _write_npz(path, split))
        latent_set.run.save(place(folder, FIELD_FOLDER))


def _write_npz(path: Path, split: Split) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in {
            "ids": np.array(split.ids),
            "labels": split.labels,
            "psnr": split.psnr,
        }.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        with archive.open(
            "latents.npy", "w", force_zip64=True
        ) as member:  # in pieces: it may not fit in memory
            header = {
                "descr": "<f4",
                "fortran_order": False,
                "shape": (len(split), split.info.latent_size),
            }
            np.lib.format.write_array_header_2_0(member, header)
            for rows in split.batches(columns=split.latent_columns):
                member.write(rows.latents.astype("<f4", copy=False).tobytes())


def export_hub(latent_set: LatentSet, out: Path) -> None:
    """A checked copy of the set alone, with what git needs to store large files, ready to push to a
    hub as it lies.

    Raises:
        LatentSetError: If the set is not sound.
    """
    validate(latent_set)
    shards = [shard.path for name in latent_set.splits for shard in latent_set.split(name).shards]
    with new_folder(out) as folder:
        for shard in shards:
            write_atomically(
                place(folder, DATA_FOLDER, shard.name),
                lambda temporary, shard=shard: _copy(shard, latent_set.folder, temporary),
            )
        latent_set.run.save(place(folder, FIELD_FOLDER))
        latent_set.info.save(folder)
        write_text(folder / CARD_FILE, _card_of(latent_set.folder))
        write_text(folder / ".gitattributes", _GIT_ATTRIBUTES)


def _copy(source: Path, folder: Path, temporary: Path) -> None:
    """Copy a file of the set as it lies; a link must not lead to another one."""
    with temporary.open("wb") as copy:
        for part in _parts(source, folder):
            copy.write(part)


def _parts(source: Path, folder: Path) -> Iterator[bytes]:
    """What a file holds, a mebibyte at a time; that it cannot be read is told apart from that its
    copy cannot be written."""
    origin = Origin(source.name, LatentSetError, "copy the whole folder again")
    with open_regular(source, origin, within=folder) as file:
        while part := file.read(2**20):
            yield part


def _card_of(folder: Path) -> str:
    """The card beside the latents, which goes out as it is: a link must not lead to another file.

    Raises:
        LatentSetError: If it is missing, something else, or lies elsewhere.
    """
    remedy = "copy the whole folder again"
    origin = Origin(f"{CARD_FILE} in '{folder.name}'", LatentSetError, remedy)
    try:
        return read_bytes(folder / CARD_FILE, origin, within=folder).decode("utf-8")
    except UnicodeDecodeError as error:
        raise origin.fault(reason(error)) from error


def export_reference(latent_set: LatentSet, out: Path) -> None:
    """The authors' layout: ``<split>/datapoint_<i>.pt`` and ``best.model``, bare weights that their
    ``load_model`` reads.

    Any field of ours is one of theirs with other weights: a first layer that is not shifted has a
        shift map of zeros, the output's offset
    goes into the last bias. ``field.yaml`` holds the settings that their configuration needs.

    Raises:
        LatentSetError: If signals lie on different grids; the authors' field has one.
    """
    state, settings = reference_state(latent_set.run, _shared_shape(latent_set))
    lines = [f"{name}: {value}\n" for name, value in settings.items()]
    with new_folder(out) as folder:
        write_atomically(folder / "best.model", lambda temporary: torch.save(state, temporary))
        write_text(folder / "field.yaml", "".join(lines))
        for name in latent_set.splits:
            number = 0
            for rows in latent_set.split(name).batches():
                for latent, label in zip(torch.from_numpy(rows.latents), rows.labels, strict=True):
                    _write_datapoint(
                        place(folder, file_name(name), f"datapoint_{number}.pt"), latent, label
                    )
                    number += 1


def _write_datapoint(path: Path, latent: Tensor, label: Any) -> None:
    content = {"modulations": latent.clone(), "label": torch.as_tensor(label).reshape(-1)}
    write_atomically(path, lambda temporary: torch.save(content, temporary))


def _shared_shape(latent_set: LatentSet) -> tuple[int, ...]:
    shapes = {
        tuple(shape)
        for name in latent_set.splits
        for rows in latent_set.split(name).batches(columns=["shape"])
        for shape in rows.table["shape"].to_pylist()
    }
    if len(shapes) != 1:
        raise LatentSetError(
            f"signals lie on {len(shapes)} different grids; the authors' layout has one: filter "
            "the set, or export npz"
        )
    return shapes.pop()
