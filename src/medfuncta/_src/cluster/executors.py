"""The table of where workers run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from medfuncta._src.cluster.local import LocalExecutor
from medfuncta._src.cluster.ray_actors import RayExecutor
from medfuncta._src.cluster.worker import Executor
from medfuncta._src.errors import ConfigError, suggest

LOCAL: Final = "local"


def _local(address: str, count: int | None) -> Executor:
    del count
    if address:
        raise ConfigError(f"'{LOCAL}' takes no address; expected --cluster {LOCAL}")
    return LocalExecutor()


EXECUTORS: Final[Mapping[str, Callable[[str, int | None], Executor]]] = {
    LOCAL: _local,
    "ray": RayExecutor,
}
"""By name: what makes one, of the address behind the colon and the number of workers."""


def executor_of(text: str, count: int | None) -> Executor:
    """Where ``local``, ``ray`` or ``ray:ADDRESS`` has its workers.

    Raises:
        ConfigError: If it is none of these, or there is no such cluster.
        MedFunctaError: If a package is missing.
    """
    name, _, address = text.partition(":")
    if name not in EXECUTORS:
        raise ConfigError(
            f"no cluster '{name[:60]}'; expected {LOCAL}, ray or ray:ADDRESS; "
            f"{suggest(name, EXECUTORS)}"
        )
    return EXECUTORS[name](address, count)
