"""How much a file, a network or a latent set may claim: what is beyond is refused before anything
is allocated for it.

A limit is there to stop a broken or a hostile claim, not work: each is far above what the paper,
the presets and the largest data sets of this field ask for.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from msgspec import Meta

# What a file may be.
MAX_JSON_BYTES: Final = 4 * 2**20
"""A file of settings or a statement: ours have a few thousand bytes."""
MAX_TOML_BYTES: Final = 2**20
MAX_TOML_LINE: Final = 4096
"""Characters of a line of settings; a reader of TOML takes its square in time for a dotted key."""
MAX_SET_BYTES: Final = 32 * 2**20
"""``latent_set.json``, which names every signal that was left out."""
MAX_LOG_BYTES: Final = 64 * 2**20
"""``metrics.csv``: a million rows."""
MAX_CACHE_BYTES: Final = 2**30
"""The headers of a cache: a million signals of a thousand bytes."""
MAX_TENSOR_HEADER: Final = 8 * 2**20
"""The header of a safetensors file: 100 bytes a tensor."""
MAX_DEPTH: Final = 32
"""Lists in objects in lists; ours go five deep."""
MAX_TEXT: Final = 2**16
"""Characters of one text; the longest of ours, a licence or a list of steps, has a thousand."""
MAX_INTEGER: Final = 2**128
"""Of a whole number whose own bounds are not declared."""
MAX_ENTRIES: Final = 2_000_000
"""Values of a JSON file, all lists and objects together."""

# What a network may be.
MAX_PARAMETERS: Final = 2**28
"""1 GiB in float32; the largest field of the paper has 56 million."""

# What a latent set may be.
MAX_DATAPOINT: Final = 64 * 2**20
"""A file of one latent of the authors' code, which may hold the latents of its whole batch."""
MAX_POINTS: Final = 2**30
"""The largest grid of a signal; a mistyped spacing would otherwise ask for all memory there is."""
MAX_SPLITS: Final = 64
"""Splits of a latent set; most have three, and ten folds have thirty."""
MAX_CLASSES: Final = 100_000
"""Names of classes."""
MAX_ID: Final = 1024
"""Characters of a signal's id; ours are names of files and records."""
_MAX_ROWS: Final = 2**31
"""Rows of a shard, a split or a set."""

# What a person may ask of a command or of the Python function behind it.
MOST_WORKERS: Final = 4096
"""Processes that work side by side."""
Some: TypeAlias = Annotated[int, Meta(ge=1, le=10**9)]
"""How many signals, neighbours, ... there are at the most."""
Epochs: TypeAlias = Annotated[int, Meta(ge=1, le=10**6)]
"""Passes over the training split."""
Processes: TypeAlias = Annotated[int, Meta(ge=1, le=MOST_WORKERS)]
"""How many work side by side."""
Seconds: TypeAlias = Annotated[float, Meta(gt=0, le=10**9)]
"""A time budget."""
Chunk: TypeAlias = Annotated[int, Meta(ge=1, le=2**30)]
"""Points or rows taken at a time."""
Omega: TypeAlias = Annotated[float, Meta(gt=0, le=1e6)]
"""How fast a layer's sine oscillates; the paper takes 20 to 400."""
Increment: TypeAlias = Annotated[float, Meta(ge=-1e6, le=1e6)]
"""What each further layer adds to it."""
Ways: TypeAlias = Annotated[int, Meta(ge=2, le=256)]
"""Signals on the way from one to another, both ends included."""
MetaSteps: TypeAlias = Annotated[int, Meta(ge=0, le=10**9)]
"""Meta-steps; 0 where something is learned without any."""
Fraction: TypeAlias = Annotated[float, Meta(ge=0, lt=1)]
"""A part of the signals, never all of them."""
Share: TypeAlias = Annotated[float, Meta(gt=0, le=1)]
"""A part of a whole, up to all of it."""
Gibibytes: TypeAlias = Annotated[float, Meta(gt=0, le=2**30)]
"""A budget of memory."""
Seed: TypeAlias = Annotated[int, Meta(ge=0, le=2**32 - 1)]
"""Of random draws."""
Components: TypeAlias = Annotated[int, Meta(ge=0, le=2**20)]
"""Principal components, 0 for none."""
DrawnPoints: TypeAlias = Annotated[int, Meta(ge=1, le=2**24)]
"""Points drawn of a signal."""
Units: TypeAlias = Annotated[int, Meta(ge=1, le=2**14)]
"""Units of a head's layer."""

Count: TypeAlias = Annotated[int, Meta(ge=0, le=_MAX_ROWS)]
"""How many signals, rows or steps there are."""
Name: TypeAlias = Annotated[str, Meta(max_length=256)]
"""A unit, a modality, a class: what stands on an axis or in a cell."""
MAX_LATENT: Final = 1e9
"""The largest number of a latent; fitted ones stay below a thousand, and squares of these and their
sums must stay finite."""
LatentSize: TypeAlias = Annotated[int, Meta(ge=1, le=2**20)]
"""Numbers in a latent; the paper takes 64 to 16,384."""
Shape: TypeAlias = Annotated[
    tuple[Annotated[int, Meta(ge=1, le=MAX_POINTS)], ...], Meta(min_length=1, max_length=3)
]
"""Samples along each axis of a grid."""
SplitName: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}\Z",
        description="1 to 64 letters, digits, dots, dashes and underscores, no dot or dash first",
    ),
]
"""A split's name becomes the name of files, and may not lead to another folder."""
Fingerprint: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{32}\Z", description="32 hexadecimal digits")
]
"""The digest of a field."""
