"""Compression: how many bits latents need for which quality, beside the codecs that everyone
has."""

from medfuncta.tasks.compress.picture import curves_picture
from medfuncta.tasks.compress.report import CompressionReport, compare_codecs

__all__ = ["CompressionReport", "compare_codecs", "curves_picture"]
