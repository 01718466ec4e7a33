"""Signals of patients, series and laboratories that a network has not seen: the same held-out
signals, fitted with a network that has learned from others of their group and with one that has
not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.learning.fitter import Fitter
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.preprocess import Resample
from medfuncta._src.signals.psnr import psnr_of
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.table import open_source
from medfuncta._src.studies.ablation import Finished, Numbers, Row
from medfuncta._src.studies.charts import COLOURS, MARKERS, mean_and_spread, mean_of, panels
from medfuncta._src.studies.network import spread_out
from medfuncta._src.studies.outcome import NOT_TESTABLE, Claim, Table, judged
from medfuncta._src.studies.plan import Plan
from medfuncta._src.studies.training import learn_from, suited
from medfuncta._src.tasks.classify.examples import GROUP
from medfuncta._src.tasks.drawing.figure import HAIRLINE
from medfuncta._src.tasks.heads.intervals import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RECORDS: Final = "heartbeats"
SERIES: Final = "brain MR"
LABORATORIES: Final = "blood cells"
_LEARNED: Final = 1200
"""Signals that a network learns from, at the most."""
_SIDE: Final = 32
"""Samples along each axis of a slice."""
_EVERY: Final = 3
"""Of the slices of a series, one is held out."""
_MARGIN: Final = 0.5
"""dB that may be lost on what was not seen."""

EXPLANATION: Final = (
    "Last, networks of this size learn either from other signals of the groups that they are "
    "measured on, or from as many of other groups only; both are fitted to the same held-out "
    "signals. Heartbeats: six patients of the test split, half of the training signals theirs or "
    f"none. Slices of brain MR, {_SIDE} x {_SIDE}: four series of one patient (T1 without and with "
    "contrast agent, FLAIR, T2), one of them left out in turn. Blood cells: the sets of two "
    "laboratories, BCCD and PBC. The interval over patients is of 95 % (bootstrap)."
)

CAPTION: Final = (
    "Held-out signals of one group a row, fitted with networks that have learned from other "
    "signals of this group and with networks that have not; a marker a seed."
)


def rows(plan: Plan) -> list[Row]:
    """The networks of each kind of group, each seed; those whose data are there."""
    found = []
    for kind, pools in _POOLS.items():
        if not all(plan.has(name) for name in _DATA[kind]):
            continue
        data = [plan.source(name) for name in _DATA[kind]]
        for pool in pools:
            for seed in plan.seeds:
                settings = plan.training(seed, ", ".join(data), traces=kind == RECORDS)
                more = {"kind": kind, "pool": pool, "sources": data}
                found.append(Row(f"{kind}: {pool}", {**settings, **more}))
    return found


_DATA: Final = {RECORDS: ("ecg",), SERIES: ("brain MR",), LABORATORIES: ("cells", "donors")}
_POOLS: Final = {
    RECORDS: ("own", "others"),
    SERIES: ("without 1", "without 2", "without 3", "without 4"),
    LABORATORIES: ("BCCD", "PBC"),
}
"""What a network learns from."""


def measure(settings: Mapping[str, Any]) -> Numbers:
    """One cell: the mean PSNR of the held-out signals of each group."""
    pool = _pool(settings["kind"], tuple(settings["sources"]), settings["signals"])
    train = pool.train[settings["pool"]]
    config = suited(Config.from_dict(settings["config"]), train)
    names = list(pool.held_out)
    learned = learn_from(train, pool.held_out[names[0]], config, settings["device"])
    fitter = Fitter(learned.field, learned.config.inner, learned.config.fit)
    values = {}
    for name in names:
        errors = fitter.fit(pool.held_out[name]).errors.nan_to_num(nan=1.0)
        values[name] = float(psnr_of(errors).mean())
    return Numbers(values)


@dataclass(frozen=True, eq=False)
class Pool:
    """Signals by what they are for.

    Args:
        train: To learn from, by the name of a pool.
        held_out: To be measured on, by the name of their group.
    """

    train: Mapping[str, SignalSet]
    held_out: Mapping[str, SignalSet]


@lru_cache(maxsize=1)
def _pool(kind: str, sources: tuple[str, ...], signals: int) -> Pool:
    if kind == RECORDS:
        return _of_records(sources[0], signals)
    if kind == SERIES:
        return _of_series(sources[0])
    return _of_laboratories(sources, signals)


def _of_records(data: str, signals: int) -> Pool:
    """Heartbeats, apart by patient."""
    source = open_source(data)
    spec = source.spec
    others = spread_out(source.signals("train"), _LEARNED)
    theirs = spread_out(source.signals("test"), _LEARNED // 2 + 2 * signals)
    held = set(np.linspace(0, len(theirs) - 1, signals).round().astype(int).tolist())
    own = [signal for place, signal in enumerate(theirs) if place not in held]
    groups: dict[str, list[Signal]] = {}
    for place in sorted(held):
        record = str(theirs[place].metadata.get(GROUP, ""))
        groups.setdefault(record, []).append(theirs[place])
    half = spread_out(own, _LEARNED // 2)
    mixed = spread_out(others, len(others) - len(half)) + half
    held_out = {}
    for number, members in enumerate(groups.values(), start=1):
        held_out[f"patient {number}"] = SignalSet.collect(spec, members)
    train = {"own": mixed, "others": others}
    return Pool({name: SignalSet.collect(spec, found) for name, found in train.items()}, held_out)


def _of_series(data: str) -> Pool:
    """Slices, apart by series."""
    volumes = list(open_source(data).signals("all"))
    spec = SignalSpec(2, 1)
    learned: list[list[Signal]] = []
    held_out = {}
    for number, volume in enumerate(volumes, start=1):
        slices = slices_of(volume, f"{number}")
        held = slices[_EVERY // 2 :: _EVERY]
        learned.append([one for one in slices if one not in held])
        held_out[f"series {number}"] = SignalSet.collect(spec, held)
    train = {}
    for number in range(1, len(volumes) + 1):
        others = [one for place, part in enumerate(learned, 1) if place != number for one in part]
        train[f"without {number}"] = SignalSet.collect(spec, others)
    return Pool(train, held_out)


def slices_of(volume: Signal, name: str) -> list[Signal]:
    """The slices across a volume's shortest axis, normalised as the volume is, each at
    ``_SIDE`` x ``_SIDE``."""
    values = volume.normalised().reshape(volume.values.shape)
    axis = int(np.argmin(values.shape[:-1]))
    small = Resample((_SIDE, _SIDE), method="mean")
    slices = []
    for number, image in enumerate(np.moveaxis(values, axis, 0)):
        whole = Signal.of(
            f"{name}-{number}", np.ascontiguousarray(image), Grid(image.shape[:-1]), _UNIT
        )
        slices.append(small.apply(whole))
    return slices


_UNIT: Final = ValueRange(0.0, 1.0)


def _of_laboratories(sources: Sequence[str], signals: int) -> Pool:
    """Cells, apart by laboratory."""
    train, held_out = {}, {}
    for name, data in zip(_POOLS[LABORATORIES], sources, strict=True):
        source = open_source(data)
        train[name] = SignalSet.collect(source.spec, spread_out(source.signals("train"), _LEARNED))
        held_out[name] = SignalSet.collect(source.spec, spread_out(source.signals("test"), signals))
    return Pool(train, held_out)


@dataclass(frozen=True)
class Group:
    """What became of the held-out signals of one group, by seed.

    Args:
        own: PSNR with networks that have learned from others of the group.
        foreign: With networks that have not.
    """

    own: tuple[float, ...]
    foreign: tuple[float, ...]

    @property
    def lost(self) -> list[float]:
        """By seed, in dB."""
        return [own - foreign for own, foreign in zip(self.own, self.foreign, strict=True)]


Groups = Mapping[str, Mapping[str, Group]]
"""By kind and name."""


def groups_of(cells: Iterable[Finished]) -> Groups:
    """What the cells of :func:`rows` say of each group."""
    by_pool: dict[str, dict[str, list[Mapping[str, float]]]] = {}
    for cell in cells:
        kind, pool = cell.settings["kind"], cell.settings["pool"]
        by_pool.setdefault(kind, {}).setdefault(pool, []).append(cell.numbers.values)
    found: dict[str, dict[str, Group]] = {}
    for kind, pools in by_pool.items():
        names = next(iter(pools.values()))[0]
        found[kind] = {name: _group(kind, name, pools) for name in names}
    return found


def _group(kind: str, name: str, pools: Mapping[str, Sequence[Mapping[str, float]]]) -> Group:
    foreign = {
        RECORDS: "others",
        SERIES: name.replace("series", "without"),
        LABORATORIES: next((pool for pool in pools if pool != name), ""),
    }[kind]
    own = []
    for of_seed in zip(*[runs for pool, runs in pools.items() if pool != foreign], strict=True):
        own.append(mean_of([run[name] for run in of_seed]))
    return Group(tuple(own), tuple(run[name] for run in pools[foreign]))


def table(groups: Groups) -> Table:
    """A row a group."""
    rows = []
    for kind, members in groups.items():
        for name, group in members.items():
            cells = (group.own, group.foreign, group.lost)
            rows.append((f"{kind}: {name}", *map(mean_and_spread, cells)))
    header = ("group", "known, PSNR (dB)", "not known, PSNR (dB)", "lost (dB)")
    return Table("The same signals by what the network has learned from", header, tuple(rows))


_CLAIMS: Final = {
    RECORDS: "heartbeats of patients that a network has not learned from are fitted as well as "
    "those of patients that it has",
    SERIES: "brain MR of a contrast that a network has not learned from is fitted as well as that "
    "of one that it has",
    LABORATORIES: "blood cells of a laboratory that a network has not learned from are fitted as "
    "well as those of one that it has",
}


def claims(groups: Groups) -> list[Claim]:
    """Whether anything is lost, kind by kind."""
    found = []
    for kind, claim in _CLAIMS.items():
        if kind in groups:
            found.append(_claim(claim, kind, groups[kind]))
        else:
            because = f"needs {' and '.join(_DATA[kind])} in --data-folder."
            found.append(Claim(claim, "this package", NOT_TESTABLE, because))
    return found


def _claim(claim: str, kind: str, members: Mapping[str, Group]) -> Claim:
    lost = {name: mean_of(group.lost) for name, group in members.items()}
    seeds = counted(len(next(iter(members.values())).own), "seed")
    if kind == RECORDS:
        interval = Interval.of(lambda values: float(np.mean(values)), np.array(list(lost.values())))
        assert interval.low is not None and interval.high is not None
        worst = interval.high
        said = (
            f"{mean_of(list(lost.values())):.2f} dB ({interval.low:.2f} to {interval.high:.2f} "
            f"over {len(lost)} patients)"
        )
    else:
        worst = max(max(group.lost) for group in members.values())
        said = "; ".join(
            f"{name} {mean_and_spread(group.lost)} dB" for name, group in members.items()
        )
    return judged(
        claim,
        "this package",
        worst < _MARGIN,
        f"Lost on the same signals: {said}; {seeds}. As well means less than {_MARGIN:g} dB.",
    )


def figure(groups: Groups) -> Figure:
    """A row a group: with its own kind known, and without."""
    names = [(kind, name) for kind, members in groups.items() for name in members]
    with panels(1, width=5.0, height=0.6 + 0.24 * len(names)) as (drawn, (axes,)):
        for place, (kind, name) in enumerate(names):
            group = groups[kind][name]
            for number, values in enumerate((group.own, group.foreign)):
                axes.plot(
                    values,
                    [place + 0.16 * (2 * number - 1)] * len(values),
                    color=COLOURS[number],
                    marker=MARKERS[number],
                    markersize=4,
                    linestyle="none",
                    label=("group known", "group not known")[number] if place == 0 else None,
                )
        axes.set_yticks(range(len(names)), [f"{kind}, {name}" for kind, name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel("PSNR (dB)")
        axes.grid(axis="x", color=HAIRLINE, linewidth=0.5)
        axes.set_axisbelow(True)
        drawn.legend(loc="outside lower center", ncols=2)
    return drawn
