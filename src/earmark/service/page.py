"""The page at /: the one that `make web` has built, or a plain one that says how to build it here."""

from __future__ import annotations

import html
import json
import mimetypes
import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

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
<p>The service runs. Its page has not been built:</p>
<pre>{how}</pre>
<p>Send a file: <code>curl -F files=@song.mp3 'http://HOST:PORT/v1/tag?top=5'</code></p>
<p>What there is: <a href="openapi.json">openapi.json</a>, <a href="v1/models">models</a>.</p>
</html>
"""


def how_to_build(folder: Path = PAGE_FOLDER) -> str:
    """The commands after which the page is in ``folder``, one per line.

    They depend on the installation: an editable one has the folder in its sources, where ``make web`` puts the page; into
    any other the page comes with the package.
    """
    sources = folder.parents[3] if len(folder.parents) > 3 else folder
    if (sources / "web" / "package.json").is_file():
        return f"{shlex.join(['make', '-C', str(sources), 'web'])}     # needs Node.js; then reload"
    origin = _installed_from()
    here = shlex.quote(str(origin or "SOURCES"))
    install = shlex.join([sys.executable, "-m", "pip", "install", "--force-reinstall", "--no-deps"])
    return "\n".join(
        [
            *([] if origin else ["# SOURCES is a folder with earmark's sources"]),
            f"make -C {here} web     # needs Node.js",
            f"{install} {here}     # then reload",
        ]
    )


def _installed_from() -> Path | None:
    """The folder of sources from which this package was installed, as pip has recorded it (PEP 610)."""
    try:
        recorded = distribution("earmark").read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    url = json.loads(recorded or "{}").get("url", "")
    path = Path(url2pathname(urlsplit(url).path)) if url.startswith("file:") else None
    return path if path is not None and (path / "web" / "package.json").is_file() else None


class Page:
    """Serves a built page; any other path is a 404. One that is built later appears without a restart.

    Args:
        folder: where it is built. If it has a headers.json, those headers are sent with every file.
    """

    def __init__(self, folder: Path = PAGE_FOLDER) -> None:
        for suffix, kind in _TYPES.items():
            mimetypes.add_type(kind, suffix)
        self._folder = folder
        self._files = StaticFiles(directory=folder, html=True, check_dir=False)

    @property
    def is_built(self) -> bool:
        """Is there a page?"""
        return (self._folder / "index.html").is_file()

    def _headers(self) -> dict[str, str]:
        headers = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
        path = self._folder / "headers.json"
        return headers | json.loads(path.read_text(encoding="utf-8")) if path.is_file() else headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        scope["state"]["notes"]["route"] = "page"
        fixed = self._headers()

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                cached = "public, max-age=31536000, immutable" if "/assets/" in scope["path"] else "no-cache"
                added = {**fixed, "Cache-Control": cached}
                headers = [(name.lower().encode(), value.encode()) for name, value in added.items()]
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        if self.is_built:
            await self._files(scope, receive, with_headers)
        elif scope["path"] == "/":
            if scope["method"] not in ("GET", "HEAD"):
                raise HTTPException(405, headers={"Allow": "GET, HEAD"})
            plain = HTMLResponse(_WITHOUT.format(how=html.escape(how_to_build(self._folder))))
            await plain(scope, receive, with_headers)
        else:
            raise HTTPException(404)
