"""Latent sets from a hub and to it."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from medfuncta._src.disk.atomic import new_folder, write_atomically, write_json
from medfuncta._src.disk.places import place
from medfuncta._src.door.limits import MAX_JSON_BYTES, MAX_SET_BYTES
from medfuncta._src.hub.client import download, upload
from medfuncta._src.latents.hub_folder import copy_file, export_hub
from medfuncta._src.latents.split import SplitSet
from medfuncta._src.run_names import RUN_LIMITS

DOWNLOAD_FILE: Final = "download.json"
"""Says, in a set that was downloaded, what came from where."""
_SHARD: Final = re.compile(r"data/[A-Za-z0-9_][A-Za-z0-9._-]{0,120}\.parquet", re.ASCII)
_MAX_SHARD: Final = 2**40
_FILES: Final = {
    "latent_set.json": MAX_SET_BYTES,
    "README.md": MAX_JSON_BYTES,
    "croissant.json": MAX_JSON_BYTES,
    **{f"field/{name}": limit for name, limit in RUN_LIMITS.items()},
}
"""Files of a set but for its shards, and how many bytes each may have."""


def fetched_set(
    repository: str, revision: str | None, out: Path | str | None, cache: Path | None
) -> Path:
    """The folder of a set of a hub, in the cache or copied to ``out``.

    Raises:
        MedFunctaError: If it cannot be downloaded.
        ConfigError: If ``out`` holds something.
    """
    folder, said = download(repository, "dataset", limit_of, revision=revision, cache=cache)
    if out is None:
        return folder
    with new_folder(Path(out)) as aside:
        for name in said.files:
            path = place(aside, *name.split("/"))
            write_atomically(
                path, lambda temporary, name=name: copy_file(folder / name, folder, temporary)
            )
        write_json(aside / DOWNLOAD_FILE, said.to_dict())
    return Path(out)


def push_set(
    latent_set: SplitSet,
    repository: str,
    *,
    previews: bool,
    private: bool | None,
    branch: str | None,
    message: str,
) -> str:
    """A set to a hub.

    Raises:
        LatentSetError: If it is not sound.
        MedFunctaError: If it cannot be pushed.
    """
    with TemporaryDirectory() as name:
        folder = Path(name, "set")
        export_hub(latent_set, folder, previews=previews)
        return upload(
            folder, repository, "dataset", private=private, branch=branch, message=message
        )


def limit_of(name: str) -> int | None:
    """The most bytes of a file of a set; None for what is none."""
    if _SHARD.fullmatch(name):
        return _MAX_SHARD
    return _FILES.get(name)
