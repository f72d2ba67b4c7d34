"""Middleware for every request: request id, log line and metrics; and no response is lost while a client still sends."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earmark.service.metrics import Metrics
from earmark.service.problems import Problem

logger = logging.getLogger("earmark.service")

_METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 64 << 20
CLIENT_GONE = 499
"""Status in the log if the client disconnected before the response."""


class RequestMiddleware:
    """Gives each request an id, logs and counts it, and discards the rest of a refused body.

    A response that comes before the body has been read would be lost, because a connection that is closed with unread
    bytes is reset. So a refused body is read for a moment and discarded, unless the client asked first
    (`Expect: 100-continue`).
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = secrets.token_hex(8)
        notes: dict[str, Any] = {}
        scope.setdefault("state", {}).update(notes=notes, request_id=request_id)
        headers = dict(scope["headers"])
        status, answering = CLIENT_GONE, False
        unread = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers

        async def wrapped_receive() -> Message:
            nonlocal unread
            message = await receive()
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                unread = False
            return message

        async def wrapped_send(message: Message) -> None:
            nonlocal status, unread, answering
            if message["type"] == "http.response.start":
                status, answering = message["status"], True
                added = [(b"x-request-id", request_id.encode())]
                if unread and b"expect" not in headers and not notes.get("slow"):
                    unread = not await _discard_body(receive)
                if unread:
                    added.append((b"connection", b"close"))
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        try:
            await self.app(scope, wrapped_receive, wrapped_send)
        except Exception as error:
            logger.error("failed", exc_info=error, extra={"fields": {"request_id": request_id}})
            if answering:
                raise  # too late for another response: the server closes the connection
            problem = Problem(500, "failed", "the log of the service says more", request_id=request_id)
            await problem.response()(scope, receive, wrapped_send)
        finally:
            seconds = time.perf_counter() - started
            if notes.pop("gone", False):
                status = CLIENT_GONE
            notes.pop("slow", None)
            route = getattr(scope.get("route"), "path", None) or notes.pop("route", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self.metrics.requests.labels(route, method, str(status)).inc()
            self.metrics.seconds.labels(route).observe(seconds)
            client = scope.get("client")
            line = {
                "request_id": request_id,
                "client": client[0] if client else None,
                "method": method,
                "route": route,
                "status": status,
                "seconds": round(seconds, 4),
                **notes,
            }
            quiet = route in ("/healthz", "/readyz", "/metrics") and status < 400
            logger.log(logging.DEBUG if quiet else logging.INFO, "request", extra={"fields": line})


async def _discard_body(receive: Receive) -> bool:
    """Read and discard a body for a moment. Returns whether that was all of it."""
    n_bytes = 0
    try:
        async with asyncio.timeout(_LINGER_SECONDS):
            while n_bytes < _LINGER_BYTES:
                message = await receive()
                n_bytes += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return True
    except TimeoutError:
        pass
    return False
