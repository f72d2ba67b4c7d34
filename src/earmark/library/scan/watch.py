"""Watch folders for changes, so that a scan runs when there is something to do.

The system's reports (watchfiles: inotify and its like) only end the waiting. Whether something has changed is seen as a
scan sees it, by names, sizes and times of change, so a lost report costs time and no change. Where the system does not
report everything, files are compared every minute; elsewhere every hour, for what no system reports: a link to a folder
that was added to, a drive that was mounted below a root, more changes at once than its queue holds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Self

from earmark.audio.file_discovery import find_audio
from earmark.audio.playlist_files import expand_playlists
from earmark.core.audio_formats import has_audio_suffix
from earmark.core.errors import ConfigError

if TYPE_CHECKING:
    from watchfiles import Change

POLL_SECONDS = 60.0
_RECHECK_SECONDS = 3600.0
_TICK_MILLISECONDS = 500
_MOST_LOAD = 0.05  # share of the time spent on comparing: what takes long is compared less often
_DELETED = 3  # watchfiles.Change.deleted
_MOUNTS = Path("/proc/self/mountinfo")
_SHARED = frozenset(
    [
        *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3"),
        *("smbfs", "vboxsf", "virtiofs"),
    ]
)
"""File systems that other machines write to. The system reports only what is written through it."""
_MEANINGS = {
    "watch limit": "more folders than one user may watch; sysctl fs.inotify.max_user_watches raises that",
    "Too many open files": "too many programs watch folders; sysctl fs.inotify.max_user_instances raises that",
    "Unable to decode path": "a name that is not UTF-8",
}
"""Parts of the messages of watchfiles, and what they mean."""


def watch_folders(
    roots: Iterable[str | Path],
    index: Path,
    *,
    on_polling: Callable[[str], None] = lambda _reason: None,
    quiet_seconds: float = 2.0,
    longest_seconds: float = 30.0,
    poll_seconds: float = POLL_SECONDS,
) -> Iterator[None]:
    """Yield immediately, and then each time that audio files below the roots have changed. Never ends by itself.

    What changes while the caller works is not lost.

    Args:
        roots: folders, files and playlists, all of which exist.
        index: the index, which may be below a root: its own changes do not count.
        on_polling: called with the reason where the system does not report all changes, and files are compared every
            ``poll_seconds`` instead.
        quiet_seconds: changes are collected until files have stayed the same for so long, ...
        longest_seconds: ... or so much time has passed: copying an album is one change.
        poll_seconds: how often files are compared; less often where comparing takes long.

    Raises:
        ConfigError: a root that does not exist.
    """
    folders = [Path(os.path.abspath(Path(root).expanduser())) for root in roots]  # noqa: PTH100  links stay links
    absent = [f"{folder}: --watch needs a folder or file that exists" for folder in folders if not _identity(folder)]
    if absent:
        raise ConfigError(absent)
    known: bytes | None = None
    failure: str | None = None
    announced = False
    while True:
        # Reports begin before files are read, and go on while the caller works: no change falls between.
        with _Reports(folders, index, wanted=failure is None) as reports:
            files = _Files.read(folders)
            failure = failure or reports.failure
            reason = files.unreported or failure
            if reason and not announced:
                on_polling(reason)
                announced = True
            if reason and known not in (None, files.state):
                files = _settled(folders, files, quiet_seconds, longest_seconds)
            if files.state != known:
                known = files.state
                yield
            seconds = _RECHECK_SECONDS if reports.active and not reason else poll_seconds
            reports.wait(max(seconds, files.seconds / _MOST_LOAD), max(quiet_seconds, files.seconds), longest_seconds)
            failure = failure or reports.failure


@dataclass(frozen=True)
class _Files:
    """The audio files below the roots.

    Attributes:
        state: a digest of names, sizes and times of change.
        unreported: why the system does not report all of their changes, as far as files show it.
        seconds: how long it took to read this.
    """

    state: bytes
    unreported: str | None
    seconds: float

    @classmethod
    def read(cls, roots: Iterable[Path]) -> Self:
        """Read names, sizes and times; no file is opened."""
        started = time.monotonic()
        digest, shared, unreported = blake2b(digest_size=16), shared_devices(_mounts()), None
        for found in find_audio(roots):
            name = os.fsencode(found.path)
            try:
                status = found.path.stat()
                facts = b"%d %d" % (status.st_size, status.st_mtime_ns)
                if status.st_dev in shared:
                    unreported = f"{found.path}: on a file system that others write to ({shared[status.st_dev]})"
            except OSError as error:
                facts = b"error %d" % (error.errno or 0)
            if not _is_utf_8(name):
                unreported = f"{found.path}: the name is not UTF-8"
            digest.update(b"%d %b %b\n" % (len(name), name, facts))
        return cls(digest.digest(), unreported, time.monotonic() - started)


def _settled(roots: Iterable[Path], files: _Files, quiet_seconds: float, longest_seconds: float) -> _Files:
    """The files when they have stayed the same for so long, or after the longest time."""
    end = time.monotonic() + longest_seconds
    while time.monotonic() < end:
        time.sleep(quiet_seconds)
        before, files = files, _Files.read(roots)
        if files.state == before.state:
            break
    return files


class _Reports:
    """The system's reports of changes, from entering to leaving.

    Attributes:
        active: whether changes are reported.
        failure: why they cannot be, or no longer.
    """

    def __init__(self, roots: list[Path], index: Path, *, wanted: bool) -> None:
        self.roots, self.index, self.wanted = roots, index, wanted
        self.failure: str | None = None
        self._identities = [_identity(root) for root in roots]
        self._paths: set[Path] = set()
        self._changes: Generator[set[tuple[Change, str]]] | None = None

    @property
    def active(self) -> bool:
        return self._changes is not None

    def __enter__(self) -> Self:
        if self.wanted:
            import watchfiles

            entries = (path for path, _ in expand_playlists(self.roots, lambda _path, _note: None))
            self._paths = {path for path in (*self.roots, *entries) if _identity(path)}
            if self._paths:
                self._changes = watchfiles.watch(
                    *self._paths,
                    watch_filter=None,
                    step=_TICK_MILLISECONDS,
                    debounce=_TICK_MILLISECONDS,
                    rust_timeout=1,
                    yield_on_timeout=True,
                    force_polling=False,
                    ignore_permission_denied=False,  # True would ignore all errors
                )
        self._reported = self._tick()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._changes is not None:
            self._changes.close()

    def wait(self, most_seconds: float, quiet_seconds: float, longest_seconds: float) -> None:
        """Wait until there is something to do.

        Args:
            most_seconds: return after so long, whatever happens.
            quiet_seconds: return when there were reports, and none for so long, ...
            longest_seconds: ... or so much time has passed since the first one.
        """
        started = time.monotonic()
        first = started if self._reported else None
        end = started + (most_seconds if first is None else quiet_seconds)
        while self.failure is None and time.monotonic() < end:
            if [_identity(root) for root in self.roots] != self._identities:
                return
            if self._tick():
                first = first or time.monotonic()
                end = min(first + longest_seconds, time.monotonic() + quiet_seconds)

    def _tick(self) -> bool:
        """Whether something was reported in the next moment."""
        if self._changes is None:
            time.sleep(_TICK_MILLISECONDS / 1000)
            return False
        try:
            return any(self._counts(change, name) for change, name in next(self._changes))
        except (OSError, RuntimeError, UnicodeError) as error:
            self._changes = None
            if not isinstance(error, FileNotFoundError):  # deleted in this moment: the next round begins again
                text = str(error)
                known = next((meaning for part, meaning in _MEANINGS.items() if part in text), None)
                self.failure = known or f"the system reports no changes ({text})"
            return False

    def _counts(self, change: Change, name: str) -> bool:
        """Whether what was reported may concern audio."""
        path = Path(name)
        if path in self._paths:
            return True
        if path.name.startswith((".", self.index.name)):
            return False
        # Of a folder that was moved or deleted, only its own name is reported.
        return has_audio_suffix(path) or change == _DELETED or os.path.isdir(path)  # noqa: PTH112  never raises


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode: others when a drive is connected or a folder replaced, which nothing reports. None: not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def shared_devices(mounts: str) -> dict[int, str]:
    """Device number -> type of the mounted file systems that others write to.

    Args:
        mounts: the text of Linux' /proc/self/mountinfo.

    Example:
        >>> shared_devices("69 26 0:54 / /mnt/nas rw,relatime shared:40 - nfs4 nas:/music rw,vers=4.2")
        {54: 'nfs4'}
    """
    found = {}
    for fields in map(str.split, mounts.splitlines()):
        kind = fields[fields.index("-") + 1]
        if kind in _SHARED or kind.partition(".")[0] == "fuse":
            found[os.makedev(*map(int, fields[2].split(":")))] = kind
    return found


def _mounts() -> str:
    try:
        return _MOUNTS.read_text("utf-8", "surrogateescape")
    except OSError:  # not Linux
        return ""


def _is_utf_8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
