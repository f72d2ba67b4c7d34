"""Tag many files in parallel: decode and run the network at the same time, batch across files, keep the order.

`jobs` threads decode; FFmpeg, soxr and ONNX Runtime release Python's lock while they work. The windows of all files go
into one pool, and each full batch to one of `jobs` threads that run the network. Memory is bounded by the batches in
flight, and by how far decoding may be ahead of the next result.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from earmark import audio
from earmark.audio import AudioBytes, AudioSource
from earmark.audio.seeking import CannotSeekError
from earmark.audio.silence import SilenceMeter
from earmark.audio.source import as_source
from earmark.core.errors import AudioError, TruncatedAudioError
from earmark.core.input_spec import InputSpec

Window = npt.NDArray[np.float32]
Progress = Callable[[float], None]
Watch = Callable[[Path, float], None]
"""Called from the thread that decodes a file, with its path (:data:`UNNAMED` for bytes without a name) and the seconds
decoded so far. An exception ends the file: an AudioError becomes its result, any other is raised to the caller."""

UNNAMED = Path("<bytes>")

Network = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]

_FILES_AHEAD = 64
_WAIT_SECONDS = 0.2  # so that Ctrl-C works even where waiting cannot be interrupted (Windows)


@dataclass
class WindowScores:
    """Window scores of one file.

    Attributes:
        path: the file, or the name of one in memory; None without a name.
        taggram: ``(n_windows, n_outputs)``, all outputs of the network for each window, which may be more than scores;
            with ``steps``, also of the windows between.
        n_samples: length at the model's rate.
        duration_seconds: length as it was decoded.
        warnings: one line each.
        starts: first sample of each window, at the model's rate, where only some windows were read; None for all.
        weights: ``(n_windows,)``, 0..1: what each window counts for, without those between; None for models without
            conditioning.
        silent_seconds: how much of what was read is silent; 0 for models without conditioning.
        silences_seconds: ``(n, 2)``, begin and end of silent parts of at least a second; none where only some windows
            were read.
    """

    path: Path | None
    taggram: npt.NDArray[np.float32]
    n_samples: int
    duration_seconds: float
    warnings: tuple[str, ...]
    starts: npt.NDArray[np.int64] | None = None
    weights: npt.NDArray[np.float32] | None = None
    silent_seconds: float = 0.0
    silences_seconds: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))


@dataclass
class _File:
    """A file in progress. The number of `expected` windows is known once it is decoded."""

    given: AudioSource
    path: Path | None = None
    scores: dict[int, npt.NDArray[np.float32]] = field(default_factory=dict)
    expected: int | None = None
    n_samples: int = 0
    duration_seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    starts: npt.NDArray[np.int64] | None = None
    weights: npt.NDArray[np.float32] | None = None
    silent_seconds: float = 0.0
    silences_seconds: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    failure: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.failure is not None or (self.expected is not None and len(self.scores) == self.expected)


class _Stopped(Exception):  # noqa: N818  not an error: the caller reads no more results
    pass


class _Pipeline:
    def __init__(
        self,
        paths: Iterable[AudioSource],
        network: Network,
        spec: InputSpec,
        jobs: int,
        batch_windows: int,
        damaged: Literal["error", "tag"],
        on_progress: Progress | None,
        watch: Watch | None,
        sparse_windows: int | None,
        steps: int,
    ) -> None:
        self.on_progress, self.watch, self.sparse_windows, self.steps = on_progress, watch, sparse_windows, steps
        self.paths = iter(paths)
        self.paths_lock = threading.Lock()
        self.network, self.spec = network, spec
        self.jobs, self.batch_windows, self.damaged = jobs, batch_windows, damaged
        self.changed = threading.Condition()  # guards everything below
        self.files: list[_File] = []  # in flight, in order
        self.pool: list[tuple[_File, int, Window]] = []
        self.n_runs = 0
        self.exhausted = False
        self.stopping = False
        self.paths_failure: BaseException | None = None

    def results(self) -> Generator[WindowScores | AudioError, None, None]:
        with (
            ThreadPoolExecutor(self.jobs, thread_name_prefix="earmark-network") as self.networks,
            ThreadPoolExecutor(self.jobs, thread_name_prefix="earmark-decode") as decoders,
        ):
            workers: list[Future[None]] = [decoders.submit(self._decode_files) for _ in range(self.jobs)]
            try:
                while (file := self._next_done()) is not None:
                    if isinstance(file.failure, AudioError):
                        yield file.failure
                    elif file.failure is not None:
                        raise file.failure
                    else:
                        taggram = np.stack([file.scores[k] for k in range(len(file.scores))])
                        yield WindowScores(
                            file.path,
                            taggram,
                            file.n_samples,
                            file.duration_seconds,
                            file.warnings,
                            file.starts,
                            file.weights,
                            file.silent_seconds,
                            file.silences_seconds,
                        )
                if self.paths_failure is not None:
                    raise self.paths_failure
            finally:
                with self.changed:
                    self.stopping = True
                    self.changed.notify_all()
                for worker in workers:
                    worker.cancel()

    def _next_done(self) -> _File | None:
        with self.changed:
            while True:
                if self.files and self.files[0].done:
                    self.changed.notify_all()
                    return self.files.pop(0)
                if self.exhausted and not self.files:
                    return None
                if not self.changed.wait(_WAIT_SECONDS):
                    self._submit_locked()  # no other file fills this batch: run it now

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
        file.path = source.path if isinstance(source, AudioBytes) else source
        note = None
        if self.sparse_windows is not None:
            try:
                if self._decode_sparsely(file, source, self.sparse_windows):
                    return
            except CannotSeekError as error:
                note = f"read in full: {error}"
        self._decode_all(file, source, note)

    def _decode_sparsely(self, file: _File, source: AudioSource, n_windows: int) -> bool:
        """False where there are no more windows than that, and nothing was done."""
        found = audio.sparse_windows(source, self.spec, n_windows)
        if found is None:
            return False
        if self.watch is not None:
            self.watch(file.path or UNNAMED, found.duration_seconds)
        file.starts = np.array(found.starts, np.int64)
        meter = SilenceMeter(self.spec)
        for window in found.samples:
            meter.add(window)
        for index, window in enumerate(found.samples):
            self._put(file, index, window)
        with self.changed:
            file.n_samples = round(found.duration_seconds * self.spec.sample_rate_hz)
            file.duration_seconds = found.duration_seconds
            file.weights, file.silent_seconds = meter.weights(None), meter.silent_seconds()
            file.warnings = (*found.warnings, *meter.warnings())
            file.expected = len(found.samples)
        return True

    def _decode_all(self, file: _File, source: AudioSource, note: str | None) -> None:
        stream = audio.stream(source, self.spec.sample_rate_hz, self.spec.conditioning)
        meter = SilenceMeter(self.spec)
        problem: list[str] = []

        def blocks() -> Iterator[Window]:
            try:
                for block in stream:
                    file.n_samples += len(block)
                    meter.add(block)
                    if self.watch is not None:
                        self.watch(file.path or UNNAMED, stream.duration_seconds)
                    yield block
            except TruncatedAudioError as error:
                if self.damaged == "error" or not stream.duration_seconds:
                    raise
                problem.append(error.reason)

        n_windows = 0
        for window in audio.windows(blocks(), self.spec, self.steps):
            self._put(file, n_windows, window)
            n_windows += 1
        if not n_windows:
            raise AudioError(f"holds less audio than one sample at {self.spec.sample_rate_hz} Hz", file.path)
        with self.changed:
            file.duration_seconds = stream.duration_seconds
            file.warnings = (*([note] if note else []), *problem, *stream.warnings, *meter.warnings())
            file.weights = meter.weights(audio.window_starts(file.n_samples, self.spec))
            file.silent_seconds = meter.silent_seconds()
            file.silences_seconds = meter.silences_seconds()
            file.expected = n_windows

    def _put(self, file: _File, index: int, window: Window) -> None:
        with self.changed:
            # Decoding waits once there is one full batch more than the network's threads can take.
            while self.n_runs > self.jobs and not self.stopping:
                self.changed.wait(_WAIT_SECONDS)
            if self.stopping:
                raise _Stopped
            self.pool.append((file, index, window))
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
        if self.on_progress is not None:
            self.on_progress(len(batch) * self.spec.hop_seconds / self.steps)


def run_pipeline(
    paths: Iterable[AudioSource],
    network: Network,
    spec: InputSpec,
    *,
    jobs: int,
    batch_windows: int,
    damaged: Literal["error", "tag"],
    on_progress: Progress | None = None,
    watch: Watch | None = None,
    sparse_windows: int | None = None,
    steps: int = 1,
) -> Generator[WindowScores | AudioError, None, None]:
    """Window scores of every file, in the order of the paths. A caller that does not read to the end must close it.

    Args:
        paths: files (paths, bytes, binary file objects), taken only as far as needed.
        network: windows ``(n, window_samples)`` -> scores ``(n, n_tags)``; called from several threads.
        spec: rate and windows.
        jobs: threads that decode, and threads that run the network.
        batch_windows: most windows per run of the network.
        damaged: what a file that is known to lack audio is: an "error", or to "tag" with a warning.
        on_progress: called from any thread with the seconds of audio in each run of the network.
        watch: called with how far each file has been decoded; may end it, see :data:`Watch`.
        sparse_windows: read only so many windows of a file, by seeking, where that is possible; None for all.
        steps: windows for each one of the spec, see :func:`earmark.audio.windows`; 1 with ``sparse_windows``.

    Yields:
        :class:`WindowScores`, or the AudioError of a file that cannot be decoded. Any other failure is raised.
    """
    pipeline = _Pipeline(paths, network, spec, jobs, batch_windows, damaged, on_progress, watch, sparse_windows, steps)
    return pipeline.results()
