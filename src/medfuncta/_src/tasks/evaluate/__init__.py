"""Evaluation: how well a shared network reconstructs signals, in numbers, pictures and a page."""

from medfuncta._src.tasks.evaluate.evaluation import Evaluation
from medfuncta._src.tasks.evaluate.unseen import evaluate

__all__ = ["Evaluation", "evaluate"]
