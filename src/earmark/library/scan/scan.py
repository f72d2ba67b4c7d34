"""A scan: new and changed files are read, known audio is recognised, the rest is tagged.

Three stages run side by side: threads read files (content key, metadata), the tagger decodes and tags, and results are
committed as they come. However a scan ends, the next one continues where it stopped.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from earmark.core.cpu import available_cores
from earmark.core.errors import AudioError, ConfigError, NoAudioError, TruncatedAudioError
from earmark.library.index.rows import is_silent_video
from earmark.library.index.track_index import Index
from earmark.library.scan.content import Content
from earmark.library.scan.lazy_tagger import ScanTagger
from earmark.library.scan.recorder import Recorder, same_inode
from earmark.library.scan.summary import Outcome, ScanProgress, ScanSummary
from earmark.library.scan.threads import prefetch_content, set_on_interrupt
from earmark.library.scan.walk import Difference, IndexedFile, PendingFile, compare
from earmark.tagging.file_windows import NO_MEASURES
from earmark.tagging.progress import TagProgress
from earmark.tagging.tag_scores import TagScores

CHANGED_MEANWHILE = "changed while it was being read; the next scan reads it again"


class Scan:
    """One scan of some roots; :func:`scan` is the short way.

    Args:
        index: open for writing.
        roots: files, folders and playlists; folders are searched as `earmark tag` does.
        tagger: the model.
        jobs: files read side by side; None for one per core.
        retry: read files again that failed before and did not change.
        prune: remove files that are gone and their results, also under roots that do not exist.
        complete: tag files again that have no tempo or no key yet, where the tagger estimates it.
        progress: receives the progress.

    Attributes:
        summary: counts, complete as far as the scan has come.
    """

    def __init__(
        self,
        index: Index,
        roots: Iterable[str | Path],
        tagger: ScanTagger,
        *,
        jobs: int | None = None,
        retry: bool = False,
        prune: bool = False,
        complete: bool = False,
        progress: ScanProgress | None = None,
    ) -> None:
        if not index.writing:
            raise ConfigError("a scan needs an index that is open for writing: Index.open(path, write=True)")
        if jobs is not None and jobs < 1:
            raise ConfigError(f"jobs {jobs}: must be at least 1")
        self.index, self.roots, self.tagger = index, list(roots), tagger
        self.jobs, self.retry, self.prune = jobs or available_cores(), retry, prune
        self.complete = tagger.measures if complete else NO_MEASURES
        self.progress, self.summary = progress or ScanProgress(), ScanSummary()
        self.model = index.use_model(tagger.card, tagger.weights_sha256, tagger.embedding_dims)
        self._recorder = Recorder(index, self.model)
        self._lock = threading.Lock()  # guards what follows, and the decision whether audio is known
        self._tagging: deque[PendingFile] = deque()  # in the order in which the tagger got them
        self._waiting: dict[str, list[PendingFile]] = {}  # content key of audio being tagged -> other files with it
        self._retry_alone: list[PendingFile] = []
        self._missing: dict[str, list[tuple[bytes, float]]] = {}  # content key -> missing files: path, first_seen
        self._newly_gone: set[bytes] = set()
        self._stopping = threading.Event()

    def run(self) -> ScanSummary:
        """Scan.

        Raises:
            DataError: the index cannot be written any more; what was recorded is kept.
            ModelError: the model cannot be loaded.
        """
        try:
            with set_on_interrupt(self._stopping):  # else the reading threads would continue to the last file
                self._run()
            self.summary.finished = True
        finally:
            self.summary.stop()
        return self.summary

    def _run(self) -> None:
        difference = compare(
            self.index,
            self.roots,
            self.model,
            retry=self.retry,
            retry_truncated=self.tagger.damaged == "tag",
            prune=self.prune,
            complete=self.complete,
            on_found=self.progress.on_found,
        )
        self.summary.left_out = difference.left_out
        for path, note in difference.left_out.notes:
            self.progress.on_note(path, note)
        for problem in difference.problems:
            self.summary.problems.append(problem)
            self.progress.on_problem(problem)
        self._record_unread(difference)
        todo = difference.pending
        self.progress.on_start(len(todo), sum(item.status.st_size for item in todo))
        try:
            self._read(todo, share=True)
            self._read(self._retry_alone, share=False)
        finally:
            self._recorder.flush()
        if self.prune:
            self._prune(difference)

    def _record_unread(self, difference: Difference) -> None:
        """Record what size and time of change decide: nearly everything, in a library that was scanned before."""
        summary = self.summary
        summary.outcomes["unchanged"] += len(difference.unchanged)
        summary.outcomes["returned"] += len(difference.returned)
        summary.outcomes["failed_before"] += len(difference.failed_before)
        summary.outcomes["without_sound"] += len(difference.silent)
        self._recorder.seen(difference.unchanged + difference.returned + difference.failed_before + difference.silent)
        newly_gone = {path: row for path, row in difference.gone.items() if row.status != "missing"}
        moves = self._moves(difference)
        summary.outcomes["moved"] += len(moves)
        self._recorder.renamed(moves)
        for old, _ in moves:
            newly_gone.pop(old, None)
            del difference.gone[old]
        self._recorder.missing(newly_gone)
        summary.deleted += len(newly_gone)
        self._newly_gone = set(newly_gone)
        here = {item.key for item in difference.pending}
        for path, key, first_seen in self.index.rows(
            "SELECT path, content_key, first_seen FROM files WHERE status = 'missing' AND content_key IS NOT NULL"
        ):
            if path not in here:
                self._missing.setdefault(key, []).append((path, first_seen))
        for file, status, reason in difference.refused:
            self._recorder.refused(os.fsencode(file), status, reason)
            self._report_failure(file, reason)
        self._recorder.flush()

    def _moves(self, difference: Difference) -> list[tuple[bytes, bytes]]:
        """Renamed files, from -> to, that were tagged under the old name; they are removed from the pending ones."""
        gone: dict[int, tuple[bytes, IndexedFile]] = {
            row.inode: (path, row) for path, row in difference.gone.items() if row.tagged and row.error is None
        }
        moves, rest = [], []
        for item in difference.pending:
            old = gone.get(item.status.st_ino) if item.reason == "new" else None
            if old is not None and same_inode(old[1], item.status):
                del gone[item.status.st_ino]
                moves.append((old[0], item.key))
            else:
                rest.append(item)
        difference.pending = rest
        return moves

    def _read(self, pending: list[PendingFile], *, share: bool) -> None:
        """Read files and tag unknown audio. ``share``: one result serves all files with the same audio."""
        if not pending:
            return
        with ThreadPoolExecutor(self.jobs, thread_name_prefix="earmark-read") as pool:
            results = self.tagger.tag_many(
                self._unknown(pool, pending, share), jobs=self.jobs, errors="return", on_progress=self._tagged
            )
            self._stopping.clear()
            try:
                for result in results:
                    self._record_result(self._tagging.popleft(), result)
            finally:  # Ctrl-C, a full disk: the threads stop now, not when the last reference to them goes
                self._stopping.set()
                pool.shutdown(wait=False, cancel_futures=True)
                if isinstance(results, Generator):
                    results.close()

    def _tagged(self, tagging: TagProgress) -> None:
        self._recorder.flush_if_due()
        self.progress.on_tagged(tagging)

    def _unknown(self, pool: ThreadPoolExecutor, pending: list[PendingFile], share: bool) -> Iterator[Path]:
        """Paths of files to be tagged; all others are recorded on the way. Run by the tagger's threads."""
        for item, content in prefetch_content(pool, pending):
            if self._stopping.is_set():
                return
            if isinstance(content, AudioError):
                self._failed(item, content)
                continue
            item.content = content
            with self._lock:
                if share and content.key in self._waiting:
                    self._waiting[content.key].append(item)
                    continue
                known = item.reason != "retry" and self._recorder.has_result(content.key, self.complete)
                if not known:
                    self._waiting[content.key] = []
                    self._tagging.append(item)
                old = self._moved_from(item, content) if known else None
            if known:
                self._recorder.file(item, moved_from=old[0] if old else None, first_seen=old[1] if old else None)
                self._count(item, _outcome(item, content, moved=old is not None))
            else:
                yield item.path

    def _record_result(self, item: PendingFile, result: TagScores | AudioError) -> None:
        """Record one result of the tagger for its file and all files that wait for it."""
        content = item.content
        assert content is not None
        if not isinstance(result, AudioError) and item.was_modified():
            result = AudioError(CHANGED_MEANWHILE, item.path)
        if isinstance(result, AudioError):
            with self._lock:
                self._retry_alone += self._waiting.pop(content.key, [])  # each is tried by itself
            self._failed(item, result)
            return
        with self._lock:
            items = [item, *self._waiting.pop(content.key, [])]
            moved = {one.key: old for one in items if (old := self._moved_from(one, content)) is not None}
            self._recorder.tagged(result, items, moved)
        self.summary.tagged += 1
        self.summary.audio_seconds += result.duration_seconds
        for one in items:
            self._count(one, _outcome(one, content, moved=one.key in moved))

    def _moved_from(self, item: PendingFile, content: Content) -> tuple[bytes, float] | None:
        """The missing file that has the same audio as this new one, which was moved then."""
        lost = self._missing.get(content.key) if item.row is None else None
        if not lost:
            return None
        old = lost.pop()
        if old[0] in self._newly_gone:
            self.summary.deleted -= 1
        return old

    def _failed(self, item: PendingFile, error: AudioError) -> None:
        if not os.path.lexists(item.path):  # deleted meanwhile
            if item.row is not None:
                self._recorder.missing([item.key])
            self._count(item, "vanished")
            return
        self._recorder.file(item, error=error.reason, truncated=isinstance(error, TruncatedAudioError))
        if isinstance(error, NoAudioError) and is_silent_video(item.path, error.reason, item.named):
            self._count(item, "without_sound")
            return
        self._report_failure(item.path, error.reason)
        self.progress.on_done(item.path, item.status.st_size)

    def _report_failure(self, path: Path, reason: str) -> None:
        with self._lock:
            self.summary.fail(path, reason)
        self.progress.on_problem(f"{path}: {reason}")

    def _count(self, item: PendingFile, outcome: Outcome) -> None:
        with self._lock:
            self.summary.outcomes[outcome] += 1
        self.progress.on_done(item.path, item.status.st_size)

    def _prune(self, difference: Difference) -> None:
        rows = self.index.rows("SELECT path FROM files WHERE status = 'missing'")
        missing = [path for (path,) in rows if path in difference.gone]
        self._recorder.prune(missing)
        self.summary.pruned += len(missing)


def scan(
    index: Index,
    roots: Iterable[str | Path],
    tagger: ScanTagger,
    *,
    jobs: int | None = None,
    retry: bool = False,
    prune: bool = False,
    complete: bool = False,
    progress: ScanProgress | None = None,
) -> ScanSummary:
    """Bring an index up to date with the files under the roots; see :class:`Scan` for arguments and errors.

    Files that did not change in size and time of change are not opened. Of the others, the audio's key decides: audio
    that was tagged before by the same model, under any name and with any metadata, is not tagged again.
    """
    return Scan(index, roots, tagger, jobs=jobs, retry=retry, prune=prune, complete=complete, progress=progress).run()


def _outcome(item: PendingFile, content: Content, *, moved: bool) -> Outcome:
    if moved:
        return "moved"
    if item.row is None:
        return "new"
    if item.reason == "changed":
        return "relabelled" if item.row.content_key == content.key else "changed"
    return "retagged"
