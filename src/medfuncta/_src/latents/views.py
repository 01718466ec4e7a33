"""Rows of a latent set as other libraries have them: NumPy, PyTorch, pandas, ``datasets``.

Latents are float32 whatever they are stored as.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from medfuncta._src.errors import missing_extra
from medfuncta._src.latents.rows import Rows

if TYPE_CHECKING:
    import datasets
    import pandas


def item_of(latent: np.ndarray, label: Any) -> tuple[Tensor, Tensor]:
    """A row as an item of a ``Dataset`` of PyTorch: its latent and its label."""
    return torch.from_numpy(latent), torch.as_tensor(label)


def data_frame(splits: Mapping[str, Rows]) -> pandas.DataFrame:
    """A row a signal: ``split``, ``id``, ``label``, ``psnr``, and a column for each number of the
    latents, ``latent_0`` and so on. A label is a name where classes have names, and several classes
    are a list.

    Raises:
        MedFunctaError: If pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise missing_extra("pandas", "tables") from None
    frames = []
    for split, rows in splits.items():
        known = {"split": split, "id": rows.ids, "label": _named(rows), "psnr": rows.psnr}
        facts = pd.DataFrame(known)
        names = [f"latent_{number}" for number in np.arange(rows.info.latent_size)]
        frames.append(pd.concat([facts, pd.DataFrame(rows.latents, columns=names)], axis=1))
    return pd.concat(frames, ignore_index=True)


def as_datasets(rows: Rows) -> datasets.Dataset:
    """A ``Dataset`` of Hugging Face in memory, with the columns ``id``, ``latent``, ``label`` and
    ``psnr``.

    Raises:
        MedFunctaError: If ``datasets`` is not installed.
    """
    try:
        import datasets
    except ImportError:
        raise missing_extra("datasets", "tables") from None
    size = rows.info.latent_size
    flat = pa.array(rows.latents.reshape(-1))
    latents = pa.FixedSizeListArray.from_arrays(flat, size)
    columns = {name: rows.table[name] for name in ("id", "label", "psnr")}
    table = pa.table({"id": columns.pop("id"), "latent": latents, **columns})
    features = datasets.Features.from_arrow_schema(table.schema)
    names = list(rows.info.spec.label_names)
    if names and not pa.types.is_list(table.schema.field("label").type):
        features["label"] = datasets.ClassLabel(names=names)
    return datasets.Dataset(table.cast(features.arrow_schema))


def dataset_dict(splits: Mapping[str, Rows]) -> datasets.DatasetDict:
    """:func:`as_datasets` of each split.

    Raises:
        MedFunctaError: If ``datasets`` is not installed.
    """
    made: Any = {name: as_datasets(rows) for name, rows in splits.items()}
    import datasets

    return datasets.DatasetDict(made)


def _named(rows: Rows) -> list[Any]:
    """Labels by their names, where there are any."""
    names = rows.info.spec.label_names
    labels = []
    for label in rows.table["label"].to_pylist():
        if label is None or not names:
            labels.append(label)
        elif isinstance(label, list):
            labels.append([names[part] for part in label])
        else:
            labels.append(names[label])
    return labels
