"""What a library said of a broken file, fit for one line of an error: its first line, file names
without their folders."""

from __future__ import annotations

import re

_FOLDERS = re.compile(
    r"(?<=')[^']*[\\/]|(?<=\")[^\"]*[\\/]|(?:[A-Za-z]:)?[\\/]?(?:[^\\/\s'\"]+[\\/])+"
)  # quoted, or without spaces


def reason(error: BaseException) -> str:
    """The reason in an exception's text; the exception's name when it has no text.

    >>> reason(ValueError("cannot parse '/home/jane doe/a.nii'; sorry"))
    "cannot parse 'a.nii'; sorry"
    """
    text = (isinstance(error, OSError) and error.strerror) or str(error).strip()
    return _FOLDERS.sub("", text.splitlines()[0]) if text else type(error).__name__
