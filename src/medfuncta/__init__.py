"""MedFuncta: one compact vector a signal."""
