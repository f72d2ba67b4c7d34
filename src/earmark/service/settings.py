"""Settings of the service: limits, models, API key. `earmark serve` fills them from flags and the environment."""

from __future__ import annotations

import ipaddress
import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from earmark.core.cpu import available_cores
from earmark.core.errors import ConfigError
from earmark.tagging.devices import device_problems

MIN_KEY_CHARACTERS = 8


@dataclass(frozen=True)
class Settings:
    """Settings of the service; all limits are maximums. Raises ConfigError, with all problems at once.

    Attributes:
        host: address to listen on.
        port: port to listen on; 0 takes any that is free.
        models: names or .onnx files; the first is the default of requests. Empty for the bundled one.
        device: on which the networks run, as for :func:`earmark.load_tagger`.
        api_key: required in requests for tags; None for no key.
        max_megabytes: size of one request, in 10^6 bytes.
        max_files: files in one request.
        max_minutes: length of the audio in one file.
        timeout_seconds: time limit of a request, for the upload and again for tagging.
        max_in_flight: requests that upload or tag at the same time.
        workers: files that are tagged at the same time; None for one per core.
        temporary_folder: for uploads while they are tagged; None for the system's.
        log_file_names: also log the names of the files.
        drain_seconds: after SIGTERM, how long to answer at least, so that a load balancer sees the 503 of /readyz.
        stop_seconds: after SIGTERM, how long running requests have to finish.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    models: tuple[str, ...] = ()
    device: str = "cpu"
    api_key: str | None = field(default=None, repr=False)
    max_megabytes: float = 200.0
    max_files: int = 20
    max_minutes: float = 120.0
    timeout_seconds: float = 300.0
    max_in_flight: int = 64
    workers: int | None = None
    temporary_folder: Path | None = None
    log_file_names: bool = False
    drain_seconds: float = 0.0
    stop_seconds: float = 60.0

    def __post_init__(self) -> None:
        problems = []
        if not 0 <= self.port <= 65_535:
            problems.append(f"port {self.port}: must be 0 (any free one) to 65535")
        for name in ("max_files", "max_in_flight", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                problems.append(f"{name} {value}: must be at least 1")
        for name in ("max_megabytes", "max_minutes", "timeout_seconds"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                problems.append(f"{name} {value}: must be more than 0")
        for name in ("drain_seconds", "stop_seconds"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                problems.append(f"{name} {value}: must be 0 or more")
        problems += device_problems(self.device)
        if self.api_key is not None and not (
            len(self.api_key) >= MIN_KEY_CHARACTERS and self.api_key.isascii() and self.api_key.isprintable()
        ):
            problems.append(f"api_key: must be at least {MIN_KEY_CHARACTERS} printable ASCII characters")
        if self.temporary_folder is not None:
            if not self.temporary_folder.is_dir():
                problems.append(f"temporary_folder {self.temporary_folder}: no such folder")
            elif not os.access(self.temporary_folder, os.W_OK | os.X_OK):
                problems.append(f"temporary_folder {self.temporary_folder}: cannot be written to")
        if problems:
            raise ConfigError(problems)

    @property
    def max_bytes(self) -> int:
        """Size of one request in bytes."""
        return round(self.max_megabytes * 1e6)

    @property
    def max_seconds(self) -> float:
        """Length of the audio in one file, in seconds."""
        return self.max_minutes * 60

    @property
    def n_workers(self) -> int:
        """Files that are tagged at the same time."""
        return self.workers or available_cores()

    @property
    def is_loopback(self) -> bool:
        """Can only this machine reach the service? A name other than localhost may be anywhere: no."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_exposed(self) -> bool:
        """Can anybody on the network use it, without a key?"""
        return not self.is_loopback and self.api_key is None
