"""``medfuncta info``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from medfuncta.cli.command import Command


@dataclass(kw_only=True)
class Info(Command):
    """Say what a source of signals, a run or a latent set holds."""

    what: Annotated[Positional[str], arg(metavar="SOURCE|RUN|LATENTS")]
    """A source (kind:path[?option=value]), or the folder of a run or of a latent set."""
    out: Path | None = None
    """Folder for info.json and a picture: a contact sheet of a source, the training curve of a
    run."""
    check: bool = False
    """Read a latent set to its end first, and refuse one with damaged, doubled or wrongly labelled
    rows or another field's latents."""

    def run(self) -> dict[str, Any]:
        from medfuncta.latents.latent_set import LatentSet
        from medfuncta.latents.validate import validate
        from medfuncta.tasks.info import inspect

        if self.check:
            validate(LatentSet.open(self.what))
        return inspect(self.what, self.out)

    def summary(self, result: dict[str, Any]) -> str:
        return {"source": _source, "run": _run, "latent set": _latent_set}[result["kind"]](result)


def _source(result: dict[str, Any]) -> str:
    from medfuncta.cli.table import facts, table

    signal = result["signal"]
    entries = {
        "data": result["name"],
        "signals": _form(signal),
        "licence": result["licence"],
        **_cited(result),
        "splits by": result["split_by"],
        **{
            name.replace("_", " "): value
            for name, value in result["details"].items()
            if value not in (None, "")
        },
    }
    rows = [
        (
            name,
            f"{s['signals']:,}",
            f"{s['points']:,}",
            _range(s),
            _extent(s["extent"]),
            _most(s["spacings"]),
        )
        for name, s in result["splits"].items()
    ]
    lines = [
        facts(entries),
        table(
            ("split", "signals", "points", f"values {signal['unit']}".strip(), "shape", "spacing"),
            rows,
        ),
    ]
    labels = sorted({label for s in result["splits"].values() for label in s["labels"]})
    if labels:
        counts = [
            (label, *(f"{s['labels'].get(label, 0):,}" for s in result["splits"].values()))
            for label in labels
        ]
        lines.append(table(("class", *result["splits"]), counts))
    return "\n".join([*lines, *(f"! {line}" for line in result["odd"])])


def _run(result: dict[str, Any]) -> str:
    from medfuncta.cli.table import facts

    field, omegas = result["config"]["field"], result["omegas"]
    return facts(
        {
            "run": result["fingerprint"],
            "signals": _form(result["signal"]),
            "parameters": f"{result['parameters']:,}",
            "layers x width": f"{field['layers']} x {field['width']}",
            "latent": f"{field['latent_size']:,} numbers",
            "omega": f"{omegas[0]:g} to {omegas[-1]:g}",
            **{
                name.replace("_", " "): _text(value)
                for name, value in result["training"].items()
                if not isinstance(value, dict)
            },
        }
    )


def _latent_set(result: dict[str, Any]) -> str:
    from medfuncta.cli.table import facts, table

    entries = {
        "latents of": result["source"]["name"],
        "licence": result["source"]["licence"],
        **_cited(result["source"]),
        "signals": _form(result["signal"]),
        "latent": f"{result['latent_size']:,} numbers, {result['dtype']}",
        "on disk": f"{result['bytes'] / 1e6:,.1f} MB",
        "PSNR": _psnr(result),
        "field": result["fingerprint"],
    }
    rows = [
        (name, f"{s['signals']:,}", f"{s['left_out']:,}", _most(s["labels"]))
        for name, s in result["splits"].items()
    ]
    return "\n".join([facts(entries), table(("split", "signals", "left out", "classes"), rows)])


def _cited(source: dict[str, Any]) -> dict[str, str]:
    return {"citation": source["citation"]} if source["citation"] else {}


def _psnr(result: dict[str, Any]) -> str:
    if result["psnr_mean"] is None:
        return "not known: imported without the signals"
    return f"mean {result['psnr_mean']:.2f} dB, median {result['psnr_median']:.2f} dB, worst {result['psnr_worst']:.2f} dB"


def _form(signal: dict[str, Any]) -> str:
    channels = signal["channels"]
    parts = [
        f"{signal['dim']}D",
        f"{channels} channel{'s' if channels > 1 else ''}",
        signal["modality"],
        signal["task"],
    ]
    return ", ".join(filter(None, parts))


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _range(split: dict[str, Any]) -> str:
    return f"{split['low']:.4g} to {split['high']:.4g}" if split["signals"] else ""


def _extent(extent: list[tuple[int, int]]) -> str:
    return " x ".join(str(low) if low == high else f"{low}-{high}" for low, high in extent)


def _most(counts: dict[str, int]) -> str:
    """The few most frequent ones with their counts; a single one without."""
    shown = list(counts.items())[:4]
    if len(shown) < 2:
        return "".join(counts)
    return ", ".join(f"{name} ({count:,})" for name, count in shown) + (
        ", ..." if len(counts) > len(shown) else ""
    )
