"""A signal and those found for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medfuncta.latents.decode import reconstruct
from medfuncta.latents.latent_set import LatentSet
from medfuncta.signals.signal import Signal
from medfuncta.tasks.drawing.labels import class_names
from medfuncta.tasks.drawing.sheet import contact_sheet
from medfuncta.tasks.search.hits import Hit

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def search_picture(
    latents: LatentSet, query: Signal, title: str, hits: list[Hit], columns: int = 6
) -> Figure:
    """The query, then its neighbours as their latents decode them."""
    found = [reconstruct(latents.run, torch.tensor(hit.row.latent), hit.row.header) for hit in hits]
    names = latents.info.spec.label_names
    titles = [
        ", ".join((f"{hit.distance:.3f}", *class_names(hit.row.label, names))) for hit in hits
    ]
    return contact_sheet([query, *found], [title, *titles], columns)
