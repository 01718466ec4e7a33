"""Compression: how many bits latents need for which quality, beside the codecs that everyone
has."""

from medfuncta._src.tasks.compress.curves import CompressionReport
from medfuncta._src.tasks.compress.rates import compare_codecs
from medfuncta._src.tasks.compress.rates_picture import curves_picture

__all__ = ["CompressionReport", "compare_codecs", "curves_picture"]
