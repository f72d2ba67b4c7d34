"""A scan: what is new or changed on the disk is read, known audio is recognised, the rest is tagged.

Three stages run side by side: threads look into files (content key, metadata), the tagger decodes and listens, and
results are committed as they come. However a scan ends, the next one goes on where it stopped.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from earmark.core.cpu import available_cores
from earmark.core.errors import AudioError, ConfigError, TruncatedAudioError
from earmark.library.index.recorder import Recorder, same_inode
from earmark.library.index.track_index import Index
from earmark.library.scan.content import Content
from earmark.library.scan.interrupt import set_by_ctrl_c
from earmark.library.scan.lazy_tagger import ScanTagger
from earmark.library.scan.prefetch import changed_since, look_ahead
from earmark.library.scan.summary import Outcome, ScanSummary, ScanWatcher
from earmark.library.scan.walk import Difference, Known, Todo, compare
from earmark.tagging.tagger import TagScores

CHANGED_MEANWHILE = "changed while it was being read; the next scan reads it again"


class Scan:
    """One scan of some roots; :func:`scan` is the short way.

    Args:
        index: open for writing.
        roots: files and folders; folders are searched as `earmark tag` does.
        tagger: the model.
        jobs: files read side by side; None for one per core.
        retry: read again what failed before and did not change.
        prune: forget files that are gone, those of roots that are not there included, and their results.
        watcher: told of the progress.

    Attributes:
        summary: counts, complete as far as the scan came.
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
        watcher: ScanWatcher | None = None,
    ) -> None:
        if not index.writing:
            raise ConfigError("a scan needs an index that is open for writing: Index.open(path, write=True)")
        if jobs is not None and jobs < 1:
            raise ConfigError(f"jobs {jobs}: must be at least 1")
        self.index, self.roots, self.tagger = index, list(roots), tagger
        self.jobs, self.retry, self.prune = jobs or available_cores(), retry, prune
        self.watcher = watcher or ScanWatcher()
        self.summary = ScanSummary()
        self.model = index.use_model(tagger.card, tagger.weights_sha256, tagger.embedding_dims)
        self._recorder = Recorder(index, self.model)
        self._lock = threading.Lock()  # guards what follows, and the decision whether audio is known
        self._tagging: deque[Todo] = deque()  # in the order in which the tagger got them
        self._waiting: dict[str, list[Todo]] = {}  # content key of audio being tagged -> other files with the same
        self._once_more: list[Todo] = []
        self._lost: dict[str, list[tuple[bytes, float]]] = {}  # content key -> missing files: path, first_seen
        self._newly_gone: set[bytes] = set()
        self._stopping = threading.Event()

    def run(self) -> ScanSummary:
        """Scan.

        Raises:
            DataError: the index cannot be written any more; what was recorded is kept.
            ModelError: the model cannot be loaded.
        """
        try:
            with set_by_ctrl_c(self._stopping):  # else the threads that look into files would go on to the last one
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
            on_found=self.watcher.found,
        )
        for problem in difference.problems:
            self.summary.problems.append(problem)
            self.watcher.problem(problem)
        self._settle_without_reading(difference)
        todo = difference.todo
        self.watcher.begins(len(todo), sum(item.status.st_size for item in todo))
        try:
            self._read(todo, share=True)
            self._read(self._once_more, share=False)
        finally:
            self._recorder.flush()
        if self.prune:
            self._forget(difference)

    def _settle_without_reading(self, difference: Difference) -> None:
        """All that size and time of change decide, which is nearly everything in a library that was scanned before."""
        summary = self.summary
        summary.outcomes["unchanged"] += len(difference.unchanged)
        summary.outcomes["returned"] += len(difference.returned)
        summary.outcomes["failed_before"] += len(difference.failed_before)
        self._recorder.seen(difference.unchanged + difference.returned + difference.failed_before)
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
        here = {item.key for item in difference.todo}
        for path, key, first_seen in self.index.rows(
            "SELECT path, content_key, first_seen FROM files WHERE status = 'missing' AND content_key IS NOT NULL"
        ):
            if path not in here:
                self._lost.setdefault(key, []).append((path, first_seen))
        for file, status, reason in difference.refused:
            self._recorder.refused(os.fsencode(file), status, reason)
            self._tell_failure(file, reason)
        self._recorder.flush()

    def _moves(self, difference: Difference) -> list[tuple[bytes, bytes]]:
        """Files of the list of things to do that are tagged files under another name; they leave the list."""
        gone: dict[int, tuple[bytes, Known]] = {
            row.inode: (path, row) for path, row in difference.gone.items() if row.tagged and row.error is None
        }
        moves, rest = [], []
        for item in difference.todo:
            old = gone.get(item.status.st_ino) if item.why == "new" else None
            if old is not None and same_inode(old[1], item.status):
                del gone[item.status.st_ino]
                moves.append((old[0], item.key))
            else:
                rest.append(item)
        difference.todo = rest
        return moves

    def _read(self, todo: list[Todo], *, share: bool) -> None:
        """Look into files and tag what is not known. ``share``: one result serves all files with the same audio."""
        if not todo:
            return
        with ThreadPoolExecutor(self.jobs, thread_name_prefix="earmark-look") as looks:
            results = self.tagger.tag_many(
                self._unknown(looks, todo, share), jobs=self.jobs, errors="return", on_progress=self._heard
            )
            self._stopping.clear()
            try:
                for result in results:
                    self._take(self._tagging.popleft(), result)
            finally:  # Ctrl-C, a full disk: the threads stop now, not when the last reference to them goes
                self._stopping.set()
                looks.shutdown(wait=False, cancel_futures=True)
                if isinstance(results, Generator):
                    results.close()

    def _heard(self, seconds: float) -> None:
        self._recorder.flush_if_due()
        self.watcher.heard(seconds)

    def _unknown(self, looks: ThreadPoolExecutor, todo: list[Todo], share: bool) -> Iterator[Path]:
        """Paths that the tagger has to listen to; everything else is settled on the way. Run by the tagger's threads."""
        for item, content in look_ahead(looks, todo):
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
                known = item.why != "retry" and self._has_result(content.key)
                if not known:
                    self._waiting[content.key] = []
                    self._tagging.append(item)
                old = self._lost_one(item, content) if known else None
            if known:
                self._recorder.file(item, moved_from=old[0] if old else None, first_seen=old[1] if old else None)
                self._count(item, _outcome(item, content, moved=old is not None))
            else:
                yield item.path

    def _has_result(self, key: str) -> bool:
        statement = "SELECT 1 FROM results WHERE content_key = ? AND model_id = ? AND (embedding IS NOT NULL OR ?)"
        parameters = (key, self.model.model_id, self.model.embedding_dims is None)
        return self.index.execute(statement, parameters).fetchone() is not None

    def _take(self, item: Todo, result: TagScores | AudioError) -> None:
        """One result of the tagger, and the files that wait for it."""
        content = item.content
        assert content is not None
        if not isinstance(result, AudioError) and changed_since(item):
            result = AudioError(CHANGED_MEANWHILE, item.path)
        if isinstance(result, AudioError):
            with self._lock:
                self._once_more += self._waiting.pop(content.key, [])  # each is tried by itself
            self._failed(item, result)
            return
        with self._lock:
            items = [item, *self._waiting.pop(content.key, [])]
            moved = {one.key: old for one in items if (old := self._lost_one(one, content)) is not None}
            self._recorder.tagged(result, items, moved)
        self.summary.tagged += 1
        self.summary.audio_seconds += result.duration_seconds
        for one in items:
            self._count(one, _outcome(one, content, moved=one.key in moved))

    def _lost_one(self, item: Todo, content: Content) -> tuple[bytes, float] | None:
        """The missing file whose audio this new one has: it was moved."""
        lost = self._lost.get(content.key) if item.row is None else None
        if not lost:
            return None
        old = lost.pop()
        if old[0] in self._newly_gone:
            self.summary.deleted -= 1
        return old

    def _failed(self, item: Todo, error: AudioError) -> None:
        if not os.path.lexists(item.path):  # it was there a moment ago
            if item.row is not None:
                self._recorder.missing([item.key])
            self._count(item, "vanished")
            return
        self._recorder.file(item, error=error.reason, truncated=isinstance(error, TruncatedAudioError))
        self._tell_failure(item.path, error.reason)
        self.watcher.done(item.path, item.status.st_size)

    def _tell_failure(self, path: Path, reason: str) -> None:
        with self._lock:
            self.summary.fail(path, reason)
        self.watcher.problem(f"{path}: {reason}")

    def _count(self, item: Todo, outcome: Outcome) -> None:
        with self._lock:
            self.summary.outcomes[outcome] += 1
        self.watcher.done(item.path, item.status.st_size)

    def _forget(self, difference: Difference) -> None:
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
    watcher: ScanWatcher | None = None,
) -> ScanSummary:
    """Bring an index up to date with what lies under the roots; see :class:`Scan` for arguments and errors.

    Files that did not change in size and time of change are not opened. Of the others, the audio's key decides: audio
    that the model has heard before, under whatever name and with whatever metadata, is not tagged again.
    """
    return Scan(index, roots, tagger, jobs=jobs, retry=retry, prune=prune, watcher=watcher).run()


def _outcome(item: Todo, content: Content, *, moved: bool) -> Outcome:
    if moved:
        return "moved"
    if item.row is None:
        return "new"
    if item.why == "changed":
        return "relabelled" if item.row.content_key == content.key else "changed"
    return "retagged"
