"""A latent set as Croissant 1.0 describes data sets (https://docs.mlcommons.org/croissant): JSON-LD
that search engines and loaders read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from medfuncta._src.hub.licences import licence_id
from medfuncta._src.latents.info import SetInfo
from medfuncta._src.latents.previews import COLUMN
from medfuncta._src.latents.schema import schema_of
from medfuncta._src.latents.shards import DATA_FOLDER

CROISSANT_FILE: Final = "croissant.json"
_FORM: Final = "http://mlcommons.org/croissant/1.0"
_SHARDS: Final = "shards"
_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_MEANINGS: Final = {
    "id": "Of the signal.",
    "latent": "The vector that stands for the signal.",
    "latent_scale": "What the numbers of the latent are multiplied by.",
    "label": "Number of the class, or of several classes.",
    "psnr": "Of what the latent decodes to, in decibels.",
    "shape": "Samples along each axis.",
    "spacing": "Between samples along each axis.",
    "spacing_unit": "Unit of the spacing.",
    "affine": "From samples to the world, 4 x 4, row by row.",
    "value_low": "The value that 0 means.",
    "value_high": "The value that 1 means.",
    "unit": "Unit of the values.",
    "dtype": "Type that the values had in their file.",
    "metadata": "What the source says besides, as JSON.",
    "positions": "Of scattered samples, axis by axis for each.",
    COLUMN: "A small picture of what the latent decodes to.",
}


def croissant(folder: Path, info: SetInfo, previews: bool = False) -> dict[str, Any]:
    """The description of a set whose shards lie below a folder.

    Args:
        folder: Of the set.
        info: What holds for all rows.
        previews: Whether they have pictures.
    """
    files = sorted((folder / DATA_FOLDER).glob("*.parquet"))
    source = info.source
    description = (
        f"{info.signals:,} signals of {source.name} as vectors of {info.latent_size:,} numbers, "
        "with the network that turns them back into signals."
    )
    described: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _FORM,
        "name": f"MedFuncta latents of {source.name}",
        "description": description,
        "license": _licence(source.licence),
        "keywords": ["medfuncta", "neural fields", "medical"],
        "version": "1.0.0",
        "distribution": [*map(_file, files), _file_set()],
        "recordSet": [_record_set(info, previews)],
    }
    if source.citation:
        described["citeAs"] = source.citation
    return described


def _licence(licence: str) -> str:
    known = licence_id(licence)
    if known in ("other", "unknown"):
        return licence or "unknown"
    return known


def _file(path: Path) -> dict[str, Any]:
    """One shard."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    place = f"{DATA_FOLDER}/{path.name}"
    return {
        "@type": "cr:FileObject",
        "@id": place,
        "name": path.name,
        "contentUrl": place,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": digest,
    }


def _file_set() -> dict[str, Any]:
    """All shards together, beside this description."""
    return {
        "@type": "cr:FileSet",
        "@id": _SHARDS,
        "name": _SHARDS,
        "description": "The rows of all splits.",
        "encodingFormat": "application/x-parquet",
        "includes": f"{DATA_FOLDER}/*.parquet",
    }


def _record_set(info: SetInfo, previews: bool) -> dict[str, Any]:
    fields = [_field(column) for column in schema_of(info)]
    if previews:
        picture = _described(COLUMN, "sc:ImageObject", repeated=False)
        picture["source"]["transform"] = {"jsonPath": "bytes"}
        fields.append(picture)
    return {
        "@type": "cr:RecordSet",
        "@id": "signals",
        "name": "signals",
        "description": "One row a signal.",
        "key": {"@id": "signals/id"},
        "field": fields,
    }


def _field(column: pa.Field) -> dict[str, Any]:
    kind = column.type
    repeated = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    if repeated:
        kind = kind.value_type
    word = "sc:Text"
    if pa.types.is_integer(kind):
        word = "sc:Integer"
    if pa.types.is_floating(kind):
        word = "sc:Float"
    return _described(column.name, word, repeated)


def _described(name: str, kind: str, repeated: bool) -> dict[str, Any]:
    field: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"signals/{name}",
        "name": name,
        "description": _MEANINGS[name],
        "dataType": kind,
        "source": {"fileSet": {"@id": _SHARDS}, "extract": {"column": name}},
    }
    if repeated:
        field["repeated"] = True
    return field
