"""The benchmark of imports, sized down."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.import_set import FORMS, measure


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("form", FORMS)
def test_every_file_is_a_row_in_whatever_it_lies(form: str, tmp_path: Path) -> None:
    found = measure(form, files=50, folder=tmp_path, latent_size=16, batch=24)
    assert (found.form, found.files, found.latent_size) == (form, 50, 16)
    assert found.rows_a_second > 0 and found.peak_mib > 0
