"""How far tagging has come, for callbacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from earmark.core.errors import AudioError


@dataclass(frozen=True)
class TagProgress:
    """How far :meth:`Tagger.tag_many` has come: files that are done, and the one whose result is next.

    Attributes:
        done: results so far, errors among them.
        total: files in all; None where they come from an iterator, which has no length.
        path: the file whose result is next, or which has just got it; None for bytes without a name.
        seconds: of its audio decoded so far. With few windows of a file, none until these are read.
        duration_seconds: its length as it declares it or its bit rate suggests, so perhaps not exactly; None where it
            does not, and before it is opened.
        windows: how many of its windows have scores, with ``step_seconds`` those between them, too.
        finished: it is tagged, or cannot be, and counted in ``done``: ``seconds`` and ``duration_seconds`` are final.
        error: why it cannot be tagged.

    Examples:
        >>> import earmark
        >>> def show(progress):
        ...     if progress.finished:
        ...         print(f"{progress.done} of {progress.total}: {progress.path}: {progress.error.reason}")
        >>> results = earmark.load_tagger().tag_many(["a.mp3", "b.mp3"], errors="return", on_progress=show)
        >>> _ = list(results)
        1 of 2: a.mp3: no such file
        2 of 2: b.mp3: no such file
    """

    done: int
    total: int | None
    path: Path | None
    seconds: float = 0.0
    duration_seconds: float | None = None
    windows: int = 0
    finished: bool = False
    error: AudioError | None = None


OnProgress = Callable[[TagProgress], None]
