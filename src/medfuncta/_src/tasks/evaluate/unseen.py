"""How well a shared network reconstructs signals that it has not seen: fit, decode on their own
points, compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter

from medfuncta._src.config import FitConfig
from medfuncta._src.door.callers import expecting
from medfuncta._src.door.limits import Processes
from medfuncta._src.errors import DataError
from medfuncta._src.latents.likeness import Likeness
from medfuncta._src.latents.round_trip import round_trip
from medfuncta._src.run import Run
from medfuncta._src.signals.data_facts import FactsTally, RangeUse, range_remark
from medfuncta._src.sources.source import ALL, Source
from medfuncta._src.status import doing
from medfuncta._src.tasks.evaluate.baselines import measure_baselines
from medfuncta._src.tasks.evaluate.evaluation import EvaluatedRun, Evaluation, FieldPoint
from medfuncta._src.tasks.evaluate.measuring import Device, Labour, batches_of
from medfuncta._src.tasks.evaluate.metrics import SignalMetrics, summarise
from medfuncta._src.tasks.evaluate.pictures import Example, choose_examples
from medfuncta._src.tasks.evaluate.report import write_report


@expecting
def evaluate(
    run: Run,
    source: Source,
    *,
    split: str | None = None,
    config: FitConfig | None = None,
    device: Device = None,
    out: Path | str | None = None,
    baselines: bool = False,
    compare: Mapping[str, Run] | None = None,
    progress: Callable[[int], None] | None = None,
    workers: Processes | None = None,
    cluster: str | None = None,
    on_loss: Callable[[int], None] | None = None,
) -> Evaluation:
    """Fit the signals of a split, decode each on its own points and compare; one batch of signals
    is in memory at a time.

    Args:
        run: The shared network.
        source: Where the signals come from.
        split: Which of them; ``"all"`` are those of every split. When None the test split, or all
            signals of data that has no splits, such as a single file.
        config: H and the batch; the run's own when not given.
        device: Where to compute; an accelerator when there is one.
        out: Write ``report.json``, ``signals.csv``, ``reconstructions.png`` and ``report.html``
            into this folder. The three signals in the picture are read and fitted once more, so
            that no others need to be kept.
        baselines: Put the lowest cosines and the principal components of the training split beside
            the field, at the same number of numbers and as a curve; needs whole signals on grids.
        compare: Other shared networks, by name, that are to stand beside it, each fitted with its
            own settings.
        progress: Called with the number of signals done, by each network.
        workers, cluster: Fit, decode and compare in other processes, as
            :func:`~medfuncta._src.latents.create.create_latent_set` fits in them; every number is
            the same.
        on_loss: Called with the number of workers that died, where one did.

    Raises:
        ConfigError: If the cluster is not there, or ``workers`` is no number of them.
        DataError: If the data does not fit the run, has no such split or no signal in it, or a file
            is bad and not to be skipped.
    """
    config = config or run.config.fit
    split = split or source.held_out
    compare = compare or {}
    for one in (run, *compare.values()):
        one.spec.check_fits(source.spec)
    labour = Labour(device, workers, cluster, on_loss)
    began = perf_counter()
    metrics: list[SignalMetrics] = []
    tally, use = FactsTally(run.network.box), RangeUse()
    for original, found in labour.measured(run, source.signals(split), config):
        metrics.append(found)
        tally.add_header(original.header)
        use.add(original.normalised(), original.observed())
        if progress is not None:
            progress(len(metrics))
    if not metrics:
        raise DataError(
            f"no signals in the split '{split}' of {source.info.name}; expected at least one"
        )
    seconds = perf_counter() - began
    compared = []
    for name, other in compare.items():
        compared.append(_compared(name, other, source, split, labour, progress))
    beside = None
    if baselines:
        sizes = [point.numbers for point in compared]
        with doing("measuring cosines and principal components"):
            beside = measure_baselines(source, split, run.config.field.latent_size, sizes)
    examples = []
    if out is not None:
        examples = _examples(run, source, split, metrics, config, device)
    seen = tally.facts(use)
    likeness = Likeness.of(run.spec, run.training, source.info.name, seen, tally.reach)
    remarks = [*likeness.remarks, *_overlooked(likeness, split)]
    remarks += [*source.remarks, *range_remark(seen)]
    evaluation = Evaluation(
        source.info,
        source.spec,
        split,
        skipped=tuple(source.skipped),
        run=_describe(run),
        fit=config,
        seconds=seconds,
        signals=metrics,
        examples=examples,
        baselines=beside,
        compared=compared,
        remarks=remarks,
        likeness=likeness,
    )
    if out is not None:
        write_report(evaluation, Path(out))
    return evaluation


def _overlooked(likeness: Likeness, split: str) -> list[str]:
    """A sentence where a part only of data was evaluated of which none was trained on."""
    if not likeness.foreign or split == ALL:
        return []
    return [
        f"none of this data was trained on, and only its {split} split is evaluated here; --split "
        f"{ALL} takes every signal"
    ]


def _compared(
    name: str,
    run: Run,
    source: Source,
    split: str,
    labour: Labour,
    progress: Callable[[int], None] | None,
) -> FieldPoint:
    metrics = []
    for _, found in labour.measured(run, source.signals(split), run.config.fit):
        metrics.append(found)
        if progress is not None:
            progress(len(metrics))
    field = run.config.field
    psnr = summarise(metrics).psnr.mean
    return FieldPoint(name, field.kind, field.latent_size, psnr, run.fingerprint)


def _examples(
    run: Run,
    source: Source,
    split: str,
    metrics: Sequence[SignalMetrics],
    config: FitConfig,
    device: Device,
) -> list[Example]:
    chosen = choose_examples(metrics)
    ids = {m.id for m in chosen.values()}
    wanted = (signal for signal in source.signals(split) if signal.id in ids)
    examples = {}
    for batch in batches_of(wanted, config.batch):
        found = round_trip(run, batch, config=config, device=device)
        for original, reconstruction in zip(batch, found, strict=True):
            for rank, m in chosen.items():
                if m.id == original.id and reconstruction is not None:
                    examples[rank] = Example(rank, m, original, reconstruction)
    return [examples[rank] for rank in chosen]


def _describe(run: Run) -> EvaluatedRun:
    return EvaluatedRun(
        run.fingerprint,
        parameters=sum(parameter.numel() for parameter in run.network.parameters()),
        latent_size=run.config.field.latent_size,
        training=dict(run.training),
    )
