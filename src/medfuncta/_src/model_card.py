"""The card of a run: what it is, what it was trained on, how well unseen signals come back, and
what it is not for.

``model_card.json`` is for programs, ``README.md`` with the front matter of a hub for people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta

from medfuncta._src.disk.atomic import write_json, write_text
from medfuncta._src.door.declared import convert
from medfuncta._src.door.files import Origin, read_json
from medfuncta._src.door.limits import Count, Fingerprint, LatentSize, Name, SplitName
from medfuncta._src.door.wording import in_code, in_markdown, printable
from medfuncta._src.errors import RunError
from medfuncta._src.hub.licences import licence_lines
from medfuncta._src.result import Result

CARD_FILE: Final = "model_card.json"
TEXT_FILE: Final = "README.md"
_Text: TypeAlias = Annotated[str, Meta(max_length=2000)]
_Decibels: TypeAlias = Annotated[float, Meta(ge=-1000, le=1000)]
_WARNINGS: Final = (
    "diagnosis, or any decision about a patient: reconstructions are lossy, and an error may lie "
    "where it matters",
    "signals of another kind than those it was trained on",
)
"""What no run is for."""


@dataclass(frozen=True)
class SplitQuality(Result):
    """How well the signals of a split come back, values clamped to [0, 1].

    Args:
        signals: How many.
        psnr_mean, psnr_median, psnr_worst: Decibels.
        cosines: Mean PSNR of the lowest cosines with as many numbers a signal as a latent has; None
            where not measured.
        components: The same of the principal components of the training split.
    """

    signals: Count
    psnr_mean: _Decibels
    psnr_median: _Decibels
    psnr_worst: _Decibels
    cosines: _Decibels | None = None
    components: _Decibels | None = None


@dataclass(frozen=True)
class ModelCard(Result):
    """What is to be known of a run before it is used.

    Args:
        name: What it is called.
        signals: What its signals are, in a person's words.
        trained_on: The data, in a person's words.
        source: The data as a source is called.
        licence: Of the data, which holds for the network too.
        citation: Who made the data.
        fingerprint: Of the field.
        kind: Of the field.
        latent_size: P.
        parameters: Numbers of the network.
        stored_as: How they are stored.
        storage_cost: Decibels of mean PSNR on the test split that this cost; None where nothing, or
            not measured.
        split_by: What keeps splits apart.
        fitted_with: How the signals of ``splits`` were fitted.
        splits: Quality by split.
        training: Settings, steps and seconds, in a person's words.
        not_for: What it is not for, besides what no run is for.
    """

    name: _Text
    signals: _Text
    source: _Text
    licence: _Text
    fingerprint: Fingerprint
    kind: Name
    latent_size: LatentSize
    parameters: Annotated[int, Meta(ge=0)]
    trained_on: _Text = ""
    citation: _Text = ""
    stored_as: Literal["float32", "float16"] = "float32"
    storage_cost: _Decibels | None = None
    split_by: _Text = ""
    fitted_with: _Text = ""
    splits: Annotated[Mapping[SplitName, SplitQuality], Meta(max_length=64)] = field(
        default_factory=dict
    )
    training: Annotated[Mapping[Name, _Text], Meta(max_length=64)] = field(default_factory=dict)
    not_for: Annotated[tuple[_Text, ...], Meta(max_length=64)] = ()

    @classmethod
    def load(cls, folder: Path) -> ModelCard:
        """Read ``model_card.json``.

        Raises:
            RunError: If it is missing, damaged or larger than any card.
        """
        origin = Origin(
            name=f"{CARD_FILE} in '{folder.name}'",
            error=RunError,
            remedy="copy the run again",
            missing=f"no {CARD_FILE} in '{folder.name}'; only published runs have one",
        )
        data = read_json(folder / CARD_FILE, origin, within=folder)
        with origin.blamed():
            return convert(data, cls)

    @classmethod
    def load_if_there(cls, folder: Path) -> ModelCard | None:
        """As :meth:`load`; None where there is none.

        Raises:
            RunError: As :meth:`load`.
        """
        if not (folder / CARD_FILE).exists():
            return None
        return cls.load(folder)

    def save(self, folder: Path) -> None:
        """Write ``model_card.json`` and ``README.md``."""
        write_json(folder / CARD_FILE, asdict(self))
        write_text(folder / TEXT_FILE, self.text())

    def text(self, called: str | None = None) -> str:
        """The text of ``README.md``.

        Args:
            called: What the run is loaded by; ``pretrained:NAME`` when None.
        """
        called = called or f"pretrained:{self.name}"
        parts = [
            self._front_matter(),
            self._opening(),
            self._quality(),
            _use(called),
            self._not_for(),
            self._data(),
        ]
        if self.training:
            lines = []
            for name, value in self.training.items():
                lines.append(f"- {in_markdown(name)}: {in_markdown(value)}")
            parts.append("\n".join(["## How it was trained", "", *lines]))
        text = "\n\n".join(part for part in parts if part)
        return "\n".join(printable(line) for line in text.split("\n")) + "\n"

    def _front_matter(self) -> str:
        lines = [
            "library_name: medfuncta",
            *licence_lines(self.licence),
            "tags: [medfuncta, neural-fields, medical]",
        ]
        test = self.splits.get("test")
        if test is not None:
            lines += _model_index(self.name, self.source, test.psnr_mean)
        return "\n".join(["---", *lines, "---"])

    def _opening(self) -> str:
        stored = f"stored as {self.stored_as}"
        if self.storage_cost is not None:
            stored += f", which costs {self.storage_cost:.2f} dB"
        return f"""# {in_markdown(self.name)}

A shared network for {in_markdown(self.signals)}: each signal becomes {self.latent_size:,} numbers,
its latent, from which the network gives it back.

- **Trained on**: {in_markdown(self.trained_on or self.source)}
- **Licence**: {in_markdown(self.licence or "unknown")}, carried over from the data
- **Field**: {self.kind}, {self.parameters:,} parameters, {stored}
- **Fingerprint**: `{self.fingerprint}`"""

    def _quality(self) -> str:
        if not self.splits:
            return ""
        apart = f" Splits are kept apart by: {in_markdown(self.split_by)}." if self.split_by else ""
        lines = [
            "## How well unseen signals come back",
            "",
            f"PSNR in dB, values clamped to [0, 1]; fitted with {self.fitted_with}.{apart} Beside "
            "it what needs no network, with as many numbers a signal: the principal components of "
            "the training split, and the lowest cosines.",
            "",
            "| split | signals | mean | median | worst | components | cosines |",
            "|---|---|---|---|---|---|---|",
        ]
        for name, split in self.splits.items():
            figures = [split.psnr_mean, split.psnr_median, split.psnr_worst]
            figures += [split.components, split.cosines]
            cells = " | ".join(map(_decibels, figures))
            lines.append(f"| {name} | {split.signals:,} | {cells} |")
        return "\n".join(lines)

    def _not_for(self) -> str:
        lines = [f"- {in_markdown(entry)}" for entry in (*self.not_for, *_WARNINGS)]
        return "\n".join(["## What it is not for", "", *lines])

    def _data(self) -> str:
        licence = in_markdown(self.licence or "unknown")
        lines = ["## Data", "", f"{in_code(self.source)}, licence: {licence}."]
        if self.citation:
            lines += ["", in_markdown(self.citation)]
        return "\n".join(lines)


def _decibels(figure: float | None) -> str:
    if figure is None:
        return "–"
    return f"{figure:.2f}"


def _model_index(name: str, source: str, psnr: float) -> list[str]:
    """The figures as a hub reads them."""
    result = {
        "task": {"type": "other", "name": "reconstruction"},
        "dataset": {"type": "other", "name": source, "split": "test"},
        "metrics": [{"type": "psnr", "value": round(psnr, 2), "name": "mean PSNR (dB)"}],
    }
    index: list[dict[str, Any]] = [{"name": name, "results": [result]}]
    return [f"model-index: {json.dumps(index)}"]  # which is YAML too


def _use(called: str) -> str:
    word = called
    if "/" in called:
        word = f"hub:{called}"
    return f"""## Use

```bash
medfuncta fit {word} --data SOURCE --out latents
medfuncta train --start-from {word} --data SOURCE --out run
```

```python
import medfuncta

run = medfuncta.Run.from_pretrained("{called.removeprefix("pretrained:")}")
```"""
