"""Numbers on the command line that belong together, one an axis."""

from __future__ import annotations

from typing import TypeVar

from medfuncta.errors import ConfigError

Number = TypeVar("Number", int, float)


def numbers(flag: str, text: str, kind: type[Number]) -> list[Number]:
    """The numbers of ``128,128,64``.

    Raises:
        ConfigError: If they are not positive numbers separated by commas.
    """
    try:
        result = [kind(part) for part in text.split(",")]
    except ValueError:
        result = []
    if not result or not all(0 < number < float("inf") for number in result):
        raise ConfigError(
            f"--{flag} is '{text}'; expected positive numbers separated by commas, one an axis"
        )
    return result
