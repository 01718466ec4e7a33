from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from latents.sets import header, make_run
from medfuncta._src.cli.main import main
from medfuncta._src.errors import ConfigError
from medfuncta._src.field import device as module
from medfuncta._src.field.device import (
    activation_bytes,
    default_device,
    numbers_at_a_time,
    usable_device,
)
from medfuncta._src.latents.decode import decode, reconstruct
from medfuncta._src.latents.fit import fitter_of
from medfuncta._src.learning.fitter import Fitter
from medfuncta._src.signals.domain import Grid

NONE = ("foo", "cuda:99", "meta", "", "cpu:x", "hpu", "fpga", "mkldnn")
"""Nothing that computes, on any machine."""


@pytest.mark.parametrize("device", NONE)
def test_what_does_not_compute_gets_one_line(device: str) -> None:
    with pytest.raises(ConfigError, match=rf"^cannot compute on the device '{device}'") as caught:
        usable_device(device)
    line = str(caught.value)
    assert "; give cpu" in line and len(line) < 250 and "\n" not in line


def test_what_computes_is_given_with_its_number() -> None:
    assert usable_device("cpu") == usable_device(torch.device("cpu")) == torch.device("cpu")
    assert usable_device(None) == default_device()
    if torch.cuda.is_available():
        assert usable_device("cuda").index is not None


RUN = make_run()
LATENT = torch.zeros(RUN.config.field.latent_size)
DOORS: dict[str, Callable[[str], object]] = {
    "a field": lambda device: RUN.network.on(device),
    "a fitter": lambda device: Fitter(RUN.network, RUN.config.inner, RUN.config.fit, device=device),
    "a fitter of a run": lambda device: fitter_of(RUN, device=device),
    "decoding": lambda device: decode(RUN.network, LATENT, Grid((3, 3)), device=device),
    "a reconstruction": lambda device: reconstruct(RUN, LATENT, header("a"), device=device),
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_refuses_it(door: str) -> None:
    with pytest.raises(ConfigError, match="cannot compute on the device 'meta'"):
        DOORS[door]("meta")


@pytest.mark.parametrize(
    "words",
    [
        "train --data sample:ecg --out {out}",
        "fit {run} --data sample:ecg --out {out}",
        "evaluate {run} --data sample:ecg --out {out}",
        "decode {latents} --id val-0000 --out {out}/a.csv",
    ],
)
def test_every_command_refuses_it_before_anything_is_written(
    words: str, device_run: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*words.format(**device_run, out=tmp_path / "out").split(), "--device", "foo"]
    assert main(command) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("medfuncta: cannot compute on the device 'foo'; give cpu")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def device_run() -> dict[str, Path]:
    stored = Path(__file__).parents[1] / "stored" / "ecg"
    return {"run": stored / "run", "latents": stored / "float32"}


@pytest.mark.parametrize(
    ("kind", "gibibytes", "most"), [("cpu", 0, 2**17), ("cuda", 16, 2**23), ("cuda", 80, 41943040)]
)
def test_a_card_processes_as_many_numbers_at_a_time_as_its_memory_allows(
    kind: str, gibibytes: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = SimpleNamespace(total_memory=gibibytes * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)
    assert numbers_at_a_time(torch.device(kind)) == most


@pytest.mark.parametrize(
    ("free", "asked", "expected"),
    [(79, 128, 20 * 1024), (10, 128, 5 * 1024), (79, 129, 129), (79, 0, 0)],
)
def test_a_card_says_itself_what_activations_may_take(
    free: int, asked: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter of 80 GiB, or half of what others have left; what somebody asked for is taken."""
    told = [(free * 2**30, 80 * 2**30), (0, 80 * 2**30)]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: told.pop(0))
    module._of_this_card.cache_clear()
    card = torch.device("cuda", 0)
    assert activation_bytes(asked, card) == expected * 2**20
    assert activation_bytes(asked, card) == expected * 2**20  # however much is taken meanwhile
    assert activation_bytes(asked, torch.device("cpu")) == asked * 2**20
    module._of_this_card.cache_clear()
