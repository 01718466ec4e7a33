"""What the package finds on this machine: ``medfuncta doctor``."""

from medfuncta._src.tasks.doctor.diagnosis import Diagnosis, examine

__all__ = ["Diagnosis", "examine"]
