"""Signals, where their points lie, and batches of points."""
