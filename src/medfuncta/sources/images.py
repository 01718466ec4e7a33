"""Images (PNG, JPEG, TIFF, BMP; 8 and 16 bit; grey and colour) in class folders or flat, of one
shape or many."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from medfuncta.errors import ConfigError, DataError, missing_extra
from medfuncta.signals.domain import Grid
from medfuncta.signals.preprocess import CropPad, Grey, Preprocessing, Resample, Step
from medfuncta.signals.signal import Signal, ValueRange
from medfuncta.sources.contents import Contents, Details, Format
from medfuncta.sources.folder import (
    FileOptions,
    file_items,
    find_files,
    folder_contents,
    open_folder,
)
from medfuncta.sources.layout import places
from medfuncta.sources.options import check_bounds, option
from medfuncta.sources.skips import Skips
from medfuncta.sources.splitting import Item, first_split
from medfuncta.sources.volume_options import intensity_step

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
_MODES: Final = {
    "1": "L",
    "L": "L",
    "LA": "L",
    "La": "L",
    "I": "I",
    "F": "F",
    "I;16": "I;16",
    "I;16B": "I;16B",
    "I;16L": "I;16L",
}
"""Pillow's modes of grey images and what they are read as; every other mode is colour and becomes
RGB. Alpha is dropped."""
_BITS_PER_SAMPLE: Final = 258  # TIFF tag
_RANGES: Final = {
    "uint8": (ValueRange(0.0, 255.0), "8-bit"),
    "uint16": (ValueRange(0.0, 65535.0), "16-bit"),
}


@dataclass(frozen=True)
class ImageOptions(FileOptions):
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
    items = file_items(folder, find_files(folder, SUFFIXES, skips.skip), options)
    if options.classes and not options.labels and folder.is_dir():
        items = _labelled_by_folder(folder, items)
    check_bounds("range", options.range)
    if options.range is not None and (options.window or options.quantiles):
        raise ConfigError(
            "range is given beside window or quantiles, which set a range too; expected one of them"
        )
    reader = _Reader(folder.name, items, options, skips)
    return folder_contents(
        "images",
        folder,
        items,
        options,
        read=reader.read,
        preprocessing=_steps(options),
        settled=reader.settled,
    )


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
        signal = _read(item)
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
                values = _read(item).values
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
    """Items with the names of their folders as classes, if there are several."""
    found = places([item.paths[0].relative_to(folder) for item in items])
    if len({place.label for place in found} - {""}) < 2:
        return list(items)
    return [replace(item, label=place.label) for item, place in zip(items, found, strict=True)]


def _read(item: Item) -> Signal:
    pixels = read_image(item.paths[0])
    values = pixels.astype(np.float32)
    value_range, unit = _RANGES.get(pixels.dtype.name) or (ValueRange.of(values), "")
    return Signal.of(
        id=item.name,
        values=values,
        domain=Grid(pixels.shape[:2]),
        range=value_range,
        unit=unit,
        dtype=pixels.dtype.name,
    )


def read_image(path: Path) -> np.ndarray:
    """Pixels ``[height, width, 1 or 3]`` of their own type, upright as EXIF says.

    Raises:
        DataError: If the file is truncated, not an image, has several pages or more pixels than an
            honest one.
        MedFunctaError: If it has 16 bits a colour and the packages that read this are not
            installed.
    """
    with _refusing(path.name), Image.open(path) as image:
        pages = getattr(image, "n_frames", 1)
        if pages > 1:
            raise DataError(f"{path.name} has {pages} pages; expected one image a file")
        deep = image.mode in ("RGB", "RGBA") and _has_16_bits(image)
        image.load()  # decodes the whole file, so that one cut short is noticed here
        if deep:
            return _deep_colour(path, image)
        upright = ImageOps.exif_transpose(image)
        pixels = np.asarray(upright.convert(_MODES.get(upright.mode, "RGB")))
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return pixels if pixels.ndim == 3 else pixels[..., None]


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Turn what Pillow and its helpers raise into one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on odd tags; real damage raises
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(
            f"{name} claims more than {Image.MAX_IMAGE_PIXELS:,} pixels; cut it into smaller "
            "images first"
        ) from error
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
        TypeError,
        EOFError,
        KeyError,
        struct.error,
        zlib.error,
    ) as error:
        raise DataError(
            f"{name} is not a readable image, or is cut short; get the file again"
        ) from error


def _has_16_bits(image: Image.Image) -> bool:
    """Whether a colour image has 16 bits a channel, of which Pillow would keep 8."""
    if image.format == "TIFF":
        return max(image.tag_v2.get(_BITS_PER_SAMPLE, (8,))) > 8  # type: ignore[attr-defined]
    return any(";16" in str(tile.args) for tile in image.tile)  # type: ignore[attr-defined]


def _deep_colour(path: Path, image: Image.Image) -> np.ndarray:
    """16 bits a colour, read by the packages that keep them."""
    try:
        import imagecodecs
        import tifffile
    except ImportError as error:
        raise missing_extra("tifffile", "images") from error
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        raise DataError(
            f"{path.name} has 16 bits a colour and lies on its side by its tags; save it upright"
        )
    try:
        if image.format == "TIFF":
            pixels = tifffile.imread(path)
        else:
            pixels = imagecodecs.png_decode(path.read_bytes())
    except (tifffile.TiffFileError, RuntimeError, IndexError) as error:
        raise DataError(
            f"{path.name} is not a readable image of 16 bits a colour; get the file again"
        ) from error
    if pixels.shape[:2] != (image.height, image.width):  # colours in planes of their own come first
        pixels = np.moveaxis(pixels, 0, -1)
    return pixels[..., :3]


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
    "a folder of PNG, JPEG, TIFF or BMP images, flat or in class folders",
    ImageOptions,
    _open_images,
)
