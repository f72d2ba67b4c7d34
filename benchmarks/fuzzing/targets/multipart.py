"""Uploads: multipart bodies sent to the application in this process, in random pieces."""

from __future__ import annotations

import asyncio
import json
import logging
import zlib
from pathlib import Path
from random import Random
from typing import Any

from earmark.service.app import create_app
from earmark.service.settings import Settings
from fuzzing.audio_files import encoded_files
from fuzzing.mutation import mutate
from fuzzing.target import Case, Target, WrongResultError

NAMES = ("files", "files", "files", "file", "", 'fi"les', "files\xff", "files[]")
FILE_NAMES = (
    "a.wav",
    "b.mp3",
    "",
    "..\\..\\x.wav",
    "../../etc/x.flac",
    "C:\\m\\a.wav",
    "\xe9.wav",
    "x" * 3000 + ".wav",
    'a".wav',
    "%00.wav",
    "a\0b.wav",
    ".wav",
    "nul",
)
DISPOSITIONS = ("form-data", "form-data", "form-data", "FORM-DATA", "attachment", "", "form-data;", "inline")
CONTENT_TYPES = (
    "multipart/form-data; boundary={}", "multipart/form-data; boundary={}", "multipart/form-data; boundary={}",
    'multipart/form-data; boundary="{}"', "Multipart/Form-Data;boundary={}; charset=utf-8", "multipart/form-data",
    "multipart/mixed; boundary={}", "text/plain", "", "multipart/form-data; boundary*=utf-8''{}", "multipart/form-data; boundary={};boundary=x",
)  # fmt: skip
BOUNDARIES = ("x", "----WebKitFormBoundaryabc123", "b" * 70, "b" * 71, "-", "a b", "\xe9", "", "--x", "'()+_,-./:=?")
QUERIES = (
    "",
    "",
    "",
    "",
    "top=3",
    "threshold=auto",
    "threshold=x",
    "taggram=true",
    "damaged=tag",
    "model=nothing",
    "top=-1&x=y",
    "%ff=%00",
    "top=" + "9" * 5000,
)
OTHER_HEADERS = (
    "Content-Type: audio/wav",
    "Content-Type: text/plain; charset=\xff",
    "X: " + "y" * 9000,
    "Content-Transfer-Encoding: base64",
    "no colon",
    ": no name",
    'Content-Disposition: form-data; name="files"',
)


class Multipart(Target):
    """POST /v1/tag. A case is a query string, a content type, and the body, each of the first two with a line of its own."""

    name = "multipart"
    title = "Uploads (`earmark.service`)"
    expected = "status below 500, no file left, no request in flight"

    def prepare(self, folder: Path) -> None:
        super().prepare(folder)
        logging.disable(logging.CRITICAL)
        self.sounds = [content for _, content in encoded_files(0.2, (".wav", ".mp3", ".opus"))]
        self.loop = asyncio.new_event_loop()
        settings = Settings(temporary_folder=folder, max_megabytes=0.5, max_files=3, workers=1, timeout_seconds=60)
        self.app = create_app(settings, page=folder / "none")
        self.life = self.app.router.lifespan_context(self.app)
        self.loop.run_until_complete(self.life.__aenter__())

    def generate(self, rng: Random) -> Case:
        boundary = rng.choice(BOUNDARIES[:2] if rng.random() < 0.6 else BOUNDARIES)
        kind = rng.choice(CONTENT_TYPES[:3] if rng.random() < 0.6 else CONTENT_TYPES).format(boundary)
        body = bytearray()
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 5))):
            body += f"--{boundary}\r\n".encode("latin-1")
            options = [rng.choice(DISPOSITIONS), f'name="{rng.choice(NAMES)}"']
            if rng.random() < 0.8:
                options.append(f'filename="{rng.choice(FILE_NAMES)}"')
            if rng.random() < 0.1:
                options.append(
                    rng.choice(
                        (
                            "filename*=utf-8''%e9%ff.wav",
                            "filename*=UTF-8''%C3%A9.wav",
                            "filename*=x",
                            'filename="=?utf-8?q?=C3=A9?="',
                        )
                    )
                )
            headers = [
                f"Content-Disposition: {'; '.join(options)}",
                *rng.sample(OTHER_HEADERS, rng.choice((0, 0, 1, 2))),
            ]
            rng.shuffle(headers)
            body += "\r\n".join(headers).encode("latin-1") + b"\r\n\r\n" + self._sound(rng) + b"\r\n"
        body += f"--{boundary}--\r\n".encode("latin-1")
        content = bytes(body) if rng.random() < 0.3 else mutate(bytes(body), rng, self.sounds)
        return Case("request.bin", b"\n".join((rng.choice(QUERIES).encode(), kind.encode("latin-1"), content)))

    def _sound(self, rng: Random) -> bytes:
        kind = rng.random()
        if kind < 0.2:
            return rng.choice(self.sounds)
        return mutate(rng.choice(self.sounds), rng) if kind < 0.3 else rng.randbytes(rng.choice((0, 1, 100, 5000)))

    def check(self, case: Case) -> str:
        query, _, rest = case.content.partition(b"\n")
        kind, _, body = rest.partition(b"\n")
        status, answer = self.loop.run_until_complete(self._post(query, kind, body, Random(zlib.crc32(case.content))))
        if status >= 500:
            raise WrongResultError(f"status {status}", answer[:300].decode("utf-8", "replace"))
        json.loads(answer)
        return str(status)

    async def _post(self, query: bytes, kind: bytes, body: bytes, rng: Random) -> tuple[int, bytes]:
        pieces, at = [], 0
        while at < len(body):
            n = rng.choice((1, 2, 100, 5000, len(body)))
            pieces.append(body[at : at + n])
            at += n
        pieces = [b"".join(pieces)] if len(pieces) > 500 else pieces
        headers = [(b"host", b"x")] + ([(b"content-type", kind)] if kind else [])
        if rng.random() < 0.5:
            headers.append((b"content-length", str(len(body)).encode()))
        messages = [{"type": "http.request", "body": part, "more_body": True} for part in pieces]
        messages.append({"type": "http.disconnect"} if rng.random() < 0.05 else {"type": "http.request", "body": b""})
        status, answer = 0, b""
        over = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop(0)
            await over.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status, answer
            status = message.get("status", status)
            answer += message.get("body", b"")

        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http"}
        scope |= {"path": "/v1/tag", "raw_path": b"/v1/tag", "query_string": query, "headers": headers, "root_path": ""}
        scope |= {"client": ("127.0.0.1", 1), "server": ("x", 80), "state": {}}
        await self.app(scope, receive, send)
        over.set()
        work = self.app.state.work
        for _ in range(1000):
            if not work.n_in_flight:
                break
            await asyncio.sleep(0.002)
        else:
            raise WrongResultError("a request stays in flight")
        kept = [path for path in work.scratch.folder.rglob("*") if path.is_file() and path.name != "service.lock"]
        if kept:
            raise WrongResultError("a file is left", kept[0].name)
        return status, answer or b"null"
