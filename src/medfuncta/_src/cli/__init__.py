"""The command line: one dataclass a command, each a thin shell around the Python API."""
