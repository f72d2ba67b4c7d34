"""A stand-in for a hub: what its library asks when a folder is sent (files, or large ones by Git LFS), and downloads of files."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

TOKEN = "hf_" + "t0ken" * 6
LARGE = (".onnx", ".safetensors")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.requests.append(f"POST {self.path}")
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.reply({"error": "Invalid username or password."}, 401)
            return
        for pattern, answer in ANSWERS.items():
            if found := re.fullmatch(pattern, self.path):
                answer(self, body, *found.groups())
                return
        self.reply({"error": "no such address"}, 404)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.requests.append(f"PUT {self.path}")
        self.server.objects[hashlib.sha256(body).hexdigest()] = body
        self.reply({})

    def do_GET(self) -> None:
        """OWNER/NAME/resolve/REVISION/FILE; large files by way of another address, as hubs do."""
        self.server.requests.append(f"GET {self.path}")
        authorised = self.headers["Authorization"] == f"Bearer {TOKEN}"
        if self.path.startswith("/store/"):
            self.server.stored_with.append(self.headers["Authorization"])
            self.content(self.server.objects[self.path.rpartition("/")[2]])
            return
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/([^/]+)", self.path)
        repository = found and found[1]
        content = self.server.branches.get((repository, found[2]), {}).get(found[3]) if found else None
        if content is None or (repository in self.server.private and not authorised):
            self.reply({"error": "Repository not found"}, 404)
        elif found and found[3].endswith(LARGE):
            oid = hashlib.sha256(content).hexdigest()
            self.server.objects[oid] = content
            self.send_response(302)
            self.send_header("Location", f"{self.server.store}/store/{oid}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.content(content)

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        repository = f"{asked.get('organization') or 'me'}/{asked['name']}"
        exists = any(name == repository for name, _ in self.server.branches)
        if not exists:
            self.server.branches[repository, "main"] = {}
            if asked.get("private") or asked.get("visibility") == "private":
                self.server.private.add(repository)
        self.reply({"url": f"{self.server.address}/{repository}"}, 409 if exists else 200)

    def branch(self, _: bytes, repository: str, name: str) -> None:
        exists = (repository, name) in self.server.branches
        self.server.branches.setdefault((repository, name), dict(self.server.branches[repository, "main"]))
        self.reply({}, 409 if exists else 200)

    def validate(self, body: bytes) -> None:
        self.server.cards.append(json.loads(body)["content"])
        self.reply({"errors": [], "warnings": []})

    def preupload(self, body: bytes, repository: str, revision: str) -> None:
        files = json.loads(body)["files"]
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
            }
            for file in files
        ]
        self.reply({"files": modes})

    def lfs_batch(self, body: bytes, _: str) -> None:
        objects: list[dict[str, Any]] = []
        for one in json.loads(body)["objects"]:
            upload = {"upload": {"href": f"{self.server.address}/put/{one['oid']}"}}
            known = one["oid"] in self.server.objects
            objects.append({"oid": one["oid"], "size": one["size"], **({} if known else {"actions": upload})})
        self.reply({"transfer": "basic", "objects": objects})

    def commit(self, body: bytes, repository: str, revision: str) -> None:
        if self.server.refuses:
            self.reply({"error": f"You are not allowed to push to {repository} with {TOKEN}"}, 403)
            return
        branch = self.server.branches[repository, revision]
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                self.server.messages.append(value["summary"])
            elif entry["key"] == "file":
                branch[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                branch[value["path"]] = self.server.objects[value["oid"]]
        self.reply(
            {
                "commitUrl": f"{self.server.address}/{repository}/commit/{'0' * 40}",
                "commitOid": "0" * 40,
                "success": True,
                "hookOutput": "",
            }
        )

    def reply(self, value: Any, status: int = 200) -> None:
        self.content(json.dumps(value).encode(), status, "application/json")

    def content(self, content: bytes, status: int = 200, kind: str = "application/octet-stream") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if status >= 400:
            self.send_header("X-Error-Message", json.loads(content).get("error", "is there already"))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quiet."""


ANSWERS = {
    r"/api/repos/create": Handler.create,
    r"/api/models/([^/]+/[^/]+)/branch/([^/]+)": Handler.branch,
    r"/api/validate-yaml": Handler.validate,
    r"/api/models/([^/]+/[^/]+)/preupload/([^/]+)": Handler.preupload,
    r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch": Handler.lfs_batch,
    r"/api/models/([^/]+/[^/]+)/commit/([^/]+)": Handler.commit,
}


class Hub(http.server.ThreadingHTTPServer):
    """A hub on the loopback; it takes :data:`TOKEN` alone.

    Attributes:
        branches: repository and branch -> file -> content.
        private: repositories that need the token.
        messages: of the commits.
        cards: READMEs that were to be validated.
        stored_with: Authorization of requests to the store to which large files are redirected.
        refuses: whether commits are refused.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.branches: dict[tuple[str | None, str], dict[str, bytes]] = {}
        self.objects: dict[str, bytes] = {}
        self.private: set[str] = set()
        self.requests: list[str] = []
        self.messages: list[str] = []
        self.cards: list[str] = []
        self.stored_with: list[str | None] = []
        self.refuses = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def store(self) -> str:
        """The same server under another name, as hubs keep large files elsewhere."""
        return f"http://localhost:{self.server_port}"


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub that is stopped at the end."""
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield hub
        hub.shutdown()
        thread.join()
