from __future__ import annotations

import math

from medfuncta._src.studies.findings import Trial
from medfuncta._src.tasks.evaluate.metrics import SignalMetrics


def at(psnr: float) -> SignalMetrics:
    return SignalMetrics("s", None, 10, psnr, None, 10 ** (-psnr / 10), 0.0, 0.0)


def trial(**psnrs: list[float]) -> Trial:
    metrics = {
        name: [SignalMetrics.failure("s", None, 10) if math.isnan(p) else at(p) for p in values]
        for name, values in psnrs.items()
    }
    return Trial("half removed", metrics)


def test_the_verdict_names_who_wins_whoever_it_is() -> None:
    assert trial(field=[20, 21, 40], linear=[25, 26, 24]).verdict == (
        "half removed: field is best with 27.00 dB on average (linear 25.00 dB), and on 1 of 3 "
        "signals"
    )
    assert trial(field=[20], linear=[25]).verdict.startswith("half removed: linear is best")


def test_ties_are_nobodys_and_failures_lose() -> None:
    assert trial(a=[20, math.nan, 30], b=[20, 5, 31]).wins == {"a": 0, "b": 2}


def test_a_method_that_always_failed_comes_last() -> None:
    found = trial(field=[math.nan], linear=[25])
    assert "linear is best with 25.00 dB on average (field –)" in found.verdict
    assert next(iter(found.rows()))[3:] == ("–", "–", "–", "0")
