"""A signal is decoded on the grid of its file, whatever preprocessing has done with its samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.transform import Rotation

from medfuncta._src.cli.main import main
from medfuncta._src.config import FitConfig
from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.latents.create import create_latent_set
from medfuncta._src.latents.edit import merge_latent_sets
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.rows import LatentRow
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import Grid
from medfuncta._src.sources.table import open_source

SHAPES = [(12, 9, 7), (10, 11, 6)]


def affine() -> np.ndarray:
    """Oblique, with voxels of 1 x 1.5 x 3 mm, its axes pointing left, up and forwards."""
    turned = np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]]).T * (1, 1.5, 3)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", (5, -8, 3), degrees=True).as_matrix() @ turned
    matrix[:3, 3] = (30, -20, 7)
    return matrix


def fit(source_text: str, folder: Path) -> LatentSet:
    """A set of latents that an untrained field was fitted with for one step: decoding is the same
    for it as for any."""
    source = open_source(source_text)
    field = SirenConfig(
        dim=source.spec.dim,
        channels=source.spec.channels,
        layers=3,
        width=8,
        latent_size=4,
        omega_first=4,
        omega_last=4,
    )
    network = SirenField(field, torch.Generator().manual_seed(0))
    run = Run(network, Config(field=field, fit=FitConfig(steps=1)), source.spec)
    return create_latent_set(run, source, folder, device="cpu")


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LatentSet]:
    folder = tmp_path_factory.mktemp("volumes")
    for number, shape in enumerate(SHAPES):
        values = np.random.default_rng(number).random(shape).astype(np.float32)
        nib.save(nib.Nifti1Image(values, affine()), folder / f"v{number}.nii.gz")
    text = f"nifti:{folder}?val=0&test=0&orient=RAS&spacing=2,2,2&crop=8,8,8&ids=names"
    return folder, fit(text, folder / "set")


def decode(latents: LatentSet, id: str, out: Path, *words: str) -> None:
    given = ["--id", id, "--out", str(out), "--device", "cpu", *words]
    assert main(["decode", str(latents.folder), *given]) == 0


def field_at(latents: LatentSet, row: LatentRow, coordinates: np.ndarray) -> np.ndarray:
    """The field's values at coordinates ``[points, dim]``, in the signal's unit."""
    with torch.no_grad():
        where = torch.from_numpy(coordinates.astype(np.float32))
        values = latents.run.network(where[None], torch.from_numpy(row.latent)[None])
    return row.header.range.restore(values[0].numpy())


@pytest.mark.parametrize("flag", ["grid", "like"])
@pytest.mark.parametrize("number", range(len(SHAPES)))
def test_a_volume_comes_back_on_the_grid_of_its_file(
    volumes: tuple[Path, LatentSet], number: int, flag: str, tmp_path: Path
) -> None:
    folder, latents = volumes
    row = latents.row(f"v{number}")
    file = folder / f"v{number}.nii.gz"
    chosen = {"grid": ("--grid", "input"), "like": ("--like", str(file))}[flag]
    decode(latents, row.id, tmp_path / "back.nii.gz", *chosen)
    back, original = nib.load(tmp_path / "back.nii.gz"), nib.load(file)
    assert back.shape == original.shape
    np.testing.assert_allclose(back.affine, original.affine, atol=1e-5)

    own = row.header.domain
    assert isinstance(own, Grid) and own.affine is not None and own.shape == (8, 8, 8)
    voxels = np.stack(np.unravel_index(np.arange(np.prod(back.shape)), back.shape), axis=-1)
    world = voxels @ affine()[:3, :3].T + affine()[:3, 3]
    on_own = (world - own.affine[:3, 3]) @ np.linalg.inv(own.affine[:3, :3]).T
    expected = field_at(latents, row, own.coordinates_at(on_own))[:, 0]
    seen = ((on_own > -0.5) & (on_own < 7.5)).all(axis=1)
    values = np.asarray(back.dataobj).reshape(-1)
    assert 100 < seen.sum() < len(seen)  # the crop has cut something off, and not all
    np.testing.assert_array_equal(np.isfinite(values), seen)
    np.testing.assert_allclose(values[seen], expected[seen], atol=1e-4)


def test_python_decodes_on_it_too(volumes: tuple[Path, LatentSet], tmp_path: Path) -> None:
    _, latents = volumes
    signal = latents.decode("v0", grid="input")
    assert signal.domain.shape == SHAPES[0]
    assert "input_grid" not in signal.metadata
    decode(latents, "v0", tmp_path / "back.npy", "--grid", "input")
    assert signal.mask is not None
    expected = np.where(signal.mask, signal.values[..., 0], np.nan)
    np.testing.assert_allclose(np.load(tmp_path / "back.npy"), expected, atol=1e-6)
    own = latents.decode("v0", grid="own")
    np.testing.assert_array_equal(own.values, latents.decode("v0").values)


@pytest.mark.parametrize("flag", ["grid", "like"])
def test_an_image_without_a_place_in_the_world_comes_back_as_well(
    flag: str, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 255, (20, 30), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"p{number}.png")
    latents = fit(f"images:{folder}?val=0&test=0&crop=12,16&size=6,8&ids=names", tmp_path / "set")
    chosen = {"grid": ("--grid", "input"), "like": ("--like", str(folder / "p1.png"))}[flag]
    decode(latents, "p1", tmp_path / "back.png", *chosen)
    back = np.asarray(Image.open(tmp_path / "back.png"))
    assert back.shape == (20, 30)

    rows, columns = np.meshgrid(np.arange(12), np.arange(16), indexing="ij")
    inside = np.stack([2 * (rows + 0.5) / 12 - 1, 2 * (columns + 0.5) / 16 - 1], axis=-1)
    expected = field_at(latents, latents.row("p1"), inside.reshape(-1, 2)).reshape(12, 16)
    np.testing.assert_array_equal(back[4:16, 7:23], np.clip(np.rint(expected), 0, 255))
    outside = np.ones((20, 30), bool)
    outside[4:16, 7:23] = False
    assert not back[outside].any()


def test_without_steps_it_is_the_own_grid(tmp_path: Path) -> None:
    latents = fit("sample:volumes", tmp_path / "set")
    id = latents.split("test").ids[0]
    mine, own = latents.decode(id, grid="input", split="test"), latents.decode(id, split="test")
    assert mine.domain == own.domain
    np.testing.assert_array_equal(mine.values, own.values)


def test_sets_that_are_merged_keep_the_steps_that_they_share(
    volumes: tuple[Path, LatentSet], tmp_path: Path
) -> None:
    _, latents = volumes
    merged = merge_latent_sets([latents], tmp_path / "merged")
    assert merged.preprocessing == latents.preprocessing
    assert merged.decode("v1", grid="input").domain.shape == SHAPES[1]


def test_mistakes_are_one_line(volumes: tuple[Path, LatentSet], tmp_path: Path) -> None:
    _, latents = volumes
    with pytest.raises(ConfigError, match="got both a domain and grid='input'"):
        latents.decode("v0", Grid((3, 3, 3)), grid="input")
    with pytest.raises(DataError, match="expected at most 1,073,741,824"):
        latents.decode("v0", Grid((5000, 5000, 5000)))
    for details, error, message in (
        ({}, DataError, "does not lie where the known steps lead"),
        ({"preprocessing": "[3]"}, ConfigError, "preprocessing that cannot be read"),
    ):
        source = replace(latents.info.source, details=details)
        told = LatentSet(
            latents.folder,
            replace(latents.info, source=source),
            [latents.split(name) for name in latents.splits],
        )
        with pytest.raises(error, match=message):
            told.decode("v0", grid="input")


def test_a_set_of_an_older_version_decodes_on_it() -> None:
    latents = LatentSet.open(Path(__file__).parents[1] / "stored" / "resampled" / "float32")
    split = latents.splits[0]
    row = latents.split(split).row(0)
    before = latents.input_grid(row.header)
    assert before is not None and before.grid.shape == (9, 8, 5)
    signal = latents.decode(row.id, grid="input", split=split)
    in_the_world = latents.decode(row.id, before.grid, split=split)
    assert signal.domain == in_the_world.domain
    np.testing.assert_allclose(signal.values, in_the_world.values, rtol=1e-4)
