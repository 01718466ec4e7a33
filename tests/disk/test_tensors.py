"""Files of tensors."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open

from medfuncta._src.disk.tensors import write_tensors

NOTES = {
    "zeta": 'a "quote", a \\ and a\nline',
    "alpha": "µV ± é 心電図 \x01",
    "mid": "",
    "format": "pt",
}
TENSORS = {"b": torch.arange(5.0), "a": torch.ones(2, 3, dtype=torch.float64)}


def test_the_same_is_written_as_the_same_bytes(tmp_path: Path) -> None:
    """Six notes more are in one of 5,000 orders with safetensors itself."""
    notes = {**NOTES, **{f"note {number}": str(number) for number in range(6)}}
    written = set()
    for number in range(8):
        write_tensors(tmp_path / f"{number}", TENSORS, notes)
        written.add((tmp_path / f"{number}").read_bytes())
    assert len(written) == 1


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, TENSORS, NOTES)
    with safe_open(path, "pt") as file:
        assert file.metadata() == NOTES
        assert set(file.keys()) == set(TENSORS)
        for name, tensor in TENSORS.items():
            assert torch.equal(file.get_tensor(name), tensor)
