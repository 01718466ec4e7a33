"""How much the omega schedule is worth: quality over w_1 and how far w rises, a constant omega
included (paper, Fig. 4), and whether it is still worth that when each has the rate that suits it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.studies.ablation import Ablation, Finished, Row, by_name
from medfuncta._src.studies.charts import draw_grid, draw_lines, mean_and_spread, mean_of, panels
from medfuncta._src.studies.outcome import Claim, Outcome, Table, judged, judged_above
from medfuncta._src.studies.plan import Plan
from medfuncta._src.studies.training import COLLAPSED, Reached
from medfuncta._src.tasks.drawing.figure import plain_powers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIRST: Final = (10.0, 20.0, 30.0, 40.0)
"""w_1."""
RISE: Final = (1.0, 5.0, 10.0, 20.0)
"""delta, w_K / w_1; 1 is a constant omega."""
CONSTANT: Final = (60.0, 120.0)
"""Further constant omegas: as high as the mean of the schedules."""
RATES: Final = (0.3, 1.0, 3.0)
"""Times the learning rate of the scale."""
_UNIT: Final = 1e-4
"""Of the axis of learning rates."""
BY_RATE: Final = {"constant omega 30": (30.0, 1.0), "omega 20 to 100": (20.0, 5.0)}
"""w_1 and delta of the two that are given several rates."""

_EXPLANATION: Final = (
    "Every cell is a shared network of the same size, trained with the same seed, signals, steps "
    "and learning rate; only omega differs. PSNR is of held-out signals that training never saw, "
    "with the network of the last meta-step. One learning rate does not suit every omega, since "
    "omega itself changes how far a step goes; the last panel therefore gives three rates to the "
    "best constant omega of the paper and to one schedule. The best of a kind is chosen by the "
    "numbers that are shown, among twice as many schedules as constant omegas."
)


def rows(plan: Plan) -> list[Row]:
    """The grid of w_1 and delta, further constant omegas, and two of them at other rates."""
    source = plan.source("x-rays")
    found = []
    for first, rise in _grid():
        for seed in plan.seeds:
            field = {"omega_first": first, "omega_last": first * rise}
            settings = plan.training(seed, source, field=field)
            found.append(Row(_name(first, rise), settings))
    rate = plan.scale.config.train.learning_rate
    for name, (first, rise) in BY_RATE.items():
        for times in RATES:
            for seed in plan.seeds:
                field = {"omega_first": first, "omega_last": first * rise}
                train = {"learning_rate": rate * times}
                settings = plan.training(seed, source, field=field, train=train)
                found.append(Row(f"{name}, rate {rate * times:.1e}", settings))
    return found


def _grid() -> list[tuple[float, float]]:
    pairs = [(first, rise) for first in FIRST for rise in RISE]
    return pairs + [(omega, 1.0) for omega in CONSTANT]


def _name(first: float, rise: float) -> str:
    if rise == 1:
        return f"constant omega {first:g}"
    return f"omega {first:g} to {first * rise:g}"


def reduce(plan: Plan, cells: Sequence[Finished]) -> Outcome:
    """Table, claims and figure."""
    found = by_name(cells)
    rate = plan.scale.config.train.learning_rate
    psnr = {pair: _psnrs(found[_name(*pair)]) for pair in _grid()}
    rates: dict[str, dict[float, list[float]]] = {}
    for name in BY_RATE:
        rates[name] = {
            rate * times: _psnrs(found[f"{name}, rate {rate * times:.1e}"]) for times in RATES
        }
    table_rows = []
    for pair in _grid():
        reached = found[_name(*pair)]
        cells_of_row = (_name(*pair), mean_and_spread(psnr[pair]), _ssim(reached))
        table_rows.append((*cells_of_row, _collapsed(reached)))
    for name, by_rate in rates.items():
        for beta, values in by_rate.items():
            reached = found[f"{name}, rate {beta:.1e}"]
            cells_of_row = (f"{name}, rate {beta:.1e}", mean_and_spread(values), _ssim(reached))
            table_rows.append((*cells_of_row, _collapsed(reached)))
    header = ("omega", "PSNR (dB)", "SSIM", "seeds collapsed")
    return Outcome(
        "The omega schedule",
        _EXPLANATION,
        claims=[*_claims(psnr), _claim_by_rate(rates)],
        tables=[Table("Quality by omega", header, tuple(table_rows))],
        facts=plan.facts("x-rays"),
        captions={
            "omega-schedule": "PSNR and SSIM of held-out signals by the first omega and how far "
            "omega rises to the last layer, mean of all seeds; a rise of 1 is a constant omega. "
            f"Framed: training collapses, below {COLLAPSED:g} dB with every seed. Right: two of "
            "them over the learning rate; bands are from the lowest to the highest seed."
        },
        figures={"omega-schedule": _figure(found, rates)},
    )


def _psnrs(reached: Sequence[Reached]) -> list[float]:
    return [one.psnr for one in reached]


def _ssim(reached: Sequence[Reached]) -> str:
    known = [one.ssim for one in reached if one.ssim is not None]
    if not known:
        return "–"
    return f"{mean_of(known):.3f}"


def _collapsed(reached: Sequence[Reached]) -> str:
    lost = sum(one.psnr < COLLAPSED for one in reached)
    return f"{lost} of {len(reached)}"


def _claims(psnr: Mapping[tuple[float, float], Sequence[float]]) -> list[Claim]:
    means = {pair: mean_of(values) for pair, values in psnr.items()}
    seeds = len(next(iter(psnr.values())))
    constant = max((pair for pair in means if pair[1] == 1), key=means.__getitem__)
    rising = max((pair for pair in means if pair[1] > 1), key=means.__getitem__)
    gain = means[rising] - means[constant]
    best = judged_above(
        "the best schedule is better than the best constant omega",
        "paper, Fig. 4: 37.31 against 34.81 dB after 25,000 meta-steps",
        psnr[rising],
        psnr[constant],
        f"{_name(*rising)}: {mean_and_spread(psnr[rising])} dB; {_name(*constant)}: "
        f"{mean_and_spread(psnr[constant])} dB; {gain:+.2f} dB, {counted(seeds, 'seed')}.",
    )
    steep = {pair: values for pair, values in psnr.items() if pair[0] >= 40 and pair[1] == 20}
    said = "; ".join(f"{_name(*pair)}: {mean_and_spread(v)} dB" for pair, v in steep.items())
    collapse = judged(
        "with w_1 of 40 or more and w_K 20 times as high, training collapses",
        "paper, Fig. 4: 12.6 dB",
        all(max(values) < COLLAPSED for values in steep.values())
        and max(means.values()) > COLLAPSED,
        f"{said}; {counted(seeds, 'seed')}. Collapsed means below {COLLAPSED:g} dB.",
    )
    return [best, collapse]


def _claim_by_rate(rates: Mapping[str, Mapping[float, Sequence[float]]]) -> Claim:
    said, best = [], {}
    for name, by_rate in rates.items():
        beta = max(by_rate, key=lambda rate: mean_of(by_rate[rate]))
        best[name] = by_rate[beta]
        said.append(f"{name} at {beta:.1e}: {mean_and_spread(by_rate[beta])} dB")
    constant, rising = best.values()
    lowest = [f"{name} {mean_and_spread(of[min(of)])} dB" for name, of in rates.items()]
    said.append(f"at the lowest rate, {', '.join(lowest)}")
    return judged_above(
        "the schedule is still better when each has the best of three learning rates",
        "this package",
        rising,
        constant,
        f"{'; '.join(said)}; {counted(len(rising), 'seed')}.",
    )


def _figure(
    found: Mapping[str, Sequence[Reached]], rates: Mapping[str, Mapping[float, Sequence[float]]]
) -> Figure:
    first = [*FIRST, *CONSTANT]
    shape = (len(first), len(RISE))
    psnr, ssim, collapsed = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, bool)
    for pair in _grid():
        reached = found[_name(*pair)]
        place = first.index(pair[0]), RISE.index(pair[1])
        psnr[place] = mean_of(_psnrs(reached))
        collapsed[place] = max(_psnrs(reached)) < COLLAPSED
        known = [one.ssim for one in reached if one.ssim is not None]
        if known:
            ssim[place] = mean_of(known)
    names = [f"{w:g}" for w in first], [f"{d:g}" for d in RISE]
    with panels(3, width=3.0, height=2.8) as (figure, (left, middle, right)):
        limits = float(np.floor(np.nanmin(psnr))), float(np.ceil(np.nanmax(psnr)))
        draw_grid(left, psnr, *names, limits, framed=collapsed)
        left.set_title("PSNR (dB)", loc="left")
        draw_grid(middle, ssim, *names, (0.0, 1.0), digits=2, framed=collapsed)
        middle.set_title("SSIM", loc="left")
        for axes in (left, middle):
            axes.set_xlabel("rise of omega, w_K / w_1")
        left.set_ylabel("first omega, w_1")
        draw_lines(
            right,
            {name: {rate / _UNIT: of[rate] for rate in of} for name, of in rates.items()},
        )
        right.set_xscale("log")
        right.set_xticks([rate / _UNIT for rate in next(iter(rates.values()))])
        right.minorticks_off()
        plain_powers(right.xaxis)
        right.set_xlabel(f"learning rate ({_UNIT:.0e})")
        right.set_ylabel("PSNR (dB)")
    return figure


STUDY: Final = Ablation(rows, "medfuncta._src.studies.training:trained", Reached, reduce)
