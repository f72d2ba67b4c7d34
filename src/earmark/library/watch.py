"""Following changes below folders, so that a scan can be made when there is something to do."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.audio import AUDIO_SUFFIXES
from earmark.errors import ConfigError

if TYPE_CHECKING:
    from watchfiles import Change

_TICK_MILLISECONDS = 500


def follow(
    roots: Iterable[str | Path], index: Path, *, quiet_seconds: float = 2.0, longest_seconds: float = 30.0
) -> Iterator[None]:
    """Yield at once, and then each time that audio files or folders below the roots have changed. Never ends by itself.

    Watching begins before the first yield: what changes while the caller works is not lost.

    Args:
        roots: folders and files, all of which exist.
        index: the index, which may lie below a root: its own changes do not count.
        quiet_seconds: changes are gathered until nothing has changed for so long, ...
        longest_seconds: ... or so much time has passed: copying an album is one change.

    Raises:
        ConfigError: a root that does not exist.
    """
    import watchfiles

    folders = [Path(root).expanduser() for root in roots]
    absent = [f"{folder}: --watch needs a folder or file that exists" for folder in folders if not folder.exists()]
    if absent:
        raise ConfigError(absent)

    def counts(change: Change, name: str) -> bool:
        path = Path(name)
        if path.name.startswith((".", index.name)):
            return False
        if path.suffix.lower() in AUDIO_SUFFIXES:
            return True
        # A folder that was moved or deleted is told by its own name only.
        return change is watchfiles.Change.deleted or os.path.isdir(name)  # noqa: PTH112

    rounds = watchfiles.watch(
        *folders,
        watch_filter=counts,
        step=round(quiet_seconds * 1000),
        debounce=round(longest_seconds * 1000),
        rust_timeout=_TICK_MILLISECONDS,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    next(rounds)  # watching has begun
    yield
    for changes in rounds:
        if changes:
            yield
