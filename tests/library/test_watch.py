"""Following changes: what counts, and names that are no text."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from earmark.core.errors import ConfigError
from earmark.library.scan.watch import watch_folders

CALM_SECONDS = 0.8
LONGEST_SECONDS = 20


class Follower:
    """Counts the changes that are reported for a folder. Watching has begun when it is made."""

    def __init__(self, folder: Path) -> None:
        self.n = 0
        self._told = watch_folders([folder], folder / "library.sqlite", quiet_seconds=0.05, longest_seconds=0.2)
        next(self._told)
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        for _ in self._told:
            self.n += 1

    def sees_change_soon(self) -> bool:
        """Was a change reported since the last call? Waits for it, and until nothing more comes."""
        before, end = self.n, time.monotonic() + LONGEST_SECONDS
        while self.n == before and time.monotonic() < end:
            time.sleep(0.05)
        return self.saw_change() or self.n > before

    def saw_change(self) -> bool:
        """Is a change reported within a while?"""
        before = at_first = self.n
        time.sleep(CALM_SECONDS)
        while self.n > before:
            before = self.n
            time.sleep(CALM_SECONDS)
        return self.n > at_first


def test_music_and_folders_count_and_nothing_else(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    follower.saw_change()  # the folder itself was made a moment ago
    for name in ("cover.jpg", ".earmark-1.mp3", "library.sqlite-wal"):
        (tmp_path / name).write_text("something")
    assert not follower.saw_change()
    (tmp_path / "a.mp3").write_bytes(b"audio")
    assert follower.sees_change_soon()
    (tmp_path / "album").mkdir()
    assert follower.sees_change_soon()


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text can be made on Linux only")
def test_a_name_that_is_no_text_ends_nothing(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    for name in (b"caf\xe9.mp3", b"na\xefve.mp3", b"plain.mp3"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"audio")
        assert follower.sees_change_soon()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--watch needs a folder or file that exists"):
        Follower(tmp_path / "none")
