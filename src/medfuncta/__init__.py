"""MedFuncta: one compact vector a signal."""

from __future__ import annotations

from importlib.metadata import version

__version__ = version("medfuncta")
