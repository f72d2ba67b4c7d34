"""The service on a real socket, for tests: in a thread, or as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from earmark.service.app import create_app
from earmark.service.settings import Settings
from earmark.service.work import Work
from tests.helpers.waiting import wait_until

COMMAND = [sys.executable, "-m", "earmark.cli.main", "serve", "--port", "0"]


@dataclass
class Served:
    """A running service."""

    app: FastAPI
    port: int
    client: httpx.Client

    @property
    def work(self) -> Work:
        work = self.app.state.work
        assert isinstance(work, Work)
        return work

    @property
    def kept(self) -> list[str]:
        """Files and folders of uploads that are on the disk now."""
        walk = os.walk(self.work.scratch.folder)  # which, unlike rglob, is at ease with folders that vanish
        return sorted(name for _, folders, files in walk for name in folders + files if name != "service.lock")

    def tag(self, *files: tuple[str | None, bytes] | Path, **query: Any) -> httpx.Response:
        pairs = [(file.name, file.read_bytes()) if isinstance(file, Path) else file for file in files]
        return self.client.post("/v1/tag", params=query, files=[("files", pair) for pair in pairs])


@contextmanager
def serving(folder: Path, *, page: Path | None = None, **settings: Any) -> Iterator[Served]:
    """A service whose uploads lie in `folder`, which must be empty at its end."""
    app = create_app(Settings(temporary_folder=folder, **settings), page=page or folder / "none")
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="critical", access_log=False, lifespan="on", ws="none")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield Served(app, port, client)
    finally:
        server.should_exit = True
        thread.join(30)
    assert not thread.is_alive()
    assert not list(folder.iterdir())


class Process:
    """`earmark serve` as a process; its log is read until it says where it listens."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        self.lines: list[dict[str, Any]] = []
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(json.loads(line))
            if self.lines[-1]["event"] == "started":
                break
        self.url = str(self.lines[-1].get("address"))

    def end(self) -> int:
        """Wait for its end and read the rest of the log; returns the exit code."""
        assert self.process.stderr is not None
        self.lines += [json.loads(line) for line in self.process.stderr]
        self.process.stderr.close()
        return self.process.wait(30)
