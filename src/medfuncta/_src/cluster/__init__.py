"""Work on many processes: on this machine, or on a cluster of Ray's."""
