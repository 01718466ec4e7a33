"""What computes on the latents of a set refuses forged rows as ``decode`` does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medfuncta._src.cli.main import main
from tasks.blob_volumes import write_blobs

COMMANDS = {
    "classify": ["--classifier", "knn"],
    "regress": ["--target", "radius", "--epochs", "2"],
    "segment": ["--data", "list:x", "--points", "60", "--hidden", "8", "--epochs", "2"],
    "search": ["--id", "ID"],
    "explore": ["outliers"],
    "decode": ["--id", "ID", "--out", "OUT.nii.gz"],
    "export": ["--to", "npz", "--out", "OUT.npz"],
}
FORGED = {
    "a doubled id": "more than once",
    "a huge latent": "beyond 1e+09",
    "a latent with NaN": "NaN",
}


def forge(folder: Path, what: str) -> None:
    """Change the rows of the training split."""
    for path in sorted((folder / "data").glob("train-*.parquet")):
        table = pq.read_table(path)
        ids = table["id"].to_pylist()
        latents = np.stack(table["latent"].to_numpy())
        if what == "a doubled id":
            ids[1] = ids[0]
        else:
            latents[:, 0] = 1e30 if what == "a huge latent" else np.nan
        flat = pa.array(latents.ravel(), table.schema.field("latent").type.value_type)
        lists = pa.FixedSizeListArray.from_arrays(flat, type=table.schema.field("latent").type)
        for name, column in {"id": pa.array(ids), "latent": lists}.items():
            place = table.column_names.index(name)
            table = table.set_column(place, table.schema.field(name), [column])
        pq.write_table(table, path)


@pytest.mark.parametrize("what", FORGED)
@pytest.mark.parametrize("command", COMMANDS)
def test_forged_rows_are_refused(
    command: str,
    what: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    latents, source = write_blobs(tmp_path / "set", train=5, val=2, test=2)
    monkeypatch.setattr("medfuncta._src.sources.table.open_source", lambda text, **options: source)
    words = {"ID": latents.split("train").ids[0], "OUT.nii.gz": str(tmp_path / "o.nii.gz")}
    words["OUT.npz"] = str(tmp_path / "o.npz")
    forge(tmp_path / "set", what)

    arguments = [words.get(word, word) for word in COMMANDS[command]]
    code = main([command, str(tmp_path / "set"), *arguments])

    error = capsys.readouterr().err.strip().splitlines()
    assert code == 2
    assert len([line for line in error if line.startswith("medfuncta:")]) == 1
    assert any(FORGED[what] in line for line in error), error
