"""Compare the files on disk with the index, by size and time of change: no file is opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from earmark.audio.file_discovery import AudioFile, LeftOut, find_audio
from earmark.audio.playlist_files import expand_playlists
from earmark.library.index.rows import ModelRow, is_silent_video
from earmark.library.index.track_index import Index
from earmark.library.scan.content import Content
from earmark.tagging.file_windows import NO_MEASURES, Measures

Reason = Literal["new", "changed", "stale", "retry"]
"""Why a file is read: "stale" lacks results of the model, or tempo or key, "retry" failed before."""


@dataclass(frozen=True)
class IndexedFile:
    """A file's row in the index.

    Attributes:
        labels: title, artist, album, genre.
        tagged: whether its audio has results of the current model, and with ``complete`` also tempo and key.
    """

    size: int
    mtime_ns: int
    inode: int
    content_key: str | None
    status: str
    error: str | None
    truncated: bool
    first_seen: float
    labels: tuple[str | None, str | None, str | None, str | None]
    tagged: bool

    def same_file(self, status: os.stat_result) -> bool:
        """Whether size and time of change are those of the index."""
        return (self.size, self.mtime_ns) == (status.st_size, status.st_mtime_ns)


@dataclass(eq=False)
class PendingFile:
    """A file that has to be read.

    Attributes:
        path, status: as found.
        row: its row in the index, None for a new file.
        reason: why it has to be read.
        content: as read from the file; known from the index where only the model is new.
        named: named itself, not found in a folder.
    """

    path: Path
    status: os.stat_result
    row: IndexedFile | None
    reason: Reason
    content: Content | None = None
    named: bool = False

    @property
    def key(self) -> bytes:
        """The path as stored in the index."""
        return os.fsencode(self.path)

    def was_modified(self) -> bool:
        """Whether the file is gone or another one than when it was found: its key may then belong to neither."""
        try:
            now = self.path.stat()
        except OSError:
            return True
        return (now.st_size, now.st_mtime_ns) != (self.status.st_size, self.status.st_mtime_ns)


@dataclass
class Difference:
    """The result of :func:`compare`.

    Attributes:
        pending: files that have to be read, in the order of the walk.
        unchanged: as in the index.
        returned: as in the index, where they were marked as missing.
        failed_before: could not be tagged before, and not changed since.
        silent: the same for videos without sound.
        refused: path, status and reason for files that cannot be tagged, as seen without opening them.
        gone: rows of files under the roots that are no longer there, with their paths.
        problems: roots and folders that could not be searched, one line each.
        left_out: what is not audio.
    """

    pending: list[PendingFile] = field(default_factory=list)
    unchanged: list[bytes] = field(default_factory=list)
    returned: list[bytes] = field(default_factory=list)
    failed_before: list[bytes] = field(default_factory=list)
    silent: list[bytes] = field(default_factory=list)
    refused: list[tuple[Path, os.stat_result | None, str]] = field(default_factory=list)
    gone: dict[bytes, IndexedFile] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)


def compare(
    index: Index,
    roots: Iterable[str | Path],
    model: ModelRow,
    *,
    retry: bool = False,
    retry_truncated: bool = False,
    prune: bool = False,
    complete: Measures = NO_MEASURES,
    on_found: Callable[[int], None] | None = None,
) -> Difference:
    """Compare the files under the roots with the index.

    Args:
        index: the index; it is only read.
        roots: files, folders and playlists.
        model: whose results count.
        retry: read again what failed before.
        retry_truncated: read again what failed for being truncated.
        complete: which of tempo and key a file must have not to be read again.
        prune: take a root without files for empty; otherwise its files do not count as gone.
        on_found: called now and then with the number of files found so far.
    """
    out = Difference()
    folders = []
    for root, error in expand_playlists((Path(root).expanduser() for root in roots), out.left_out.note):
        if error is None:
            folders.append(Path(os.path.abspath(root)))  # noqa: PTH100  links stay links
        else:
            out.problems.append(str(error))
    known: dict[bytes, IndexedFile] = {}
    for folder in folders:
        known.update(_rows_under(index, folder, model, complete))
    reachable = [folder for folder in folders if _is_searchable(folder, known, prune, out)]
    seen: set[bytes] = set()
    unreadable: list[bytes] = []
    for found in find_audio(reachable, out.left_out):
        path = os.fsencode(found.path)
        if path in seen:
            continue
        if found.error is not None:
            out.problems.append(str(found.error))
            unreadable.append(path)
            continue
        seen.add(path)
        if on_found is not None and len(seen) % 500 == 0:
            on_found(len(seen))
        _classify(found, path, known.get(path), out, retry, retry_truncated)
    if on_found is not None:
        on_found(len(seen))
    protected = unreadable + [os.fsencode(folder) for folder in _empty_roots(reachable, seen, known, prune, out)]
    if not prune:
        protected += [os.fsencode(folder) for folder in set(folders).difference(reachable)]
    for path, row in known.items():
        if path not in seen and not any(_is_under(path, top) for top in protected) and not os.path.lexists(path):
            out.gone[path] = row
    return out


def _rows_under(index: Index, folder: Path, model: ModelRow, complete: Measures) -> dict[bytes, IndexedFile]:
    top = os.fsencode(folder)
    below = top.rstrip(os.sep.encode()) + os.sep.encode()
    after = below[:-1] + bytes([below[-1] + 1])
    statement = (
        "SELECT f.path, f.size, f.mtime_ns, f.inode, f.content_key, f.status, f.error, f.truncated, f.first_seen, "
        "f.title, f.artist, f.album, f.genre, r.content_key IS NOT NULL AND (r.embedding IS NOT NULL OR ?) "
        "AND (t.content_key IS NOT NULL OR NOT ?) AND (k.content_key IS NOT NULL OR NOT ?) "
        "FROM files f LEFT JOIN results r ON r.content_key = f.content_key AND r.model_id = ? "
        "LEFT JOIN tempos t ON t.content_key = f.content_key LEFT JOIN keys k ON k.content_key = f.content_key "
        "WHERE f.path = ? OR (f.path >= ? AND f.path < ?)"
    )
    parameters = (model.embedding_dims is None, complete.tempo, complete.key, model.model_id, top, below, after)
    rows = index.rows(statement, parameters)
    known = {}
    for path, size, mtime_ns, inode, key, status, error, truncated, first_seen, *labels, tagged in rows:
        title, artist, album, genre = labels
        known[path] = IndexedFile(
            size=size,
            mtime_ns=mtime_ns,
            inode=inode,
            content_key=key,
            status=status,
            error=error,
            truncated=bool(truncated),
            first_seen=first_seen,
            labels=(title, artist, album, genre),
            tagged=bool(tagged),
        )
    return known


def _is_searchable(folder: Path, known: dict[bytes, IndexedFile], prune: bool, out: Difference) -> bool:
    try:
        if folder.exists():
            return True
    except OSError as error:
        out.problems.append(f"{folder}: cannot be read ({error.strerror or error})")
        return False
    n_known = sum(_is_under(path, os.fsencode(folder)) for path in known)
    if not n_known:
        out.problems.append(f"{folder}: no such file or folder")
    elif not prune:
        out.problems.append(
            f"{folder}: not there; is its drive connected? Its {n_known} files stay in the index (--prune forgets them)"
        )
    return False


def _empty_roots(
    folders: list[Path], seen: set[bytes], known: dict[bytes, IndexedFile], prune: bool, out: Difference
) -> list[Path]:
    """Folders with no audio in them any more: the drive may not be connected."""
    empty = []
    for folder in folders:
        top = os.fsencode(folder)
        if prune or top in seen or any(_is_under(path, top) for path in seen):
            continue
        n_known = sum(row.status != "missing" and _is_under(path, top) for path, row in known.items())
        if n_known:
            out.problems.append(
                f"{folder}: holds no audio any more; is its drive connected? Its {n_known} files stay in the index "
                "(--prune forgets them)"
            )
            empty.append(folder)
    return empty


def _is_under(path: bytes, top: bytes) -> bool:
    return path == top or path.startswith(top.rstrip(os.sep.encode()) + os.sep.encode())


def _classify(
    found: AudioFile, key: bytes, row: IndexedFile | None, out: Difference, retry: bool, retry_truncated: bool
) -> None:
    path = found.path
    try:
        status = path.stat()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        message = "no such file" if missing else f"cannot be read ({error.strerror or error})"
        if row is not None and row.error == message and not retry:
            out.failed_before.append(key)
        else:
            out.refused.append((path, None, message))
        return
    if row is not None and row.same_file(status):
        if row.error is not None:
            again = retry or (retry_truncated and row.truncated)
            if not again:
                silent = is_silent_video(path, row.error, found.named)
                (out.silent if silent else out.failed_before).append(key)
                return
            reason: Reason = "retry"
        elif row.tagged:
            (out.returned if row.status == "missing" else out.unchanged).append(key)
            return
        else:
            reason = "stale"
    else:
        reason = "new" if row is None else "changed"
    if not stat.S_ISREG(status.st_mode):
        out.refused.append((path, status, "is not a regular file"))
    elif status.st_size == 0:
        out.refused.append((path, status, "the file is empty (0 bytes)"))
    else:
        content = None
        if reason == "stale" and row is not None and row.content_key is not None:
            content = Content(row.content_key, *row.labels)
        out.pending.append(PendingFile(path, status, row, reason, content, found.named))
