"""``medfuncta models``: the pretrained fields that ship with the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from medfuncta._src.cli.command import Command
from medfuncta._src.cli.terminal import facts, table
from medfuncta._src.door.wording import counted
from medfuncta._src.result import Result

if TYPE_CHECKING:
    from medfuncta._src.model_card import ModelCard


@dataclass(frozen=True, eq=False)
class Model(Result):
    """A pretrained field.

    Args:
        card: What it says of itself.
        bytes: Of its weights on the disk.
    """

    card: ModelCard
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """Plain data: the card's entries and the size."""
        return {**self.card.to_json(), "bytes": self.bytes}


@dataclass(frozen=True, eq=False)
class ModelsList(Result):
    """Pretrained fields by name.

    Args:
        models: All of them, or the one that was asked for.
    """

    models: Mapping[str, Model]

    def to_json(self) -> dict[str, Any]:
        """Plain data: what is known of each, by name."""
        return {name: model.to_json() for name, model in self.models.items()}


@dataclass(kw_only=True)
class Models(Command):
    """List the pretrained fields that ship with the package, or all that is known of one. Wherever
    a run is asked for, pretrained:NAME will do."""

    name: Annotated[Positional[str | None], arg(metavar="NAME")] = None
    """Which one; an overview of all when not given."""

    def run(self) -> ModelsList:
        from medfuncta._src.model_card import ModelCard
        from medfuncta._src.pretrained import pretrained_folder, pretrained_names
        from medfuncta._src.run_names import WEIGHTS_FILE

        names = pretrained_names()
        if self.name is not None:
            names = [pretrained_folder(self.name).name]
        models = {}
        for name in names:
            folder = pretrained_folder(name)
            size = (folder / WEIGHTS_FILE).stat().st_size
            models[name] = Model(ModelCard.load(folder), size)
        return ModelsList(models)

    def summary(self, result: ModelsList) -> str:
        if self.name is not None:
            (model,) = result.models.values()
            return _everything(model)
        rows = []
        for name, model in result.models.items():
            card = model.card
            size = f"{model.bytes / 1e6:.2f} MB"
            numbers = f"{card.latent_size:,}"
            rows.append((name, card.signals, numbers, _test_psnr(card), card.licence, size))
        header = ("name", "signals", "latent", "PSNR (test)", "licence", "size")
        return (
            f"{table(header, rows)}\nall of one: medfuncta models NAME; use one: medfuncta fit "
            "pretrained:NAME --data SOURCE --out latents"
        )


def _test_psnr(card: ModelCard) -> str:
    test = card.splits.get("test")
    if test is None:
        return "–"
    return f"{test.psnr_mean:.2f} dB"


def _everything(model: Model) -> str:
    card = model.card
    entries: dict[str, object] = {
        "name": card.name,
        "signals": card.signals,
        "trained on": card.trained_on,
        "source": card.source,
        "licence": card.licence,
        "citation": card.citation,
        "field": f"{card.kind}, {card.parameters:,} parameters",
        "latent": counted(card.latent_size, "number"),
        "size": f"{model.bytes / 1e6:.2f} MB, {card.stored_as}",
        "splits by": card.split_by,
        "fitted with": card.fitted_with,
        **card.training,
        "fingerprint": card.fingerprint,
    }
    rows = []
    for name, split in card.splits.items():
        figures = (split.psnr_mean, split.psnr_median, split.psnr_worst)
        beside = (split.components, split.cosines)
        cells = ["–" if figure is None else f"{figure:.2f}" for figure in (*figures, *beside)]
        rows.append((name, f"{split.signals:,}", *cells))
    header = ("PSNR (dB)", "signals", "mean", "median", "worst", "components", "cosines")
    lines = [facts(entries), table(header, rows)]
    lines += [f"! not for: {entry}" for entry in card.not_for]
    return "\n".join(lines)
