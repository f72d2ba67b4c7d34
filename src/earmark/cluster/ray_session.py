"""Finding a Ray cluster, or starting one on this machine."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from earmark.core.errors import DataError
from earmark.core.plugins import PLUGINS_VARIABLE

_ANSWER_SECONDS = 10.0


@contextmanager
def connected(address: str = "auto") -> Iterator[None]:
    """Work on a cluster; a program that is connected already stays so, and its cluster is used.

    Args:
        address: "local" starts Ray on this machine and ends it afterwards; "auto" is the cluster that this machine belongs
            to; else what ``ray.init`` takes, e.g. "10.0.0.1:6379".

    Raises:
        DataError: no cluster there.
    """
    # Settings that are read when Ray is imported or started. Existing values are kept.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # otherwise Ray Data causes a warning itself
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray 2.x: workers without GPUs see what there is
    import ray

    if ray.is_initialized():
        yield
        return
    _check_answers(address)
    try:
        options = {"logging_level": logging.ERROR, "log_to_driver": False}
        if address == "local":
            ray.init(address="local", include_dashboard=False, **options)
        else:
            plugins = os.environ.get(PLUGINS_VARIABLE)  # workers elsewhere need them, too, at the same paths
            environment = {"runtime_env": {"env_vars": {PLUGINS_VARIABLE: plugins}}} if plugins else {}
            ray.init(address=address, **environment, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"no Ray cluster at {address} ({reason}); start one with `ray start --head`, or use --address local"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Ray itself waits minutes for a machine that does not exist."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(
            f"no Ray cluster at {address} ({why}); `ray start --head` says its address, and --address local needs none"
        ) from error
