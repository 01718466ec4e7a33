"""Text in pictures is literal, short, and never a warning."""

from __future__ import annotations

import io
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.conftest import TINY
from medfuncta._src.cli.main import main
from medfuncta._src.tasks.drawing.figure import caption, new_figure, plain_powers, png

NAMES = {
    "half a formula": r"$\frac{$",
    "a formula": r"$x^2$",
    "a lone dollar": "5 $ a day",
    "letters that no font has": "\U0001f9e0 \u6f22\u5b57 \ufdfa",
    "a hidden name": "_hidden",
    "turned around": "\u202egnp.exe",
    "escapes": "\x1b[31mred\x07",
    "lines": "a\n" * 10_000,
    "a million letters": "W" * 1_000_000,
    "a million letters of a rare kind": "\u6f22" * 1_000_000,
    "half a character": "a\ud800b",
    "a null": "a\0b",
}


def picture(name: str) -> bytes:
    """A picture with the name wherever one may stand."""
    with new_figure(4, 3) as figure:
        axes = figure.subplots()
        axes.plot([1, 10], [0, 1], label=caption(name))
        axes.set_xscale("log")
        plain_powers(axes.xaxis)
        axes.set_yticks([0, 1], [caption(name), "b"])
        axes.set_xlabel(name)
        axes.set_title(caption(name))
        axes.annotate(caption(name), (5, 0.5))
        axes.legend()
        figure.suptitle(name)
    return png(figure)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_any_text_can_stand_in_a_picture(name: str) -> None:
    picture("warm")
    tracemalloc.start()
    began = time.perf_counter()
    data = picture(name)  # a warning would be an error
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.perf_counter() - began < 10
    assert peak < 200 * 2**20
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        assert image.size == (600, 450)


def test_a_formula_is_drawn_as_it_is_written() -> None:
    assert np.asarray(drawn("$x^2$")).sum() != np.asarray(drawn("x2")).sum()
    assert drawn("$x$").tobytes() != drawn("x").tobytes()


def test_what_no_font_has_is_a_square() -> None:
    assert drawn("\u6f22").tobytes() == drawn("\N{WHITE SQUARE}").tobytes()
    assert drawn("\u00e9").tobytes() != drawn("\N{WHITE SQUARE}").tobytes()


def drawn(text: str) -> Image.Image:
    with new_figure(2, 1) as figure:
        figure.text(0.5, 0.5, text)
    return Image.open(io.BytesIO(png(figure)), formats=("PNG",))


CLASSES = (r"$\frac{$", "_hidden", "\u6f22\u5b57", "W" * 200)


def test_every_picture_of_a_data_set_with_such_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(0)
    for name in CLASSES:
        (tmp_path / "cells" / name).mkdir(parents=True)
        for number in range(8):
            pixels = generator.integers(0, 255, (8, 8), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "cells" / name / f"{number}.png")
    source, run, latents = f"images:{tmp_path / 'cells'}", tmp_path / "run", tmp_path / "latents"
    assert main(["info", source, "--out", str(tmp_path / "info")]) == 0
    tiny = ["--steps", "2", "--batch", "4", "--set", *TINY]
    assert main(["train", "--data", source, "--out", str(run), *tiny]) == 0
    assert main(["fit", str(run), "--data", source, "--out", str(latents)]) == 0
    answers = [
        ["evaluate", str(run), "--data", source],
        ["explore", str(latents), "map"],
        ["explore", str(latents), "mean"],
        ["classify", str(latents), "--classifier", "knn"],
    ]
    for number, words in enumerate(answers):
        assert main([*words, "--out", str(tmp_path / f"answer{number}")]) == 0
        assert list((tmp_path / f"answer{number}").glob("*.png"))
    assert "\x1b" not in capsys.readouterr().err
