"""Names of signals that are safe to publish."""

from __future__ import annotations

import hashlib
from typing import Literal

Ids = Literal["hash", "names"]
"""Whether signals are named by a digest of the file's name (it may be a patient's identifier) or by
the name itself."""


def public_name(name: str, ids: Ids) -> str:
    """A file's name as part of a signal's id: 12 digits of its digest, the same on every machine,
    or the name itself.

    A digest hides a name from readers, not from someone who tries every possible name.
    """
    return name if ids == "names" else hashlib.sha256(name.encode()).hexdigest()[:12]
