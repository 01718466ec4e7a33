"""The figure of the README: signals, their latents and what these give back, by fields that ship
with the package: ``python -m tools.first_figure DATA``, where DATA holds the public files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

import medfuncta

FIGURE: Final = Path(__file__).parents[1] / "docs" / "signals.png"
_INK, _GREY, _TEAL = "#1b2430", "#6b7785", "#2a7f93"
_STYLE: Final = {
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": "#cfd6dd",
    "axes.titleweight": "bold",
    "axes.titlesize": 10,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
}


@dataclass(frozen=True)
class Example:
    """A row of the figure.

    Args:
        field: The one that ships.
        source: Of signals that it has not seen, below the folder of public files.
        title: What they are.
    """

    field: str
    source: str
    title: str


EXAMPLES: Final = (
    Example("pretrained:ecg", "wfdb:mitbih?per_record=50", "a heartbeat"),
    Example("pretrained:chest-xrays", "npz:pneumoniamnist_28.npz?limit=120", "a chest X-ray"),
    Example("pretrained:blood-cells", "npz:bloodcells_64.npz?limit=60", "a blood cell"),
)


def main(words: Sequence[str]) -> None:
    """Fit the test signals of each row, and draw the median one by PSNR."""
    (data,) = words
    with plt.rc_context(_STYLE), TemporaryDirectory() as folder:
        heights = {"height_ratios": [0.8, 1, 1]}
        shape = (len(EXAMPLES), 3)
        figure, rows = plt.subplots(
            *shape, figsize=(11, 5.4), gridspec_kw=heights, layout="constrained"
        )
        for number, (axes, example) in enumerate(zip(rows, EXAMPLES, strict=True)):
            draw(axes, example, Path(data), Path(folder) / str(number))
        figure.savefig(FIGURE, dpi=130)


def draw(axes: Sequence[Axes], example: Example, data: Path, folder: Path) -> None:
    """One row: a signal, its latent, and what that gives back."""
    kind, _, place = example.source.partition(":")
    source = medfuncta.open_source(f"{kind}:{data / place}")
    run = medfuncta.Run.from_pretrained(example.field)
    fitted = medfuncta.create_latent_set(run, source, folder, splits=["test"])
    split = fitted.split("test")
    psnr = np.array([split.row(number).psnr for number in range(len(split))])
    median = int(np.argsort(psnr)[len(psnr) // 2])
    signals = {signal.id: signal for signal in source.signals("test")}
    original = signals[split.ids[median]].values
    latent = split.latents[median]

    before, between, after = axes
    size = " x ".join(map(str, original.shape[:-1]))
    of_what = "samples" if original.ndim == 2 else "pixels"
    colours = ", RGB" if original.shape[-1] == 3 else ""
    before.set_title(f"{example.title}: {size} {of_what}{colours}")
    between.set_title(f"its latent: {len(latent)} numbers")
    after.set_title(f"what the latent gives back: {psnr[median]:.1f} dB")
    show = show_trace if original.ndim == 2 else show_picture
    show(before, original)
    show(after, np.asarray(fitted.decode(split.ids[median]).values))
    between.bar(np.arange(len(latent)), latent / np.abs(latent).max(), width=1, color=_TEAL)
    between.axis("off")


def show_trace(axes: Axes, values: np.ndarray) -> None:
    """Millivolts at 125 Hz."""
    axes.plot(np.arange(len(values)) / 125, values[:, 0], color=_INK, linewidth=1.4)
    axes.set_ylabel("mV")
    axes.set_xlabel("s", labelpad=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(-1.3, 1.6)


def show_picture(axes: Axes, values: np.ndarray) -> None:
    """8-bit colours or greys."""
    axes.imshow(np.clip(values, 0, 255).astype(np.uint8).squeeze(), cmap="gray")
    axes.axis("off")


if __name__ == "__main__":
    main(sys.argv[1:])
