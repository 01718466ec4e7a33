from __future__ import annotations

import math
import pickle
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents.import_set import import_latent_set
from medfuncta._src.latents.inert_pickle import load_inert
from medfuncta._src.latents.official import ReferenceSettings, read_reference_field
from medfuncta._src.signals.domain import Grid
from medfuncta._src.sources.source import SourceInfo

SHAPE, WIDTH, LATENT, CHANNELS, HIDDEN = (4, 3), 8, 6, 3, 4

# The authors' LatentModulatedSIREN(2, 3, hidden_size=8, num_layers=5, latent_modulation_dim=6,
# w0=10, w0_increments=5) with parameter k of its state dict set to formula(shape, k) and latents
# formula((6,), 100) and formula((6,), 200), on its own 4 x 3 grid: every fourth point.
GOLDEN = [
    [
        [0.2055736, 0.1965964, 0.324786],
        [0.1701087, 0.1890954, 0.3486159],
        [0.0673814, 0.1479308, 0.3874916],
    ],
    [
        [0.2084788, 0.2071786, 0.3382953],
        [0.177726, 0.2166656, 0.3837637],
        [0.0822295, 0.1716001, 0.4093576],
    ],
]


def formula(shape: tuple[int, ...], k: int) -> Tensor:
    return (
        (0.05 * torch.sin(0.7 * torch.arange(math.prod(shape), dtype=torch.float64) + k))
        .reshape(shape)
        .float()
    )


def reference_state() -> dict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, inputs, outputs in [
        *((f"layers.{i}", WIDTH if i else 2, WIDTH) for i in range(HIDDEN)),
        ("last_layer", WIDTH, CHANNELS),
    ]:
        shapes |= {f"{layer}.linear.weight": (outputs, inputs), f"{layer}.linear.bias": (outputs,)}
        shapes |= {
            f"{layer}.modulate_shift_layer.weight": (outputs, LATENT),
            f"{layer}.modulate_shift_layer.bias": (outputs,),
        }
    return {name: formula(shape, k) for k, (name, shape) in enumerate(shapes.items())}


LATENTS = torch.stack([formula((LATENT,), 100), formula((LATENT,), 200)])


@pytest.fixture
def authors_code() -> Iterator[ModuleType]:
    """Classes as the authors name them, which are gone when the test goes on to import."""
    inrs, layers = ModuleType("models.inrs"), ModuleType("models.layers")

    class LatentModulatedSIRENLayer(nn.Module):
        def __init__(self, inputs: int, outputs: int, w0: float) -> None:
            super().__init__()
            self.w0 = w0
            self.linear = nn.Linear(inputs, outputs)
            self.modulate_shift_layer = nn.Linear(LATENT, outputs)

    class LatentModulatedSIREN(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(
                LatentModulatedSIRENLayer(WIDTH if i else 2, WIDTH, 10.0 + 5.0 * i)
                for i in range(HIDDEN)
            )
            self.last_layer = LatentModulatedSIRENLayer(WIDTH, CHANNELS, 30.0)
            self.enable_skip_connections = True
            self.modulations = torch.zeros(LATENT, requires_grad=True)

    for module, kind in ((inrs, LatentModulatedSIREN), (layers, LatentModulatedSIRENLayer)):
        kind.__module__, kind.__qualname__ = module.__name__, kind.__name__
        setattr(module, kind.__name__, kind)
        sys.modules[module.__name__] = module
    sys.modules["models"] = ModuleType("models")
    yield inrs
    for name in ("models", "models.inrs", "models.layers"):
        sys.modules.pop(name, None)


@pytest.fixture
def module_file(authors_code: ModuleType, tmp_path: Path) -> Path:
    module = authors_code.LatentModulatedSIREN()
    module.load_state_dict(reference_state())
    torch.save(module, tmp_path / "model.pt")
    for name in ("models", "models.inrs", "models.layers"):
        del sys.modules[name]
    return tmp_path / "model.pt"


@pytest.fixture
def weights_file(tmp_path: Path) -> Path:
    axes = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    state = {f"model.{name}": tensor for name, tensor in reference_state().items()} | {
        "grid": torch.stack(axes, -1).reshape(-1, 2)
    }
    torch.save(state, tmp_path / "best.model")
    return tmp_path / "best.model"


@torch.no_grad()
def golden_error(run: Any) -> float:
    coordinates = torch.from_numpy(Grid(SHAPE).coordinates()).unsqueeze(0)
    values = run.network(coordinates, LATENTS)[:, ::4]
    return float((values - torch.tensor(GOLDEN)).abs().max())


def test_a_pickled_module_gives_the_authors_own_values(module_file: Path) -> None:
    run = read_reference_field(
        module_file, ReferenceSettings(omega_first=1.0, omega_increment=1.0, shape=SHAPE)
    )
    assert golden_error(run) < 1e-5
    assert (
        run.config.field.omega_first,
        run.config.field.omega_increment,
        run.config.field.omega_last,
    ) == (10.0, 5.0, 30.0)


def test_bare_weights_give_the_authors_own_values_and_say_their_grid(weights_file: Path) -> None:
    run = read_reference_field(weights_file)
    assert golden_error(run) < 1e-5
    assert run.spec.shape == SHAPE


def test_a_module_without_its_grid_asks_for_it(module_file: Path) -> None:
    with pytest.raises(
        LatentSetError, match=r"model.pt does not say the grid of its signals; give it with --shape"
    ):
        read_reference_field(module_file)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"a": torch.zeros(2)},
        [1],
        "text",
        reference_state() | {"layers.0.modulate_scale_layer.bias": torch.zeros(1)},
    ],
)
def test_other_content_is_refused_in_one_line(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "x.model")
    with pytest.raises(
        LatentSetError, match="does not hold a field that can be imported"
    ) as caught:
        read_reference_field(tmp_path / "x.model", ReferenceSettings(shape=SHAPE))
    assert "\n" not in str(caught.value)


class Malicious:
    """Writes a file when it is unpickled the usual way."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.target)!r}, 'w').close()",)


def test_a_malicious_pickle_does_not_run(tmp_path: Path) -> None:
    target = tmp_path / "harm"
    file = tmp_path / "datapoint_0.pt"
    torch.save({"modulations": Malicious(target), "label": torch.tensor(1)}, file)

    load_inert(file)
    assert not target.exists()
    with pytest.raises(LatentSetError, match="no tensor as modulations"):
        import_folder(tmp_path, {"train": file}, tmp_path / "out")
    assert not target.exists()
    torch.load(file, weights_only=False)  # the pickle is a working one
    assert target.exists()


HOSTILE = {
    "builtin call": b"cbuiltins\neval\n(S'1/0'\ntR.",
    "os.system": b"cposix\nsystem\n(S'false'\ntR.",
    "attribute of a builtin": b"cbuiltins\nobject.__subclasses__\n.",
    "change of a class": b"ccollections\nOrderedDict\n}S'x'\nI1\nsb.",
    "change of our own reader": b"ctorch._utils\n_rebuild_tensor_v2\nN}S'__name__'\nI1\ns\x86b.",
    "a storage of nothing": (
        b"ctorch._utils\n_rebuild_tensor_v2\n((S'storage'\ncollections\nFloatStorage\n"
    ),
    "cut": b"\x80\x02}q\x00",
    "empty": b"",
}


@pytest.mark.parametrize("program", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_programs_end_in_stand_ins_or_one_line(tmp_path: Path, program: bytes) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
    with pytest.raises(LatentSetError) as caught:
        read_reference_field(path, ReferenceSettings(shape=SHAPE))
    assert "\n" not in str(caught.value)


def test_a_tensor_larger_than_its_storage_is_refused(tmp_path: Path) -> None:
    torch.save(torch.zeros(1).expand(10**12), tmp_path / "big.pt")
    with pytest.raises(
        LatentSetError, match="a tensor of 1,000,000,000,000 numbers over a storage of 1"
    ):
        load_inert(tmp_path / "big.pt")


def test_a_compressed_member_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1000))
    with pytest.raises(LatentSetError, match=r"the member data.pkl is compressed"):
        load_inert(tmp_path / "bomb.pt")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(
        LatentSetError, match=r"model.pt is not a file of torch.save since PyTorch 1.6"
    ):
        load_inert(tmp_path / "model.pt")


def import_folder(tmp_path: Path, files: dict[str, Path], out: Path, **options: Any) -> Any:
    folder = tmp_path / "reference"
    for split, file in files.items():
        (folder / split).mkdir(parents=True)
        (folder / split / file.name).write_bytes(file.read_bytes())
    return import_latent_set(
        folder, _run(tmp_path), out, SourceInfo("authors", "CC BY 4.0"), **options
    )


def _run(tmp_path: Path) -> Any:
    torch.save(reference_state(), tmp_path / "w.model")
    return read_reference_field(tmp_path / "w.model", ReferenceSettings(shape=SHAPE))


def write_reference_set(folder: Path, label: Sequence[int] = (1,)) -> None:
    for split, count in (("train", 12), ("test", 1)):
        (folder / split).mkdir(parents=True)
        for i in range(count):
            torch.save(
                {"modulations": formula((LATENT,), i), "label": torch.tensor(label)},
                folder / split / f"datapoint_{i}.pt",
            )


def test_a_folder_becomes_a_latent_set_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    write_reference_set(tmp_path / "set")
    latent_set = import_latent_set(
        tmp_path / "set",
        _run(tmp_path),
        tmp_path / "out",
        SourceInfo("authors", "CC BY 4.0"),
        label_names=("a", "b"),
    )
    train = latent_set.split("train")

    assert latent_set.splits == ("train", "test")
    assert train.ids == [f"train-{i}" for i in range(12)]
    assert train.labels.tolist() == [1] * 12
    assert np.isnan(train.psnr).all()
    np.testing.assert_array_equal(
        train.latents, np.stack([formula((LATENT,), i).numpy() for i in range(12)])
    )
    assert latent_set.row("train-3").header.domain == Grid(SHAPE)
    assert "is not known" in (latent_set.folder / "README.md").read_text()


def test_multi_label_vectors_become_class_numbers(tmp_path: Path) -> None:
    write_reference_set(tmp_path / "set", label=(1, 0, 1))
    latent_set = import_latent_set(
        tmp_path / "set",
        _run(tmp_path),
        tmp_path / "out",
        SourceInfo("authors"),
        label_names=("a", "b", "c"),
    )
    assert latent_set.row("test-0").label == (0, 2)
    assert latent_set.split("test").labels.tolist() == [[1, 0, 1]]


def test_a_bad_file_is_named_and_skipped_on_demand(tmp_path: Path) -> None:
    write_reference_set(tmp_path / "set")
    torch.save(
        {"modulations": torch.full((LATENT,), math.nan), "label": torch.tensor(0)},
        tmp_path / "set/train/datapoint_2.pt",
    )
    with pytest.raises(
        LatentSetError,
        match=r"datapoint_2.pt holds a latent with NaN or Inf \(--skip-bad leaves such files out\)",
    ):
        import_latent_set(tmp_path / "set", _run(tmp_path), tmp_path / "out", SourceInfo("authors"))
    latent_set = import_latent_set(
        tmp_path / "set", _run(tmp_path), tmp_path / "out", SourceInfo("authors"), skip_bad=True
    )
    assert len(latent_set.split("train")) == 11
    assert [entry.name for entry in latent_set.info.splits["train"].left_out] == ["datapoint_2.pt"]


def test_a_folder_without_datapoints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LatentSetError, match=r"no datapoint_<i>.pt files in train/, val/ or test/"):
        import_latent_set(tmp_path, _run(tmp_path), tmp_path / "out", SourceInfo("authors"))
