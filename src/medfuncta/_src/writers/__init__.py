"""Signals written out in their own units, one file a format."""
