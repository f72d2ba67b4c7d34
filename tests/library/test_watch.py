"""Following changes: which ones count, and names that are not UTF-8."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from earmark.core.errors import ConfigError
from earmark.library.scan.watch import watch_folders
from tests.helpers.waiting import wait_until

watchfiles = pytest.importorskip("watchfiles")

CALM_SECONDS = 0.5
LONGEST_SECONDS = 30


class Follower:
    """Collects the changes that are reported for a folder. Watching has begun when it is made."""

    def __init__(self, folder: Path) -> None:
        self._changes = watch_folders([folder], folder / "library.sqlite", quiet_seconds=0.05, longest_seconds=0.2)
        next(self._changes)
        self._reports: queue.Queue[None] = queue.Queue()
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self) -> None:
        for _ in self._changes:
            self._reports.put(None)

    def wait_for_report(self) -> None:
        """Wait until a change is reported; fails where none is."""
        self._reports.get(timeout=LONGEST_SECONDS)

    def drop_reports(self) -> None:
        """Forget what is reported until nothing comes for a while: one change may be reported twice."""
        try:
            while True:
                self._reports.get(timeout=CALM_SECONDS)
        except queue.Empty:
            return


@pytest.fixture
def decisions(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[bool]]:
    """File name -> what was decided about its changes: whether they count."""
    watch, found = watchfiles.watch, {}

    def recorded(*folders: Path, watch_filter: Callable[[Any, str], bool], **options: Any) -> Any:
        def decide(change: Any, name: str) -> bool:
            counts = watch_filter(change, name)
            found.setdefault(Path(name).name, set()).add(counts)
            return counts

        return watch(*folders, watch_filter=decide, **options)

    monkeypatch.setattr(watchfiles, "watch", recorded)
    return found


def test_music_and_folders_count_and_nothing_else(tmp_path: Path, decisions: dict[str, set[bool]]) -> None:
    follower = Follower(tmp_path)
    ignored = ("cover.jpg", ".earmark-1.mp3", "library.sqlite", "library.sqlite-wal")
    for name in ignored:
        (tmp_path / name).write_text("something")
    wait_until(lambda: decisions.keys() >= set(ignored))
    assert all(decisions[name] == {False} for name in ignored)
    follower.drop_reports()
    (tmp_path / "a.mp3").write_bytes(b"audio")
    follower.wait_for_report()
    follower.drop_reports()
    (tmp_path / "album").mkdir()
    follower.wait_for_report()


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8 can be made on Linux only")
def test_a_name_that_is_not_utf_8_does_not_end_it(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    for name in (b"caf\xe9.mp3", b"na\xefve.mp3", b"plain.mp3"):
        follower.drop_reports()
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"audio")
        follower.wait_for_report()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--watch needs a folder or file that exists"):
        Follower(tmp_path / "none")
