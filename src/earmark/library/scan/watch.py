"""Watch folders for changes, so that a scan runs when there is something to do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.core.audio_formats import has_audio_suffix
from earmark.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from watchfiles import Change

_TICK_MILLISECONDS = 500
_UNDECODABLE = "Unable to decode path"  # watchfiles cannot report such names


def watch_folders(
    roots: Iterable[str | Path], index: Path, *, quiet_seconds: float = 2.0, longest_seconds: float = 30.0
) -> Iterator[None]:
    """Yield immediately, and then each time that audio files or folders below the roots have changed. Never ends by itself.

    Watching begins before the first yield: what changes while the caller works is not lost.

    Args:
        roots: folders and files, all of which exist.
        index: the index, which may be below a root: its own changes do not count.
        quiet_seconds: changes are collected until nothing has changed for so long, ...
        longest_seconds: ... or so much time has passed: copying an album is one change.

    Raises:
        ConfigError: a root that does not exist.
        DataError: the system watches no more folders.
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
        if has_audio_suffix(path):
            return True
        # Of a folder that was moved or deleted, only its own name is reported.
        return change is watchfiles.Change.deleted or os.path.isdir(name)  # noqa: PTH112

    def rounds() -> Iterator[bool]:
        """Whether something has changed, again and again; the first value comes when watching has begun."""
        for changes in watchfiles.watch(
            *folders,
            watch_filter=counts,
            step=round(quiet_seconds * 1000),
            debounce=round(longest_seconds * 1000),
            rust_timeout=_TICK_MILLISECONDS,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        ):
            yield bool(changes)

    begun = False
    while True:
        try:
            for changed in rounds():
                if changed or not begun:
                    begun = True
                    yield
        except RuntimeError as error:
            if _UNDECODABLE not in str(error):
                raise DataError(
                    f"the folders cannot be watched ({error}); without --watch, a scan now and then finds the same changes"
                ) from error
            # A name that is not UTF-8 ends the watching: restart it, and take what was missed for a change.
            time.sleep(quiet_seconds)
            begun = False
