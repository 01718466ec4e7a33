"""The codecs of image files, through Pillow: 8 bits a channel."""

from __future__ import annotations

import io
from typing import Any, ClassVar, Final

import numpy as np

from medfuncta._src.tasks.compress.codec import Codec
from medfuncta._src.types import ArrayValues

_FORMATS: Final = ("JPEG", "JPEG2000", "WEBP")
"""What Pillow may open."""
_QUALITIES: Final = (5, 10, 20, 35, 50, 70, 85, 95)
_DECIBELS: Final = (22, 26, 30, 34, 38, 42, 46)


class _ImageCodec(Codec):
    """A file format of Pillow.

    Args:
        setting: The quality in words.
        options: What Pillow's ``save`` is told.
    """

    def __init__(self, setting: str, options: dict[str, Any]) -> None:
        super().__init__(setting)
        self._options = options
        self._containers: dict[tuple[int, ...], int] = {}

    def encode(self, values: ArrayValues) -> bytes:
        from PIL import Image

        pixels = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
        if pixels.shape[-1] == 1:
            pixels = pixels.squeeze(-1)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, **self._options)
        return buffer.getvalue()

    def decode(self, data: bytes, shape: tuple[int, ...]) -> ArrayValues:
        from PIL import Image

        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            mode = "L" if shape[-1] == 1 else "RGB"
            pixels = np.asarray(image.convert(mode))
        return pixels.reshape(shape).astype(np.float32) / 255

    def container_bytes(self, shape: tuple[int, ...]) -> int:
        """The size of a flat grey image; a codec that shared its tables between all images could
        not save more."""
        if shape not in self._containers:
            self._containers[shape] = len(self.encode(np.full(shape, 0.5, np.float32)))
        return self._containers[shape]


class _Jpeg(_ImageCodec):
    """JPEG with Huffman tables made for each image and colour at full resolution."""

    name: ClassVar[str] = "JPEG"


class _Jpeg2000(_ImageCodec):
    """A bare JPEG 2000 codestream of 9/7 wavelets, its rate chosen for a PSNR."""

    name: ClassVar[str] = "JPEG 2000"


class _WebP(_ImageCodec):
    """Lossy WebP at its slowest and best."""

    name: ClassVar[str] = "WebP"


def image_codecs(shape: tuple[int, ...]) -> list[Codec]:
    """All codecs at all settings for images of values ``[height, width, channels]``."""
    levels = min(6, int(np.log2(min(shape[:-1]))) + 1)
    jpeg = {"format": "JPEG", "optimize": True, "subsampling": 0}
    jpeg_2000 = {
        "format": "JPEG2000",
        "no_jp2": True,
        "irreversible": True,
        "num_resolutions": levels,
        "mct": int(shape[-1] == 3),
        "quality_mode": "dB",
    }
    webp = {"format": "WEBP", "method": 6}
    codecs: list[Codec] = []
    for quality in _QUALITIES:
        codecs.append(_Jpeg(f"quality {quality}", {**jpeg, "quality": quality}))
    for decibels in _DECIBELS:
        codecs.append(_Jpeg2000(f"{decibels} dB", {**jpeg_2000, "quality_layers": [decibels]}))
    for quality in _QUALITIES:
        codecs.append(_WebP(f"quality {quality}", {**webp, "quality": quality}))
    return codecs
