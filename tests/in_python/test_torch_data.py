"""Data sets of PyTorch as sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from in_python.fakes import FakeScalarImage, FakeSubject
from medfuncta import ConfigError, MedFunctaError, Source, from_arrays

IMAGES = torch.arange(12 * 20.0).reshape(12, 1, 4, 5)
LABELS = torch.arange(12) % 3


class Items(Dataset[Any]):
    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return zip(IMAGES, LABELS, strict=True)


def dicts(**more: Any) -> list[dict[str, Any]]:
    columns = {"image": IMAGES, "label": LABELS, **more}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


FORMS: dict[str, Any] = {
    "tensors": TensorDataset(IMAGES, LABELS),
    "images alone": Items(list(IMAGES)),
    "pairs": Items(list(zip(IMAGES.numpy(), LABELS.tolist(), strict=True))),
    "labels of one entry": TensorDataset(IMAGES, LABELS[:, None]),
    "dicts": Items(dicts()),
    "a stream": Stream(),
    "a loader": DataLoader(TensorDataset(IMAGES, LABELS), batch_size=5),
    "a loader of dicts": DataLoader(Items(dicts()), batch_size=5),
    "a loader of images": DataLoader(Items(list(IMAGES)), batch_size=5),
    "a loader without batches": DataLoader(TensorDataset(IMAGES, LABELS), batch_size=None),
}


def read(source: Source) -> list[Any]:
    return list(source.signals("all"))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_signals(form: str) -> None:
    source = from_arrays(FORMS[form], channels="first", val=0, test=0)
    signals = read(source)
    values = np.stack([signal.values for signal in signals])
    np.testing.assert_array_equal(values, np.moveaxis(IMAGES.numpy(), 1, -1))
    labels = [signal.label for signal in signals]
    assert labels == ([None] * 12 if "images" in form else LABELS.tolist())
    assert source.spec.label_names == (() if "images" in form else ("0", "1", "2"))


def test_ids_groups_and_masks_come_along() -> None:
    masks = torch.ones(12, 4, 5, dtype=torch.bool)
    masks[:, 0] = False
    items = dicts(id=range(100, 112), group=[number // 4 for number in range(12)], mask=masks)
    source = from_arrays(Items(items), channels="first", val=0.3, test=0.3)
    signals = read(source)
    assert {signal.id for signal in signals} == {str(number) for number in range(100, 112)}
    assert source.info.split_by == "group"
    assert all(signal.mask is not None and not signal.mask[0].any() for signal in signals)
    own = from_arrays(Items(items), channels="first", val=0, test=0, labels=[1] * 12)
    assert {signal.label for signal in read(own)} == {1}


def test_several_classes_at_once() -> None:
    hot = torch.tensor([[0, 1, 1], [0, 0, 0]] * 6)
    source = from_arrays(TensorDataset(IMAGES, hot), channels="first", val=0, test=0)
    assert [signal.label for signal in read(source)] == [(1, 2), ()] * 6
    assert source.spec.task == "multi-label"


@pytest.mark.parametrize("labels", [torch.ones(12, 4, 5), torch.rand(12), torch.full((12, 3), 7)])
def test_labels_that_are_no_classes_are_left_out_with_a_remark(labels: torch.Tensor) -> None:
    source = from_arrays(TensorDataset(IMAGES, labels), channels="first", val=0, test=0)
    assert {signal.label for signal in read(source)} == {None}
    assert any("are no classes and are left out" in remark for remark in source.remarks)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("values", "line"),
    [
        (Items([]), "the data set has no item; expected at least one"),
        (Items([(1, 2, 3)]), "an item of 3 parts; expected an array, (array, label), or a dict"),
        (Items([{"pixels": IMAGES[0]}]), "an item with ['pixels']; expected an array, (array, l"),
        (Items([*dicts(), {"image": IMAGES[0]}]), "12 of 13 items have a 'label'; expected it of"),
        (Items(["a", "b"]), "signal 0 is a str; expected an array, a tensor"),
        (Dataset(), "the data set Dataset has no length and cannot be iterated"),
        (Items(list(IMAGES)), "channels=None for arrays of shape (1, 4, 5); expected 'none' when"),
    ],
)
def test_a_mistake_is_one_line(values: Any, line: str) -> None:
    with pytest.raises(MedFunctaError) as caught:
        from_arrays(values, val=0, test=0)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")
def test_a_data_set_of_monai() -> None:
    data = pytest.importorskip("monai.data")
    affine = torch.diag(torch.tensor([2.0, 2, 3, 1]))
    volumes = [data.MetaTensor(torch.rand(1, 4, 5, 6), affine=affine) for _ in range(4)]
    items = [{"image": volume, "label": number % 2} for number, volume in enumerate(volumes)]
    for given in (data.Dataset(items), data.DataLoader(data.Dataset(items), batch_size=2)):
        source = from_arrays(given, val=0, test=0)
        signals = read(source)
        assert [signal.label for signal in signals] == [0, 1, 0, 1]
        assert [signal.domain.spacing for signal in signals] == [(2, 2, 3)] * 4
        np.testing.assert_array_equal(signals[1].values[..., 0], volumes[1].numpy()[0])


def test_subjects_of_torchio() -> None:
    affine = np.diag([2.0, 2, 3, 1])
    volumes = [torch.rand(1, 4, 5, 6) for _ in range(3)]
    subjects = [FakeSubject(t1=FakeScalarImage(volume, affine)) for volume in volumes]
    signals = read(from_arrays(Items(subjects), val=0, test=0))
    assert [signal.domain.spacing for signal in signals] == [(2, 2, 3)] * 3
    np.testing.assert_array_equal(signals[2].values[..., 0], volumes[2].numpy()[0])


def test_a_list_of_dicts_is_a_data_set() -> None:
    images = np.random.default_rng(0).integers(0, 9, (6, 4, 5))
    items = [{"image": image, "label": k % 2, "id": f"a{k}"} for k, image in enumerate(images)]
    source = from_arrays(items, channels="none", splits=["train"] * 6)
    signals = list(source.signals("train"))
    assert [signal.id for signal in signals] == [item["id"] for item in items]
    assert [signal.label for signal in signals] == [0, 1] * 3
    np.testing.assert_array_equal(signals[2].values[..., 0], images[2])


@pytest.mark.parametrize("path", ["a.nii.gz", Path("a.nii.gz")])
def test_a_list_of_paths_of_monai_gets_a_hint(path: Path | str) -> None:
    with pytest.raises(ConfigError, match=r"the path of a file; name the files .*LoadImaged"):
        from_arrays([{"image": path, "label": 1}] * 3)
