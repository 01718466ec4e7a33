"""What a source makes of contents, whatever the format; items here are read from nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.preprocess import CropPad, Preprocessing
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.sources.contents import Contents, LabelMap, LabelMaps, Survey
from medfuncta._src.sources.skips import Skipped, Skips
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.splitting import Item, SplitOptions, whole_splits

SPLITS = {"train": 5, "val": 2, "test": 3}


def trace(id: str, level: float = 1.0, samples: int = 4, channels: int = 1) -> Signal:
    values = np.full((samples, channels), level, np.float32)
    return Signal.of(id, values, Grid((samples,)), ValueRange(0, 9), "mV")


def given_items() -> list[Item]:
    """Items with a split each, named ``train0``, ``train1``, ..."""
    return [
        Item(id=f"id-{split}{number}", name=f"{split}{number}", group=f"{number}", split=split)
        for split, count in SPLITS.items()
        for number in range(count)
    ]


def read_trace(item: Item) -> Signal:
    if item.name == "train2":
        raise DataError("train2 is cut short; get it again")
    return trace(item.name)


def contents_of(items: Sequence[Item], **changes: object) -> Contents:
    contents = Contents(name="test:traces", items=items, read=read_trace)
    return replace(contents, **changes)  # type: ignore[arg-type]


def ids_of(source: Source, split: str) -> list[str]:
    return [signal.id for signal in source.signals(split)]


def test_items_are_read_one_by_one_when_their_split_is() -> None:
    opened: list[str] = []

    def read(item: Item) -> Signal:
        opened.append(item.name)
        return trace(item.name)

    source = Source(contents_of(given_items(), read=read))
    assert source.splits == ("train", "val", "test") and not opened
    _ = source.spec, source.info
    assert opened == ["train0"]  # tells what signals have in common
    opened.clear()
    signals = source.signals("val")
    assert not opened
    assert next(signals).id == "id-val0" and opened == ["val0"]


def test_a_bad_item_stops_the_reading_or_is_left_out_and_named() -> None:
    with pytest.raises(DataError, match=r"^train2 is cut short; .* \(--skip-bad leaves such"):
        ids_of(Source(contents_of(given_items())), "train")
    source = Source(contents_of(given_items()), Skips(skip_bad=True))
    for _ in range(2):
        assert ids_of(source, "train") == ["id-train0", "id-train1", "id-train3", "id-train4"]
    assert source.skipped == [Skipped("train2", "train2 is cut short; get it again")]


def test_without_a_readable_item_there_is_no_form_and_the_reason_is_told() -> None:
    items = [item for item in given_items() if item.name == "train2"]
    with pytest.raises(DataError, match="no readable file in the train split of test:traces; tra"):
        _ = Source(contents_of(items), Skips(skip_bad=True)).spec


@pytest.mark.parametrize("many", [False, True])
def test_signals_of_another_form_than_the_first_are_refused(many: bool) -> None:
    def read(item: Item) -> Signal:
        return trace(item.id, channels=2 if item.name == "train3" else 1)

    def read_many(item: Item) -> Iterator[Signal]:
        yield read(item)

    contents = contents_of(given_items(), read=read_many if many else read, many=many)
    with pytest.raises(DataError, match="train3 has 1 dimension and 2 channels in mV; the first"):
        ids_of(Source(contents), "train")
    assert len(ids_of(Source(contents, Skips(skip_bad=True)), "train")) == 4


def test_items_without_a_split_are_drawn_by_their_groups() -> None:
    items = [Item(id=str(n), name=str(n), group=str(n // 3)) for n in range(30)]
    options = SplitOptions(val="0.2", test="0.3")
    source = Source(contents_of(items, read=lambda item: trace("x"), splitting=options))
    found = {split: ids_of(source, split) for split in source.splits}
    assert [len(ids) for ids in found.values()] == [15, 6, 9]
    for ids in found.values():
        assert {len([n for n in ids if int(n) // 3 == group]) for group in range(10)} <= {0, 3}
    with pytest.raises(ConfigError, match="expected at most 1 in sum"):
        Source(contents_of(items, splitting=SplitOptions(val="0.8", test="0.8")))


def test_labels_of_items_become_numbers_and_their_names_the_classes() -> None:
    items = [replace(item, label="well" if item.group == "0" else "ill") for item in given_items()]
    source = Source(contents_of(items, read=lambda item: trace("x")))
    assert (source.spec.label_names, source.spec.task) == (("ill", "well"), "binary-class")
    assert [signal.label for signal in source.signals("test")] == [1, 0, 0]


def test_steps_are_applied_recorded_and_give_the_form() -> None:
    steps = Preprocessing((CropPad((3,)),))
    source = Source(contents_of(given_items(), preprocessing=steps, details={"rate": 1}))
    assert source.spec == SignalSpec(1, 1, (3,), "mV")
    assert source.info.details == {"rate": 1, "preprocessing": steps.to_text()}
    assert {signal.values.shape for signal in source.signals("val")} == {(3, 1)}


def test_an_item_of_many_signals_gives_them_as_they_say_themselves() -> None:
    skips = Skips(skip_bad=True)

    def read(split: Item) -> Iterator[Signal]:
        for number in range(SPLITS[split.name]):
            if number == 1:
                skips.skip("row 1", DataError("row 1 has no number"))
            else:
                yield trace(f"{split.name}/{number}").with_header(label=number)

    whole = contents_of(whole_splits(SPLITS), read=read, many=True)
    source = Source(whole, skips)
    assert [(s.id, s.label) for s in source.signals("test")] == [("test/0", 0), ("test/2", 2)]
    assert [entry.name for entry in source.skipped] == ["row 1"]
    assert ids_of(Source(replace(whole, limit=2), skips), "train") == ["train/0", "train/2"]


def test_what_such_an_item_raises_is_wrong_with_the_whole_and_never_skipped() -> None:
    def read(split: Item) -> Iterator[Signal]:
        yield trace("a")
        raise DataError("the archive is cut short")

    source = Source(
        contents_of(whole_splits(["train"]), read=read, many=True), Skips(skip_bad=True)
    )
    with pytest.raises(DataError, match=r"^the archive is cut short$"):
        ids_of(source, "train")


def test_a_limit_is_one_of_items_where_each_is_a_signal() -> None:
    source = Source(contents_of(given_items(), limit=3), Skips(skip_bad=True))
    assert ids_of(source, "train") == ["id-train0", "id-train1"]  # the third one is bad
    assert [len(items) for items in source.items.values()] == [3, 2, 3]


def test_a_survey_is_taken_once_and_told_beside_the_options() -> None:
    taken: list[int] = []

    def survey() -> Survey:
        taken.append(1)
        return Survey(SignalSpec(1, 1, (4,), "mV", "ecg"), {"range": "0,9"})

    source = Source(contents_of(given_items(), survey=survey, details={"rate": 1}))
    assert not taken
    assert (source.spec.modality, dict(source.info.details)) == ("ecg", {"rate": 1, "range": "0,9"})
    assert ids_of(source, "val") == ["id-val0", "id-val1"] and len(taken) == 1


def test_what_the_user_states_stands_in_for_what_the_data_says() -> None:
    contents = contents_of(given_items(), licence="CC0", citation="somebody")
    source = Source(contents, stated={"licence": "ODbL"})
    assert (source.info.licence, source.own_info.licence) == ("ODbL", "CC0")
    assert source.info.citation == "somebody"


def test_label_maps_move_with_their_signals() -> None:
    grid, numbers = Grid((4,)), np.array([0, 1, 1, 2], np.int16)

    def read_map(item: Item) -> LabelMap | None:
        return None if item.name == "val1" else LabelMap(numbers, grid)

    plain = contents_of(given_items(), preprocessing=Preprocessing((CropPad((2,)),)))
    source = Source(replace(plain, label_maps=LabelMaps({1: "organ"}, read_map)))
    assert source.has_label_maps and source.mask_names == {1: "organ"}
    np.testing.assert_array_equal(source.mask_of("id-val0"), [1, 1])
    assert source.mask_of("id-val1") is None
    assert not Source(plain).has_label_maps and Source(plain).mask_of("id-val0") is None
    with pytest.raises(DataError, match="no signal 'nobody' in test:traces"):
        source.mask_of("nobody")


def test_a_split_that_is_not_there_is_named_at_once() -> None:
    with pytest.raises(DataError, match="no split 'tset' in test:traces; did you mean 'test'"):
        Source(contents_of(given_items())).signals("tset")


def test_it_says_what_it_is() -> None:
    assert repr(Source(contents_of(given_items()))) == "Source(test:traces: train 5, val 2, test 3)"
