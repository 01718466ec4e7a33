"""What a latent set says of itself: the file ``latent_set.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta

from medfuncta._src.config import FitConfig, InnerConfig
from medfuncta._src.disk.atomic import write_json
from medfuncta._src.door.declared import Fault, convert, hints_of, settle
from medfuncta._src.door.files import Origin, read_json
from medfuncta._src.door.limits import (
    MAX_SET_BYTES,
    MAX_SPLITS,
    Count,
    Fingerprint,
    LatentSize,
    SplitName,
)
from medfuncta._src.door.wording import shown
from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents.quantise import check_dtype
from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.sources.source import Skipped, SourceInfo

FitFact: TypeAlias = str | int | float | bool | None

INFO_FILE = "latent_set.json"
CARD_FILE = "README.md"
FIELD_FOLDER = "field"
"""Where the two files of the field lie."""
_FORMAT = "medfuncta-latent-set"
_VERSION = 1
_FIT_FACTS: Final[Mapping[str, Any]] = {
    **hints_of(FitConfig),
    **hints_of(InnerConfig),
    "gauss_newton_steps": Annotated[int, Meta(ge=1, le=10**6)],
}
"""What a set may say of how it was fitted; imported ones say nothing."""


@dataclass(frozen=True)
class SplitInfo:
    """A finished split.

    Args:
        signals: Rows.
        left_out: Files that could not be read and signals whose fit did not stay finite, with the
            reason.
    """

    signals: Count
    left_out: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class SetInfo:
    """Everything that holds for all rows.

    Args:
        fingerprint: Of the field that decodes the latents.
        latent_size: P.
        spec: What the signals have in common.
        source: Where they came from, licence included.
        fit: The settings that the latents were fitted with.
        dtype: How latents are stored, one of ``DTYPES``.
        positions: Whether the positions of scattered samples are kept.
        splits: The finished splits, in the order in which they were finished.

    Raises:
        LatentSetError: If an entry is not of its type or out of its bounds.
    """

    fingerprint: Fingerprint
    latent_size: LatentSize
    spec: SignalSpec
    source: SourceInfo
    fit: Mapping[str, FitFact] = field(default_factory=dict)
    dtype: str = "float32"
    positions: bool = False
    splits: Annotated[Mapping[SplitName, SplitInfo], Meta(max_length=MAX_SPLITS)] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        settle(self, noun="the latent set's", error=LatentSetError)
        check_dtype(self.dtype)

    @property
    def multi_label(self) -> bool:
        return self.spec.task == "multi-label"

    @property
    def signals(self) -> int:
        return sum(split.signals for split in self.splits.values())

    def with_split(self, name: str, split: SplitInfo) -> SetInfo:
        """The same with one more finished split."""
        return replace(self, splits={**self.splits, name: split})

    def check_continues(self, other: SetInfo) -> None:
        """Raise unless rows described by ``other`` may be added to this set.

        Raises:
            LatentSetError: If anything but the splits differs; the first such setting is named.
        """
        ours, theirs = (_flat({**asdict(info), "splits": None}) for info in (self, other))
        for name in sorted(ours.keys() | theirs.keys()):
            if ours.get(name) != theirs.get(name):
                raise LatentSetError(
                    f"this latent set was begun with {name} = {ours.get(name)!r}, got "
                    f"{theirs.get(name)!r}; "
                    "continue with the same settings or write to another folder"
                )

    def save(self, folder: Path) -> None:
        """Write ``latent_set.json``."""
        write_json(folder / INFO_FILE, {"format": _FORMAT, "version": _VERSION, **asdict(self)})

    @classmethod
    def load(cls, folder: Path) -> SetInfo:
        """Read ``latent_set.json``.

        Raises:
            LatentSetError: If it is missing, damaged or of another format.
        """
        origin = Origin(
            name=f"{INFO_FILE} in '{folder.name}'",
            error=LatentSetError,
            remedy="copy the latent set again",
            missing=f"'{folder.name}' is not a latent set: no {INFO_FILE} in it; give the folder "
            "that 'medfuncta fit --out' wrote",
        )
        data = read_json(folder / INFO_FILE, origin, limit=MAX_SET_BYTES, within=folder)
        _check_format(data, folder)
        with origin.blamed():
            for name in ("format", "version"):
                del data[name]
            for name in ("dtype", "splits"):  # which a set in memory need not have yet
                if name not in data:
                    raise Fault(name, "is missing")
            info = convert(data, cls)
            for name, fact in info.fit.items():
                if name in _FIT_FACTS:
                    convert(fact, _FIT_FACTS[name], f"fit.{name}")
        return replace(info, fit=_as_done(info.fit))


def fit_facts(config: FitConfig, inner: InnerConfig) -> dict[str, FitFact]:
    """What a set says of how its latents were fitted: the steps that were really taken."""
    plan = config.plan
    facts: dict[str, FitFact] = {
        "steps": plan.inner_steps,
        "batch": config.batch,
        "quality": config.quality,
    }
    if plan.gauss_newton_steps:
        facts["gauss_newton_steps"] = plan.gauss_newton_steps
    return {**facts, **asdict(inner)}


def fit_config_of(facts: Mapping[str, FitFact], default: FitConfig) -> FitConfig:
    """How to fit a further signal as a set's were; ``default`` where the set does not say."""
    known = {name: facts[name] for name in ("batch", "quality") if name in facts}
    config = replace(default, **known)  # type: ignore[arg-type]
    steps = facts.get("steps")
    return config.with_steps(steps if isinstance(steps, int) else None)


def _as_done(facts: Mapping[str, FitFact]) -> dict[str, FitFact]:
    """What a set of the first version says, put right: of the quality ``"fast"`` it stated the H of
    the run, which was not taken."""
    if facts.get("quality") != "fast" or "gauss_newton_steps" in facts:
        return dict(facts)
    plan = FitConfig(quality="fast").plan
    return {
        **facts,
        "steps": plan.inner_steps,
        "gauss_newton_steps": plan.gauss_newton_steps,
    }


def _check_format(data: Mapping[str, Any], folder: Path) -> None:
    """What a person can do about is told apart from damage."""
    if data.get("format") != _FORMAT:
        raise LatentSetError(
            f"{INFO_FILE} in '{folder.name}' is not of format '{_FORMAT}'; give the folder that "
            "'medfuncta fit --out' wrote"
        )
    version = data.get("version")
    if version != _VERSION or version is True:
        raise LatentSetError(
            f"{INFO_FILE} in '{folder.name}' has version {shown(version)}, this program reads "
            f"version {_VERSION}; upgrade medfuncta"
        )


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return flat
