"""The shared network, its omega schedule, and the folder it lives in."""
