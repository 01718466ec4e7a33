"""The steps of the main job on sources: train here; fitting, evaluation and what follows live
beside what they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medfuncta._src.door.callers import expecting
from medfuncta._src.errors import ConfigError
from medfuncta._src.field.table import field_shapes
from medfuncta._src.learning.callbacks import StepReport, TrainingCallback
from medfuncta._src.learning.ranks import Ranks, joined
from medfuncta._src.learning.train import Training, train_network
from medfuncta._src.presets import fitted_to, preset, preset_for, sized_for
from medfuncta._src.run import METADATA_FILE, Run, RunDescription
from medfuncta._src.settings import Config, override
from medfuncta._src.signals.data_facts import DataFacts, range_remark, remarks_for
from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.cached_split import cached_split
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source

_HELD_OUT = (
    10  # of training signals, one in so many is held out when a source has no validation split
)


@expecting
def train(
    source: Source | str,
    out: Path | str,
    preset: str | None = None,
    *,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    start_from: Run | Path | str | None = None,
    resume: bool = False,
    cache: Path | None = None,
    device: torch.device | str | None = None,
    listener: Callable[[StepReport], None] | None = None,
    callbacks: Sequence[TrainingCallback] = (),
    remarked: Callable[[Sequence[str]], None] | None = None,
) -> Training:
    """Meta-learn a shared network on a source's training split, choosing the best by its validation
    split; the test split is never read.

    Where torchrun has started several processes that all call this, they train one network
    together; the first of them writes it, and is the one that is heard.

    Args:
        source: A source, or the text that names one, such as ``"npz:bloodcells_64.npz"``.
        out: Folder of the run.
        preset: Name of a preset; when None the one that fits the data, with a latent as large as
            its signals are worth (:func:`medfuncta._src.presets.sized_for`).
        settings: Sections of settings that override the preset, e.g. ``{"train": {"steps": 500}}``.
        start_from: A run, or its folder, whose network training goes on from on this data. Its
            settings stand in for the preset.
        resume: Continue the run in ``out``.
        cache: Folder where signals are kept ready to be memory-mapped, so that sets larger than
            memory can be trained on and files are read once; None reads the signals into memory.
        device: Where to compute; an accelerator when there is one.
        listener: Called after each meta-step.
        callbacks: What hears of the training from its start to its end: objects of classes made
            from :class:`TrainingCallback`.
        remarked: Called once, before the first meta-step, with what a user should know of the data,
            one sentence each.

    Raises:
        MedFunctaError: On any mistake that the caller can mend.
    """
    with joined(device) as ranks:
        if isinstance(source, str):
            source = open_source(source)
        start = Run.load(start_from) if isinstance(start_from, Path | str) else start_from
        if resume and preset is None and start is None:
            preset = begun_with(Path(out), source.spec)
        config = resolve(source.spec, preset, settings or {}, start=start)
        train_set, val_set = _read_by_all(source, config, cache, ranks)
        if preset is None and start is None:
            config = _sized(config, train_set, settings or {})
        config = _with_batch(config, train_set, settings or {})
        provenance: dict[str, Any] = {}
        if ranks.first:  # for which every value is looked at
            facts = DataFacts.of_set(train_set)
            provenance = _provenance(source, train_set, val_set, facts, start)
            if remarked is not None:
                remarked(_remarks(source, facts, start))
        return train_network(
            train_set,
            val_set,
            out,
            config,
            start=None if start is None else start.network,
            provenance=provenance,
            resume=resume,
            listener=listener,
            callbacks=callbacks,
            ranks=ranks,
        )


def _read_by_all(
    source: Source, config: Config, cache: Path | None, ranks: Ranks
) -> tuple[SignalSet, SignalSet]:
    """The signals; where there is a cache, one process of a machine fills it and all others find it
    whole, so that each looks only at the signals that are its own."""
    if cache is None:
        return read_for_training(source, config)
    return ranks.in_turn(lambda: read_for_training(source, config, cache))


def _sized(config: Config, signals: SignalSet, chosen: Mapping[str, Mapping[str, Any]]) -> Config:
    """Settings with a latent as large as the signals are worth, where nobody has chosen its
    size."""
    if "latent_size" in chosen.get("field", {}):
        return config
    return sized_for(config, signals)


def _with_batch(
    config: Config, signals: SignalSet, chosen: Mapping[str, Mapping[str, Any]]
) -> Config:
    """Settings with a batch of no more signals than there are, where nobody has chosen it."""
    if len(signals) >= config.train.batch or "batch" in chosen.get("train", {}):
        return config
    return override(config, {"train": {"batch": len(signals)}})


def _provenance(
    source: Source,
    train_set: SignalSet,
    val_set: SignalSet,
    facts: DataFacts,
    start: Run | None,
) -> dict[str, Any]:
    """What a run says of the data that it learned from."""
    provenance: dict[str, Any] = {
        "source": source.info.name,
        "licence": source.info.licence,
        "citation": source.info.citation,
        "split_by": source.info.split_by,
        "details": dict(source.info.details),
        "train_signals": len(train_set),
        "val_signals": len(val_set),
        "data": facts.to_dict(),
        "skipped_files": len(source.skipped),
        "medfuncta": version("medfuncta"),
    }
    if start is not None:
        provenance["started_from"] = {"fingerprint": start.fingerprint, **start.training}
    return provenance


def _remarks(source: Source, facts: DataFacts, start: Run | None) -> list[str]:
    """What a user should know of the training data before time is spent on it."""
    remarks = [*source.remarks, *range_remark(facts)]
    if start is not None:
        remarks += remarks_for(start.spec, start.training, facts)
    return remarks


def resolve(
    spec: SignalSpec, preset_name: str | None, *layers: Mapping[str, Any], start: Run | None = None
) -> Config:
    """Settings for data of this kind: default < preset, or the run to start from < each layer in
    turn (a file, then flags).

    Raises:
        ConfigError: If the settings do not fit the data, or the network to start from.
        DataError: If that network is for signals of another kind.
    """
    if start is None:
        name = preset_name or preset_for(spec, _kind_in(layers))
        config = fitted_to(preset(name), spec)
    elif preset_name is None:
        start.spec.check_fits(spec)
        config = start.config
    else:
        raise ConfigError(
            f"got the preset '{preset_name}' and a run to start from, which has settings of its "
            "own; give one of them"
        )
    for layer in layers:
        config = override(config, layer)
    if (config.field.dim, config.field.channels) != (spec.dim, spec.channels):
        raise ConfigError(
            "field.dim and field.channels follow from the data; remove them from the settings"
        )
    field_shapes(config.field)  # too large a field is refused before any signal is read
    if start is not None and config.field != start.config.field:
        raise ConfigError(
            "the sizes and frequencies of the network are those of the run to start from; remove "
            "[field] from the settings"
        )
    return config


def begun_with(folder: Path, spec: SignalSpec) -> str | None:
    """The preset that a training in this folder began with when none was named, where that was
    another one than now: the small network of the paper's kind. None otherwise."""
    if not (folder / METADATA_FILE).is_file():
        return None
    kind = RunDescription.load(folder).config.field.kind
    name = preset_for(spec, kind)
    return None if name == preset_for(spec) else name


def _kind_in(layers: Sequence[Mapping[str, Any]]) -> str | None:
    """The kind of field that settings ask for, if they do."""
    kind = None
    for layer in layers:
        section = layer.get("field", {})
        if isinstance(section, Mapping):
            kind = section.get("kind", kind)
    return kind


def read_for_training(
    source: Source, config: Config, cache: Path | None = None
) -> tuple[SignalSet, SignalSet]:
    """Training and validation signals. Without a validation split, one training signal in ten is
    held out."""
    train_set = _read(source, "train", cache)
    if "val" in source.splits:
        val_set = _read(source, "val", cache)
        spread = np.linspace(
            0, len(val_set) - 1, min(len(val_set), config.train.validate_signals)
        ).astype(int)
        return train_set, val_set.subset(
            spread
        )  # evenly spread: neighbours in a file are often of one patient
    if len(train_set) < 2:
        raise ConfigError(
            "1 training signal and no validation split; expected at least two signals"
        )
    order = np.random.default_rng(config.train.seed).permutation(len(train_set))
    held_out = max(1, len(order) // _HELD_OUT)
    return train_set.subset(np.sort(order[held_out:])), train_set.subset(np.sort(order[:held_out]))


def _read(source: Source, split: str, cache: Path | None) -> SignalSet:
    return (
        SignalSet.collect(source.spec, source.signals(split))
        if cache is None
        else cached_split(source, split, cache)
    )
