"""The fingerprints of a library's tracks, kept in a folder beside the index."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np

from earmark.audio.fingerprint import FRAME, Fingerprint, agreement, fingerprint
from earmark.core.atomic_files import write_atomic
from earmark.core.errors import AudioError
from earmark.library.index.track_index import Index
from earmark.library.query.search import Tracks

logger = logging.getLogger(__name__)

OnNote = Callable[[str], None]
OnProgress = Callable[[int, int], None]

_SUFFIX = ".2"  # of this kind of fingerprint
_IN_MEMORY = 1024


class Fingerprints:
    """Fingerprints of tracks, by their row: made once, a file for each audio content, which may be deleted at any time.

    Args:
        index: beside which they are kept.
        tracks: its tracks.
        on_note: called with notes for the user: on tracks that cannot be read, and so are like no other.
    """

    def __init__(self, index: Index, tracks: Tracks, on_note: OnNote = lambda _: None) -> None:
        self.folder = index.path.with_name(f"{index.path.name}.fingerprints")
        self._tracks, self._on_note = tracks, on_note
        self._unsaved: dict[str, Fingerprint] = {}
        self._get = lru_cache(_IN_MEMORY)(self._read)

    def make(self, rows: Iterable[int], jobs: int, on_progress: OnProgress = lambda _done, _all: None) -> None:
        """Make those that are missing, several files side by side, and remove those of audio that is no longer there.

        Stopped at any time, it continues where it was.
        """
        kept = {f"{key}{_SUFFIX}" for key in self._tracks.keys}
        known = {path.name for path in self.folder.glob("*")} if self.folder.is_dir() else set()
        for name in known - kept:
            (self.folder / name).unlink(missing_ok=True)
        missing = [row for row in sorted(rows) if f"{self._tracks.keys[row]}{_SUFFIX}" not in known]
        pool = ThreadPoolExecutor(jobs)
        try:
            for done, _ in enumerate(pool.map(self._make, missing), 1):
                on_progress(done, len(missing))
        finally:
            pool.shutdown(cancel_futures=True)

    def agreement(self, one: int, other: int, most_offset_seconds: float) -> float:
        """How far two tracks are the same recording, see :func:`earmark.audio.fingerprint.agreement`."""
        return agreement(self._get(one), self._get(other), most_offset_seconds)

    def _read(self, row: int) -> Fingerprint:
        key = self._tracks.keys[row]
        if key in self._unsaved:
            return self._unsaved[key]
        try:
            return np.frombuffer((self.folder / f"{key}{_SUFFIX}").read_bytes(), FRAME)
        except (OSError, ValueError):  # removed meanwhile, or damaged
            return self._make(row)

    def _make(self, row: int) -> Fingerprint:
        key, path = self._tracks.keys[row], self._tracks.path(row)
        try:
            made = fingerprint(path)
        except AudioError as error:
            self._on_note(f"note: cannot be compared: {error}")
            self._unsaved[key] = made = np.empty(0, FRAME)
            return made
        try:
            self.folder.mkdir(exist_ok=True)
            write_atomic(self.folder / f"{key}{_SUFFIX}", made.tobytes())
        except OSError as error:
            if not self._unsaved:
                logger.warning("fingerprints cannot be kept beside the index (%s): they will be made again", error)
            self._unsaved[key] = made
        return made
