"""Following changes: what counts, and what the system does not report."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from earmark.core.errors import ConfigError
from earmark.library.scan.watch import shared_devices, watch_folders

pytest.importorskip("watchfiles")

CALM_SECONDS = 1.5
LONGEST_SECONDS = 30
NEVER = 1e6
BYTES_IN_NAMES = pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8 exist on Linux only")


class Follower:
    """Collects the changes that are reported for a folder. Watching has begun when it is made."""

    def __init__(self, *roots: Path, poll_seconds: float = NEVER) -> None:
        self.reasons: list[str] = []
        self._changes = watch_folders(
            roots,
            roots[0] / "library.sqlite",
            on_polling=self.reasons.append,
            quiet_seconds=0.05,
            longest_seconds=0.2,
            poll_seconds=poll_seconds,
        )
        next(self._changes)
        self._reports: queue.Queue[None] = queue.Queue()
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self) -> None:
        for _ in self._changes:
            self._reports.put(None)

    def wait_for_report(self) -> None:
        """Wait until a change is reported; fails where none is."""
        self._reports.get(timeout=LONGEST_SECONDS)

    def is_calm(self) -> bool:
        """Whether nothing is reported for a while."""
        try:
            self._reports.get(timeout=CALM_SECONDS)
        except queue.Empty:
            return True
        return False


def write(*parts: Path | str | bytes) -> Path:
    """An audio file, as far as its name goes."""
    path = Path(os.fsdecode(b"/".join(os.fsencode(part) for part in parts)))
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"audio")
    return path


@pytest.mark.slow
def test_audio_counts_and_nothing_else(tmp_path: Path) -> None:
    music = tmp_path / "music"
    album = write(tmp_path, "album", "b.mp3").parent
    music.mkdir()
    follower = Follower(music)
    for name in ("cover.jpg", ".earmark-1.mp3", "library.sqlite", "library.sqlite-wal"):
        write(music, name).unlink()
        write(music, name)
    (music / "empty folder").mkdir()
    assert follower.is_calm()
    song = write(music, "a.mp3")
    follower.wait_for_report()
    for change in (
        lambda: shutil.move(album, music / "album"),
        lambda: (music / "album").rename(music / "renamed"),
        lambda: song.write_bytes(b"changed"),
        song.unlink,
        lambda: shutil.rmtree(music / "renamed"),
    ):
        change()
        follower.wait_for_report()
    assert follower.is_calm()
    assert not follower.reasons


@pytest.mark.slow
def test_what_changes_while_a_scan_runs_is_not_lost(tmp_path: Path) -> None:
    changes = watch_folders([tmp_path], tmp_path / "library.sqlite", quiet_seconds=0.05, poll_seconds=NEVER)
    next(changes)
    for name in ("a.mp3", "b.mp3"):
        write(tmp_path, name)  # as if the caller were still scanning
        next(changes)


@pytest.mark.slow
def test_a_file_and_a_playlist(tmp_path: Path) -> None:
    song, named = write(tmp_path, "song.mp3"), write(tmp_path, "named.raw")
    playlist = tmp_path / "party.m3u8"
    playlist.write_text("song.mp3\n")
    follower = Follower(playlist, named)
    for change in (
        lambda: song.write_bytes(b"changed"),
        lambda: named.write_bytes(b"changed"),
        lambda: write(tmp_path, "new.mp3").replace(song),
        lambda: song.write_bytes(b"changed again"),
        lambda: write(tmp_path, "other.mp3") and playlist.write_text("song.mp3\nother.mp3"),
    ):
        change()
        follower.wait_for_report()


@pytest.mark.slow
@BYTES_IN_NAMES
def test_a_name_that_is_not_utf_8_does_not_end_it(tmp_path: Path) -> None:
    follower = Follower(tmp_path, poll_seconds=0.05)
    for name in (b"caf\xe9.mp3", b"na\xefve.mp3", b"plain.mp3"):
        write(tmp_path, name)
        follower.wait_for_report()
    assert [reason.endswith("not UTF-8") for reason in follower.reasons] == [True]


@pytest.mark.slow
@BYTES_IN_NAMES
@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("song", ["song.mp3", "notes.txt"])
def test_a_folder_whose_name_is_not_utf_8(tmp_path: Path, linked: bool, song: str) -> None:
    music = tmp_path / "music"
    write(music, "plain.mp3")
    folder = write(tmp_path if linked else music, b"caf\xe9", song).parent
    if linked:
        (music / "link").symlink_to(tmp_path, target_is_directory=True)
    follower = Follower(music, poll_seconds=0.05)
    write(folder, "new.mp3")
    follower.wait_for_report()
    write(music, "plain, too.mp3")
    follower.wait_for_report()
    assert [reason.endswith("not UTF-8") for reason in follower.reasons] == [True]


@pytest.mark.slow
@BYTES_IN_NAMES
def test_a_root_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    root = write(tmp_path, b"caf\xe9", "notes.txt").parent
    follower = Follower(root, poll_seconds=0.05)
    write(root, "song.mp3")
    follower.wait_for_report()
    assert len(follower.reasons) == 1


FOLLOW = """
import os, platform, sys
from pathlib import Path
import watchfiles
from earmark.library.scan.watch import watch_folders
music = Path(sys.argv[1])
if os.geteuid() == 0:
    os.seteuid(int(sys.argv[2]))
changes = watch_folders([music], music / "i", on_polling=print, quiet_seconds=0.05, poll_seconds=0.05)
next(changes)
for path in ("a/new.mp3", "c/new.mp3", "a/deep/deeper/song.mp3", "a/deep/deeper/new.mp3"):
    (music / path).parent.mkdir(parents=True, exist_ok=True)
    (music / path).touch()
    next(changes)
"""


def follow(folder: Path, *, user: int = 0, before: Sequence[str] = ()) -> str:
    """Reasons for polling in a process that makes four changes and waits for each; fails where one is missed."""
    for name in "abc":
        (folder / name).mkdir(exist_ok=True)
    command = [*before, sys.executable, "-c", FOLLOW, str(folder), str(user)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_folder_that_cannot_be_read_costs_no_change_elsewhere(tmp_path: Path) -> None:
    music = tmp_path / "music"
    for name in "ac":  # one of them is watched after b
        (music / name).mkdir(parents=True)
        (music / name).chmod(0o777)
    for folder in (music, *music.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    (music / "b").mkdir(mode=0)
    assert str(music / "b") in follow(music, user=65_534)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare(1)")
@pytest.mark.parametrize(
    ("name", "limit", "cure"),
    [
        ("max_inotify_watches", 0, "max_user_watches"),
        ("max_inotify_watches", 4, "max_user_watches"),  # reached when a folder is made later
        ("max_inotify_instances", 0, "max_user_instances"),
    ],
)
def test_a_limit_of_the_system(tmp_path: Path, name: str, limit: int, cure: str) -> None:
    namespace = ["unshare", "--user", "--map-root-user", "sh", "-c"]
    set_limit = f"echo {limit} > /proc/sys/user/{name}"
    if subprocess.run([*namespace, set_limit], capture_output=True, check=False).returncode:
        pytest.skip("no namespace of its own, in which a limit can be set")
    reasons = follow(tmp_path, before=[*namespace, f'{set_limit} && exec "$0" "$@"'])
    assert cure in reasons
    assert len(reasons.splitlines()) == 1


@pytest.mark.slow
def test_a_folder_that_is_replaced_and_a_link_that_comes_later(tmp_path: Path) -> None:
    music, elsewhere = tmp_path / "music", tmp_path / "elsewhere"
    write(music, "song.mp3")
    write(elsewhere, "deep", "song.mp3")
    follower = Follower(music)

    changes: list[Callable[[], object]] = [
        lambda: music.rename(tmp_path / "old"),
        lambda: shutil.copytree(tmp_path / "old", music),
        lambda: write(music, "new.mp3"),
        lambda: (music / "link").symlink_to(elsewhere, target_is_directory=True),
        lambda: write(elsewhere, "deep", "new.mp3"),
        lambda: shutil.rmtree(music),
        lambda: write(music, "back.mp3"),
        lambda: write(music, "back, too.mp3"),
    ]
    for change in changes:
        change()
        follower.wait_for_report()
    assert not follower.reasons


def test_file_systems_that_others_write_to() -> None:
    mounts = """\
22 28 0:21 / /proc rw,nosuid - proc proc rw
28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 28 8:33 / /mnt/usb\\040stick rw - fuseblk /dev/sdc1 rw
41 28 0:50 /music /mnt/nas rw,relatime shared:50 master:3 - nfs4 nas:/music rw,vers=4.2
42 28 0:51 / /mnt/windows rw - cifs //server/music rw
43 28 0:52 / /mnt/ssh rw - fuse.sshfs me@server:music rw
44 28 0:53 / /mnt/fuse rw - fuse bindfs rw
"""
    found = {os.minor(device): kind for device, kind in shared_devices(mounts).items()}
    assert found == {50: "nfs4", 51: "cifs", 52: "fuse.sshfs", 53: "fuse"}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--watch needs a folder or file that exists"):
        Follower(tmp_path / "none")
