from __future__ import annotations

import pytest

from medfuncta._src.door.files import reason


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("bad magic\nsecond line"), "bad magic"),
        (PermissionError(13, "Permission denied", "/home/jane/x.npz"), "Permission denied"),
        (ValueError("no file /home/jane/x.npz here"), "no file x.npz here"),
        (ValueError("no file 'C:\\jane doe\\x.npz' here"), "no file 'x.npz' here"),
        (ValueError('no file "data/jane doe/x.npz"'), 'no file "x.npz"'),
        (KeyError(), "KeyError"),
    ],
)
def test_a_reason_is_one_line_without_folders(error: Exception, text: str) -> None:
    assert reason(error) == text
