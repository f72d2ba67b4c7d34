"""A server that answers downloads as it should, or stalls, cuts off and lies."""

from __future__ import annotations

import hashlib
import http.server
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
WRONG = np.random.default_rng(1).bytes(len(CONTENT))
WRONG_SHA256 = hashlib.sha256(WRONG).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers each request with the next step of the server's plan, and with the last one from then on."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        server = self.server
        server.requests.append((self.path, self.headers["Range"], self.headers["If-Range"]))
        self.close_connection = True
        step = server.plan.pop(0) if len(server.plan) > 1 else server.plan[0]
        step(self)

    def answer(
        self,
        content: bytes,
        *,
        ranges: bool = True,
        stop_after: int | None = None,
        stall: bool = False,
        etag: str | None = '"one"',
        length: bool = True,
        shift: int = 0,
        claim: int = 0,
    ) -> None:
        """Send content as a server should, but for what is asked for: stop or fall silent, promise ``claim`` bytes more."""
        wanted, condition = self.headers["Range"], self.headers["If-Range"]
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and ranges else 0
        if start and condition and condition != etag:
            start = 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start + shift}-{len(content) - 1}/{len(content)}")
        if etag:
            self.send_header("ETag", etag)
        if length:
            self.send_header("Content-Length", str(len(content) - start + claim))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content[start : None if stop_after is None else start + stop_after])
        self.wfile.flush()
        if stall:
            self.server.released.wait(30)

    def log_message(self, format: str, *args: object) -> None:
        pass


Step = Callable[[Handler], None]


class Server(http.server.ThreadingHTTPServer):
    """A server on the loopback with a plan of answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan: list[Step] = []
        self.requests: list[tuple[str, str | None, str | None]] = []
        self.released = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # those that hung up are not worth a word
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def ranges(self) -> list[str | None]:
        return [asked for _, asked, _ in self.requests]


def whole(content: bytes = CONTENT, **how) -> Step:
    return lambda handler: handler.answer(content, **how)


def cut(after: int, content: bytes = CONTENT, **how) -> Step:
    return lambda handler: handler.answer(content, stop_after=after, **how)


def folder(contents: Mapping[str, bytes], first: Mapping[str, Sequence[Step]] | None = None) -> Step:
    """Files by their names, whatever the path in front; ``first`` has answers that come before, by name."""
    waiting = {name: list(steps) for name, steps in (first or {}).items()}

    def step(handler: Handler) -> None:
        name = handler.path.rpartition("/")[2]
        if waiting.get(name):
            waiting[name].pop(0)(handler)
        elif name in contents:
            handler.answer(contents[name])
        else:
            handler.send_error(404)

    return step


def status(code: int) -> Step:
    return lambda handler: handler.send_error(code)


def hang_up(handler: Handler) -> None:
    """Close without a word."""


@contextmanager
def running() -> Iterator[Server]:
    """A server that is stopped at the end."""
    with mock.patch.dict(os.environ, {"no_proxy": "127.0.0.1"}), Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.released.set()
        made.shutdown()
        thread.join()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
