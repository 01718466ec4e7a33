"""Steps keep the physical box, land first and last samples where their affine says, and tell where
every sample of the file went."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.preprocess import (
    CropPad,
    Grey,
    InputGrid,
    Preprocessing,
    Quantiles,
    Reorient,
    Resample,
    Window,
)
from medfuncta._src.signals.preprocess.step import GridStep
from medfuncta._src.signals.signal import Signal, ValueRange

pytestmark = pytest.mark.filterwarnings(
    "ignore:Do not use the `random` module"
)  # beartype draws which item of a tuple it checks

FAST = settings(max_examples=40, deadline=None)
SIZES = st.integers(1, 9)
SPACINGS = st.floats(0.1, 8.0)


@st.composite
def grids(draw, dims=(1, 2, 3)):
    """A grid with spacing, and in 3D with an oblique affine of that spacing."""
    dim = draw(st.sampled_from(dims))
    shape = tuple(draw(st.lists(SIZES, min_size=dim, max_size=dim)))
    spacing = tuple(draw(st.lists(SPACINGS, min_size=dim, max_size=dim)))
    if dim < 3:
        return Grid(shape, spacing, None, "mm")
    affine = np.eye(4)
    affine[:3, :3] = (
        Rotation.from_euler(
            "xyz", draw(st.lists(st.floats(0, 360), min_size=3, max_size=3)), degrees=True
        ).as_matrix()
        * spacing
    )
    affine[:3, 3] = draw(st.lists(st.floats(-100, 100), min_size=3, max_size=3))
    return Grid(shape, spacing, affine, "mm")


@st.composite
def steps(draw, grid):
    """A step that moves the samples of this grid."""
    shape = tuple(draw(st.lists(SIZES, min_size=grid.dim, max_size=grid.dim)))
    known = [
        CropPad(shape),
        CropPad(shape, fill=-5.0),
        CropPad(shape, align="start"),
        Resample(shape=shape),
        Resample(shape=shape, method="mean"),
    ]
    known.append(
        Resample(spacing=tuple(draw(st.lists(SPACINGS, min_size=grid.dim, max_size=grid.dim))))
    )
    if grid.affine is not None:
        known.append(
            Reorient(
                "".join(
                    draw(
                        st.permutations(
                            [draw(st.sampled_from(pair)) for pair in ("LR", "PA", "IS")]
                        )
                    )
                )
            )
        )
    return draw(st.sampled_from(known))


def signal_on(grid, seed=0, channels=1):
    values = np.random.default_rng(seed).normal(size=(*grid.shape, channels)).astype(np.float32)
    return Signal.of("a", values, grid, ValueRange.of(values))


def world(grid, index):
    """Physical position of a voxel index; without an affine the position along each axis."""
    if grid.affine is not None:
        return grid.affine[:3, :3] @ index + grid.affine[:3, 3]
    return np.asarray(index) * grid.spacing


@FAST
@given(grids(), st.data())
def test_place_says_where_samples_go(grid, data):
    step = data.draw(steps(grid))
    after, matrix = step.place(grid)
    if grid.affine is None:
        return
    for index in (np.zeros(3), np.array(after.shape) - 1):
        before = matrix[:3, :3] @ index + matrix[:3, 3]
        np.testing.assert_allclose(world(after, index), world(grid, before), atol=1e-6)
    np.testing.assert_allclose(
        np.linalg.norm(after.affine[:3, :3], axis=0), after.spacing, rtol=1e-6
    )


@FAST
@given(grids(), st.data())
def test_shape_is_what_place_says(grid, data):
    step = data.draw(steps(grid))
    moved = step.apply(signal_on(grid))
    assert moved.domain == step.place(grid)[0]
    assert moved.values.shape == (*moved.domain.shape, 1)
    assert step.apply_labels(np.ones(grid.shape, np.uint8), grid).shape == moved.domain.shape


def voxels_of(coordinates, grid):
    """Voxel indices of coordinates: the inverse of ``Grid.coordinates_at``."""
    return ((coordinates / np.array(grid.half_sides) + 1) * np.array(grid.shape) - 1) / 2


@FAST
@given(grids(), st.data())
def test_every_sample_is_found_where_it_went(grid, data):
    step = data.draw(steps(grid))
    signal = signal_on(grid)
    moved = step.apply(signal)
    coordinates, kept = Preprocessing((step,)).locate(grid, np.arange(grid.points))
    if isinstance(step, Resample):  # it loses detail, but no place
        assert kept.all()
        return
    index = voxels_of(coordinates[kept], moved.domain)
    np.testing.assert_allclose(index, np.rint(index), atol=1e-4)
    found = moved.values[tuple(np.rint(index).astype(int).T)]
    np.testing.assert_array_equal(found, signal.values.reshape(-1, 1)[kept])


@FAST
@given(grids(), st.data())
def test_exactly_what_a_crop_cut_off_is_not_kept(grid, data):
    shape = tuple(data.draw(st.lists(SIZES, min_size=grid.dim, max_size=grid.dim)))
    _, kept = Preprocessing((CropPad(shape, fill=0.0),)).locate(grid, np.arange(grid.points))
    assert kept.sum() == np.prod(np.minimum(shape, grid.shape))


def test_what_a_crop_cut_off_no_later_padding_brings_back():
    grid = Grid((10,), (1.0,))
    chain = Preprocessing((CropPad((4,)), CropPad((10,), fill=0.0)))
    coordinates, kept = chain.locate(grid, np.arange(10))
    assert kept.tolist() == [False] * 3 + [True] * 4 + [False] * 3
    np.testing.assert_allclose(coordinates, grid.coordinates(), atol=1e-6)


@FAST
@given(grids(), st.data())
def test_the_box_stays_whole_when_resampled(grid, data):
    shape = tuple(data.draw(st.lists(SIZES, min_size=grid.dim, max_size=grid.dim)))
    new = grid.with_shape(shape)
    np.testing.assert_allclose(
        np.multiply(new.shape, new.spacing), np.multiply(grid.shape, grid.spacing), rtol=1e-6
    )
    np.testing.assert_allclose(new.half_sides, grid.half_sides, rtol=1e-6)
    spaced = grid.with_spacing(new.spacing)
    assert spaced.shape == shape
    if grid.affine is not None:  # the outer corners of the corner voxels stay
        for corner, old in (
            (np.full(3, -0.5), np.full(3, -0.5)),
            (np.array(shape) - 0.5, np.array(grid.shape) - 0.5),
        ):
            np.testing.assert_allclose(world(new, corner), world(grid, old), atol=1e-5)


@FAST
@given(grids())
def test_coordinates_are_centred_and_fill_the_longest_side(grid):
    coordinates = grid.coordinates()
    np.testing.assert_allclose(coordinates, -coordinates[::-1], atol=1e-6)
    longest = int(np.argmax(grid.half_sides))
    assert np.isclose(np.abs(coordinates[:, longest]).max(), 1 - 1 / grid.shape[longest], atol=1e-6)
    assert (np.abs(coordinates) < np.array(grid.half_sides) + 1e-6).all()


@FAST
@given(grids(), st.data())
def test_decoding_on_the_input_grid_sees_the_same_places(grid, data):
    """A voxel of the input, found through its world position on the new grid, has the coordinate
    that the chain says."""
    chain = Preprocessing((data.draw(steps(grid)),))
    if grid.affine is None:
        return
    after = chain.steps[0].place(grid)[0]
    index = np.arange(grid.points)
    where = np.array([world(grid, np.array(i)) for i in np.ndindex(grid.shape)])
    on_new = (np.linalg.inv(after.affine) @ np.c_[where, np.ones(len(where))].T).T[:, :3]
    coordinates, kept = chain.locate(grid, index)
    np.testing.assert_allclose(coordinates, after.coordinates_at(on_new), atol=1e-4)
    beyond = np.abs(on_new + 0.5 - np.array(after.shape) / 2) - np.array(after.shape) / 2
    clear = np.abs(beyond).min(axis=1) > 1e-4  # not on the edge but for rounding
    np.testing.assert_array_equal(kept[clear], (beyond < 0).all(axis=1)[clear])


@FAST
@given(arrays(np.float32, (5, 1), elements=st.floats(-1e4, 1e4, width=32)))
def test_value_range_maps_there_and_back(values):
    value_range = ValueRange.of(values)
    normal = value_range.normalise(values)
    assert normal.min() >= 0
    assert normal.max() <= 1
    np.testing.assert_allclose(
        value_range.restore(normal), values, atol=1e-3 * max(1.0, float(np.abs(values).max()))
    )


def test_resampling_is_exact_for_a_ramp():
    """Along an axis where values rise linearly, interior samples rise at the new spacing."""
    grid = Grid((32,), (1.0,))
    ramp = np.arange(32, dtype=np.float32)[:, None]
    for method, shape in (("linear", (64,)), ("cubic", (64,)), ("mean", (16,)), ("linear", (16,))):
        moved = Resample(shape=shape, method=method).apply(
            Signal.of("a", ramp, grid, ValueRange(0, 31))
        )
        centres = (np.arange(shape[0]) + 0.5) * 32 / shape[0] - 0.5
        np.testing.assert_allclose(moved.values[6:-6, 0], centres[6:-6], atol=1e-2)


@pytest.mark.parametrize(
    ("shape", "after"), [((48,), (12,)), ((40, 30), (10, 30)), ((9, 12), (5, 7))]
)
def test_fewer_samples_are_those_of_scikit_image(shape, after):
    """Its rule of blurring against aliasing; at the border it sees other samples than ours."""
    from skimage.transform import resize

    values = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    signal = Signal.of("s", values[..., None], Grid(shape), ValueRange(-9, 9))
    got = Resample(shape=after).apply(signal).values[..., 0]
    expected = resize(values, after, order=1, mode="edge", anti_aliasing=True)
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("before", "after", "align", "kept"),
    [
        (5, 2, "centre", [1, 2]),
        (6, 3, "centre", [1, 2, 3]),
        (5, 2, "start", [0, 1]),
        (2, 5, "centre", [-1, 0, 1, -1, -1]),
        (2, 4, "start", [0, 1, -1, -1]),
    ],
)
def test_an_odd_remainder_goes_to_the_end(before, after, align, kept):
    values = np.arange(before, dtype=np.float32)[:, None]
    signal = Signal.of("s", values, Grid((before,)), ValueRange(-1, 9))
    made = CropPad((after,), fill=-1.0, align=align).apply(signal)
    assert made.values[:, 0].tolist() == kept


def test_quantiles_are_those_of_what_was_observed():
    values = np.array([0, 1, 2, 3, 900, 901], np.float32)[:, None]
    mask = np.array([True, True, True, True, False, False])
    signal = Signal.of("s", values, Grid((6,)), ValueRange(0, 1000), mask=mask)
    assert Quantiles(0.0, 1.0).apply(signal).range == ValueRange(0.0, 3.0)


def test_mean_is_the_block_mean():
    grid = Grid((4, 4), (1.0, 1.0))
    signal = signal_on(grid)
    moved = Resample(shape=(2, 2), method="mean").apply(signal)
    np.testing.assert_allclose(moved.values[0, 0, 0], signal.values[:2, :2, 0].mean(), rtol=1e-6)


def test_reorient_flips_and_swaps():
    affine = np.array(
        [[0, -2.0, 0, 10], [-1.0, 0, 0, 20], [0, 0, 3.0, 30], [0, 0, 0, 1]]
    )  # axes point to P, L, S
    grid = Grid((2, 3, 4), (1.0, 2.0, 3.0), affine, "mm")
    signal = signal_on(grid)
    moved = Reorient("RAS").apply(signal)
    assert moved.domain.shape == (3, 2, 4)
    assert moved.domain.spacing == (2.0, 1.0, 3.0)
    assert moved.values[0, 0, 0, 0] == signal.values[-1, -1, 0, 0]
    np.testing.assert_allclose(np.diag(moved.domain.affine)[:3], [2, 1, 3])


def test_masked_samples_never_leak():
    grid = Grid((8, 8), (1.0, 1.0))
    values = np.ones((8, 8, 1), np.float32)
    mask = np.ones((8, 8), bool)
    mask[2, 2], values[2, 2] = False, np.nan
    moved = Resample(shape=(12, 12)).apply(
        Signal.of("a", values, grid, ValueRange(0, 1), mask=mask)
    )
    assert not moved.mask.all()
    np.testing.assert_allclose(moved.values[moved.mask], 1, atol=1e-3)


def test_padding_without_a_value_is_unobserved():
    moved = CropPad((6,)).apply(signal_on(Grid((4,))))
    np.testing.assert_array_equal(moved.mask, [False, True, True, True, True, False])
    filled = CropPad((6,), fill=-7.0).apply(signal_on(Grid((4,))))
    assert filled.mask is None
    assert filled.values[0, 0] == -7


def test_window_and_quantiles_set_the_range():
    signal = signal_on(Grid((1000,)))
    window = Window(-1, 1).apply(signal)
    assert (window.range, window.values.min(), window.values.max()) == (ValueRange(-1, 1), -1, 1)
    quantiles = Quantiles(0.1, 0.9).apply(signal)
    assert np.mean(signal.values < quantiles.range.low) == pytest.approx(0.1, abs=0.01)
    assert Quantiles(0, 1, floor=0.0).apply(signal).range.low == 0


def test_quantiles_of_background_keep_the_full_range():
    values = np.zeros((1000, 1), np.float32)
    values[0] = 9
    assert Quantiles(0.01, 0.99).apply(
        Signal.of("a", values, Grid((1000,)), ValueRange(0, 9))
    ).range == ValueRange(0, 9)


def test_a_constant_signal_maps_to_zero():
    values = np.full((4, 1), 3, np.float32)
    assert (
        not Quantiles(0, 1)
        .apply(Signal.of("a", values, Grid((4,)), ValueRange(3, 4)))
        .normalised()
        .any()
    )


def test_grey_is_luminance():
    values = np.zeros((1, 3, 3), np.float32)
    values[0] = np.eye(3) * 255
    grey = Grey().apply(Signal.of("a", values, Grid((1, 3)), ValueRange(0, 255)))
    np.testing.assert_allclose(grey.values[0, :, 0], [76.245, 149.685, 29.07], rtol=1e-5)
    with pytest.raises(DataError, match="2 channels"):
        Grey().apply(signal_on(Grid((3,)), channels=2))


@FAST
@given(grids(dims=(3,)), st.data())
def test_a_chain_is_kept_as_text_and_knows_the_input_grid(grid, data):
    first = data.draw(steps(grid))
    second = data.draw(steps(first.place(grid)[0]))
    chain = Preprocessing((first, second, Quantiles(0.0, 1.0)))
    assert Preprocessing.from_text(chain.to_text()) == chain
    signal = signal_on(grid)
    try:
        moved = chain.apply(signal)
    except DataError as error:  # two crops may leave no observed sample
        assert "no observed value" in str(error)
        return
    before = InputGrid.of(moved.header, chain)
    if before is None:
        assert moved.domain == grid
        return
    assert before.grid == grid
    header = before.header_before(moved.header)
    assert (header.domain, dict(header.metadata)) == (grid, {})


def test_a_grid_that_comes_out_equal_may_lie_elsewhere():
    chain = Preprocessing((CropPad((4, 4)), Resample(shape=(8, 8))))
    moved = chain.apply(signal_on(Grid((8, 8))))
    assert moved.domain == Grid((8, 8))
    before = InputGrid.of(moved.header, chain)
    assert before.locate(np.arange(64))[1].sum() == 16
    unmoved = Preprocessing((CropPad((8, 8)), Window(-1, 1))).apply(signal_on(Grid((8, 8))))
    assert "input_grid" not in unmoved.metadata


def test_the_input_grid_is_the_first_of_all():
    first, second = Preprocessing((CropPad((6,)),)), Preprocessing((Resample(shape=(3,)),))
    moved = second.apply(first.apply(signal_on(Grid((10,), (1.0,)))))
    details = {"preprocessing": first.to_text(), "further preprocessing": second.to_text()}
    chain = Preprocessing.from_details(details)
    assert chain.steps == first.steps + second.steps
    assert InputGrid.of(moved.header, chain).grid == Grid((10,), (1.0,))


MOVED = Preprocessing((CropPad((4, 4)),)).apply(signal_on(Grid((8, 8))))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 5000,
        "{}",
        '{"shape": [8, 8]}',
        '{"shape": "88", "spacing": null, "affine": null, "unit": ""}',
        '{"shape": [8, -8], "spacing": null, "affine": null, "unit": ""}',
        '{"shape": [8, 8, 8, 8], "spacing": null, "affine": null, "unit": ""}',
        '{"shape": [8, 8], "spacing": [1, 0], "affine": null, "unit": ""}',
        '{"shape": [8, 8], "spacing": null, "affine": [[1, 2], [3, 4]], "unit": ""}',
        '{"shape": [1000000000000, 8], "spacing": null, "affine": null, "unit": ""}',
    ],
)
def test_a_damaged_input_grid_is_one_line(text):
    header = MOVED.with_header(metadata={"input_grid": text}).header
    with pytest.raises(DataError, match="the input grid in its metadata is damaged") as caught:
        InputGrid.of(header, Preprocessing((CropPad((4, 4)),)))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("steps", [(), (CropPad((5, 5)),), (Window(0, 1),)])
def test_steps_that_lead_elsewhere_are_refused(steps):
    with pytest.raises(DataError, match="does not lie where the known steps lead"):
        InputGrid.of(MOVED.header, Preprocessing(steps))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Window(3, 3),
        lambda: Quantiles(0.9, 0.1),
        lambda: Reorient("RAX"),
        lambda: Reorient("RLS"),
        lambda: Resample(),
        lambda: Preprocessing.from_text("{"),
        lambda: Preprocessing.from_text('[{"step": "crop-pod"}]'),
        lambda: Preprocessing.from_text('[{"step": "window"}]'),
        lambda: Preprocessing.from_text('[{"step": "window", "low": "a", "high": 2}]'),
        lambda: Preprocessing.from_text('[{"step": "window", "low": 1, "high": 2, "mid": 1}]'),
        lambda: Preprocessing.from_text('[{"step": "crop-pad", "shape": 3}]'),
        lambda: Preprocessing.from_text('[{"step": "crop-pad", "shape": [3.5]}]'),
        lambda: Preprocessing.from_text('[{"step": "crop-pad", "shape": [0]}]'),
        lambda: Preprocessing.from_text('[{"step": "resample", "shape": [3], "method": "x"}]'),
        lambda: Preprocessing.from_text('[{"step": "resample", "spacing": [-1]}]'),
        lambda: Preprocessing.from_text('[{"step": "reorient", "axes": 3}]'),
        lambda: Preprocessing.from_text('{"step": "grey"}'),
        lambda: Preprocessing.from_text('["grey", 3]'),
        lambda: Preprocessing.from_text("[" * 5000),
        lambda: CropPad((3, 3)).apply(signal_on(Grid((4,)))),
        lambda: Resample(shape=(3, 3)).apply(signal_on(Grid((4,)))),
        lambda: Resample(spacing=(1e-9,)).apply(signal_on(Grid((4,), (1.0,)))),
        lambda: Reorient("RAS").apply(signal_on(Grid((4, 4)))),
    ],
)
def test_mistakes_are_one_line(make):
    with pytest.raises((ConfigError, DataError)) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_every_step_that_moves_samples_is_tried_here():
    assert {CropPad, Resample, Reorient} == set(GridStep.__subclasses__())
