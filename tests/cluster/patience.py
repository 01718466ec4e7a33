"""Ray on a machine that has other things to do."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from typing import Any, Final

_TRIES: Final = 4


def patiently(init: Callable[..., Any]) -> Callable[..., Any]:
    """``ray.init``, again where its processes were not up within the 30 seconds that it waits for
    them."""

    def begun(*arguments: Any, **options: Any) -> Any:
        for _ in range(_TRIES - 1):
            try:
                return init(*arguments, **options)
            except Exception as error:
                if "timed out during startup" not in str(error):
                    raise
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # processes that nobody has waited for
                gc.collect()
        return init(*arguments, **options)

    return begun
