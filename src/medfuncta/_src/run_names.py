"""What a user may call a run: a folder, ``pretrained:NAME``, ``hub:owner/name[@revision]``, or an
address in an object store, such as ``s3://bucket/run``.

Wherever a run is asked for, on the command line or in Python, this is what says where it lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medfuncta._src.door.limits import (
    MAX_JSON_BYTES,
    MAX_PARAMETERS,
    MAX_TENSOR_HEADER,
)
from medfuncta._src.errors import RunError, suggest
from medfuncta._src.hub.client import Download, download, is_repository
from medfuncta._src.pretrained import PREFIX, pretrained_folder, pretrained_names
from medfuncta._src.remote.address import address_of
from medfuncta._src.remote.fetching import fetched

HUB: Final = "hub:"
"""How a text begins that names a repository of a hub."""
WEIGHTS_FILE: Final = "field.safetensors"
METADATA_FILE: Final = "field.json"
_MAX_WEIGHTS: Final = MAX_TENSOR_HEADER + 8 * MAX_PARAMETERS
RUN_LIMITS: Final = {
    METADATA_FILE: MAX_JSON_BYTES,
    WEIGHTS_FILE: _MAX_WEIGHTS,
    "model_card.json": MAX_JSON_BYTES,
    "README.md": MAX_JSON_BYTES,
}
"""The files of a run that are downloaded, and how many bytes each may have."""


@dataclass(frozen=True)
class FoundRun:
    """Where a run lies.

    Args:
        folder: With its files.
        download: Where that came from; None where it was on the disk.
    """

    folder: Path
    download: Download | None = None


def find_run(name: Path | str) -> FoundRun:
    """The folder that a text names; any other text is a folder itself.

    Raises:
        RunError: If no pretrained field has this name.
        MedFunctaError: If it cannot be downloaded; see :func:`~medfuncta._src.hub.client.download`.
    """
    text = str(name)
    if text.startswith(PREFIX):
        return FoundRun(pretrained_folder(text))
    if text.startswith(HUB):
        repository, _, revision = text.removeprefix(HUB).partition("@")
        return from_hub(repository, revision or None)
    return FoundRun(fetched(name, RUN_LIMITS.get))


def from_hub(repository: str, revision: str | None = None, cache: Path | None = None) -> FoundRun:
    """A run of a hub, downloaded where it is not in the cache.

    Raises:
        MedFunctaError: As :func:`~medfuncta._src.hub.client.download`.
    """
    folder, said = download(repository, "model", RUN_LIMITS.get, revision=revision, cache=cache)
    return FoundRun(folder, said)


def find_anywhere(
    name: Path | str, revision: str | None = None, cache: Path | None = None
) -> FoundRun:
    """As :func:`find_run`, for whatever a text may mean by itself: a folder that is there, the name
    of a pretrained field without its prefix, ``owner/name`` on a hub.

    Raises:
        RunError: If it is none of these, or a revision is asked of what has none.
        MedFunctaError: As :func:`find_run`.
    """
    text = str(name)
    if address_of(text):
        return find_run(name)
    repository, _, at = text.removeprefix(HUB).partition("@")
    prefixed = text.startswith((PREFIX, HUB))
    is_folder = Path(name).exists() and not prefixed
    if text.startswith(HUB) or (is_repository(text) and not is_folder):
        return from_hub(repository, revision or at or None, cache)
    if revision is not None:
        raise RunError(
            f"a revision '{revision}' of '{Path(name).name}', which is on this machine; expected "
            "one with a repository of a hub, owner/name"
        )
    if prefixed or (text in pretrained_names() and not is_folder):
        return FoundRun(pretrained_folder(text))
    if not is_folder and "/" not in text:
        raise RunError(
            f"no folder, and no pretrained field, '{text[:60]}'; "
            f"{suggest(text, pretrained_names())}; a repository of a hub is owner/name"
        )
    return FoundRun(Path(name))
