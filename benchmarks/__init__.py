"""Time, memory and quality on this machine, side by side with the authors' code:
``python -m benchmarks.NAME``."""
