"""Segmentation: the class of every point, learned from what a fitted field computes there."""

from medfuncta._src.tasks.segment.head import SegmentOptions
from medfuncta._src.tasks.segment.outlines import segmentation_picture, shown_volumes
from medfuncta._src.tasks.segment.segmentation import Segmentation, segment

__all__ = ["SegmentOptions", "Segmentation", "segment", "segmentation_picture", "shown_volumes"]
