"""Units as files write them: read from their bytes without loss, compared by what they mean, and
kept as text where they are not known. None is ever guessed."""

from __future__ import annotations

import re
from typing import Final

_MICRO_SIGN: Final = "\N{MICRO SIGN}"
_GREEK_MU: Final = "\N{GREEK SMALL LETTER MU}"

_MILLIVOLTS: Final = {
    **{"V": 1e3, "mV": 1.0, "uV": 1e-3, "μV": 1e-3, "nV": 1e-6},
    **{"volt": 1e3, "millivolt": 1.0, "microvolt": 1e-3, "nanovolt": 1e-6},
    **{"volts": 1e3, "millivolts": 1.0, "microvolts": 1e-3, "nanovolts": 1e-6},
}
_SECONDS: Final = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "μs", "usec", "usecs", "micros", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nsec", "nsecs", "nanos", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
}
_COUNTERS: Final = ("sample", "samples", "index", "frame", "frames", "row")
_IN_BRACKETS: Final = re.compile(r"[\[(]([^\[\]()]+)[\])]\s*$")
_WORDS: Final = re.compile(r"[^\W_]+")


def unit_text(field: bytes) -> str:
    """A unit from the bytes of a header: UTF-8, or else Latin-1, which is what older programs
    write; blanks and NUL bytes around it are padding.

    >>> unit_text(b"\\xb5V"), unit_text(b"\\xc2\\xb5V"), unit_text(b"mmHg")
    ('µV', 'µV', 'mmHg')
    """
    field = field.strip(b"\0 ")
    try:
        return field.decode("utf-8")
    except UnicodeDecodeError:
        return field.decode("latin-1")


def as_latin1_read(text: str) -> str:
    """A unit that a library has decoded as Latin-1, whatever it was.

    >>> as_latin1_read("ÂµV")
    'µV'
    """
    try:
        return unit_text(text.encode("latin-1"))
    except UnicodeEncodeError:
        return text


def to_millivolts(unit: str) -> tuple[str, float]:
    """The unit in which a trace is kept, and what its values are multiplied by: voltages are kept
    in millivolts, all else as it is.

    >>> to_millivolts("uV"), to_millivolts("mmHg"), to_millivolts("MV")
    (('mV', 0.001), ('mmHg', 1.0), ('MV', 1.0))
    """
    meant = _one_mu(unit)
    if meant in _MILLIVOLTS:
        return "mV", _MILLIVOLTS[meant]
    return unit, 1.0


def to_seconds(column: str) -> tuple[str, float]:
    """The unit of a column of times by its name, and what its numbers are multiplied by: seconds
    where the name states a unit of time or none; no unit where it counts samples; another unit in
    brackets as it is written.

    >>> to_seconds("time_ms"), to_seconds("Time [min]"), to_seconds("time"), to_seconds("sample")
    (('s', 0.001), ('s', 60.0), ('s', 1.0), ('', 1.0))
    >>> to_seconds("time [ticks]")
    ('ticks', 1.0)
    """
    stated = _IN_BRACKETS.search(column)
    if stated is not None:
        unit = stated[1].strip()
        factor = _SECONDS.get(_one_mu(unit).lower())
        if factor is None:
            return unit, 1.0
        return "s", factor
    words = _WORDS.findall(_one_mu(column).lower())
    last = words[-1] if words else ""
    if last in _COUNTERS:
        return "", 1.0
    return "s", _SECONDS.get(last, 1.0)


def _one_mu(unit: str) -> str:
    """A unit whose micro sign is written in one way."""
    return unit.strip().replace(_MICRO_SIGN, _GREEK_MU)
