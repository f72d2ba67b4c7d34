"""Prometheus metrics for /metrics, in a registry per application, so that two in one process do not mix."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from earmark.core.version import __version__

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counts and times. Labels never contain free text from clients."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        Info("earmark", "The program", registry=self.registry).info({"version": __version__})
        self.requests = Counter(
            "earmark_requests", "Requests answered", ["route", "method", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "earmark_request_seconds", "Time to answer a request", ["route"], buckets=_SECONDS, registry=self.registry
        )
        self.files = Counter("earmark_files", "Files by outcome", ["outcome"], registry=self.registry)
        for outcome in ("ok", "error"):
            self.files.labels(outcome)
        self.audio_seconds = Counter("earmark_audio_seconds", "Audio tagged", registry=self.registry)
        self.upload_bytes = Counter("earmark_upload_bytes", "Bytes of uploads", registry=self.registry)
        self.in_flight = Gauge(
            "earmark_requests_in_flight",
            "Requests that upload or tag, or are being cleared away",
            registry=self.registry,
        )
        self.files_waiting = Gauge("earmark_files_waiting", "Files in the queue for tagging", registry=self.registry)

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)
