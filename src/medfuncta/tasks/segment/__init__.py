"""Segmentation: the class of every point, learned from what a fitted field computes there."""

from medfuncta.tasks.segment.head import SegmentOptions
from medfuncta.tasks.segment.outlines import segmentation_picture, shown_volumes
from medfuncta.tasks.segment.segmentation import Segmentation, segment

__all__ = ["SegmentOptions", "Segmentation", "segment", "segmentation_picture", "shown_volumes"]
