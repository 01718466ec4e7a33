"""Images (PNG, JPEG, TIFF, ...; 8 and 16 bit; grey and colour) in class folders or flat, of one
shape or many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import numpy as np

from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.preprocess import CropPad, Grey, Preprocessing, Resample, Step
from medfuncta._src.signals.signal import Signal, ValueRange
from medfuncta._src.sources.contents import Contents, Details, Format
from medfuncta._src.sources.folder import (
    LabelMapOptions,
    file_items,
    find_signals,
    folder_contents,
    open_folder,
)
from medfuncta._src.sources.image_files import SUFFIXES, read_picture
from medfuncta._src.sources.layout import places
from medfuncta._src.sources.options import check_bounds, option
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.splitting import Item, first_split
from medfuncta._src.sources.volume import narrowed
from medfuncta._src.sources.volume_options import intensity_step

_UNLIKE: Final = "keep images of one form in a folder, or turn colour into grey with grey=true"
_RANGES: Final = {
    "uint8": (ValueRange(0.0, 255.0), "8-bit"),
    "uint16": (ValueRange(0.0, 65535.0), "16-bit"),
}


@dataclass(frozen=True)
class ImageOptions(LabelMapOptions):
    """How a folder of images is read."""

    size: tuple[int, ...] | None = option(None, "resample to this height,width", at_least=1)
    crop: tuple[int, ...] | None = option(
        None, "cut or pad to this height,width around the middle, before resampling", at_least=1
    )
    grey: bool = option(False, "turn colour into luminance")
    classes: bool = option(True, "subfolders name classes; false when they name something else")
    window: tuple[float, ...] | None = option(
        None, "low,high mapped to [0, 1]; by default all that 8 or 16 bits can hold"
    )
    range: tuple[float, ...] | Literal["data"] | None = option(
        None,
        "low,high mapped to [0, 1] without clipping, or 'data': what the first split spans; by "
        "default all that 8 or 16 bits can hold",
    )
    quantiles: tuple[float, ...] | None = option(
        None, "low,high quantiles of each image mapped to [0, 1], such as 0.005,0.995", at_least=0
    )


def _open_images(location: str, options: ImageOptions, skips: Skips) -> Contents:
    """Open ``images:DIR``."""
    folder = open_folder(location)
    found = find_signals(folder, SUFFIXES, options, skips)
    items = file_items(folder, found.signals, options)
    if options.classes and not options.labels and folder.is_dir():
        items = _labelled_by_folder(folder, items)

    check_bounds("range", options.range)
    if options.range is not None and (options.window or options.quantiles):
        raise ConfigError(
            "range is given beside window or quantiles, which set a range too; expected one of them"
        )
    reader = _Reader(folder.name, items, options, skips)
    contents = folder_contents(
        "images",
        folder,
        items,
        options,
        read=reader.read,
        preprocessing=_steps(options),
        settled=reader.settled,
    )
    return replace(contents, unlike=_UNLIKE)


@dataclass(frozen=True)
class _Reader:
    """Reads images, their values ranged as the options say.

    Args:
        folder: Its name, for errors.
        items: All of them.
        options: How they are read.
        skips: Where bad files are noted.
    """

    folder: str
    items: Sequence[Item]
    options: ImageOptions
    skips: Skips

    def read(self, item: Item) -> Signal:
        """The image of an item."""
        signal = _read(item, self.skips)
        if self.options.range is None:
            return signal
        return signal.with_header(range=self._range)

    def settled(self) -> Details:
        """The range of the data, where that was asked for."""
        if self.options.range != "data":
            return {}
        return {"range": f"{self._range.low:g},{self._range.high:g}"}

    @cached_property
    def _range(self) -> ValueRange:
        """That of the options, or what the pixels of the first split span."""
        if isinstance(self.options.range, tuple):
            return ValueRange(*self.options.range)
        split, items = first_split(self.items, self.options)
        bounds: list[float] = []
        for item in items:
            try:
                values = _read(item, self.skips).values
            except DataError as error:
                self.skips.skip(item.name, error)
            else:
                bounds += [float(values.min()), float(values.max())]
        if not bounds:
            raise DataError(
                f"no readable image in the {split} split of '{self.folder}'; "
                f"{self.skips.entries[0].reason}"
            )
        return ValueRange.of(np.array(bounds))


def _labelled_by_folder(folder: Path, items: Sequence[Item]) -> list[Item]:
    """Items with the names of their subfolders as classes, if there are several."""
    found = places([item.paths[0].relative_to(folder) for item in items])
    if len({place.label for place in found} - {""}) < 2:
        return list(items)
    return [replace(item, label=place.label) for item, place in zip(items, found, strict=True)]


def _read(item: Item, skips: Skips) -> Signal:
    picture = read_picture(item.paths[0])
    values, rounded = narrowed(item.name, picture.pixels)
    for remark in filter(None, (*picture.remarks, rounded)):
        skips.remark(remark, item.name)
    value_range, unit = _RANGES.get(picture.pixels.dtype.name) or (ValueRange.of(values), "")
    return Signal.of(
        id=item.name,
        values=values,
        domain=Grid(values.shape[:2]),
        range=value_range,
        unit=unit,
        dtype=picture.pixels.dtype.name,
    )


def _steps(options: ImageOptions) -> Preprocessing:
    """Grey, crop, size, then intensity where an option asks for one; without one the range of the
    pixels' type stays."""
    steps: list[Step] = [Grey()] if options.grey else []
    if options.crop is not None:
        steps.append(CropPad(options.crop))
    if options.size is not None:
        steps.append(Resample(options.size))
    if options.window is not None or options.quantiles is not None:
        steps.append(intensity_step(options.window, options.quantiles))
    return Preprocessing(tuple(steps))


FORMAT = Format(
    "images",
    "a folder of images (PNG, JPEG, TIFF, BMP, GIF, WebP, JPEG 2000), flat or in class folders",
    ImageOptions,
    _open_images,
)
