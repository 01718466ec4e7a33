"""Lung CT of LIDC-IDRI as its archive hands it out (DICOM), preprocessed as in the paper; nothing
is converted or deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from medfuncta.signals.preprocess import CropPad, Preprocessing, Quantiles, Resample
from medfuncta.sources.dicom import DicomFileOptions, DicomSource
from medfuncta.sources.dicom_files import Series
from medfuncta.sources.folder import open_folder
from medfuncta.sources.old_source import SourceKind
from medfuncta.sources.options import describe, option, parse
from medfuncta.sources.source import SourceInfo
from medfuncta.sources.volumes import block_mean


@dataclass(frozen=True)
class LidcOptions(DicomFileOptions):
    """How LIDC-IDRI is read."""

    size: int = option(32, "voxels along each side; 256 or a whole part of it", at_least=1)


def lidc_steps(size: int) -> Preprocessing:
    """The paper's: 1 mm voxels by cubic splines, the middle 256 a side, -1000 HU to quantile 0.999,
    then block means.

    Where a scan is smaller it is filled with air, and the spline is preceded by a blur where voxels
    get larger.

    Raises:
        ConfigError: If 256 is not a multiple of ``size``.
    """
    cut = CropPad((256, 256, 256), fill=-1000.0)
    return Preprocessing(
        (
            Resample(spacing=(1.0, 1.0, 1.0), method="cubic"),
            cut,
            Quantiles(0.0, 0.999, floor=-1000.0),
            block_mean(256, size),
        )
    )


class LidcSource(DicomSource):
    """The CT series among the files; plain radiographs and annotations of nodules are passed
    over."""

    def _wanted(self, series: Series) -> bool:
        return series.modality == "CT"

    @property
    def own_info(self) -> SourceInfo:
        return replace(
            super().own_info,
            licence="CC BY 3.0",
            citation="Armato et al. 2011, Medical Physics 38(2), doi:10.1118/1.3528204",
        )


def open_lidc(location: str, options: Mapping[str, str], skip_bad: bool) -> LidcSource:
    """Open ``lidc:DIR``."""
    parsed = parse(LidcOptions, options)
    return LidcSource(
        open_folder(location),
        parsed,
        lidc_steps(parsed.size),
        skip_bad=skip_bad,
        name="lidc:LIDC-IDRI",
    )


FORMAT = SourceKind(
    "lidc", "lung CT of LIDC-IDRI, preprocessed as in the paper", describe(LidcOptions), open_lidc
)
