"""Heartbeats: their classes, and how they are cut out of a trace.

Kachuee, Fazeli, Sarrafzadeh, "ECG Heartbeat Classification: A Deep Transferable Representation",
2018: from each R peak for 1.2 times the median RR interval, scaled to [0, 1], padded with zeros to
a fixed length (187 samples at 125 Hz in the public set).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from medfuncta.errors import DataError

AAMI: Final = {"N": "NLRBej", "S": "AaJSn", "V": "VEr", "F": "F", "Q": "/fQ?"}
"""Classes of AAMI EC57 and the WFDB beat symbols that each gathers; other symbols are not beats."""

CLASS_OF: Final = {
    symbol: number for number, symbols in enumerate(AAMI.values()) for symbol in symbols
}
"""Number of the class of each beat symbol."""

_PERIODS: Final = 1.2


def beat_samples(peaks: np.ndarray, rate: float, record: str) -> int:
    """Samples of a beat of a record whose R peaks lie at these seconds; an error names the record.

    Raises:
        DataError: If there are fewer than two peaks, or they do not lie apart.
    """
    interval = float(np.median(np.diff(peaks))) if len(peaks) > 1 else 0.0
    if interval <= 0:
        raise DataError(
            f"{record} has {len(peaks)} beats and a median RR interval of {interval} s; expected "
            "two beats or more, apart"
        )
    return max(1, round(_PERIODS * interval * rate))
