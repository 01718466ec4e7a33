"""One picture's file: what Pillow and its helpers make of it, as pixels of their own type."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from medfuncta._src.door.allowance import on_disk
from medfuncta._src.door.content import blaming
from medfuncta._src.errors import DataError, missing_extra
from medfuncta._src.sources.volume import check_claim

SUFFIXES: Final = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp"),
    *(".gif", ".webp", ".jp2"),
)
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
_PHOTOMETRIC: Final = 262  # TIFF tag; 0 where white is zero
_FORMATS: Final = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000")
"""What Pillow may open (MPO is JPEG to it); of others, some start programs."""
_TIFF_STARTS: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ALPHA: Final = "some pixels are transparent; their colours are taken and the alpha channel is not"
_DAMAGE: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    RuntimeError,
    struct.error,
    zlib.error,
)


class Picture(NamedTuple):
    """What a picture's file holds: pixels ``[height, width, 1 or 3]`` of their own type, upright as
    EXIF says, and what a person should know of how they were read."""

    pixels: np.ndarray
    remarks: tuple[str, ...] = ()


def read_image(path: Path) -> np.ndarray:
    """The pixels of a file alone; see :func:`read_picture`."""
    return read_picture(path).pixels


def read_picture(path: Path) -> Picture:
    """Read one image. Of the several pictures in a photo of a phone (MPO) it is the first, as every
    viewer shows it.

    Raises:
        DataError: If the file is truncated, not an image, of a kind that is not read, has several
            pages or more pixels than an honest one.
        MedFunctaError: If it has 16 bits a colour and the packages that read this are not
            installed.
    """
    with blaming(path):
        return _read_picture(path)


def _read_picture(path: Path) -> Picture:
    """As :func:`read_picture`, whose errors may blame the content for what a file is not."""
    try:
        with _refusing(path.name), Image.open(path, formats=_FORMATS) as image:
            _check_kind(path.name, image)
            shape = (image.height, image.width, len(image.getbands()))
            check_claim(path.name, shape, on_disk(path))
            deep = image.mode in ("RGB", "RGBA") and _has_16_bits(image)
            image.load()  # decodes the whole file, so that one cut short is noticed here
            if deep:
                return _deep_colour(path, image)
            return _shallow(image)
    except UnidentifiedImageError:
        return Picture(_by_tifffile(path))


def _check_kind(name: str, image: Image.Image) -> None:
    """Raise where a file holds more than one picture, or colours that are not red, green and
    blue."""
    pages = getattr(image, "n_frames", 1)
    if pages > 1 and image.format != "MPO":
        raise DataError(f"{name} has {pages} pages; expected one image a file")
    if image.mode in ("LAB", "HSV"):
        raise DataError(f"{name} is in {image.mode} colours; save it as RGB or grey")


def _shallow(image: Image.Image) -> Picture:
    """A grey picture, or one of 8 bits a colour."""
    remarks = []
    if "A" in image.getbands() and image.getextrema()[-1][0] < 255:  # type: ignore[index]
        remarks.append(_ALPHA)
    white_is_zero = image.format == "TIFF" and _tag(image, _PHOTOMETRIC, 1) == 0
    inverted = white_is_zero and image.mode.startswith("I;16")  # Pillow inverts up to 8 bits
    upright = ImageOps.exif_transpose(image)
    mode = _MODES.get(upright.mode, "RGB")
    pixels = np.asarray(upright.convert(mode))
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if inverted:
        pixels = _inverted("an image", pixels)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return Picture(pixels, tuple(remarks))


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
    except UnidentifiedImageError:
        raise
    except _DAMAGE as error:
        raise DataError(
            f"{name} is not a readable image, or is cut short; get the file again"
        ) from error


def _tag(image: Image.Image, number: int, default: Any) -> Any:
    """A tag of a TIFF file."""
    return image.tag_v2.get(number, default)  # type: ignore[attr-defined]


def _has_16_bits(image: Image.Image) -> bool:
    """Whether a colour image, or a grey one with alpha, has 16 bits a channel, of which Pillow
    would keep 8."""
    if image.format == "TIFF":
        return max(_tag(image, _BITS_PER_SAMPLE, (8,))) > 8
    return any(";16" in str(tile.args) for tile in image.tile)  # type: ignore[attr-defined]


def _deep_colour(path: Path, image: Image.Image) -> Picture:
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
    return _without_alpha(pixels)


def _without_alpha(pixels: np.ndarray) -> Picture:
    """Grey or red, green and blue; what stands behind them says how much of a pixel is seen."""
    channels = pixels.shape[-1]
    alpha = pixels[..., -1]
    if channels not in (2, 4):
        return Picture(pixels)
    remarks = () if (alpha == np.iinfo(pixels.dtype).max).all() else (_ALPHA,)
    return Picture(pixels[..., : channels - 1], remarks)


def _by_tifffile(path: Path) -> np.ndarray:
    """A TIFF file of a kind of number that Pillow does not know, such as float64.

    Raises:
        DataError: If it is no TIFF file, or holds more than one grey picture.
        MedFunctaError: If tifffile is not installed.
    """
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise DataError(f"{path.name} is empty and not a readable image; get it again")
    if start not in _TIFF_STARTS:
        raise DataError(
            f"{path.name} is not a readable image, or is of another kind than its name says; "
            "expected PNG, JPEG, TIFF, BMP, GIF, WebP or JPEG 2000"
        )
    try:
        import tifffile
    except ImportError as error:
        raise missing_extra("tifffile", "images") from error
    try:
        with tifffile.TiffFile(path) as file:
            page: Any = file.pages[0]
            pages, shape, dtype = len(file.pages), tuple(page.shape), np.dtype(page.dtype)
            plain = pages == 1 and len(shape) == 2 and dtype.kind in "iuf"
            if not plain or page.photometric not in (0, 1):
                raise DataError(
                    f"{path.name} is a TIFF of {pages} pages of type {dtype} and shape {shape}; "
                    "expected one grey picture of numbers, or 8 or 16 bits a colour"
                )
            check_claim(path.name, shape, on_disk(path))
            pixels = page.asarray()
    except (tifffile.TiffFileError, *_DAMAGE) as error:
        raise DataError(
            f"{path.name} is not a readable image, or is cut short; get the file again"
        ) from error
    if page.photometric == 0:
        pixels = _inverted(path.name, pixels)
    return pixels[..., None]


def _inverted(name: str, pixels: np.ndarray) -> np.ndarray:
    """White is zero made black is zero."""
    if pixels.dtype.kind != "u":
        raise DataError(
            f"{name} says that white is zero, of numbers of type {pixels.dtype} that have no "
            "highest one; save it with black as zero"
        )
    return np.iinfo(pixels.dtype).max - pixels
