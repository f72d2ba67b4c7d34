"""The options of a :class:`earmark.Tagger`, and of an embedder."""

from __future__ import annotations

import math
from typing import Literal, TypedDict

MOST_SPARSE_WINDOWS = 64
"""With ``windows``, all windows of a file are in memory before the network runs."""

LEAST_STEP_SECONDS = 0.1

FINE_STEP_SECONDS = 2.0
"""Of taggrams and segments where nothing else is asked for: commands and the service."""


class EmbedderOptions(TypedDict, total=False):
    """How audio is read: keyword arguments of :class:`earmark.tagging.embedder.Embedder` and :class:`earmark.Tagger`."""

    batch_windows: int | None
    damaged: Literal["error", "tag"]
    windows: int | None
    step_seconds: float | None


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
    return problems
