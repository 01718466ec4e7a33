"""How a licence is told to a hub."""

from __future__ import annotations

import json
import re
from typing import Final

_LICENCES: Final = {
    *(
        "apache-2.0",
        "mit",
        "bsd-3-clause",
        "cc",
        "cc0-1.0",
        "cc-by-2.0",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
    ),
    *(
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nd-4.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
    ),
    *("odc-by", "odbl", "pddl", "unknown"),
}
"""Identifiers that Hugging Face knows; any other licence is ``other`` with its own name."""


def licence_id(licence: str) -> str:
    """The identifier of a licence as its publisher words it, or ``other``.

    >>> licence_id("CC BY-SA 4.0"), licence_id("ODC-By 1.0"), licence_id("ask the author")
    ('cc-by-sa-4.0', 'odc-by', 'other')
    """
    slug = re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-")
    without_version = re.sub(r"-v?[0-9.]+$", "", slug)
    return next((name for name in (slug, without_version) if name in _LICENCES), "other")


def licence_lines(licence: str) -> list[str]:
    """The lines of front matter that name a licence, as its publisher words it.

    >>> licence_lines("CC BY 4.0"), licence_lines("ask the author")
    (['license: cc-by-4.0'], ['license: other', 'license_name: "ask the author"'])
    """
    known = licence_id(licence)
    lines = [f"license: {known}"]
    if known == "other":
        lines.append(f"license_name: {json.dumps(licence)}")
    return lines
