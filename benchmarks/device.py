"""One accelerator, all that is to be known of it, in five minutes at the most:
``python benchmarks/device.py --out device.json`` (or ``python -m benchmarks.device``).

It needs PyTorch, NumPy and this checkout, and nothing else. It says how far every product is from
float64 on the CPU, how long meta-steps, fits and decoding take and what part of that bare matrix
products would, whether a candidate does a meta-step in less (``benchmarks.candidates``), what a
meta-step spends its time on, with ``--images`` (an archive in the layout of MedMNIST) how long
training takes to a PSNR, and with ``--reference`` (a checkout, which needs packages of its own)
what the authors' code does of it. ``--dry-run`` does all of it at a size of seconds.

What was not measured is null in the JSON, with a reason in ``notes``.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from benchmarks.stand_ins import stand_in  # noqa: E402

STOOD_IN: Final = stand_in()

from benchmarks.candidates import WAYS, Way, as_graph, lacking, objective_by  # noqa: E402
from benchmarks.case import CASES, Case  # noqa: E402
from benchmarks.reference import Reference, check_checkout  # noqa: E402
from medfuncta._src.config import InnerConfig, TrainConfig  # noqa: E402
from medfuncta._src.errors import MedFunctaError  # noqa: E402
from medfuncta._src.field.device import activation_bytes  # noqa: E402
from medfuncta._src.field.siren.config import SirenConfig  # noqa: E402
from medfuncta._src.field.siren.field import SirenField  # noqa: E402
from medfuncta._src.learning.adapt import adapt_to  # noqa: E402
from medfuncta._src.learning.context import ContextIndex, draw_context  # noqa: E402
from medfuncta._src.learning.meta_gradient import MetaGradient, meta_gradient  # noqa: E402
from medfuncta._src.learning.optimiser import apply_gradients, make_optimisers, rate_at  # noqa: E402
from medfuncta._src.signals.points import Points  # noqa: E402
from medfuncta._src.signals.psnr import psnr_of  # noqa: E402

_MOST: Final = 300.0
"""Seconds of the whole, about."""
_FIT_STEPS: Final = 20
_TARGETS: Final = (35.0, 38.0)
_CHECKED: Final = SirenConfig(
    dim=2, layers=6, width=64, latent_size=64, omega_first=10.0, omega_last=30.0, residual=True
)
"""The network that is held against float64: deep enough for errors to grow."""
MEASURED: Final = {
    "ecg": CASES["ecg"],
    "64^2, batch 24": replace(CASES["2d"], batch=24),
    "32^3, batch 4": replace(CASES["3d"], batch=4),
}
_TINY: Final = SirenConfig(dim=2, layers=3, width=8, latent_size=4)
_TINY_OF_THE_AUTHORS: Final = replace(CASES["2d"].field, layers=3, width=8, latent_size=4)
DRY: Final = {"8^2, batch 3": Case(_TINY_OF_THE_AUTHORS, (8, 8), 3, 0.5, inner_steps=2)}


@dataclass(frozen=True)
class Precision:
    """How matrix products are computed.

    Args:
        name: In the table.
        matmul: Of float32 products: ``"highest"``, or ``"high"`` for tf32.
        autocast: ``"bfloat16"`` for products in that type.
    """

    name: str
    matmul: str = "highest"
    autocast: str = ""

    @contextmanager
    def used(self) -> Iterator[None]:
        """Within, products are computed so."""
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision(self.matmul)
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)


PRECISIONS: Final = (
    Precision("float32"),
    Precision("tf32", matmul="high"),
    Precision("bfloat16", autocast="bfloat16"),
)


def points_of(case: Case, batch: int, device: torch.device, seed: int = 0) -> Points:
    """Smooth random signals on the grid of a case."""
    axes = [torch.linspace(-1, 1, count) for count in case.shape]
    coordinates = torch.cartesian_prod(*axes).reshape(-1, len(axes))
    draws = torch.Generator().manual_seed(seed)
    channels = case.field.channels
    waves = 3 * torch.randn(batch, len(axes), 4, generator=draws)
    mixed = torch.sin(coordinates @ waves + torch.rand(batch, 1, 4, generator=draws) * 6)
    values = (0.5 + 0.12 * mixed.sum(-1, keepdim=True)).expand(-1, -1, channels).contiguous()
    weights = torch.full(values.shape[:2], 1 / len(coordinates))
    return Points(coordinates.unsqueeze(0), values, weights).to(device)


def field_of(config: SirenConfig, device: torch.device, dtype: torch.dtype) -> SirenField:
    """A network with the same first weights on every device."""
    return SirenField(config, torch.Generator().manual_seed(0)).to(device, dtype)


class Step:
    """Meta-steps of a case on a device."""

    def __init__(
        self,
        case: Case,
        device: torch.device,
        precision: Precision,
        memory: int,
        way: Way = "in use",
    ) -> None:
        self.case, self.precision, self.memory = case, precision, memory
        self.way: Way = way
        self.field = field_of(case.field, device, torch.float32)
        self.settings = TrainConfig(
            batch=case.batch, inner_steps=case.inner_steps, context_ratio=case.context_ratio
        )
        self.optimisers = make_optimisers(self.field, self.settings)
        self.draws = torch.Generator().manual_seed(0)

    def contexts(self, points: Points) -> list[ContextIndex]:
        steps = range(self.case.inner_steps)
        return [draw_context(points, self.settings, self.draws) for _ in steps]

    def gradient(
        self, points: Points, contexts: Sequence[ContextIndex] | None = None
    ) -> MetaGradient:
        contexts = contexts or self.contexts(points)
        objective = objective_by(self.way, self.field, self.precision.autocast)
        latents, inner = self.field.zero_latents(points.batch), InnerConfig(1e-2, channel_mean=True)
        return meta_gradient(objective, latents, points, contexts, inner, memory=self.memory)

    def take(self, points: Points, rate: float) -> None:
        with self.precision.used():
            gradients = self.gradient(points).gradients
            apply_gradients(self.field, self.optimisers, gradients, rate, 1.0)


# ------------------------------------------------------------------------------ correctness


def quantities(
    device: torch.device,
    dtype: torch.dtype,
    precision: Precision,
    config: SirenConfig,
    way: Way = "in use",
) -> dict[str, Tensor]:
    """What is held against float64, by name."""
    case = Case(config, (16, 16), 4, 0.5, inner_steps=5)
    field, inner = field_of(config, device, dtype), InnerConfig(1e-1, channel_mean=True)
    points = points_of(case, case.batch, torch.device("cpu")).to(device, dtype)
    draws = torch.Generator().manual_seed(1)
    latents = 0.1 * torch.randn(case.batch, config.latent_size, generator=draws)
    latents = latents.to(device, dtype)
    settings = TrainConfig(batch=4, context_ratio=0.5)
    contexts = [draw_context(points, settings, draws) for _ in range(case.inner_steps)]
    objective = objective_by(way, field, precision.autocast)
    with precision.used(), torch.no_grad():
        found = meta_gradient(objective, field.zero_latents(4), points, contexts, inner)
        gradients = [found.gradients[name].flatten() for name, _ in field.named_parameters()]
        fitted = adapt_to(objective, field.zero_latents(4), points, _FIT_STEPS, inner)
        return {
            "forward": field(points.coordinates, latents),
            "gradient by the latents": objective.inner_gradient(latents, points).gradient,
            "meta-gradient": torch.cat(gradients),
            "fit: latents": fitted,
            "fit: values": field(points.coordinates, fitted),
        }


def correctness(device: torch.device, config: SirenConfig) -> list[dict[str, Any]]:
    """The relative error of each quantity by each kind of product, against float64 on the CPU."""
    cpu = torch.device("cpu")
    exact = quantities(cpu, torch.float64, PRECISIONS[0], config)
    rows = []
    for precision in PRECISIONS:
        if precision.name == "tf32" and device.type != "cuda":
            continue
        for way in WAYS[:2]:
            if lacking(way, device) is not None:
                continue
            found = quantities(device, torch.float32, precision, config, way)
            for name, value in found.items():
                error = float(relative_difference(value.cpu().double(), exact[name]))
                row = {"what": name, "products": precision.name, "layers": way, "error": error}
                rows.append(row)
    return rows


def relative_difference(found: Tensor, exact: Tensor) -> float:
    """The norm of the difference over the norm of what is exact."""
    return float((found - exact).norm() / exact.norm())


# ------------------------------------------------------------------------------ speed


def synchronise(device: torch.device) -> None:
    """Until a device has done what it was given."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def seconds_of(
    work: Callable[[], object], device: torch.device, repeats: int, most: float
) -> float:
    """The median of some repeats, after one that is not counted; fewer where they take too long."""
    work()
    synchronise(device)
    found: list[float] = []
    began = time.perf_counter()
    while len(found) < repeats and (not found or time.perf_counter() - began < most):
        start = time.perf_counter()
        work()
        synchronise(device)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def products_of(case: Case) -> float:
    """Floating-point operations of the products of the hidden layers in a meta-step: six a layer
    and inner step, three for the outer loss."""
    points = 6 * case.inner_steps * case.context_points + 3 * case.points
    return 2.0 * points * case.batch * (case.field.layers - 2) * case.field.width**2


def bare_rate(case: Case, device: torch.device, precision: Precision) -> float:
    """Operations a second of one such product by itself, all signals at once."""
    width, rows = case.field.width, case.batch * case.context_points
    dtype = torch.bfloat16 if precision.autocast else torch.float32
    state = torch.randn(rows, width, device=device, dtype=dtype)
    weight = torch.randn(width, width, device=device, dtype=dtype)
    with precision.used():
        many = 20

        def products() -> None:
            for _ in range(many):
                torch.mm(state, weight)

        return many * 2.0 * rows * width**2 / seconds_of(products, device, 3, 2.0)


def budgets(device: torch.device) -> list[int]:
    """Bytes that kept activations may take: what suits a CPU, and what a training takes here."""
    least, here = TrainConfig.memory_mb * 2**20, activation_bytes(TrainConfig.memory_mb, device)
    return sorted({least, here})


def speed(name: str, case: Case, device: torch.device, most: float) -> Iterator[dict[str, Any]]:
    """Rows of a case: meta-steps by each kind of product, budget and way, fits, decoding."""
    points = points_of(case, case.batch, device)
    for precision in PRECISIONS:
        if device.type != "cuda" and precision.name != "float32":
            continue
        rate = bare_rate(case, device, precision)
        tried: list[tuple[Way, int]] = []
        for budget in budgets(device):
            tried.append(("in use", budget))
        for way in ways_of(case, device, precision):
            tried.append((way, budgets(device)[-1]))
        for way, budget in tried:
            row = {"what": f"{name}: meta-step", "products": precision.name, "layers": way}
            with failing(row) as measured:
                step = Step(case, device, precision, budget, way)
                _forget_peak(device)
                seconds = seconds_of(partial(step.take, points, 1e-6), device, 3, most)
                done = products_of(case) / seconds
                measured |= {
                    "budget_mib": budget // 2**20,
                    "seconds": seconds,
                    "peak_mib": _peak(device),
                    "tflops": done / 1e12,
                    "share_of_bare_products": done / rate,
                }
            yield row
    if device.type == "cuda":
        yield from graphs(name, case, device, points, most)
    field = field_of(case.field, device, torch.float32)
    objective, inner = field.objective(channel_mean=True), InnerConfig(1e-2, channel_mean=True)

    def fit() -> None:
        adapt_to(objective, field.zero_latents(points.batch), points, _FIT_STEPS, inner)

    seconds = seconds_of(fit, device, 3, most)
    yield {"what": f"{name}: fits a second", "products": "float32", "rate": case.batch / seconds}
    latents = torch.zeros(case.batch, case.field.latent_size, device=device)
    values = field.values_of(latents, case.points)
    seconds = seconds_of(lambda: values(points.coordinates), device, 3, most)
    rate = case.batch * case.points / seconds
    yield {"what": f"{name}: points decoded a second", "products": "float32", "rate": rate}


def ways_of(case: Case, device: torch.device, precision: Precision) -> list[Way]:
    """The candidates that are measured: torch.compile takes its time, and is tried once."""
    found: list[Way] = []
    for way in WAYS[1:]:
        slow = way == "torch.compile" and (precision.name != "float32" or case.field.dim != 2)
        if lacking(way, device) is None and not slow:
            found.append(way)
    return found


def graphs(
    name: str, case: Case, device: torch.device, points: Points, most: float
) -> Iterator[dict[str, Any]]:
    """A meta-gradient by itself, and as one CUDA graph, which spares starting its kernels."""
    step = Step(case, device, PRECISIONS[0], budgets(device)[-1])
    contexts = step.contexts(points)

    def work() -> MetaGradient:
        return step.gradient(points, contexts)

    plain = {"what": f"{name}: meta-gradient", "products": "float32", "layers": "in use"}
    yield plain | {"seconds": seconds_of(work, device, 3, most)}
    row = plain | {"layers": "in use, as a CUDA graph"}
    with failing(row) as measured:
        measured["seconds"] = seconds_of(as_graph(work), device, 3, most)
    yield row


@contextmanager
def failing(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Gives the row to fill in; what fails is a result too, and says why."""
    try:
        yield row
    except (RuntimeError, ImportError, AssertionError) as error:  # out of memory is one of them
        lines = str(error).strip().splitlines() or [""]
        row |= {"seconds": None, "why": f"{type(error).__name__}: {lines[0][:200]}"}


def beside(
    name: str, case: Case, checkout: Path, device: torch.device, most: float
) -> Iterator[dict[str, Any]]:
    """Rows of the authors' code for a case: a meta-step by float32 and by tf32 products, and how
    far its meta-gradient is from ours."""
    reference = Reference(checkout, case, str(device))
    points = points_of(case, case.batch, device)
    data = reference.data(points.values.cpu().numpy())
    for precision in PRECISIONS[:2]:
        if device.type != "cuda" and precision.name != "float32":
            continue
        row = {"what": f"{name}: the authors' meta-step", "products": precision.name}
        with failing(row) as measured, precision.used():
            _forget_peak(device)
            seconds = seconds_of(partial(reference.meta_step, data), device, 3, most)
            measured |= {
                "seconds": seconds,
                "peak_mib": _peak(device),
                "tflops": products_of(case) / seconds / 1e12,
            }
        yield row
    row = {"what": f"{name}: meta-gradient, ours and theirs", "products": "float32"}
    with failing(row) as measured:
        step = Step(case, device, PRECISIONS[0], budgets(device)[-1])
        step.field.load_state_dict(reference.weights())
        indices = reference.contexts(case.seed)
        contexts = [index.to(device).expand(case.batch, -1) for index in indices]
        ours, theirs = step.gradient(points, contexts), reference.meta_gradient(data, case.seed)
        one = torch.cat([ours.gradients[key].flatten() for key in theirs])
        other = torch.cat([gradient.flatten() for gradient in theirs.values()])
        measured["difference"] = relative_difference(one, other)
    yield row


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: torch.device) -> float | None:
    if device.type != "cuda":
        return None
    return torch.cuda.max_memory_allocated(device) / 2**20


def profile(case: Case, device: torch.device, rows: int = 12) -> list[dict[str, Any]]:
    """Where the time of a meta-step goes: the operations that take most of it."""
    step = Step(case, device, PRECISIONS[0], budgets(device)[-1])
    points = points_of(case, case.batch, device)
    step.take(points, 1e-6)
    synchronise(device)
    on_card = device.type == "cuda"
    kinds = [torch.profiler.ProfilerActivity.CPU]
    if on_card:
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    with warnings.catch_warnings(), torch.profiler.profile(activities=kinds) as found:
        warnings.simplefilter("ignore")
        step.take(points, 1e-6)
        synchronise(device)

    def own(event: Any) -> float:
        return event.self_device_time_total if on_card else event.self_cpu_time_total

    events = sorted(found.key_averages(), key=own, reverse=True)
    total = sum(own(event) for event in events) or 1.0
    return [
        {"operation": event.key, "calls": event.count, "share": own(event) / total}
        for event in events[:rows]
    ]


# ------------------------------------------------------------------------------ quality


def images_of(path: Path, device: torch.device) -> tuple[Tensor, Tensor]:
    """Training and validation images of an archive, ``[images, points, channels]`` in [0, 1]."""
    with np.load(path, allow_pickle=False) as archive:
        both = [archive["train_images"], archive["val_images"][:64]]
    found = []
    for images in both:
        channels = images.shape[-1] if images.ndim == 4 else 1
        values = torch.from_numpy(images.astype(np.float32) / 255)
        found.append(values.reshape(len(images), -1, channels).to(device))
    return found[0], found[1]


def time_to_quality(
    path: Path, device: torch.device, seconds: float, targets: Sequence[float] = _TARGETS
) -> list[dict[str, Any]]:
    """Wall time of training, validations not counted, until a PSNR on images that were not seen."""
    train, val = images_of(path, device)
    side = math.isqrt(train.shape[1])
    field = replace(CASES["2d"].field, channels=train.shape[2], latent_size=1024)
    case = Case(field, (side, side), min(24, len(train)), 0.25)
    step = Step(case, device, PRECISIONS[0], budgets(device)[-1])
    grid = points_of(case, 1, device)
    draws = torch.Generator().manual_seed(2)
    schedule = TrainConfig(steps=10**6, learning_rate=1e-4, warmup=50, schedule="constant")

    def points(values: Tensor) -> Points:
        return Points(grid.coordinates, values, grid.weights.expand(len(values), -1))

    reached: dict[float, tuple[float, int]] = {}
    best, taken, number = 0.0, 0.0, 0
    while taken < seconds and len(reached) < len(targets):
        start = time.perf_counter()
        for _ in range(25):
            chosen = torch.randperm(len(train), generator=draws)[: case.batch].to(device)
            step.take(points(train[chosen]), rate_at(number, schedule))
            number += 1
            if time.perf_counter() - start > seconds - taken:
                break
        synchronise(device)
        taken += time.perf_counter() - start
        best = max(best, _validated(step.field, points(val)))
        for target in targets:
            if best >= target:
                reached.setdefault(target, (taken, number))
    rows = []
    for target in targets:
        at, steps = reached.get(target, (None, number))
        rows.append({"what": f"{target:g} dB", "seconds": at, "steps": steps, "best": best})
    return rows


def _validated(field: SirenField, points: Points) -> float:
    objective, inner = field.objective(channel_mean=True), InnerConfig(1e-2, channel_mean=True)
    latents = adapt_to(objective, field.zero_latents(points.batch), points, _FIT_STEPS, inner)
    with torch.no_grad():
        values = field(points.coordinates, latents).clamp(0, 1)
    return float(psnr_of((values - points.values).square().mean((1, 2))).nan_to_num().mean())


# ------------------------------------------------------------------------------ all of it


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as plain data."""
    device = torch.device(options.device or _default())
    cases = DRY if options.dry_run else MEASURED
    config = _TINY if options.dry_run else _CHECKED
    most = 0.2 if options.dry_run else options.seconds / 40
    began, notes = time.perf_counter(), []
    result: dict[str, Any] = {"device": facts_of(device), "dry_run": options.dry_run}
    result["correctness"] = correctness(device, config)
    result["speed"] = []
    for name, case in cases.items():
        if time.perf_counter() - began > options.seconds / 2:
            notes.append(f"{name} was not measured: half of the time was over")
            continue
        result["speed"] += speed(name, case, device, most)
        if options.reference is not None:
            result["speed"] += beside(name, case, options.reference, device, most)
    result["profile"] = profile(list(cases.values())[min(1, len(cases) - 1)], device)
    left = options.seconds - (time.perf_counter() - began)
    if options.images is None:
        notes.append("time to quality was not measured: no --images")
        result["quality"] = []
    else:
        result["quality"] = time_to_quality(options.images, device, max(1.0, left - 10))
    if device.type == "cpu":
        notes.append("not run on a GPU")
    for way in WAYS[1:]:
        reason = lacking(way, device)
        if reason is not None:
            notes.append(f"layers by {way} were not measured: {reason}")
    if options.reference is None:
        notes.append("the authors' code was not run beside it: no --reference")
    result |= {"notes": notes, "seconds": time.perf_counter() - began}
    return result


def facts_of(device: torch.device) -> dict[str, Any]:
    """What was measured."""
    facts = {"kind": device.type, "torch": torch.__version__, "stood_in_for": STOOD_IN}
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        facts |= {"name": card.name, "memory_gib": card.total_memory / 2**30}
        facts["cuda"] = torch.version.cuda
    else:
        facts["threads"] = torch.get_num_threads()
    return facts


def _default() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def table_of(result: dict[str, Any]) -> str:
    """The result for a person."""
    lines = [" ".join(f"{name}={value}" for name, value in result["device"].items())]
    for part in ("correctness", "speed", "quality", "profile"):
        lines += ["", part]
        for row in result[part]:
            cells = [f"{key} {_short(value)}" for key, value in row.items() if key != "what"]
            lines.append(f"  {row.get('what', ''):34s} " + "  ".join(cells))
    return "\n".join([*lines, "", *result["notes"], f"{result['seconds']:.0f} s in all"])


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; prints the table and, with ``--out``, writes the JSON."""
    parser = argparse.ArgumentParser(prog="benchmarks.device", description=__doc__)
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    parser.add_argument("--device", help="such as cuda:0; a card when there is one")
    parser.add_argument("--images", type=Path, help="an archive of MedMNIST's layout (.npz)")
    parser.add_argument("--reference", type=Path, help="a checkout of the authors' code")
    parser.add_argument("--seconds", type=float, default=_MOST - 20, help="of the whole, about")
    parser.add_argument("--dry-run", action="store_true", help="everything, at a tiny size")
    options = parser.parse_args(arguments)
    try:
        if options.reference is not None:
            check_checkout(options.reference)
        result = measured(options)
    except MedFunctaError as error:
        print(f"benchmarks.device: {error}", file=sys.stderr)
        return 2
    print(table_of(result))
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
