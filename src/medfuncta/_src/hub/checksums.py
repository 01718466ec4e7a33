"""Whether a file that has arrived is the one that a hub has."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medfuncta._src.door.wording import shortened
from medfuncta._src.errors import MedFunctaError

_BLOCK: Final = 2**20


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub knows it.

    Args:
        name: Of the file, with folders.
        bytes: Its size.
        git: Its SHA-1 as a blob of git; ``""`` for a file of Git LFS.
        sha256: Of its content, for a file of Git LFS; else ``""``.
    """

    name: str
    bytes: int
    git: str
    sha256: str


def verified(path: Path, file: RemoteFile) -> str:
    """The checksum of a file that has arrived.

    Raises:
        MedFunctaError: If it is not what the hub knows the file by; what arrived is then removed.
    """
    sha256, git, size = digests(path)
    expected, found = (file.sha256, sha256) if file.sha256 else (file.git, git)
    if size != file.bytes or found != expected:
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise MedFunctaError(
            f"{shortened(file.name, 60)} arrived with another checksum ({found[:12]}, the hub's is "
            f"{shortened(expected, 12)}) and was removed; run it again"
        )
    return f"sha256:{sha256}"


def digests(path: Path) -> tuple[str, str, int]:
    """SHA-256 of a file's content, SHA-1 as a blob of git, and its size."""
    size = path.stat().st_size
    sha256 = hashlib.sha256()
    git = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as content:
        while block := content.read(_BLOCK):
            sha256.update(block)
            git.update(block)
    return sha256.hexdigest(), git.hexdigest(), size
