"""What a user can get wrong, said in one line each.

Every error that a user can mend derives from :class:`MedFunctaError`; the command line prints its
text and exits with code 2. A text says what was got, what was expected, and what to do. Anything
else that reaches the user is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MedFunctaError(Exception):
    """A mistake that the user can mend; its text is one line."""


class DataError(MedFunctaError):
    """A file, folder or signal is missing, broken or not of the expected form."""


class ConfigError(MedFunctaError):
    """A preset, key, option or value is not known or not allowed."""


class RunError(MedFunctaError):
    """A run folder is missing, damaged or does not fit the data."""


class LatentSetError(MedFunctaError):
    """A latent set is missing, damaged or belongs to another field."""


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of an error line about an unknown name: the nearest known one, or all of them.

    >>> suggest("npx", ["npz", "wfdb"])
    "did you mean 'npz'? Known: npz, wfdb"
    >>> suggest("ECG", ["ecg", "eeg"])
    "did you mean 'ecg'? Known: ecg, eeg"
    """
    names = sorted(known)
    folded = {other.casefold(): other for other in names}
    alike = difflib.get_close_matches(name[:80].casefold(), folded, n=1, cutoff=0.5)
    near = [folded[found] for found in alike if folded[found] != name]
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"{hint}Known: {', '.join(names)}"


def missing_extra(package: str, extra: str) -> MedFunctaError:
    """The error for an optional package that is not installed; it names the extra that brings
    it."""
    return MedFunctaError(
        f"the package '{package}' is needed for this but is not installed; run: pip install "
        f"'medfuncta[{extra}]'"
    )
