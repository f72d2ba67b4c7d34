"""Tag many files in parallel: decode and run the network at the same time, batch across files, keep the order.

`jobs` threads decode; FFmpeg, soxr and ONNX Runtime release Python's lock while they work. The windows of all files go
into one pool, and each full batch to one of `jobs` threads that run the network. Memory is bounded by the batches in
flight, and by how far decoding may be ahead of the next result.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from earmark.audio import AudioBytes, AudioSource
from earmark.audio.source import as_source
from earmark.core.errors import AudioError
from earmark.core.input_spec import InputSpec
from earmark.tagging.file_scores import WindowScores
from earmark.tagging.file_windows import (
    NO_MEASURES,
    UNNAMED,
    AudioSummary,
    FileWindows,
    Measures,
    Watch,
    Window,
)
from earmark.tagging.progress import OnProgress, TagProgress

logger = logging.getLogger(__name__)

Network = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]

_FILES_AHEAD = 64
_WAIT_SECONDS = 0.2  # so that Ctrl-C works even where waiting cannot be interrupted (Windows)
_PROGRESS_SECONDS = 0.1  # between two calls about one file


@dataclass
class _File:
    """A file in progress: `n_windows` of it are decoded so far, and all of them once there is a summary of its `audio`."""

    given: AudioSource
    windows: FileWindows | None = None
    scores: dict[int, npt.NDArray[np.float32]] = field(default_factory=dict)
    n_windows: int = 0
    audio: AudioSummary | None = None
    failure: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.failure is not None or (self.audio is not None and len(self.scores) == self.n_windows)

    def progress(self, n_done: int, total: int | None, *, finished: bool) -> TagProgress:
        path, seconds, length = None, 0.0, None
        if self.windows is not None:
            path, seconds, length = self.windows.path, self.windows.decoded_seconds, self.windows.declared_seconds
        error = self.failure if finished and isinstance(self.failure, AudioError) else None
        if error is not None:
            path = path or error.path
        if finished and self.audio is not None:
            seconds = length = self.audio.duration_seconds
        elif length is not None:
            length = max(length, seconds)
        return TagProgress(n_done, total, path, seconds, length, len(self.scores), finished, error)


class _Stopped(Exception):  # noqa: N818  not an error: the caller reads no more results
    pass


class _Pipeline:
    def __init__(
        self,
        paths: Iterable[AudioSource],
        network: Network,
        read: Callable[[Path | AudioBytes], FileWindows],
        jobs: int,
        n_networks: int,
        batch_windows: int,
        on_progress: OnProgress | None,
    ) -> None:
        self.paths = iter(paths)
        self.total = len(paths) if isinstance(paths, Sized) else None
        self.n_done = 0
        self.on_progress = on_progress
        self.reported: TagProgress | None = None
        self.reported_at = 0.0
        self.paths_lock = threading.Lock()
        self.network, self.read = network, read
        self.jobs, self.n_networks, self.batch_windows = jobs, n_networks, batch_windows
        self.changed = threading.Condition()  # guards everything below
        self.files: list[_File] = []  # in flight, in order
        self.pool: list[tuple[_File, int, Window]] = []
        self.n_runs = 0
        self.exhausted = False
        self.stopping = False
        self.paths_failure: BaseException | None = None

    def results(self) -> Generator[WindowScores | AudioError, None, None]:
        with (
            ThreadPoolExecutor(self.n_networks, thread_name_prefix="earmark-network") as self.networks,
            ThreadPoolExecutor(self.jobs, thread_name_prefix="earmark-decode") as decoders,
        ):
            workers: list[Future[None]] = [decoders.submit(self._decode_files) for _ in range(self.jobs)]
            try:
                while (file := self._next_done()) is not None:
                    self.n_done += 1
                    self._report(file, finished=True)
                    if isinstance(file.failure, AudioError):
                        logger.debug("not tagged: %s", file.failure)
                        yield file.failure
                    elif file.failure is not None:
                        raise file.failure
                    elif file.audio is not None and file.windows is not None:
                        taggram = np.stack([file.scores[k] for k in range(file.n_windows)])
                        seconds, path = file.audio.duration_seconds, file.windows.path or UNNAMED
                        logger.debug("tagged: %s: %.1f s, %d windows", path, seconds, file.n_windows)
                        yield WindowScores(file.windows.path, taggram, file.audio)
                if self.paths_failure is not None:
                    raise self.paths_failure
            finally:
                with self.changed:
                    self.stopping = True
                    self.changed.notify_all()
                for worker in workers:
                    worker.cancel()

    def _next_done(self) -> _File | None:
        while True:
            with self.changed:
                if self.files and self.files[0].done:
                    self.changed.notify_all()
                    return self.files.pop(0)
                if self.exhausted and not self.files:
                    return None
                if not self.changed.wait(_WAIT_SECONDS):
                    self._submit_locked()  # no other file fills this batch: run it now
                file = self.files[0] if self.files else None
            if file is not None and time.monotonic() - self.reported_at >= _PROGRESS_SECONDS:
                self._report(file, finished=False)

    def _report(self, file: _File, *, finished: bool) -> None:
        """News of a file to the caller's callback, in the caller's thread and without the lock."""
        if self.on_progress is None:
            return
        progress = file.progress(self.n_done, self.total, finished=finished)
        if progress != self.reported:
            self.reported, self.reported_at = progress, time.monotonic()
            self.on_progress(progress)

    def _decode_files(self) -> None:
        while (file := self._take()) is not None:
            try:
                self._decode(file)
            except _Stopped:
                return
            except BaseException as error:  # noqa: BLE001  raised to the caller by results()
                file.failure = error
            with self.changed:
                if self.exhausted:
                    self._submit_locked()
                self.changed.notify_all()

    def _take(self) -> _File | None:
        """The next file; waits while decoding is too far ahead. None at the end."""
        with self.changed:
            while len(self.files) >= _FILES_AHEAD + self.jobs and not self.stopping:
                self.changed.wait(_WAIT_SECONDS)
        with self.paths_lock:  # a separate lock: the caller's iterator may be slow
            failure, file = None, None
            if not (self.stopping or self.exhausted):
                try:
                    file = _File(next(self.paths))
                except StopIteration:
                    pass
                except BaseException as error:  # noqa: BLE001  the caller's iterator failed: raised by results()
                    failure = error
            with self.changed:
                if file is not None:
                    self.files.append(file)
                else:
                    self.exhausted = True
                    self.paths_failure = self.paths_failure or failure
                    self._submit_locked()
                    self.changed.notify_all()
        return file

    def _decode(self, file: _File) -> None:
        source = as_source(file.given)  # a file object is read only now
        file.given = b""
        file.windows = windows = self.read(source)
        for window in windows:
            self._put(file, window)
        with self.changed:
            file.audio = windows.audio

    def _put(self, file: _File, window: Window) -> None:
        with self.changed:
            # Decoding waits once there is one full batch more than the network's threads can take.
            while self.n_runs > self.n_networks and not self.stopping:
                self.changed.wait(_WAIT_SECONDS)
            if self.stopping:
                raise _Stopped
            self.pool.append((file, file.n_windows, window))
            file.n_windows += 1
            if len(self.pool) >= self.batch_windows:
                self._submit_locked()

    def _submit_locked(self) -> None:
        if self.pool and not self.stopping:
            batch, self.pool = self.pool, []
            self.n_runs += 1
            self.networks.submit(self._run, batch)

    def _run(self, batch: list[tuple[_File, int, Window]]) -> None:
        try:
            scores = self.network(np.stack([window for _, _, window in batch]))
        except BaseException as error:  # noqa: BLE001  raised to the caller by results()
            with self.changed:
                for file, _, _ in batch:
                    file.failure = error
                self.n_runs -= 1
                self.changed.notify_all()
            return
        with self.changed:
            for (file, index, _), row in zip(batch, scores, strict=True):
                file.scores[index] = row
            self.n_runs -= 1
            self.changed.notify_all()


def run_pipeline(
    paths: Iterable[AudioSource],
    network: Network,
    spec: InputSpec,
    *,
    jobs: int,
    one_run_at_a_time: bool = False,
    batch_windows: int,
    damaged: Literal["error", "tag"],
    on_progress: OnProgress | None = None,
    watch: Watch | None = None,
    sparse_windows: int | None = None,
    steps: int = 1,
    measures: Measures = NO_MEASURES,
) -> Generator[WindowScores | AudioError, None, None]:
    """Window scores of every file, in the order of the paths. A caller that does not read to the end must close it.

    Args:
        paths: files (paths, bytes, binary file objects), taken only as far as needed.
        network: windows ``(n, window_samples)`` -> scores ``(n, n_tags)``; called from several threads.
        spec: rate and windows.
        jobs: threads that decode, and threads that run the network.
        one_run_at_a_time: a single thread runs the network, which is on a GPU.
        batch_windows: most windows per run of the network.
        damaged: what a file that is known to lack audio is: an "error", or to "tag" with a warning.
        on_progress: called from the thread that iterates, see :class:`earmark.tagging.progress.TagProgress`.
        watch: called with how far each file has been decoded; may end it, see :data:`earmark.tagging.file_windows.Watch`.
        sparse_windows: read only so many windows of a file, by seeking, where that is possible; None for all.
        steps: windows for each one of the spec, see :func:`earmark.audio.windows`; 1 with ``sparse_windows``.
        measures: what else is estimated of each file; nothing with ``sparse_windows``.

    Yields:
        :class:`WindowScores`, or the AudioError of a file that cannot be decoded. Any other failure is raised.
    """
    read = partial(
        FileWindows,
        spec=spec,
        damaged=damaged,
        watch=watch,
        sparse_windows=sparse_windows,
        steps=steps,
        measures=measures,
    )
    n_networks = 1 if one_run_at_a_time else jobs
    return _Pipeline(paths, network, read, jobs, n_networks, batch_windows, on_progress).results()
