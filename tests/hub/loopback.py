"""A hub on this machine: the few requests of the Hugging Face Hub that downloads and uploads make,
over a dictionary of files, with the faults that a test asks for."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

COMMIT = "a" * 40
_LARGE = (".safetensors", ".parquet")


@dataclass
class Hub:
    """What the hub holds, and how it misbehaves.

    Args:
        files: The content of every file by name, in the one repository ``someone/field``.
        told: Sizes and checksums that differ from the files'.
        tag: The ETag of every file, where it is not its checksum.
        cut: Bytes after which the answer with a file breaks off, once.
        commits: What was pushed.
        requests: What was asked for.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    told: dict[str, tuple[int, str]] = field(default_factory=dict)
    cut: int | None = None
    tag: str = ""
    commits: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    uploaded: dict[str, bytes] = field(default_factory=dict)
    url: str = ""

    def digest(self, name: str) -> str:
        content = self.files[name]
        if name in self.told:
            return self.told[name][1]
        if name.endswith(_LARGE):
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def sibling(self, name: str) -> dict[str, object]:
        size, digest = self.told.get(name, (len(self.files[name]), self.digest(name)))
        entry: dict[str, object] = {"rfilename": name, "size": size, "blobId": digest[:40]}
        if name.endswith(_LARGE):
            entry["lfs"] = {"sha256": digest, "size": size, "pointerSize": 130}
        return entry


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, format: str, *args: object) -> None: ...

    def do_GET(self) -> None:
        self._read()

    def do_HEAD(self) -> None:
        self._read()

    def _read(self) -> None:
        hub, path = self.hub, unquote(self.path.partition("?")[0])
        hub.requests.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        if "someone" not in parts:
            return self._refuse(404, "RepoNotFound")
        if parts[0] == "api":
            revision = parts[5] if len(parts) > 5 else "main"
            if revision not in ("main", "v1", COMMIT):
                return self._refuse(404, "RevisionNotFound")
            siblings = [hub.sibling(name) for name in hub.files]
            return self._json({"id": "someone/field", "sha": COMMIT, "siblings": siblings})
        name = path.partition("/resolve/")[2].partition("/")[2]
        if name not in hub.files:
            return self._refuse(404, "EntryNotFound")
        return self._file(name)

    def _file(self, name: str) -> None:
        hub, content = self.hub, self.hub.files[name]
        start = 0
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes="):
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hub.tag or hub.digest(name)}"')
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if self.command == "HEAD":
            return
        if hub.cut is not None and name.endswith(_LARGE):
            self.wfile.write(content[start : start + hub.cut])
            self.wfile.flush()
            self.connection.close()
            return
        self.wfile.write(content[start:])

    def do_POST(self) -> None:
        hub, path = self.hub, unquote(self.path.partition("?")[0])
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        hub.requests.append(f"POST {path}")
        if path.endswith("/repos/create"):
            return self._json({"url": f"{hub.url}/someone/field"})
        if "/preupload/" in path:
            files = json.loads(body)["files"]
            answer = []
            for entry in files:
                mode = "lfs" if entry["path"].endswith(_LARGE) else "regular"
                answer.append({"path": entry["path"], "uploadMode": mode, "shouldIgnore": False})
            return self._json({"files": answer})
        if path.endswith("/objects/batch"):
            objects = []
            for entry in json.loads(body)["objects"]:
                upload = {"href": f"{hub.url}/upload/{entry['oid']}"}
                objects.append({**entry, "actions": {"upload": upload}})
            return self._json({"transfer": "basic", "objects": objects})
        if "/commit/" in path:
            for line in body.decode().splitlines():
                said = json.loads(line)
                if said["key"] == "file":
                    value = said["value"]
                    hub.files[value["path"]] = base64.b64decode(value["content"])
                if said["key"] == "lfsFile":
                    hub.files[said["value"]["path"]] = hub.uploaded[said["value"]["oid"]]
            hub.commits.append(path)
            url = f"{hub.url}/someone/field/commit/{COMMIT}"
            return self._json({"commitUrl": url, "commitOid": COMMIT, "success": True})
        return self._json({})

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.hub.uploaded[self.path.rpartition("/")[2]] = body
        self._json({})

    def _json(self, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def running() -> Iterator[Hub]:
    """A hub that answers until the block ends."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
