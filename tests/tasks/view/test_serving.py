"""Who gets a view that is served, and what."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from medfuncta._src.errors import ConfigError
from medfuncta._src.tasks.view import serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "view" / "data").mkdir(parents=True)
    (tmp_path / "view" / "index.html").write_text("<p>page</p>")
    (tmp_path / "view" / "data" / "rows-00000.js").write_text("rows")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "view" / "link.txt").symlink_to(tmp_path / "secret.txt")
    return tmp_path / "view"


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    with serving(folder) as address:
        yield address


def answer(
    address: str, path: str | None = None, host: str | None = None, method: str = "GET"
) -> tuple[int, dict[str, str], str]:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    wanted = parts.path if path is None else path
    connection.putrequest(method, wanted, skip_host=True)
    connection.putheader("Host", host or parts.netloc)
    connection.endheaders()
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, dict(response.getheaders()), text


def test_the_address_is_of_this_machine_and_gives_the_page(address: str) -> None:
    assert urlsplit(address).hostname == "127.0.0.1"
    status, headers, text = answer(address)
    assert (status, text) == (200, "<p>page</p>")
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_parts_are_below_the_key(address: str) -> None:
    base = urlsplit(address).path.rpartition("/")[0]
    assert answer(address, f"{base}/data/rows-00000.js")[::2] == (200, "rows")
    assert answer(address, f"{base}/")[::2] == (200, "<p>page</p>")


@pytest.mark.parametrize(
    "path",
    ["/", "/index.html", "/data/rows-00000.js", "//", "/wrong/index.html"]
    + [f"{{key}}/{inner}" for inner in ("data", "data/", "link.txt", "../secret.txt", "no.js")]
    + ["{key}/%2e%2e/secret.txt", "{key}/..%2fsecret.txt", "{key}//etc/passwd"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nothing_else_is_there(address: str, path: str, method: str) -> None:
    base = urlsplit(address).path.rpartition("/")[0]
    status, _, text = answer(address, path.replace("{key}", base), method=method)
    assert status == 404
    assert "secret" not in text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example:1"])
def test_a_name_of_another_host_that_leads_here_gets_nothing(address: str, host: str) -> None:
    assert answer(address, host=host)[0] == 404


def test_nothing_can_be_sent(address: str) -> None:
    assert answer(address, method="POST")[0] == 501


def test_two_servings_have_two_keys(folder: Path) -> None:
    with serving(folder) as first, serving(folder) as second:
        assert urlsplit(first).path != urlsplit(second).path


def test_a_taken_port_is_told_in_one_line(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with (
            pytest.raises(ConfigError, match=r"--port \d+ cannot be used"),
            serving(folder, taken.getsockname()[1]),
        ):
            pass
