"""Functa's settings against the paper's at equal latent size and equal time, COIN++'s patches, and
two codes without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.field.field import Field
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.learning.train import meta_step
from medfuncta._src.settings import Config, override
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.table import open_source
from medfuncta._src.studies.ablation import Ablation, Finished, Row, by_name
from medfuncta._src.studies.charts import draw_lines, mean_and_spread, mean_of, panels
from medfuncta._src.studies.clock import clock_of
from medfuncta._src.studies.functa_ways import MetaSGD, fitted, joined, patches_of
from medfuncta._src.studies.outcome import (
    NOT_TESTABLE,
    Claim,
    Outcome,
    Table,
    judged_above,
)
from medfuncta._src.studies.plan import Plan
from medfuncta._src.studies.training import Step, begun, decoded, prepared, psnr_between
from medfuncta._src.tasks.drawing.figure import clear_frame
from medfuncta._src.tasks.evaluate.baselines import measure_baselines
from medfuncta._src.tasks.evaluate.metrics import structural_similarity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OURS: Final = "MedFuncta"
_THEIRS: Final = "Functa"
_PATCHES: Final = "COIN++ patches"
WAYS: Final = (_OURS, _THEIRS, _PATCHES)
_CUTS: Final = 2
"""Patches along an axis: 4 of an image; the paper's 32^2 of 64^2."""
_CHECKS: Final = 8
_SHOWN: Final = 3
"""Images in the picture."""

_EXPLANATION: Final = (
    "All ways store as many numbers an image. MedFuncta: the scale's network with its omega "
    "schedule, cosine schedule and G inner steps. Functa: a constant omega of 30, twice the width, "
    "3 inner steps with a learned rate for each number of the latent, a constant learning rate of "
    "Adam. COIN++ patches: every image as four patches with a quarter of the numbers each, a "
    "constant omega of 30, 3 inner steps. A meta-step takes another time in each; the curves are "
    "over time, and the table compares at the time that MedFuncta took; a way that had ended by "
    "then counts with its end. The two codes "
    "without a network are measured on the whole test split."
)


@dataclass(frozen=True)
class Moment:
    """A training at one moment, and how held-out images come back then."""

    step: int
    seconds: float
    psnr: float
    ssim: float | None


@dataclass(frozen=True)
class Compared:
    """What a cell measures.

    Args:
        moments: From the start to the end.
        originals: A few held-out images, flattened, rounded to 3 digits.
        images: The same as they come back at the end.
        shape: Of each.
        cosines: PSNR of the lowest cosines at as many numbers; None but for the baselines' cell.
        components: PSNR of the principal components, likewise.
        parameters: Learned numbers of the shared network, learned rates of the inner loop included.
    """

    moments: tuple[Moment, ...] = ()
    originals: tuple[tuple[float, ...], ...] = ()
    images: tuple[tuple[float, ...], ...] = ()
    shape: tuple[int, ...] = ()
    cosines: float | None = None
    components: float | None = None
    parameters: int = 0


def rows(plan: Plan) -> list[Row]:
    """Every way, each seed; then what needs no network."""
    source = plan.source("x-rays")
    found = []
    for way in WAYS:
        for seed in plan.seeds:
            settings = plan.training(seed, source)
            config = _config(Config.from_dict(settings["config"]), way)
            cell = {**settings, "config": config.to_dict(), "way": way}
            found.append(Row(way, cell))
    size = plan.scale.config.field.latent_size
    found.append(Row("baselines", {"data": source, "numbers": size}))
    return found


def _config(config: Config, way: str) -> Config:
    if way == _OURS:
        return config
    assert isinstance(config.field, SirenConfig)
    changes: dict[str, dict[str, Any]] = {
        "field": {"omega_first": 30.0, "omega_last": 30.0},
        "train": {"inner_steps": 3, "context_ratio": 1.0, "weight_decay": 0.0},
        "fit": {"steps": 3},
    }
    if way == _THEIRS:
        changes["field"]["width"] = 2 * config.field.width
        changes["train"]["schedule"] = "constant"
    else:
        changes["field"]["latent_size"] = config.field.latent_size // _CUTS**2
        changes["train"]["batch"] = config.train.batch * _CUTS**2
    return override(config, changes, written=False)


def measure(settings: Mapping[str, Any]) -> Compared:
    """One cell."""
    if "numbers" in settings:
        source = open_source(settings["data"])
        found = measure_baselines(source, "test", settings["numbers"]).at_latent_size
        return Compared(cosines=found.cosines, components=found.components)
    way = settings["way"]
    train, held_out, config = prepared(settings)
    whole = held_out
    if way == _PATCHES:
        train, held_out = patches_of(train, _CUTS), patches_of(held_out, _CUTS)
        batch = min(Config.from_dict(settings["config"]).train.batch, len(train))
        config = override(config, {"train": {"batch": batch}})
    state, config = begun(train, config, settings["device"])
    sgd: MetaSGD | None = None
    step: Step = meta_step
    if way == _THEIRS:
        sgd = MetaSGD(config.field.latent_size, 10 * config.train.learning_rate, config.train.seed)
        step = sgd
    clock = clock_of(settings["device"])
    steps, seconds, moments = config.train.steps, 0.0, []
    checks = {max(1, round(steps * share / _CHECKS)) for share in range(1, _CHECKS + 1)}
    for number in range(1, steps + 1):
        began = clock()
        step(state, train, config)
        seconds += clock() - began
        if number in checks:
            field = state.average.averaged(state.field)
            psnr, ssim = _quality(field, held_out, whole, config, sgd, way)
            moments.append(Moment(number, seconds, psnr, ssim))
    images = _images(state.average.averaged(state.field), held_out, config, sgd, way)
    shown = range(min(_SHOWN, len(images)))
    originals = [_originals(whole, index, images[index].shape) for index in shown]
    parameters = sum(parameter.numel() for parameter in state.field.parameters())
    if sgd is not None:
        parameters += sgd.rates.numel()
    return Compared(
        tuple(moments),
        originals=tuple(map(_flat, originals)),
        images=tuple(_flat(images[index]) for index in shown),
        shape=images[0].shape,
        parameters=parameters,
    )


def _images(
    field: Field, signals: SignalSet, config: Config, sgd: MetaSGD | None, way: str
) -> list[np.ndarray]:
    """Held-out images as they come back."""
    values = decoded(field, fitted(field, signals, config, sgd), signals)
    if way != _PATCHES:
        return values
    each = _CUTS**2
    images = []
    for first in range(0, len(values), each):
        images.append(joined(values[first : first + each], _CUTS))
    return images


def _originals(whole: SignalSet, index: int, shape: tuple[int, ...]) -> np.ndarray:
    """An image without what patches leave out at its border."""
    values = whole.normalised(index).reshape(whole.headers[index].shape)
    return values[tuple(slice(side) for side in shape)]


def _quality(
    field: Field,
    signals: SignalSet,
    whole: SignalSet,
    config: Config,
    sgd: MetaSGD | None,
    way: str,
) -> tuple[float, float | None]:
    psnrs, ssims = [], []
    for index, image in enumerate(_images(field, signals, config, sgd, way)):
        original = _originals(whole, index, image.shape)
        psnrs.append(psnr_between(original, image))
        seen = np.ones(image.shape[:-1], bool)
        ssims.append(structural_similarity(original.clip(0, 1), image, seen))
    known = [ssim for ssim in ssims if ssim is not None]
    return mean_of(psnrs), mean_of(known) if known else None


def _flat(image: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in image.ravel())


def reduce(plan: Plan, cells: Sequence[Finished]) -> Outcome:
    """Table, claims and figures."""
    found = by_name(cells)
    (baselines,) = found.pop("baselines")
    seconds = mean_of([one.moments[-1].seconds for one in found[_OURS]])
    table_rows = []
    for way in WAYS:
        at_equal = [_at(one, seconds) for one in found[way]]
        ends = [one.moments[-1] for one in found[way]]
        psnrs = mean_and_spread(at_equal), mean_and_spread([end.psnr for end in ends])
        ssims = _ssim([_at(one, seconds, "ssim") for one in found[way]])
        end_ssims = _ssim([end.ssim for end in ends])
        taken = f"{mean_of([end.seconds for end in ends]):.1f}"
        size = f"{found[way][0].parameters:,}"
        table_rows.append((way, psnrs[0], ssims, psnrs[1], end_ssims, taken, size))
    for name, psnr in (
        ("lowest cosines", baselines.cosines),
        ("principal components", baselines.components),
    ):
        known = "–" if psnr is None else f"{psnr:.2f}"
        table_rows.append((name, known, "–", known, "–", "–", "–"))
    header = (
        "way",
        f"PSNR after {seconds:.0f} s (dB)",
        "SSIM then",
        "PSNR at the end (dB)",
        "SSIM at the end",
        "processor s",
        "learned numbers",
    )
    return Outcome(
        "Functa, COIN++ and codes without a network",
        _EXPLANATION,
        claims=_claims(found, baselines, seconds),
        tables=[Table("At equal numbers an image", header, tuple(table_rows))],
        facts=plan.facts("x-rays"),
        captions={
            "functa-curves": "PSNR and SSIM of held-out images over the time of the meta-steps; "
            "bands are from the lowest to the highest seed. Dotted: codes without a network.",
            "functa-pictures": "Held-out images and what each way makes of them at the end of its "
            "training, first seed.",
        },
        figures={
            "functa-curves": _curves(found, baselines),
            "functa-pictures": _pictures({way: found[way][0] for way in WAYS}),
        },
    )


def _ssim(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return mean_and_spread(known, 3) if known else "–"


def _at(compared: Compared, seconds: float, what: Literal["psnr", "ssim"] = "psnr") -> float:
    """PSNR or SSIM at this time, on a line between the moments before and after; at the end where
    the training had ended before. NaN where it was never measured."""
    times = [moment.seconds for moment in compared.moments]
    values = [getattr(moment, what) for moment in compared.moments]
    if None in values:
        return float("nan")
    return float(np.interp(seconds, times, values))


def _claims(
    found: Mapping[str, Sequence[Compared]], baselines: Compared, seconds: float
) -> list[Claim]:
    psnrs = {way: [_at(one, seconds) for one in found[way]] for way in WAYS}
    seeds = counted(len(psnrs[_OURS]), "seed")
    ends = {way: [one.moments[-1].psnr for one in found[way]] for way in WAYS}
    paper = {_THEIRS: "34.30", _PATCHES: "38.48"}
    claims = []
    for way, figure in paper.items():
        sizes = f"{found[_OURS][0].parameters:,} against {found[way][0].parameters:,}"
        said = f"{mean_and_spread(ends[_OURS])} against {mean_and_spread(ends[way])} dB"
        claims.append(
            judged_above(
                f"MedFuncta is better than {way} in as many meta-steps",
                f"paper, Table 5: 40.72 against {figure} dB",
                ends[_OURS],
                ends[way],
                f"{said}, with {sizes} learned numbers; {seeds}.",
            )
        )
        said = f"{mean_and_spread(psnrs[_OURS])} against {mean_and_spread(psnrs[way])} dB"
        claims.append(
            judged_above(
                f"MedFuncta is better than {way} in as much time",
                "this package",
                psnrs[_OURS],
                psnrs[way],
                f"{said} after {seconds:.0f} s; {seeds}.",
            )
        )
    claim = "MedFuncta is better than principal components at equal numbers"
    if baselines.components is None:
        because = "too few training signals for as many components."
        return [*claims, Claim(claim, "this package", NOT_TESTABLE, because)]
    linear = judged_above(
        claim,
        "this package; the paper has no such row",
        ends[_OURS],
        [baselines.components],
        f"{mean_and_spread(ends[_OURS])} dB at the end of training, components "
        f"{baselines.components:.2f} dB, lowest cosines {baselines.cosines:.2f} dB; "
        f"{seeds}.",
    )
    return [*claims, linear]


def _curves(found: Mapping[str, Sequence[Compared]], baselines: Compared) -> Figure:
    psnr: dict[str, dict[float, list[float]]] = {}
    ssim: dict[str, dict[float, list[float]]] = {}
    for way in WAYS:
        psnr[way], ssim[way] = {}, {}
        for moments in zip(*[one.moments for one in found[way]], strict=True):
            seconds = mean_of([moment.seconds for moment in moments])
            psnr[way][seconds] = [moment.psnr for moment in moments]
            ssim[way][seconds] = [moment.ssim or 0.0 for moment in moments]
    with panels(2) as (figure, (left, right)):
        draw_lines(left, psnr)
        lines = {"components": baselines.components, "cosines": baselines.cosines}
        for name, value in lines.items():
            if value is not None:
                left.axhline(value, color="black", linestyle=":", linewidth=0.9)
                left.annotate(
                    name,
                    (1.0, value),
                    xycoords=("axes fraction", "data"),
                    ha="right",
                    va="bottom",
                    fontsize=7,
                )
        left.set_ylabel("PSNR (dB)")
        draw_lines(right, ssim, legend=False)
        right.set_ylabel("SSIM")
        for axes in (left, right):
            axes.set_xlabel("processor time of the meta-steps (s)")
    return figure


def _pictures(found: Mapping[str, Compared]) -> Figure:
    count = len(next(iter(found.values())).images)
    columns = ("original", *found)
    with panels(1, width=1.2 * len(columns), height=1.3 * count + 0.2) as (figure, (only,)):
        only.remove()
        grid = figure.subplots(count, len(columns), squeeze=False)
        for row in range(count):
            for column, name in enumerate(columns):
                axes = grid[row, column]
                compared = found[_OURS if name == "original" else name]
                own = np.array(compared.originals[row]).reshape(compared.shape)
                image = own
                if name != "original":
                    image = np.array(compared.images[row]).reshape(compared.shape)
                    axes.set_xlabel(f"{psnr_between(own, image):.1f} dB", fontsize=7)
                grey = image.shape[-1] == 1
                axes.imshow(image[..., 0] if grey else image, cmap="gray", vmin=0, vmax=1)
                label = axes.get_xlabel()
                clear_frame(axes)
                axes.set_xlabel(label, fontsize=7)
                if row == 0:
                    axes.set_title(name)
    return figure


STUDY: Final = Ablation(rows, "medfuncta._src.studies.functa:measure", Compared, reduce)
