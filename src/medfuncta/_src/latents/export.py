"""A latent set in other forms: NumPy archives, the authors' layout, and a folder for a hub."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medfuncta._src.disk.atomic import new_folder, write_atomically, write_text
from medfuncta._src.disk.places import file_name, place
from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents.hub_folder import export_hub
from medfuncta._src.latents.info import FIELD_FOLDER
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.official import reference_state
from medfuncta._src.latents.split import Split

__all__ = ["export_hub", "export_npz", "export_reference"]


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
