"""The options of a :class:`earmark.Tagger`, and of an embedder."""

from __future__ import annotations

import math
from os import PathLike
from typing import Any, Literal, TypedDict

from earmark.audio import AudioBytes
from earmark.core.errors import ConfigError
from earmark.core.input_spec import InputSpec
from earmark.tagging.devices import GPU_BATCH_WINDOWS

MOST_SPARSE_WINDOWS = 64
"""With ``windows``, all windows of a file are in memory before the network runs."""

LEAST_STEP_SECONDS = 0.1

FINE_STEP_SECONDS = 2.0
"""Of taggrams and segments where nothing else is asked for: commands and the service."""

_SECONDS_PER_RUN, _MAX_WINDOWS_PER_RUN = 10.0, 4


class EmbedderOptions(TypedDict, total=False):
    """How audio is read: keyword arguments of :class:`earmark.tagging.embedder.Embedder` and :class:`earmark.Tagger`."""

    batch_windows: int | None
    damaged: Literal["error", "tag"]
    windows: int | None
    step_seconds: float | None
    tempo: bool
    key: bool


class TaggerOptions(EmbedderOptions, total=False):
    """Keyword arguments of :class:`earmark.Tagger`."""

    embeddings: bool


def option_problems(options: EmbedderOptions) -> list[str]:
    """What is out of range, or does not go together: one line each.

    >>> option_problems({"windows": 65, "damaged": "error"})
    ['windows 65: must be 1 to 64, or none for all of a file']
    """
    batch_windows, damaged = options.get("batch_windows"), options.get("damaged", "error")
    windows, step_seconds = options.get("windows"), options.get("step_seconds")
    problems = []
    if batch_windows is not None and batch_windows < 1:
        problems.append(f"batch_windows {batch_windows}: must be at least 1")
    if damaged not in ("error", "tag"):
        problems.append(f"damaged {damaged!r}: must be error or tag")
    if windows is not None and not 1 <= windows <= MOST_SPARSE_WINDOWS:
        problems.append(f"windows {windows}: must be 1 to {MOST_SPARSE_WINDOWS}, or none for all of a file")
    if step_seconds is not None and not LEAST_STEP_SECONDS <= step_seconds < math.inf:
        problems.append(f"step_seconds {step_seconds}: must be {LEAST_STEP_SECONDS} or more")
    if step_seconds is not None and windows is not None:
        problems.append(
            f"windows {windows} with step_seconds {step_seconds}: give one of them, steps need all windows of a file"
        )
    problems += [
        f"windows {windows} with {name}: leave one of them out, since the {name} is estimated from all of a file"
        for name, wanted in (("tempo", options.get("tempo")), ("key", options.get("key")))
        if wanted and windows is not None
    ]
    return problems


def default_batch_windows(spec: InputSpec, *, on_gpu: bool) -> int:
    """Windows per run of a tagger's network."""
    if on_gpu:
        return GPU_BATCH_WINDOWS
    return max(1, min(_MAX_WINDOWS_PER_RUN, int(_SECONDS_PER_RUN / spec.window_seconds)))


def check_call(paths: Any, jobs: int | None, errors: str) -> None:
    """Check the arguments of :meth:`earmark.Tagger.tag_many`. Raises ConfigError."""
    if isinstance(paths, str | PathLike | bytes | AudioBytes) or hasattr(paths, "read"):
        shown = repr(paths) if isinstance(paths, str | PathLike) else f"one {type(paths).__name__}"
        raise ConfigError(f"tag_many takes several files, not {shown}: use tag(...), or put it into a list")
    if errors not in ("raise", "return"):
        raise ConfigError(f"errors {errors!r}: must be raise or return")
    if jobs is not None and jobs < 1:
        raise ConfigError(f"jobs {jobs}: must be at least 1")
