"""The card of a latent set: a README for a person, with the front matter that Hugging Face
reads."""

from __future__ import annotations

import json
from typing import Final

from medfuncta._src.config import FitConfig
from medfuncta._src.door.wording import in_code, in_markdown, printable
from medfuncta._src.hub.licences import licence_lines
from medfuncta._src.latents.describe import Figures, describe
from medfuncta._src.latents.info import SetInfo, fit_config_of
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.likeness import Likeness

_BAR: Final = 40
_LEFT_OUT_SHOWN: Final = 20


def card(latent_set: LatentSet) -> str:
    """The text of ``README.md``; its code blocks run in the set's own folder.

    Raises:
        LatentSetError: If a shard is damaged.
    """
    info, figures = latent_set.info, describe(latent_set)
    parts = [
        _front_matter(info),
        _opening(info, figures),
        _splits(figures),
        _quality(figures),
        *_training(figures.likeness),
        _loading(info),
        _columns(info),
    ]
    text = "\n\n".join([*parts, *_left_out(info), _source(info)])
    return "\n".join(printable(line) for line in text.split("\n")) + "\n"


def _front_matter(info: SetInfo) -> str:
    lines = [
        f"pretty_name: {json.dumps(f'MedFuncta latents of {info.source.name}')}",
        *licence_lines(info.source.licence),
        "tags: [medfuncta, neural-fields, medical]",
        "configs:",
        "- config_name: default",
        "  data_files:",
    ]
    for split in info.splits:
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    return "\n".join(["---", *lines, "---"])


def _opening(info: SetInfo, figures: Figures) -> str:
    kind = {1: "traces", 2: "images", 3: "volumes"}[info.spec.dim]
    modality = f"{in_markdown(info.spec.modality)} " if info.spec.modality else ""
    return f"""# MedFuncta latents of {in_markdown(info.source.name)}

{info.signals:,} {modality}{kind}, a vector of {info.latent_size:,} numbers each
(`{info.dtype}`; {figures.bytes / 1e6:,.1f} MB in all). The shared network in `field/` turns such a
vector back into the signal, in its own units and at any resolution. Vectors of similar signals lie
close together, so they serve for classification, search and other learning without the signals
themselves.

- **Licence**: {in_markdown(info.source.licence)}, carried over from the source.
- **Field**: `{info.fingerprint}`. Latents mean nothing to any other field.
- **Fitted with**: {_fit(info)}."""


def _fit(info: SetInfo) -> str:
    """How the latents were fitted, in words and figures."""
    if not info.fit:
        return "what another program did; the settings are not known"
    plan = fit_config_of(info.fit, FitConfig()).plan
    inner = [
        f"{name} {info.fit[name]}"
        for name in ("step_size", "momentum", "channel_mean")
        if name in info.fit
    ]
    return ", ".join([f"{plan} (`{info.fit.get('quality', 'paper')}`)", *inner])


def _splits(figures: Figures) -> str:
    lines = ["## Splits", "", "| split | signals | left out | classes |", "|---|---|---|---|"]
    for name, split in figures.splits.items():
        classes = (
            ", ".join(f"{in_markdown(label)}: {count:,}" for label, count in split.labels.items())
            or "none"
        )
        lines.append(f"| {name} | {split.signals:,} | {split.left_out:,} | {classes} |")
    return "\n".join(lines)


def _quality(figures: Figures) -> str:
    if figures.psnr_mean is None:
        unknown = (
            "The PSNR of these latents is not known: they were imported without their signals."
        )
        return f"## Quality\n\n{unknown}"
    largest = max(figures.histogram.values())
    bars = [
        f"{edge:4.0f} dB | {'#' * round(_BAR * n / largest):<{_BAR}} {n:,}"
        for edge, n in figures.histogram.items()
    ]
    known = figures.storage_cost is not None and figures.dtype != "float32"
    cost = (
        f" Storing them as {figures.dtype} cost {figures.storage_cost:.2f} dB of it."
        if known
        else ""
    )
    return "\n".join(
        [
            "## Quality",
            "",
            "PSNR of what the stored latents decode to, values clamped to [0, 1]: mean "
            f"{figures.psnr_mean:.2f} dB, median "
            f"{figures.psnr_median:.2f} dB, worst {figures.psnr_worst:.2f} dB.{cost}",
            "",
            "```text",
            *bars,
            "```",
        ]
    )


def _training(likeness: Likeness) -> list[str]:
    """What the field was trained on, and how these signals differ."""
    if not likeness.trained_on:
        return []
    lines = ["## Field", ""]
    if likeness.foreign:
        lines.append(
            f"**Foreign data**: the field was trained on {in_code(likeness.trained_on[0])} and has "
            f"never seen {in_code(likeness.source)}."
        )
    else:
        lines.append(f"The field was trained on {in_code(likeness.trained_on[0])}.")
    if likeness.differences:
        lines += ["", "| | trained on | these signals |", "|---|---|---|"]
        for trait in likeness.differences:
            cells = map(in_markdown, (trait.name, trait.trained, trait.here))
            lines.append(f"| {' | '.join(cells)} |")
    return ["\n".join(lines)]


def _loading(info: SetInfo) -> str:
    split = next(iter(info.splits))
    scale = (
        "\n\nThe latent of a row is `latent` times `latent_scale`; MedFuncta's own reader "
        "multiplies them."
        if info.dtype == "int8"
        else ""
    )
    return f"""## Loading

All of these run in this folder. Elsewhere, `load_dataset` takes its path, or its name once it is on
the hub.

```python
from datasets import load_dataset

latents = load_dataset("parquet", data_files="data/{split}-*.parquet", split="train")
print(latents[0]["id"], latents.features["label"])
```

```python
from glob import glob
import pandas as pd

frame = pd.concat(pd.read_parquet(path) for path in sorted(glob("data/{split}-*.parquet")))
print(frame[["id", "label", "psnr"]].describe())
```

```python
from datasets import load_dataset
from torch.utils.data import DataLoader

latents = load_dataset("parquet", data_files="data/{split}-*.parquet", split="train")
latents = latents.with_format("torch", columns=["latent"])
batch = next(iter(DataLoader(latents, batch_size=64)))["latent"]
```

```python
import duckdb

print(duckdb.sql("SELECT label, count(*), avg(psnr) FROM 'data/*.parquet' GROUP BY label"))
```

Back to a signal, with `pip install medfuncta`:

```python
import medfuncta

latents = medfuncta.LatentSet.open(".")
row = latents.split("{split}").row(0)
signal = latents.decode(row.id, split="{split}")
```{scale}"""


def _columns(info: SetInfo) -> str:
    shown = "`spacing` (in `spacing_unit`), `affine` (4 x 4, row by row)"
    positions = (
        " `positions` are those of scattered samples, axis by axis for each."
        if info.positions
        else ""
    )
    return f"""## Columns

`id`, `latent`, `label`, `psnr` (dB, decoded values clamped to the signal's own `value_low` to
`value_high`; decoding itself clamps nothing); the signal's own grid: `shape`, {shown}; its values:
0 and 1 mean `value_low` and `value_high` in `unit`, and `dtype` was their type; `metadata` is what
the source says besides, as JSON.{positions}"""


def _left_out(info: SetInfo) -> list[str]:
    entries = [(name, entry) for name, split in info.splits.items() for entry in split.left_out]
    if not entries:
        return []
    lines = [
        f"- {split}: {in_code(entry.name)}: {in_markdown(entry.reason)}"
        for split, entry in entries[:_LEFT_OUT_SHOWN]
    ]
    more = (
        [f"- and {len(entries) - _LEFT_OUT_SHOWN} more, in `latent_set.json`"]
        if len(entries) > _LEFT_OUT_SHOWN
        else []
    )
    return ["\n".join(["## Left out", "", *lines, *more])]


def _source(info: SetInfo) -> str:
    source = info.source
    details = "".join(
        f"\n- {in_markdown(name)}: {in_markdown(value)}" for name, value in source.details.items()
    )
    citation = f"\n\n{in_markdown(source.citation)}" if source.citation else ""
    apart = in_markdown(source.split_by)
    return f"""## Source

{in_code(source.name)}, splits kept apart by: {apart}. How its signals were made:
{details or "as they are"}{citation}"""
