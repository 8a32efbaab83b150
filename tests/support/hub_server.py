"""A small server that speaks as much of the Hugging Face hub's protocol as its client needs, and misbehaves on demand.

Repositories are folders. Each has one commit, COMMIT, which is also its branch main and what `branches` has beside it.
"""

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PATH = re.compile(
    r"/(?:api/(?:models|datasets)/(?P<asked>[^/]+/[^/]+?)(?P<tree>/tree)?(?:/revision)?(?:/(?P<at>[^/]+))?"
    r"|(?:datasets/)?(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+))"
)


class HubServer:
    """`with HubServer({"org/model": folder}) as server: server.use(monkeypatch, cache)`."""

    def __init__(self, repositories: Mapping[str, Path]) -> None:
        self.repositories = dict(repositories)
        self.commit, self.branches = COMMIT, {"main"}
        self.gated: dict[str, int] = {}  # repository: status of its answers without the token "good"
        self.vanished: set[str] = set()  # files that are listed and not there
        self.damaged: set[str] = set()  # files whose content is not the listed one
        self.cut: dict[str, list[int]] = {}  # file: bytes after which its next transfers break off, one each
        self.asked: list[tuple[str, str, int]] = []  # method, file or "" for a list, first byte
        self.sent: dict[str, int] = {}  # bytes of each file that went over the wire

    def __enter__(self) -> "HubServer":
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """No answer any more: what a missing network looks like."""
        self._server.shutdown()
        self._server.server_close()

    def use(self, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
        """Make it the hub of this process and of those that it starts, with a cache of its own and no token."""
        for name, value in {"HF_ENDPOINT": self.url, "HF_HOME": str(cache), "SUPERFICIAL_HUB_OFFLINE": "0"}.items():
            monkeypatch.setenv(name, value)
        for name in ("HF_TOKEN", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_OFFLINE"):
            monkeypatch.delenv(name, raising=False)


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        found = PATH.fullmatch(self.path.split("?")[0])
        repository = found and (found["asked"] or found["repo"])
        if found is None or repository not in self.hub.repositories:
            return self._fail(404, "RepoNotFound")
        if unquote(found["at"] or found["revision"] or "main") not in {self.hub.commit, *self.hub.branches}:
            return self._fail(404, "RevisionNotFound")
        folder = self.hub.repositories[repository]
        files = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()}
        if found["file"] is None:
            self.hub.asked.append((self.command, "", 0))
            return self._list(repository, files, tree=bool(found["tree"]))
        if repository in self.hub.gated and self.headers["Authorization"] != "Bearer good":
            return self._fail(self.hub.gated[repository], "GatedRepo")
        if found["file"] not in files or found["file"] in self.hub.vanished:
            return self._fail(404, "EntryNotFound")
        return self._file(found["file"], files[found["file"]].read_bytes())

    def _list(self, repository: str, files: Mapping[str, Path], *, tree: bool) -> None:
        entries: list[dict[str, Any]] = []
        for name, file in files.items():
            content = file.read_bytes()
            entry: dict[str, Any] = {"size": len(content), ("oid" if tree else "blobId"): _sha1(content)}
            if file.suffix == ".safetensors":
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {("oid" if tree else "sha256"): sha256, "size": len(content), "pointerSize": 134}
            entries.append(entry | ({"type": "file", "path": name} if tree else {"rfilename": name}))
        answer = entries if tree else {"id": repository, "sha": self.hub.commit, "siblings": entries}
        content = json.dumps(answer).encode()
        self._head(200, {"Content-Type": "application/json", "Content-Length": str(len(content))})
        self.wfile.write(content)

    def _file(self, name: str, content: bytes) -> None:
        start = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.hub.asked.append((self.command, name, start))
        etag = _sha1(content)
        if name in self.hub.damaged:
            content = content[:-1] + bytes([content[-1] ^ 1])
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": self.hub.commit, "Content-Length": str(len(content) - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._head(206 if start else 200, headers)
        if self.command == "GET":
            cuts = self.hub.cut.get(name, [])
            piece = content[start : start + cuts.pop(0)] if cuts else content[start:]
            self.hub.sent[name] = self.hub.sent.get(name, 0) + len(piece)
            self.wfile.write(piece)

    def _fail(self, status: int, code: str) -> None:
        self._head(status, {"Content-Length": "0", "X-Error-Code": code})

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silence."""


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
