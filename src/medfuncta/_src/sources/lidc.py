"""Lung CT of LIDC-IDRI as its archive hands it out (DICOM), preprocessed as in the paper; nothing
is converted or deleted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from medfuncta._src.signals.preprocess import CropPad, Preprocessing, Quantiles, Resample
from medfuncta._src.sources.contents import Contents, Format
from medfuncta._src.sources.dicom import DicomFileOptions, dicom_contents
from medfuncta._src.sources.folder import open_folder
from medfuncta._src.sources.options import option
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.volume_options import block_mean


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


def _open_lidc(location: str, options: LidcOptions, skips: Skips) -> Contents:
    """Open ``lidc:DIR``: the CT series among the files; plain radiographs and annotations of
    nodules are passed over."""
    contents = dicom_contents(
        "lidc:LIDC-IDRI",
        open_folder(location),
        options,
        lidc_steps(options.size),
        skips,
        modality="CT",
    )
    return replace(
        contents,
        licence="CC BY 3.0",
        citation="Armato et al. 2011, Medical Physics 38(2), doi:10.1118/1.3528204",
    )


FORMAT = Format(
    "lidc", "lung CT of LIDC-IDRI, preprocessed as in the paper", LidcOptions, _open_lidc
)
