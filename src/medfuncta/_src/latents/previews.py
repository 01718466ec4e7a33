"""Small pictures of what latents decode to, for viewers of tables: a trace as a line, an image as
it is, of a volume the slice in its middle."""

from __future__ import annotations

import io
import json
from typing import Final

import numpy as np
import pyarrow as pa
import torch
from PIL import Image, ImageDraw

from medfuncta._src.disk.places import file_name
from medfuncta._src.latents.decode import reconstruct_all
from medfuncta._src.latents.info import SetInfo
from medfuncta._src.latents.rows import Rows
from medfuncta._src.latents.schema import schema_of
from medfuncta._src.run import Run
from medfuncta._src.signals.domain import Domain, Grid
from medfuncta._src.signals.signal import Signal

COLUMN: Final = "preview"
_TYPE: Final = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_SIDE: Final = 64
"""Samples along an axis, at the most."""
_LONGEST: Final = 512
"""Samples of a trace, at the most."""
_LINE_SIZE: Final = (128, 64)
"""Pixels of the picture of a trace."""


def preview_column(rows: Rows, run: Run) -> pa.Array:
    """A PNG of each row.

    Args:
        rows: With all that a latent needs to be decoded.
        run: Their field.

    Raises:
        LatentSetError: If a row is damaged.
    """
    headers = rows.headers
    domains = [_small(header.domain) for header in headers]
    signals = reconstruct_all(run, torch.from_numpy(rows.latents), headers, domains)
    entries = []
    for signal in signals:
        name = f"{file_name(signal.id)}.png"
        entries.append({"bytes": _png(picture_of(signal)), "path": name})
    return pa.array(entries, _TYPE)


def with_previews(info: SetInfo) -> pa.Schema:
    """The columns of a set with one of pictures."""
    schema = schema_of(info)
    metadata = dict(schema.metadata)
    described = json.loads(metadata[b"huggingface"])
    described["info"]["features"][COLUMN] = {"_type": "Image"}
    metadata[b"huggingface"] = json.dumps(described).encode()
    return schema.append(pa.field(COLUMN, _TYPE)).with_metadata(metadata)


def _small(domain: Domain) -> Domain:
    """The domain with fewer samples where it has more than a preview needs; of a volume the slice
    in its middle."""
    if not isinstance(domain, Grid):
        return domain
    shape = tuple(min(size, _SIDE) for size in domain.shape)
    if len(shape) == 1:
        shape = (min(domain.shape[0], _LONGEST),)
    if len(shape) == 3:
        shape = (*shape[:2], 1)
    if shape == domain.shape:
        return domain
    return domain.with_shape(shape)


def picture_of(signal: Signal) -> Image.Image:
    """A small picture of a signal on a grid."""
    shape = signal.domain.shape if isinstance(signal.domain, Grid) else ()
    values = signal.range.normalise(signal.values)
    values = np.nan_to_num(np.clip(values, 0, 1))
    if len(shape) == 1 or not shape:
        return _line(values[:, 0])
    image = values.reshape(*shape, -1)
    if len(shape) == 3:
        image = image[:, :, 0]
    pixels = np.round(255 * image).astype(np.uint8)
    if pixels.shape[-1] == 3:
        return Image.fromarray(pixels)
    return Image.fromarray(pixels[..., 0])


def _line(values: np.ndarray) -> Image.Image:
    """A trace, from the top (1) to the bottom (0)."""
    width, height = _LINE_SIZE
    picture = Image.new("L", _LINE_SIZE, 255)
    across = np.linspace(0, width - 1, len(values))
    down = (1 - values) * (height - 1)
    points = [(float(x), float(y)) for x, y in zip(across, down, strict=True)]
    if len(points) > 1:
        ImageDraw.Draw(picture).line(points, fill=0)
    return picture


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="png", optimize=True)
    return buffer.getvalue()
