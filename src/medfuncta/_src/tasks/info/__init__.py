"""What there is: the signals of a source, the network of a run and its training, the rows of a
latent set."""

from medfuncta._src.tasks.info.curve import curve_picture
from medfuncta._src.tasks.info.inspection import LatentSetReport, Report, RunReport, inspect
from medfuncta._src.tasks.info.source import SourceReport, describe_source

__all__ = [
    "LatentSetReport",
    "Report",
    "RunReport",
    "SourceReport",
    "curve_picture",
    "describe_source",
    "inspect",
]
