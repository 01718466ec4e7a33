"""``medfuncta fit``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from medfuncta._src.cli.command import GOES_ON, Cluster, Command, Workers, given
from medfuncta._src.cli.terminal import counts_text
from medfuncta._src.config import Batch, InnerSteps, Quality
from medfuncta._src.door.wording import counted
from medfuncta._src.result import Result
from medfuncta._src.status import counting

if TYPE_CHECKING:
    from medfuncta._src.sources.source import Skipped


@dataclass(frozen=True)
class FitQuality(Result):
    """PSNR over all rows, in decibels."""

    mean: float | None
    median: float | None
    worst: float | None


@dataclass(frozen=True, eq=False)
class FittedSet(Result):
    """The latent set that was written.

    Args:
        latents: Its folder, or its address in an object store.
        signals: How many it has.
        splits: How many each split has.
        latent_size: Numbers of a latent.
        dtype: How they are stored.
        bytes: Of the shards on disk.
        psnr: How well signals come back.
        storage_cost: Decibels of mean PSNR lost by storing latents in fewer bits; None where the
            fit did not note it.
        left_out: Files and signals without a row.
        remarks: What a reader of the figures should know first, a line each: that the network has
            never seen this data, and how it differs.
        labelled: Whether a signal has a class.
    """

    latents: Path | str
    signals: int
    splits: Mapping[str, int]
    latent_size: int
    dtype: str
    bytes: int
    psnr: FitQuality
    storage_cost: float | None
    left_out: Sequence[Skipped]
    remarks: Sequence[str]
    labelled: bool


@dataclass(kw_only=True)
class Fit(Command):
    """Turn every signal of a source into a latent, with the shared network held still, and write
    them as a latent set.

    Started again with the same settings, a fit that was stopped goes on where it was.
    """

    run_folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """The folder that 'medfuncta train --out' wrote."""
    data: Annotated[str, tyro.conf.arg(metavar="SOURCE")]
    """Where the signals come from: kind:path[?option=value], such as wfdb:mitbih or sample:ecg."""
    out: Annotated[Path, tyro.conf.arg(metavar="LATENTS")]
    """Folder of the latent set to write, or an address in an object store, such as
    s3://bucket/set."""
    steps: Annotated[InnerSteps | None, tyro.conf.arg(metavar="H")] = None
    """Inner steps; the run's own when not given."""
    batch: Batch | None = None
    """Signals fitted side by side; the run's own when not given."""
    quality: Quality | None = None
    """paper: H inner steps; fast: five and three Gauss-Newton steps, quicker and closer; best: on
    from paper until it gets no better."""
    splits: Annotated[
        tuple[str, ...] | None, tyro.conf.arg(metavar="SPLIT ...", aliases=["--split"])
    ] = None
    """Which splits, such as train val test; each of them when not given. 'all' puts every signal
    into one split: for data that training has never seen."""
    dtype: Literal["float32", "float16", "int8"] = "float32"
    """How latents are stored; the card says what fewer bits cost."""
    positions: bool = False
    """Keep the positions of scattered samples."""
    skip_bad: bool = False
    """Leave out files that cannot be read instead of stopping at the first."""
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None
    """Where to compute, such as cpu or cuda:0; an accelerator when there is one."""
    workers: Workers = None
    """Fit in so many processes of one thread each; the set is that of one process, whichever of
    them dies. In this process when not given."""
    cluster: Cluster = None
    """Where workers run: local, ray (the cluster of RAY_ADDRESS, or one on this machine), or
    ray:ADDRESS as 'ray start' printed it; as many as suit it without --workers."""

    def when_stopped(self) -> str:
        return GOES_ON

    def run(self) -> FittedSet:
        from medfuncta._src.cli.progress import report_losses, report_skipped
        from medfuncta._src.latents.create import create_latent_set
        from medfuncta._src.latents.describe import describe
        from medfuncta._src.latents.info import CARD_FILE, INFO_FILE
        from medfuncta._src.remote.address import address_of, local_path
        from medfuncta._src.remote.publishing import published
        from medfuncta._src.run import Run
        from medfuncta._src.settings import override
        from medfuncta._src.sources.table import open_source

        run = Run.load(self.run_folder)
        source = open_source(self.data, skip_bad=self.skip_bad)
        config = override(run.config.fit, given(batch=self.batch, quality=self.quality), "fit.")
        config = config.with_steps(self.steps)
        losses = []
        folder = published(self.out, (CARD_FILE, INFO_FILE))
        with folder as out, counting("fitting signals") as progress:
            latent_set = create_latent_set(
                run,
                source,
                out,
                config=config,
                splits=self.splits,
                dtype=self.dtype,
                positions=self.positions,
                device=self.device,
                progress=progress,
                workers=self.workers,
                cluster=self.cluster,
                on_loss=losses.append,
            )
            figures = describe(latent_set)
        report_skipped(source)
        report_losses(losses)
        splits = {name: split.signals for name, split in figures.splits.items()}
        left_out = []
        for split in latent_set.info.splits.values():
            left_out += split.left_out
        return FittedSet(
            address_of(self.out) or local_path(self.out),
            signals=len(latent_set),
            splits=splits,
            latent_size=figures.latent_size,
            dtype=figures.dtype,
            bytes=figures.bytes,
            psnr=FitQuality(figures.psnr_mean, figures.psnr_median, figures.psnr_worst),
            storage_cost=figures.storage_cost,
            left_out=left_out,
            remarks=[*source.remarks, *figures.likeness.remarks],
            labelled=any(split.labels for split in figures.splits.values()),
        )

    def summary(self, result: FittedSet) -> str:
        counts = counts_text(result.splits)
        if result.left_out:
            counts += f", {len(result.left_out)} left out"
        cost = ""
        if result.dtype != "float32":
            cost = f", {result.storage_cost:.2f} dB of it lost to {result.dtype}"
        psnr = result.psnr
        lines = [f"! {remark}" for remark in result.remarks]
        lines.append(
            f"{result.latents}: {counted(result.signals, 'latent')} of "
            f"{counted(result.latent_size, 'number')} "
            f"({counts}), {result.bytes / 1e6:,.1f} MB"
        )
        lines.append(
            f"PSNR: mean {psnr.mean:.2f} dB, median {psnr.median:.2f} dB, worst "
            f"{psnr.worst:.2f} dB{cost}"
        )
        lines.append(f"next: medfuncta {self._next(result)}")
        return "\n".join(lines)

    def _next(self, result: FittedSet) -> str:
        """What to do with the set: classifying needs labels and splits."""
        if result.labelled and {"train", "val", "test"} <= result.splits.keys():
            return f"classify {result.latents}"
        return f"explore {result.latents} map --out map"
