from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source
from sources.conformance import check_source

COUNTS = {"train": 5, "val": 3, "test": 4}


def write(
    path: Path,
    row: tuple[int, ...] = (6, 7),
    dtype: str = "uint8",
    columns: tuple[int, ...] = (1,),
    **replaced: np.ndarray,
) -> str:
    """A tiny archive in MedMNIST's layout; keywords replace arrays."""
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for split, count in COUNTS.items():
        arrays[f"{split}_images"] = (rng.random((count, *row)) * 200).astype(dtype)
        arrays[f"{split}_labels"] = (
            np.arange(count * max(1, *columns, 1)).reshape(count, *columns) % 2
        )
    np.savez(path, allow_pickle=True, **(arrays | replaced))
    return f"npz:{path}"


@pytest.mark.parametrize(
    ("row", "query", "shape", "channels"),
    [
        ((6, 7), "", (6, 7), 1),
        ((6, 7, 3), "", (6, 7), 3),
        ((6, 7, 1), "", (6, 7), 1),
        ((6, 7, 5), "", (6, 7, 5), 1),
        ((6, 7, 3), "?kind=volume", (6, 7, 3), 1),
        ((6, 7, 5), "?kind=rgb", (6, 7), 5),
        ((6, 7, 5, 2), "", (6, 7, 5), 2),
        ((9,), "", (9,), 1),
        ((9, 2), "?kind=trace", (9,), 2),
    ],
)
def test_every_layout(
    tmp_path: Path, row: tuple[int, ...], query: str, shape: tuple[int, ...], channels: int
) -> None:
    text = write(tmp_path / "x.npz", row) + query
    signals = check_source(lambda: open_source(text))
    source = open_source(text)
    assert (source.spec.shape, source.spec.channels) == (shape, channels)
    assert {split: len(read) for split, read in signals.items()} == COUNTS
    with np.load(tmp_path / "x.npz") as arrays:
        assert np.array_equal(
            signals["val"][2].values, arrays["val_images"][2].reshape(*shape, channels)
        )
        assert [signal.label for signal in signals["test"]] == arrays[
            "test_labels"
        ].ravel().tolist()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_fortran_order_reads_the_same(tmp_path: Path, save: Callable[..., None]) -> None:
    images = np.arange(5 * 6 * 7, dtype=np.uint8).reshape(5, 6, 7)
    save(tmp_path / "x.npz", train_images=np.asfortranarray(images))
    values = np.stack(
        [
            signal.values[..., 0]
            for signal in open_source(f"npz:{tmp_path / 'x.npz'}").signals("train")
        ]
    )
    assert np.array_equal(values, images)


def test_arrays_longer_than_a_block_come_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "medfuncta._src.sources.npz_archive._BLOCK_BYTES", 100
    )  # two signals of 42 bytes
    write(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as arrays:
        read = [
            signal.values[..., 0]
            for signal in open_source(f"npz:{tmp_path / 'x.npz'}").signals("train")
        ]
        assert np.array_equal(np.stack(read), arrays["train_images"])


def test_eight_bit_images_have_their_full_range(tmp_path: Path) -> None:
    signal = next(open_source(write(tmp_path / "x.npz")).signals("train"))
    assert (signal.range.low, signal.range.high, signal.unit, signal.dtype) == (
        0,
        255,
        "8-bit",
        "uint8",
    )


def test_other_types_take_the_range_of_the_first_split(tmp_path: Path) -> None:
    images = np.linspace(-1000, 3000, 5 * 42).reshape(5, 6, 7)
    source = open_source(write(tmp_path / "x.npz", train_images=images))
    signal = next(source.signals("test"))
    assert (signal.range.low, signal.range.high) == (-1000, 3000)
    assert source.info.details["range"] == "-1000.0,3000.0"


def test_options_set_range_limit_and_names(tmp_path: Path) -> None:
    source = open_source(
        write(tmp_path / "x.npz") + "?range=-1,400&limit=2&labels=benign,malignant"
    )
    signals = list(source.signals("train"))
    assert [signal.id for signal in signals] == ["train-000000", "train-000001"]
    assert signals[0].range.high == 400
    assert source.spec.label_names == ("benign", "malignant") and source.spec.task == "binary-class"


def test_a_column_a_class_is_multi_label(tmp_path: Path) -> None:
    columns = np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 1], [0, 0, 1]])
    source = open_source(write(tmp_path / "x.npz", columns=(3,), train_labels=columns))
    assert source.spec.task == "multi-label" and source.spec.label_names == ("0", "1", "2")
    assert [signal.label for signal in source.signals("train")] == [
        (1, 2),
        (),
        (0,),
        (0, 1, 2),
        (2,),
    ]


def test_labels_may_be_flat_or_missing(tmp_path: Path) -> None:
    assert [
        signal.label for signal in open_source(write(tmp_path / "x.npz", columns=())).signals("val")
    ] == [0, 1, 0]
    np.savez(tmp_path / "y.npz", train_images=np.zeros((2, 4, 4)))
    source = open_source(f"npz:{tmp_path / 'y.npz'}")
    assert [signal.label for signal in source.signals("train")] == [
        None,
        None,
    ] and source.spec.label_names == ()


def test_a_broken_test_split_disturbs_nothing_else(tmp_path: Path) -> None:
    text = write(tmp_path / "x.npz", test_images=np.array([{"a": 1}], object))
    source = open_source(text)
    assert len([*source.signals("train"), *source.signals("val")]) == 8
    with pytest.raises(
        DataError, match=r"test_images in x.npz holds Python objects, which are never loaded"
    ):
        list(source.signals("test"))


def test_a_bad_signal_is_skipped_on_request(tmp_path: Path) -> None:
    images = np.zeros((5, 6, 7))
    images[3, 0, 0] = np.nan
    text = write(tmp_path / "x.npz", train_images=images)
    with pytest.raises(DataError, match=r"'train-000003': 1 NaN or Inf values.*--skip-bad"):
        list(open_source(text).signals("train"))
    source = open_source(text, skip_bad=True)
    assert len(list(source.signals("train"))) == len(list(source.signals("train"))) == 4
    assert [entry.name for entry in source.skipped] == ["train-000003"]


def test_a_broken_archive_is_not_skipped_signal_by_signal(tmp_path: Path) -> None:
    text = write(tmp_path / "x.npz", train_images=np.full((5, 6, 7), np.nan))
    with pytest.raises(
        DataError,
        match=r"train_images in x.npz holds no finite .*; expected some to take the range from$",
    ):
        list(open_source(text, skip_bad=True).signals("train"))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def flip_data(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[400:420] = bytes(20)
    path.write_bytes(content)


def claim_terabytes(path: Path) -> None:
    header = np.lib.format.header_data_from_array_1_0(np.zeros((5, 6, 7), np.uint8)) | {
        "shape": (10**9, 600, 700)
    }
    with zipfile.ZipFile(path, "w") as archive, archive.open("train_images.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        stream.write(bytes(210))


def other_format(path: Path) -> None:
    path.write_text("not an archive")


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (truncate, "x.npz is not a readable npz file (File is not a zip file); get the file again"),
        (
            other_format,
            "x.npz is not a readable npz file (File is not a zip file); get the file again",
        ),
        (
            flip_data,
            (
                "x.npz is not a readable npz file (Bad CRC-32 for file 'train_images.npy'); get "
                "the "
                "file again"
            ),
        ),
        (
            claim_terabytes,
            (
                "train_images in x.npz has 210 bytes; its shape (1000000000, 600, 700) needs "
                "420000000000000; get the file again"
            ),
        ),
        (lambda path: path.unlink(), "no file x.npz; check the location"),
        (
            lambda path: np.savez(path, a=np.zeros(2), b=np.zeros(2)),
            "x.npz holds a, b; expected train_images, val_images or test_images",
        ),
        (
            lambda path: np.savez(path, train_images=np.zeros((2, 3), "U3")),
            "train_images in x.npz holds <U3 of shape (2, 3); expected an array",
        ),
        (
            lambda path: np.savez(path, train_images=np.zeros((2, 3, 4, 5, 6, 7))),
            "an array of shape (2, 3, 4, 5, 6, 7) as signals; expected [N, T]",
        ),
        (
            lambda path: write(path, train_labels=np.zeros(9, int)),
            "train_labels in x.npz is int64 of shape (9,); expected whole numbers [5, col",
        ),
        (
            lambda path: write(path, train_labels=np.full(5, 0.5)),
            "train_labels in x.npz is float64 of shape (5,); expected whole numbers [5, col",
        ),
        (
            lambda path: write(path, train_labels=np.full(5, -1)),
            "signal 'train-000000': label -1; expected 0 to 0; name all classes",
        ),
        (
            lambda path: write(path, train_labels=np.full(5, 2**40)),
            "train_labels in x.npz goes up to 1099511627776; expected classes numbered from 0",
        ),
        (
            lambda path: write(path, train_images=np.full((5, 6, 7), np.nan)),
            "train_images in x.npz holds no finite number",
        ),
    ],
)
def test_broken_files_are_one_line(
    tmp_path: Path, damage: Callable[[Path], object], line: str
) -> None:
    path = tmp_path / "x.npz"
    write(path)
    damage(path)
    with pytest.raises(DataError) as caught:
        list(open_source(f"npz:{path}").signals("train"))
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)
    assert tmp_path.name not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "array", "line"),
    [
        (
            "test_images",
            np.zeros((4, 6, 8), np.uint8),
            "test_images in x.npz has shape (4, 6, 8); expected ('N', 6, 7)",
        ),
        (
            "test_labels",
            np.full((4, 1), 7),
            "signal 'test-000000': label 7; expected 0 to 1; name all classes with labels=",
        ),
        (
            "test_labels",
            np.full((4, 3), 1),
            "signal 'test-000000': labels [1, 1, 1]; expected 2 of 0 or 1, one a class",
        ),
    ],
)
def test_splits_that_differ_are_one_line(
    tmp_path: Path, name: str, array: np.ndarray, line: str
) -> None:
    with pytest.raises(DataError) as caught:
        list(open_source(write(tmp_path / "x.npz", **{name: array})).signals("test"))
    assert str(caught.value).startswith(line)


def test_bad_options_are_one_line(tmp_path: Path) -> None:
    text = write(tmp_path / "x.npz")
    with pytest.raises(ConfigError, match="the option 'range' is 3; expected low,high"):
        open_source(text + "?range=3")
    with pytest.raises(DataError, match=r"an array of shape \(5, 6, 7\) as rgb; expected"):
        _ = open_source(text + "?kind=rgb").spec


@pytest.mark.parametrize(
    ("name", "counts"),
    [("bloodcells_64", (2804, 565, 572)), ("pneumoniamnist_28", (3482, 400, 524))],
)
def test_real_archives(test_data: Path, name: str, counts: tuple[int, ...]) -> None:
    def opened() -> Source:
        return open_source(f"npz:{test_data / name}.npz?limit=20")

    signals = check_source(opened)
    assert all(len(read) == 20 for read in signals.values())
    labels = [signal.label for signal in open_source(f"npz:{test_data / name}.npz").signals("test")]
    assert len(labels) == counts[2] and set(labels) == set(range(len(opened().spec.label_names)))
    assert isinstance(signals["train"][0], Signal) and signals["train"][0].values.max() > 100
