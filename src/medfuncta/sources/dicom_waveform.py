"""Traces in DICOM files, such as 12-lead ECG, as signals of one axis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from medfuncta.errors import DataError
from medfuncta.signals.domain import Grid
from medfuncta.sources.dicom_files import read_dataset, reading

if TYPE_CHECKING:
    from pydicom import Dataset

_MILLIVOLTS: Final = {"uV": 1e-3, "mV": 1.0, "V": 1e3}


def read_traces(path: Path, name: str) -> tuple[np.ndarray, Grid, str]:
    """The first group of channels of a waveform file.

    Returns:
        Values ``[samples, channels]`` float32; the grid in seconds; ``"mV"`` for voltages, else the
        unit's code.

    Raises:
        DataError: If the file is broken, holds less than its header claims, or mixes units.
    """
    with reading(name):
        from pydicom.waveforms.numpy_handler import multiplex_array

        data = read_dataset(path)
        group = data.WaveformSequence[0]
        needed = (
            int(group.NumberOfWaveformSamples)
            * int(group.NumberOfWaveformChannels)
            * int(group.WaveformBitsAllocated)
            // 8
        )
        if not 0 < needed <= len(group.WaveformData):
            raise DataError(
                f"{name} holds {len(group.WaveformData):,} bytes of traces, its header claims "
                f"{needed:,}; get it again"
            )
        values, unit = multiplex_array(data, 0, as_raw=False), _unit(name, group)
        grid = Grid(values.shape[:1], (1 / float(group.SamplingFrequency),), None, "s")
        return (
            (values * _MILLIVOLTS.get(unit, 1.0)).astype(np.float32),
            grid,
            "mV" if unit in _MILLIVOLTS else unit,
        )


def _unit(name: str, group: Dataset) -> str:
    """The one unit of all channels."""
    sequences = [
        channel.get("ChannelSensitivityUnitsSequence")
        for channel in group.ChannelDefinitionSequence
    ]
    units = {str(sequence[0].CodeValue) if sequence else "" for sequence in sequences}
    if len(units) != 1:
        raise DataError(f"{name} has traces in {len(units)} different units; expected one")
    return units.pop()
