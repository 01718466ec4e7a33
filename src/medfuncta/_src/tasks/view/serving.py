"""A view on the loopback address, for the browser of this machine and nobody else."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final
from urllib.parse import unquote, urlsplit

from medfuncta._src.door.files import reason
from medfuncta._src.errors import ConfigError
from medfuncta._src.tasks.view.parts import PAGE_FILE

LOOPBACK: Final = "127.0.0.1"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",  # no page of another host may load a part
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class _Handler(SimpleHTTPRequestHandler):
    """Hands out the files of one folder, below an address that cannot be guessed.

    Args:
        key: The first part of every path.
    """

    def __init__(self, *arguments: object, key: str, directory: str) -> None:
        self._key = key
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def send_head(self):
        """Answer a request for a file; what is no file of the view is not there."""
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        path = unquote(urlsplit(self.path).path)
        inner = path.removeprefix(f"/{self._key}/")
        if host not in (LOOPBACK, "localhost") or inner == path:
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        self.path = f"/{inner or PAGE_FILE}"
        root = Path(self.directory).resolve()
        wanted = Path(self.translate_path(self.path)).resolve()
        if not wanted.is_relative_to(root) or not wanted.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def end_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what a person looks at is nobody's business."""


@contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[str]:
    """Serve a view while the block runs.

    Args:
        folder: Of the view.
        port: Of the loopback address; any free one when 0.

    Yields:
        The address of its page, with a key that no other user of the machine can guess.

    Raises:
        ConfigError: If the port is taken.
    """
    key = secrets.token_urlsafe(16)
    handler = partial(_Handler, key=key, directory=str(folder))
    try:
        server = ThreadingHTTPServer((LOOPBACK, port), handler)
    except OSError as error:
        raise ConfigError(
            f"--port {port} cannot be used: {reason(error)}; leave it out to take a free one"
        ) from error
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_address[1]}/{key}/{PAGE_FILE}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
