"""Server-Sent Events: progress of a request while it is tagged, and its answer as the last one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from earmark.core.json_records import json_text
from earmark.service.work import Job

MEDIA_TYPE = "text/event-stream"
EVERY_SECONDS = 0.5
"""News of a file are sent so often at most."""
KEEP_ALIVE_SECONDS = 15.0
"""After so long without an event, as in the queue, a comment shows proxies and clients that the connection is alive."""
KEEP_ALIVE = b": keep-alive\n\n"


def wants_events(accept: str) -> bool:
    """Does a client ask for events rather than for JSON?

    >>> [wants_events(text) for text in ("text/event-stream", "*/*", "application/json, text/event-stream", "")]
    [True, False, False, False]
    """
    weights = {b"application/json": 0.0, MEDIA_TYPE.encode(): 0.0}
    for part in accept.split(","):
        kind, options = parse_options_header(part.strip())
        try:
            weights[kind] = float(options.get(b"q", b"1"))
        except ValueError:
            weights[kind] = 0.0
    return weights[MEDIA_TYPE.encode()] > weights[b"application/json"]


def event(name: str, data: dict[str, Any] | str) -> bytes:
    """One event; ``data`` is JSON, or becomes it.

    >>> event("progress", {"seconds": 2.5})
    b'event: progress\\ndata: {"seconds": 2.5}\\n\\n'
    """
    text = data if isinstance(data, str) else json_text(data)  # JSON has no line breaks outside of strings
    return f"event: {name}\ndata: {text}\n\n".encode()


async def follow(job: Job, until: asyncio.Future[Any], timeout_seconds: float) -> AsyncIterator[bytes]:
    """Events of what a job's files have come to, and comments where there is no news.

    Args:
        job: the job.
        until: ends it, once the last news are sent.
        timeout_seconds: ends it, too.
    """
    clock = asyncio.get_running_loop().time
    deadline, sent_at = clock() + timeout_seconds, clock()
    sent: dict[int, dict[str, Any]] = {}
    ended = False
    while not ended:
        left = max(0.0, deadline - clock())
        await asyncio.wait({until}, timeout=min(EVERY_SECONDS, left))
        ended = until.done() or not left
        for index, news in job.news().items():
            if sent.get(index) != news:
                sent[index], sent_at = news, clock()
                yield event("progress", news)
        if clock() - sent_at >= KEEP_ALIVE_SECONDS:
            sent_at = clock()
            yield KEEP_ALIVE


class EventStream(StreamingResponse):
    """A response of events.

    Args:
        events: the events.
        on_end: called when the response is over in any way, with whether all of it was sent.
    """

    media_type = MEDIA_TYPE

    def __init__(self, events: AsyncIterator[bytes], on_end: Callable[[bool], None]) -> None:
        # nginx would keep events back until there is a page of them
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._on_end, self._complete = on_end, False

    async def stream_response(self, send: Send) -> None:
        """Send all events."""
        await super().stream_response(send)
        self._complete = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all events, or as many as the client takes."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end(self._complete)
