"""The run-time type checker of the tests: an int passes where a float is asked for, as the type
system has it (PEP 484)."""

from __future__ import annotations

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
