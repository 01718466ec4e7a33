"""Shapes are checked at run time in every test, and real data is found through one environment
variable."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from jaxtyping import install_import_hook

install_import_hook("medfuncta", "runtime_types.check")

_KEYS = TemporaryDirectory(prefix="medfuncta-tests-")
_KEY = Path(_KEYS.name) / "id.key"
_KEY.write_text("the key of the tests, not of whoever runs them")
_KEY.chmod(0o600)
os.environ["MEDFUNCTA_ID_KEY"] = str(_KEY)

collect_ignore_glob = [
    "conftest.py",
    "*/conftest.py",
]  # they have no doctests, and as modules all of them would have one name


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real signals that ``MEDFUNCTA_TEST_DATA`` names."""
    folder = os.environ.get("MEDFUNCTA_TEST_DATA")
    if not folder:
        pytest.skip("MEDFUNCTA_TEST_DATA is unset")
    return Path(folder).resolve()
