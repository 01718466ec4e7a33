"""Arrays, tensors and images in memory to latents, and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

import medfuncta
from in_python.fakes import FakeScalarImage, FakeSubject
from medfuncta import Grid, MedFunctaError, Run
from medfuncta._src.latents.fit import fit_latents

Trained = Callable[..., Run]
SAMPLES = ("ecg", "slices", "histology", "volumes")
AFFINE = np.array([[0, -2.0, 0, 30], [2, 0, 0, -20], [0, 0, 2, 5], [0, 0, 0, 1]])


def signals_of(name: str, count: int = 3) -> list[medfuncta.Signal]:
    source = medfuncta.open_source(f"sample:{name}")
    return [signal for signal, _ in zip(source.signals("test"), range(count), strict=False)]


def stacked(name: str, channels: str) -> np.ndarray:
    values = np.stack([signal.values for signal in signals_of(name)])
    if channels == "none":
        return values[..., 0]
    return np.moveaxis(values, -1, 1) if channels == "first" else values


def layouts() -> list[tuple[str, str]]:
    return [
        (name, channels)
        for name in SAMPLES
        for channels in ("none", "first", "last")
        if name != "histology" or channels != "none"
    ]


@pytest.mark.parametrize(("name", "channels"), layouts())
def test_latents_of_arrays_are_those_of_a_source(
    name: str, channels: str, trained: Trained, tmp_path: Path
) -> None:
    run = trained(f"sample:{name}")
    source = medfuncta.open_source(f"sample:{name}")
    collected = medfuncta.SignalSet.collect(source.spec, signals_of(name))
    expected = fit_latents(run, collected, device="cpu").latents.numpy()
    arrays = stacked(name, channels)
    latents = run.encode(arrays, channels=channels, device="cpu")
    assert isinstance(latents, np.ndarray) and latents.dtype == np.float32
    np.testing.assert_allclose(latents, expected, atol=1e-5)
    found = run.encode(arrays, device="cpu")  # the layout is told by the shape
    np.testing.assert_array_equal(found, latents)
    one = run.encode(arrays[0], channels=channels, device="cpu")
    assert one.shape == expected.shape[1:]
    np.testing.assert_allclose(one, expected[0], atol=1e-5)


@pytest.mark.parametrize(("name", "channels"), layouts())
def test_values_are_those_of_a_latent_set(
    name: str, channels: str, trained: Trained, tmp_path: Path
) -> None:
    run, arrays = trained(f"sample:{name}"), stacked(name, channels)
    latents = run.encode(arrays, device="cpu")
    back = run.decode(latents, like=arrays)
    assert back.shape == arrays.shape and back.dtype == np.float32
    for phi, signal, ours in zip(latents, signals_of(name), back, strict=True):
        expected = medfuncta.reconstruct(run, torch.from_numpy(phi), signal.header).values
        moved = np.moveaxis(ours, 0, -1) if channels == "first" else ours
        scale = signal.range.high - signal.range.low
        np.testing.assert_allclose(moved.reshape(expected.shape), expected, atol=1e-5 * scale)


def test_tensors_come_back_as_tensors_and_arrays_as_arrays(trained: Trained) -> None:
    run, arrays = trained("sample:slices"), stacked("slices", "none")
    tensors = torch.from_numpy(arrays)
    latents = run.encode(tensors, device="cpu")
    assert type(latents) is torch.Tensor
    assert type(run.decode(latents)) is torch.Tensor
    np.testing.assert_array_equal(latents.numpy(), run.encode(arrays, device="cpu"))
    np.testing.assert_array_equal(run.decode(latents).numpy(), run.decode(latents.numpy()))
    listed = run.encode(list(tensors), device="cpu")
    np.testing.assert_array_equal(listed.numpy(), latents.numpy())


@pytest.mark.parametrize(
    "changed",
    [
        lambda x: x.astype(np.float64),
        lambda x: x.astype(">f4"),
        lambda x: [np.asmatrix(one) for one in x],
        lambda x: np.asfortranarray(x),
        lambda x: x[::-1][::-1],
        lambda x: np.broadcast_to(x, x.shape),  # read only
        lambda x: x.astype(np.uint8),
        lambda x: x.astype(np.int64),
        lambda x: torch.from_numpy(x).requires_grad_(),
        lambda x: torch.from_numpy(x).bfloat16(),
        lambda x: torch.from_numpy(x).half(),
        lambda x: torch.from_numpy(x).to_sparse(),
        lambda x: torch.from_numpy(x).transpose(1, 2).contiguous().transpose(1, 2),
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse", "ignore:the matrix subclass")
def test_whatever_holds_the_numbers_the_latents_are_the_same(
    changed: Callable[[np.ndarray], Any], trained: Trained
) -> None:
    run = trained("sample:slices")
    pixels = stacked("slices", "none").round()  # 0 to 255, which all of these types hold
    expected = run.encode(pixels, device="cpu")
    given = changed(pixels)
    np.testing.assert_allclose(np.asarray(run.encode(given, device="cpu")), expected, atol=1e-5)


def test_truth_values_are_numbers(trained: Trained) -> None:
    run, blobs = trained("sample:slices"), stacked("slices", "none") > 99
    expected = run.encode(blobs.astype(np.float32), range=(0, 1), device="cpu")
    np.testing.assert_array_equal(run.encode(blobs, range=(0, 1), device="cpu"), expected)


def test_what_is_masked_plays_no_part(trained: Trained) -> None:
    run, arrays = trained("sample:slices"), stacked("slices", "none")
    observed = np.ones(arrays.shape, bool)
    observed[:, 20:30, 10:40] = False
    spoilt = np.where(observed, arrays, 1e30).astype(np.float32)
    holes = np.where(observed, arrays, np.nan)
    expected = run.encode(np.where(observed, arrays, 7), mask=observed, device="cpu")
    for given, mask in (
        (spoilt, observed),
        (spoilt, observed[0]),
        (spoilt, observed.astype(np.uint8)),
        (spoilt, torch.from_numpy(observed)),
        (list(spoilt), list(observed)),
        (holes, "nan"),
    ):
        latents = run.encode(given, mask=mask, device="cpu")
        np.testing.assert_array_equal(latents, expected)
    assert np.abs(expected - run.encode(arrays, device="cpu")).max() > 1e-3


def test_units_are_those_of_what_was_observed(trained: Trained) -> None:
    """Where each signal is mapped to [0, 1] by what it spans, a gap spans nothing."""
    run, beats = trained("sample:ecg"), stacked("ecg", "none")
    observed = np.ones(beats.shape, bool)
    observed[:, 50:80] = False
    spoilt = np.where(observed, beats, np.float32(99))
    latents = run.encode(spoilt, mask=observed, device="cpu")
    back = run.decode(latents, like=spoilt, mask=observed)
    seen = np.where(observed, beats, np.nan)
    spans = np.stack([np.nanmin(seen, axis=1), np.nanmax(seen, axis=1)], axis=1)
    np.testing.assert_allclose(back, run.decode(latents, shape=187, range=spans), atol=1e-5)
    assert np.abs(back - beats)[observed].mean() < 0.2
    np.testing.assert_array_equal(back, run.decode(latents, like=seen))
    with pytest.raises(MedFunctaError, match="signal 0 has no value that was observed"):
        run.decode(latents, like=beats * np.nan)


@pytest.mark.parametrize("kind", ["siren", "components"])
def test_values_have_a_gradient_by_the_latents_and_leave_the_weights_alone(
    kind: str, trained: Trained
) -> None:
    run = trained("sample:ecg")
    if kind == "siren":
        config = medfuncta.SirenConfig(dim=1, layers=3, width=8, latent_size=4)
        run = Run(
            medfuncta.build_field(config), medfuncta.Config(config), medfuncta.SignalSpec(1, 1)
        )
    size = run.config.field.latent_size
    where = torch.linspace(-0.9, 0.9, 7, dtype=torch.float64)
    latents = 0.1 * torch.randn(2, size, generator=torch.Generator().manual_seed(0))
    tracked = latents.clone().requires_grad_()
    values = run.decode(tracked, coordinates=where, range=(-1, 3))
    np.testing.assert_allclose(
        values.detach(), run.decode(latents, coordinates=where, range=(-1, 3)), atol=1e-5
    )
    weights = torch.linspace(1, 2, 14).reshape(2, 7)
    (values * weights).sum().backward()
    assert tracked.grad is not None
    assert all(weight.grad is None for weight in run.network.parameters())
    step = 1e-3
    for entry in range(0, size, 3):
        moved = [latents.clone(), latents.clone()]
        moved[0][1, entry] -= step
        moved[1][1, entry] += step
        low, high = (
            (run.decode(phi, coordinates=where, range=(-1, 3)) * weights).sum() for phi in moved
        )
        slope = float(high - low) / (2 * step)
        assert float(tracked.grad[1, entry]) == pytest.approx(slope, rel=0.05, abs=0.05)


def test_a_gradient_goes_through_a_grid_and_into_images(trained: Trained) -> None:
    run, arrays = trained("sample:histology"), stacked("histology", "first")
    latents = torch.from_numpy(run.encode(arrays, device="cpu"))
    tracked = latents.clone().requires_grad_()
    values = run.decode(tracked, like=arrays)
    assert values.shape == arrays.shape and values.requires_grad
    np.testing.assert_allclose(values.detach(), run.decode(latents, like=arrays), atol=0.05)
    with torch.no_grad():
        assert not run.decode(tracked, like=arrays).requires_grad


def test_coordinates_are_those_of_samples(trained: Trained) -> None:
    run, arrays = trained("sample:histology"), stacked("histology", "last")
    latents = run.encode(arrays, device="cpu")
    where = Grid((32, 32)).coordinates()
    flat = run.decode(latents, coordinates=where)
    assert flat.shape == (3, 32 * 32, 3)
    np.testing.assert_allclose(flat.reshape(arrays.shape), run.decode(latents), atol=1e-2)
    own = run.decode(latents, coordinates=np.stack([where, -where, where]))
    np.testing.assert_allclose(own[0], flat[0], atol=1e-2)
    np.testing.assert_allclose(own[1], flat[1, ::-1], atol=1e-2)
    assert run.decode(latents[0], coordinates=where, channels="first").shape == (3, 32 * 32)


def test_another_shape_fills_the_same_box(trained: Trained) -> None:
    run = trained("sample:ecg")
    beats = stacked("ecg", "none")
    latents = run.encode(beats, device="cpu")
    fine = run.decode(latents, shape=374, like=beats)
    assert fine.shape == (3, 374)
    between = (fine[:, 0::2] + fine[:, 1::2]) / 2
    np.testing.assert_allclose(between, run.decode(latents, like=beats), atol=0.1)
    grid = run.decode(latents, grid=Grid((374,)), like=beats)
    np.testing.assert_array_equal(grid, fine)
    spans = np.stack([beats.min(axis=1), beats.max(axis=1)], axis=1)
    np.testing.assert_allclose(run.decode(latents, shape=(374,), range=spans), fine, atol=1e-5)


def volume(shape: tuple[int, ...] = (20, 24, 16)) -> nib.Nifti1Image:
    data = np.random.default_rng(0).integers(-1000, 1000, shape).astype(np.int16)
    return nib.Nifti1Image(data, AFFINE)


def test_an_image_of_nibabel_comes_back_in_place(trained: Trained) -> None:
    run, image = trained("sample:volumes"), volume()
    observed = np.asarray(image.dataobj) > -500
    mask = nib.Nifti1Image(observed.astype(np.uint8), AFFINE)
    latent = run.encode(image, mask=mask, device="cpu")
    assert isinstance(latent, np.ndarray) and latent.ndim == 1
    array = np.asarray(image.dataobj)
    np.testing.assert_array_equal(latent, run.encode(array, spacing=2, mask=observed, device="cpu"))
    back = run.decode(latent, like=image)
    assert isinstance(back, nib.Nifti1Image) and back.shape == image.shape
    np.testing.assert_array_equal(back.affine, AFFINE)
    np.testing.assert_array_equal(back.get_fdata(), run.decode(latent, like=array))
    fine = run.decode(latent, like=image, shape=(40, 48, 32))
    corner = fine.affine @ [-0.5, -0.5, -0.5, 1]
    np.testing.assert_allclose(corner, AFFINE @ [-0.5, -0.5, -0.5, 1])
    np.testing.assert_allclose(fine.header.get_zooms(), (1, 1, 1))
    two = run.decode(np.stack([latent, latent]), like=image)
    assert [type(made) for made in two] == [nib.Nifti1Image] * 2


@pytest.mark.parametrize("shape", [(1, 30, 20), (30, 1, 20), (30, 20, 1), (30, 20)])
def test_an_image_of_one_slice_keeps_its_axis(shape: tuple[int, ...], trained: Trained) -> None:
    images = np.random.default_rng(1).uniform(0, 255, (6, 30, 20))
    run = trained(medfuncta.from_arrays(images, channels="none", range=(0, 255), name="oblong"))
    image = nib.Nifti1Image(images[0].reshape(shape), AFFINE)
    latent = run.encode(image, device="cpu")
    np.testing.assert_array_equal(latent, run.encode(images[0], device="cpu"))
    back = run.decode(latent, like=image)
    assert back.shape == nib.Nifti1Image(images[0].reshape(shape), AFFINE).shape
    np.testing.assert_array_equal(back.affine, AFFINE)


@pytest.mark.filterwarnings("ignore")
def test_a_meta_tensor_of_monai_comes_back_in_place(trained: Trained) -> None:
    data = pytest.importorskip("monai.data")
    run, image = trained("sample:volumes"), volume()
    array = torch.from_numpy(np.asarray(image.dataobj).astype(np.float32))
    expected = run.encode(image, device="cpu")
    for space, turn in (("RAS", np.eye(4)), ("LPS", np.diag([-1.0, -1, 1, 1]))):
        placed = data.MetaTensor(
            array[None], affine=torch.from_numpy(turn @ AFFINE), meta={"space": space}
        )
        latent = run.encode(placed, device="cpu")
        assert type(latent) is torch.Tensor and latent.ndim == 1
        np.testing.assert_array_equal(latent.numpy(), expected)
        back = run.decode(latent, like=placed)
        assert type(back) is type(placed) and back.shape == placed.shape
        np.testing.assert_array_equal(back.affine, placed.affine)
        np.testing.assert_array_equal(
            back.as_tensor().numpy()[0], run.decode(expected, like=image).get_fdata()
        )
    pair = data.list_data_collate([placed, placed])
    assert run.encode(pair, device="cpu").shape == (2, len(expected))


def test_an_image_of_torchio_comes_back_in_place(trained: Trained) -> None:
    run, image = trained("sample:volumes"), volume()
    expected = run.encode(image, device="cpu")
    scalar = FakeScalarImage(torch.from_numpy(np.asarray(image.dataobj))[None], AFFINE)
    for given in (scalar, FakeSubject(t1=scalar)):
        latent = run.encode(given, device="cpu")
        assert type(latent) is torch.Tensor
        np.testing.assert_array_equal(latent.numpy(), expected)
        back = run.decode(latent, like=given)
        assert isinstance(back, FakeScalarImage) and back.shape == scalar.shape
        np.testing.assert_array_equal(back.affine, AFFINE)
    with pytest.raises(MedFunctaError, match="a subject with 2 images besides label maps"):
        run.encode(FakeSubject(t1=scalar, t2=scalar))


def test_images_that_are_not_square_keep_their_proportions(trained: Trained) -> None:
    """With a spacing in training, one side is longer than the other, whatever the samples."""
    images = np.random.default_rng(2).uniform(0, 1, (6, 30, 20))
    source = medfuncta.from_arrays(
        images, channels="none", range=(0, 1), spacing=(1, 3), name="spaced"
    )
    run = trained(source)
    expected = fit_latents(
        run, medfuncta.SignalSet.collect(source.spec, source.signals("train")), device="cpu"
    )
    numbers = [int(signal.id) for signal in source.signals("train")]
    latents = run.encode(images[numbers], device="cpu")
    np.testing.assert_allclose(latents, expected.latents, atol=1e-5)
    other = run.encode(images[numbers], spacing=1, device="cpu")
    assert np.abs(other - latents).max() > 1e-3
    back = run.decode(latents)
    np.testing.assert_array_equal(back, run.decode(latents, like=images[numbers]))
    np.testing.assert_array_equal(back, run.decode(latents, grid=Grid((30, 20), (2.0, 6.0))))


BEATS = stacked("ecg", "none")
LATENTS = np.zeros((3, 16), np.float32)
MISTAKES: dict[str, tuple[str, Callable[[Run], object], str]] = {
    "no axis": ("ecg", lambda run: run.encode(np.float32(3)), "an array of shape ()"),
    "a number": ("ecg", lambda run: run.encode(3.0), "the signal is a float; expected an array"),
    "text": ("ecg", lambda run: run.encode("a.csv"), "the signal is a str; expected an array"),
    "numbers in a list": ("ecg", lambda run: run.encode([1.0, 2.0]), "signal 0 is a float; exp"),
    "a class": ("ecg", lambda run: run.encode(np.ndarray), "the signal is a type; expected an ar"),
    "a masked array": (
        "ecg",
        lambda run: run.encode(np.ma.masked_less(BEATS, 0)),
        "the signal is a masked array; give its values (.filled(0)) and a mask that is True",
    ),
    "a tensor without values": (
        "ecg",
        lambda run: run.encode(torch.zeros(187, device="meta")),
        "the signal is a meta tensor; expected one whose values lie in memory",
    ),
    "a nested tensor": (
        "ecg",
        lambda run: run.encode(torch.nested.nested_tensor([torch.zeros(3), torch.zeros(4)])),
        "the signal is a nested tensor; expected one whose values lie in memory",
    ),
    "no list": ("ecg", lambda run: run.encode([]), "no signal was given"),
    "no signal": ("ecg", lambda run: run.encode(np.ones((0, 187))), "an array of shape (0, 187)"),
    "an axis too many": ("ecg", lambda run: run.encode(BEATS[None]), "an array of shape (1, 3, "),
    "three channels": (
        "ecg",
        lambda run: run.encode(np.ones((3, 187)), channels="first"),
        "an array of shape (3, 187) with channels='first'; this run expects 1 axis a signal and 1",
    ),
    "one sample or one channel": (
        "ecg",
        lambda run: run.encode(BEATS[0][:, None]),
        "an array of shape (187, 1) leaves open where its channels are",
    ),
    "channels at both ends": (
        "histology",
        lambda run: run.encode(np.ones((3, 8, 3))),
        "an array of shape (3, 8, 3) leaves open where its channels are (this run expects 2 axes",
    ),
    "channels nowhere": ("histology", lambda run: run.encode(np.ones((4, 8, 9))), "an array of"),
    "unknown channels": (
        "ecg",
        lambda run: run.encode(BEATS, channels="middle"),  # type: ignore[arg-type]
        "channels='middle'; ",
    ),
    "complex": ("ecg", lambda run: run.encode(BEATS * 1j), "signal 0 is of complex64; expected"),
    "objects": ("ecg", lambda run: run.encode(BEATS.astype(object)), "signal 0 is of object; ex"),
    "texts": ("ecg", lambda run: run.encode(BEATS.astype(str)), "signal 0 is of "),
    "dates": ("ecg", lambda run: run.encode(np.ones(9, "M8[s]")), "the signal is of datetime64"),
    "NaN": ("ecg", lambda run: run.encode(BEATS * np.nan), "signal 0 holds 187 values that are"),
    "Inf": ("ecg", lambda run: run.encode(BEATS / 0.0, mask="nan"), "signal 0 holds "),
    "all masked": (
        "ecg",
        lambda run: run.encode(BEATS, mask=np.zeros(187, bool)),
        "signal 0 has no value that was observed",
    ),
    "a mask of another shape": (
        "ecg",
        lambda run: run.encode(BEATS, mask=np.ones(9, bool)),
        "the mask of signal 0 is of bool and shape (9,); expected bool, or 0 and 1",
    ),
    "a mask of numbers": (
        "ecg",
        lambda run: run.encode(BEATS, mask=BEATS),
        "the mask of signal 0 is of float32 and shape (187,); expected bool, or 0 and 1",
    ),
    "too few masks": (
        "ecg",
        lambda run: run.encode(BEATS, mask=np.ones((2, 187), bool)),
        "2 masks for 3 signals; expected one for each",
    ),
    "a mask in words": ("ecg", lambda run: run.encode(BEATS, mask="gaps"), "mask='gaps'; expec"),
    "another unit": (
        "slices",
        lambda run: run.encode(1e6 * stacked("slices", "none")),
        "signal 0 holds values from ",
    ),
    "beyond float32": ("ecg", lambda run: run.encode(1e60 * BEATS.astype(float)), "signal 0 hol"),
    "a range of three": ("ecg", lambda run: run.encode(BEATS, range=(1, 2, 3)), "a range of sha"),
    "a range of words": ("ecg", lambda run: run.encode(BEATS, range="own"), "range='own'; expec"),
    "a range upside down": ("ecg", lambda run: run.encode(BEATS, range=(1, 0)), "a value range f"),
    "a quality": (
        "ecg",
        lambda run: run.encode(BEATS, quality="good"),  # type: ignore[arg-type]
        "setting 'fit.quality' is 'good'",
    ),
    "no steps": ("ecg", lambda run: run.encode(BEATS, steps=0), "setting 'fit.steps' is 0"),
    "no device": ("ecg", lambda run: run.encode(BEATS, device="warp"), "cannot compute on the de"),
    "latents of another size": (
        "ecg",
        lambda run: run.decode(np.zeros((3, 5))),
        "latents of float64 and shape (3, 5); expected [16] or [signals, 16] finite numbers",
    ),
    "latents that are none": ("ecg", lambda run: run.decode("phi"), "latents were given as str;"),
    "complex latents": (
        "ecg",
        lambda run: run.decode(LATENTS * 1j),
        "latents of complex64 and shape (3, 16); expected [16] or [signals, 16] finite numbers",
    ),
    "rows of several lengths": ("ecg", lambda run: run.decode([[1], [2, 3]]), "latents were giv"),
    "complex coordinates": (
        "ecg",
        lambda run: run.decode(LATENTS, coordinates=[1j], like=BEATS),
        "coordinates of shape (1, 1) for 3 latents; expected [points, 1]",
    ),
    "latents of no memory": (
        "ecg",
        lambda run: run.decode(torch.zeros(3, 16, device="meta")),
        "the latents given is a meta tensor",
    ),
    "masked latents": (
        "ecg",
        lambda run: run.decode(np.ma.masked_array(LATENTS, mask=True)),
        "the latents given is a masked array; give its values",
    ),
    "latents with NaN": ("ecg", lambda run: run.decode(LATENTS * np.nan), "latents hold NaN or I"),
    "no latents": ("ecg", lambda run: run.decode(LATENTS[:0]), "no latents; expected [16]"),
    "units unknown": ("ecg", lambda run: run.decode(LATENTS), "each signal of this run was mapped"),
    "the range of another": (
        "ecg",
        lambda run: run.decode(LATENTS, like=BEATS[0]),
        "each signal of this run was mapped",
    ),
    "two of like": (
        "ecg",
        lambda run: run.decode(LATENTS, like=BEATS[:2]),
        "2 signals in like for 3 latents; expected one for each, or a single one",
    ),
    "said twice": (
        "ecg",
        lambda run: run.decode(LATENTS, shape=3, grid=Grid((3,)), like=BEATS),
        "got both shape and grid; give one of them",
    ),
    "a shape of two axes": (
        "ecg",
        lambda run: run.decode(LATENTS, shape=(3, 4), like=BEATS),
        "a shape of 2 axes (3, 4) for a 1D signal",
    ),
    "an empty shape": (
        "ecg",
        lambda run: run.decode(LATENTS, shape=0, like=BEATS),
        "a shape of [0]; expected 1 to 3 whole numbers",
    ),
    "a huge shape": (
        "ecg",
        lambda run: run.decode(LATENTS, shape=2**31, like=BEATS),
        "a shape of [2147483648]; expected 1 to 3 whole numbers",
    ),
    "a grid of numbers": (
        "ecg",
        lambda run: run.decode(LATENTS, grid=(3,), like=BEATS),  # type: ignore[arg-type]
        "grid is a tuple; expected a Grid or Scatter of medfuncta",
    ),
    "a grid of two axes": (
        "ecg",
        lambda run: run.decode(LATENTS, grid=Grid((3, 4)), like=BEATS),
        "a grid of 2 dimensions; this run expects 1",
    ),
    "coordinates of two axes": (
        "ecg",
        lambda run: run.decode(LATENTS, coordinates=np.ones((4, 2)), like=BEATS),
        "coordinates of shape (4, 2) for 3 latents; expected [points, 1], or [3, points, 1]",
    ),
    "coordinates with NaN": (
        "ecg",
        lambda run: run.decode(LATENTS, coordinates=[np.nan], like=BEATS),
        "coordinates hold NaN or Inf",
    ),
    "coordinates in words": (
        "ecg",
        lambda run: run.decode(LATENTS, coordinates="all", like=BEATS),
        "coordinates were given as str",
    ),
    "no channels of several": (
        "histology",
        lambda run: run.decode(np.zeros(12), channels="none"),
        "channels='none' for a run of 3 channels",
    ),
    "a grid without a spacing": (
        "volumes",
        lambda run: run.decode(np.zeros(8), grid=Grid((4, 4, 4))),
        "grid has no spacing, and signals of this run have one (mm)",
    ),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value", "ignore:.*nested")
@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_one_line(what: str, trained: Trained) -> None:
    name, mistake, line = MISTAKES[what]
    with pytest.raises(MedFunctaError) as caught:
        mistake(trained(f"sample:{name}"))
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_shapes_of_their_own_ask_where(trained: Trained) -> None:
    rng = np.random.default_rng(3)
    images = [rng.uniform(0, 1, (8 + i, 9)) for i in range(6)]
    run = trained(
        medfuncta.from_arrays(images, channels="none", range=(0, 1), name="shapes"), "shapes"
    )
    latents = run.encode(images, device="cpu")
    assert latents.shape == (6, 12)
    back = run.decode(latents, like=images)
    assert [array.shape for array in back] == [array.shape for array in images]
    assert run.decode(latents, shape=(5, 6)).shape == (6, 5, 6)
    with pytest.raises(MedFunctaError, match="signals of this run have shapes of their own"):
        run.decode(latents)


def test_a_run_of_an_older_version_asks_for_the_range() -> None:
    config = medfuncta.SirenConfig(dim=1, layers=3, width=8, latent_size=4)
    run = Run(medfuncta.build_field(config), medfuncta.Config(config), medfuncta.SignalSpec(1, 1))
    with pytest.raises(MedFunctaError, match="this run does not say what was mapped to"):
        run.encode(BEATS, device="cpu")
    latents = run.encode(BEATS, range="each", device="cpu")
    assert run.decode(latents, like=BEATS, range="each").shape == BEATS.shape
