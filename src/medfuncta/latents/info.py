"""What a latent set says of itself: the file ``latent_set.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from medfuncta.atomic import write_json
from medfuncta.config import FitConfig, InnerConfig
from medfuncta.errors import LatentSetError
from medfuncta.latents.quantise import check_dtype
from medfuncta.signals.signal import SignalSpec
from medfuncta.sources.source import Skipped, SourceInfo

FitFact: TypeAlias = str | int | float | bool | None

INFO_FILE = "latent_set.json"
_FORMAT = "medfuncta-latent-set"
_VERSION = 1


@dataclass(frozen=True)
class SplitInfo:
    """A finished split.

    Args:
        signals: Rows.
        left_out: Files that could not be read and signals whose fit did not stay finite, with the
            reason.
    """

    signals: int
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
        LatentSetError: If the dtype is unknown.
    """

    fingerprint: str
    latent_size: int
    spec: SignalSpec
    source: SourceInfo
    fit: Mapping[str, FitFact] = field(default_factory=dict)
    dtype: str = "float32"
    positions: bool = False
    splits: Mapping[str, SplitInfo] = field(default_factory=dict)

    def __post_init__(self) -> None:
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
        data = _read(folder)
        try:
            data["fit"] = _as_done(data["fit"])
            source = SourceInfo(**data.pop("source"))
            spec = SignalSpec.from_dict(data.pop("spec"))
            splits = {name: split_info(split) for name, split in data.pop("splits").items()}
            return cls(**data, source=source, spec=spec, splits=splits)
        except (KeyError, TypeError, AttributeError) as error:
            raise LatentSetError(
                f"{INFO_FILE} in '{folder.name}' is damaged ({error}); copy the latent set again"
            ) from error


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


def split_info(data: Mapping[str, Any]) -> SplitInfo:
    """A split from JSON."""
    return SplitInfo(data["signals"], tuple(Skipped(**entry) for entry in data["left_out"]))


def _read(folder: Path) -> dict[str, Any]:
    try:
        data = json.loads((folder / INFO_FILE).read_text(encoding="utf-8"))
    except OSError as error:
        raise LatentSetError(
            f"'{folder.name}' is not a latent set: no {INFO_FILE} in it; give the folder that "
            "'medfuncta fit --out' wrote"
        ) from error
    except ValueError as error:
        raise LatentSetError(
            f"{INFO_FILE} in '{folder.name}' is damaged ({error}); copy the latent set again"
        ) from error
    if not isinstance(data, dict) or data.pop("format", None) != _FORMAT:
        raise LatentSetError(
            f"{INFO_FILE} in '{folder.name}' is not of format '{_FORMAT}'; give the folder that "
            "'medfuncta fit --out' wrote"
        )
    version = data.pop("version", None)
    if version != _VERSION:
        raise LatentSetError(
            f"'{folder.name}' has version {version}, this program reads version {_VERSION}; "
            "upgrade medfuncta"
        )
    return data


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return flat
