"""What the package finds on this machine: ``medfuncta doctor``."""

from medfuncta.tasks.doctor.diagnosis import Diagnosis, examine

__all__ = ["Diagnosis", "examine"]
