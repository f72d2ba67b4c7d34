"""The page at /: the one that `make web` has built, or a plain one that says how to build it."""

from __future__ import annotations

import json
import mimetypes
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE_FOLDER = Path(__file__).with_name("page")
"""Where `make web` puts the page."""

_TYPES = {
    ".wasm": "application/wasm",
    ".mjs": "text/javascript",
    ".js": "text/javascript",
    ".onnx": "application/octet-stream",
}
_WITHOUT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>earmark</title>
<h1>earmark</h1>
<p>The service runs. Its page has not been built: <code>make web</code> in the source folder does it (it needs Node.js).</p>
<p>Send a file: <code>curl -F files=@song.mp3 'http://HOST:PORT/v1/tag?top=5'</code></p>
<p>What there is: <a href="openapi.json">openapi.json</a>, <a href="v1/models">models</a>.</p>
</html>
"""


class Page:
    """Serves a built page; any other path is a 404.

    Args:
        folder: where it was built. If it has a headers.json, those headers are sent with every file.
    """

    def __init__(self, folder: Path = PAGE_FOLDER) -> None:
        for suffix, kind in _TYPES.items():
            mimetypes.add_type(kind, suffix)
        self._headers = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
        self._files: ASGIApp | None = None
        if (folder / "index.html").is_file():
            self._files = StaticFiles(directory=folder, html=True)
            if (folder / "headers.json").is_file():
                self._headers |= json.loads((folder / "headers.json").read_text(encoding="utf-8"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        scope["state"]["notes"]["route"] = "page"

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                cached = "public, max-age=31536000, immutable" if "/assets/" in scope["path"] else "no-cache"
                added = {**self._headers, "Cache-Control": cached}
                headers = [(name.lower().encode(), value.encode()) for name, value in added.items()]
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        if self._files is not None:
            await self._files(scope, receive, with_headers)
        elif scope["path"] == "/":
            if scope["method"] not in ("GET", "HEAD"):
                raise HTTPException(405, headers={"Allow": "GET, HEAD"})
            await HTMLResponse(_WITHOUT)(scope, receive, with_headers)
        else:
            raise HTTPException(404)
