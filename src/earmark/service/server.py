"""Runs the application: socket, signals and graceful shutdown."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from earmark.core.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED
from earmark.core.version import __version__
from earmark.service.app import create_app
from earmark.service.page import PAGE_FOLDER, how_to_build
from earmark.service.settings import Settings

logger = logging.getLogger("earmark.service")


class _Server(uvicorn.Server):
    """Shuts down gracefully at the first signal, and at once at the second.

    After the first, /readyz gives 503, new requests for tags are refused, and running ones have `stop_seconds` to
    finish; the socket stays open meanwhile, for at least `drain_seconds`.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, settings: Settings) -> None:
        super().__init__(config)
        self.app, self.settings = app, settings
        self.signal: int | None = None
        self._signal_at = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  as in uvicorn
        """Runs as a signal handler, so it only sets flags."""
        if self.signal is not None:
            self.should_exit = self.force_exit = True
            return
        self.signal, self._signal_at = sig, time.monotonic()
        if self.app.state.work is not None:
            self.app.state.work.draining = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the socket, and log its address."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            models = list(self.app.state.work.models)
            logger.info("started", extra={"fields": {"address": f"http://{shown}:{port}", "models": models}})

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if self.signal is not None and not self.should_exit:
            waited = time.monotonic() - self._signal_at
            n_left = self.app.state.work.n_in_flight
            if not n_left and waited >= self.settings.drain_seconds:
                self.should_exit = True
            elif waited >= max(self.settings.stop_seconds, self.settings.drain_seconds):
                logger.warning("requests did not finish in time", extra={"fields": {"n_requests": n_left}})
                self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the socket; remaining requests are aborted."""
        logger.info("stopping")
        await super().shutdown(sockets)
        await asyncio.sleep(0)
        logger.info("stopped")


def serve(settings: Settings) -> int:
    """Serve until a signal; returns the exit code: 0 after SIGTERM, 130 after Ctrl-C, 1 if it could not start.

    Raises:
        ModelError: a model is missing or cannot be loaded.
    """
    app = create_app(settings)
    if settings.is_exposed:
        logger.warning(
            "anybody who reaches this address can use the service: set EARMARK_SERVE_API_KEY, or listen on 127.0.0.1",
            extra={"fields": {"host": settings.host, "version": __version__}},
        )
    if not (PAGE_FOLDER / "index.html").is_file():
        logger.info("no page at /", extra={"fields": {"to_build_it": how_to_build().splitlines()}})
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=1,  # whatever could finish in time has finished by then
    )
    server = _Server(config, app, settings)
    try:
        server.run()
    except SystemExit:  # the address cannot be used; uvicorn has logged it
        return EXIT_FAILED
    return EXIT_INTERRUPTED if server.signal == signal.SIGINT else 0
