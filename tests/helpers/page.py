"""The built page in a browser: a web server that remembers requests, and visits to it."""

from __future__ import annotations

import fnmatch
import functools
import http.server
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.service.page import PAGE_FOLDER
from earmark.tagging.tag_scores import TagScores

ROOT = Path(__file__).parents[2]
CLIPS = sorted((ROOT / "examples/clips").iterdir())
CLOSE = 0.02
"""Scores of the page and of the command line differ by less."""
ARGUMENTS = (
    "--use-fake-device-for-media-stream",  # a microphone that beeps
    "--use-fake-ui-for-media-stream",
    "--host-resolver-rules=MAP page.test 127.0.0.1",  # a host that is not this machine, to the browser
)


class Site:
    """A plain web server with the built page, that remembers what it was asked for."""

    def __init__(self, headers: dict[str, str], missing: tuple[str, ...] = ()) -> None:
        """``missing``: patterns of paths that it does not have."""
        self.asked: list[str] = []
        site = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            extensions_map = {  # noqa: RUF012
                **http.server.SimpleHTTPRequestHandler.extensions_map,
                ".js": "text/javascript",
                ".mjs": "text/javascript",
            }

            def send_head(self) -> Any:
                if any(fnmatch.fnmatch(self.path, pattern) for pattern in missing):
                    return self.send_error(404)
                return super().send_head()

            def end_headers(self) -> None:
                for name, value in headers.items():
                    self.send_header(name, value)
                super().end_headers()

            def log_message(self, *_: object) -> None:
                site.asked.append(self.path)

        handler = functools.partial(Handler, directory=str(PAGE_FOLDER))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Visit:
    """One person at the page, with a browser profile of their own."""

    def __init__(self, browser: Any, url: str, script: str = "", **options: Any) -> None:
        """``script`` runs before those of the page."""
        self.context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        self.context.add_init_script(script)
        self.page = self.context.new_page()
        self.page.set_default_timeout(240_000)
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.n_given = 0
        self.page.on("console", lambda message: self.errors.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)
        self.settle()

    def settle(self) -> None:
        """Until all is loaded, kept for offline use, and the door is closed."""
        self.page.wait_for_selector("html[data-settled]")
        assert self.page.get_attribute("html", "data-ready") == "yes", self.page.inner_text("#news")

    def tag(self, *files: Path) -> list[dict[str, Any]]:
        """Gives files to the page, and all results so far as it exports them."""
        self.give(*files)
        return json.loads(self.export("json"))

    def give(self, *files: Path) -> None:
        """Gives files to the page, and waits until it is done with them."""
        self.page.set_input_files("#files-input", list(files))
        self.until_done(len(files))

    def until_done(self, n_more: int) -> None:
        """Until so many more files are tagged, or have failed."""
        self.n_given += n_more
        self.page.wait_for_selector(f'#rows[data-finished="{self.n_given}"]', state="attached")

    def export(self, kind: str) -> str:
        with self.page.expect_download() as download:
            self.page.click(f"#export-{kind}")
        return Path(download.value.path()).read_text(encoding="utf-8")

    def network(self) -> list[str]:
        """What was asked of any network; addresses of the page's own memory are none."""
        return [url for url in self.requests if not url.startswith(("blob:", "data:"))]


def same(record: dict[str, Any], truth: TagScores, close: float = CLOSE) -> None:
    """The same scores, and the same five best (two that are closer than what is allowed may have changed places)."""
    assert (record["status"], record["error"]) == ("ok", None)
    assert record["duration_seconds"] == pytest.approx(truth.duration_seconds, abs=0.03)
    assert record["degrees"] == pytest.approx(truth.degrees, abs=close)
    assert {tag["tag"]: tag["score"] for tag in record["tags"]} | record["degrees"] == pytest.approx(
        dict(zip(truth.tags, truth.scores.tolist(), strict=True)), abs=close
    )
    for ours, theirs in zip(record["tags"][:5], truth.top(5), strict=True):
        assert ours["tag"] == theirs.tag or truth[ours["tag"]] == pytest.approx(theirs.score, abs=close)
    taggram = np.array(record["taggram"]["scores"])
    assert taggram.shape == truth.taggram.shape
    assert np.abs(taggram - truth.taggram).max() < 3 * close
    assert record["taggram"]["window_starts_seconds"] == pytest.approx(truth.window_starts_seconds.tolist(), abs=0.03)
