"""Features of many files: in parallel processes, kept on disk, and no file computed twice.

A kept vector is named after the file's content, the features' revision and librosa's version, so that a changed file
is computed again and a moved one is not. Workers write each vector as soon as it is computed: a run that was killed
continues where it stopped.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from io import BytesIO
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from earmark.baselines.features import FEATURES, Features, features_version, file_features
from earmark.core.array_files import ARRAY_FILE_ERRORS
from earmark.core.atomic_files import write_atomic
from earmark.core.cpu import available_cores
from earmark.core.errors import AudioError, DataError
from earmark.datasets.base import Dataset, raise_problems

Progress = Callable[[int, int], None]
_Answer = tuple[Features, tuple[str, ...]] | str


def dataset_features(
    dataset: Dataset,
    *splits: str,
    cache: Path | None = None,
    jobs: int | None = None,
    on_done: Progress | None = None,
) -> tuple[dict[str, Features], tuple[str, ...]]:
    """Features of the clips of some splits (or of all).

    Returns:
        clip id -> (n_features,) float32; and the decoder's warnings, one line each, with the clip.

    Raises:
        DataError: see :func:`files_features`.
    """
    dataset.require_files(*splits)
    clips = [clip for clip in dataset.clips if not splits or clip.split in splits]
    table, warnings = files_features([clip.path for clip in clips], cache=cache, jobs=jobs, on_done=on_done)
    named = tuple(f"{clip.clip_id}: {line}" for clip, lines in zip(clips, warnings, strict=True) for line in lines)
    return {clip.clip_id: row for clip, row in zip(clips, table, strict=True)}, named


def files_features(
    paths: Sequence[str | Path],
    *,
    cache: Path | None = None,
    jobs: int | None = None,
    on_done: Progress | None = None,
) -> tuple[Features, list[tuple[str, ...]]]:
    """Features of files.

    With more than one job, other processes do the work. They are started afresh (not forked), so a script that calls
    this needs ``if __name__ == "__main__":``.

    Args:
        paths: audio files.
        cache: folder where vectors are kept; None for none.
        jobs: processes, each with one thread; None for one per core, 1 for this process only.
        on_done: called with how many files are done and how many there are.

    Returns:
        (n_files, n_features) float32, in the order of the paths; and each file's warnings of the decoder.

    Raises:
        DataError: files that cannot be read (all are named, once all the others are done), or a process that
            was killed.
    """
    problems: list[str] = []
    found: dict[int, tuple[Features, tuple[str, ...]]] = {}
    same: dict[str, list[int]] = {}  # by content: no sound is computed twice
    for place, path in enumerate(paths):
        try:
            same.setdefault(_content_key(Path(path)), []).append(place)
        except OSError as error:
            problems.append(f"{path}: cannot be read ({error.strerror or error})")
    todo: list[tuple[str, Path | None]] = []
    owners: list[list[int]] = []
    for key, places in same.items():
        kept = None if cache is None else cache / f"{key}.npz"
        if kept is not None and (answer := _read(kept)) is not None:
            found |= dict.fromkeys(places, answer)
        else:
            todo.append((str(paths[places[0]]), kept))
            owners.append(places)
    if cache is not None and todo:
        cache.mkdir(parents=True, exist_ok=True)
    _report_progress(on_done, len(found), len(paths))
    for number, result in _computed(todo, min(jobs or available_cores(), len(todo))):
        if isinstance(result, str):
            problems.append(result)
        else:
            found |= dict.fromkeys(owners[number], result)
        _report_progress(on_done, len(found) + len(problems), len(paths))
    raise_problems(f"{len(problems)} of {len(paths)} files cannot be read", sorted(problems))
    table = np.stack([found[place][0] for place in range(len(paths))])
    return table, [found[place][1] for place in range(len(paths))]


def _report_progress(on_done: Progress | None, done: int, total: int) -> None:
    if on_done is not None:
        on_done(done, total)


def _computed(todo: list[tuple[str, Path | None]], jobs: int) -> Iterator[tuple[int, _Answer]]:
    """(index, answer) as they come."""
    if jobs <= 1:
        for place, task in enumerate(todo):
            with threadpool_limits(1):  # as in the workers: the same sums in the same order
                answer = _compute(*task)
            yield place, answer
        return
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker)
    try:
        places = {pool.submit(_compute, *task): place for place, task in enumerate(todo)}
        for future in as_completed(places):
            yield places.pop(future), future.result()
    except BrokenProcessPool as error:
        raise DataError(
            "a process that computed features was ended from outside, perhaps for want of memory; what was done is "
            "kept where there is a folder for it: run it again with fewer --jobs"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    """One thread per process; the parent handles Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import scipy.fft  # noqa: F401  its libraries must be there to be limited

    threadpool_limits(1)


def _compute(path: str, kept: Path | None) -> _Answer:
    """Features of one file, written to ``kept``; an error as its text."""
    try:
        vector, warnings = file_features(path)
    except AudioError as error:
        return str(error)
    if kept is not None:
        content = BytesIO()
        np.savez(content, features=vector, warnings=np.array(warnings, dtype=np.str_))
        write_atomic(kept, content.getvalue())
    return vector, warnings


def _content_key(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return f"{digest.hexdigest()[:32]}-{features_version()}"


def _read(path: Path) -> tuple[Features, tuple[str, ...]] | None:
    """A kept vector; None where there is none, or where it is incomplete (it is then computed again)."""
    try:
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as content:
            vector, warnings = content["features"], content["warnings"]
    except ARRAY_FILE_ERRORS:
        return None
    if vector.shape != (len(FEATURES),) or vector.dtype != np.float32 or not np.isfinite(vector).all():
        return None
    return vector, tuple(str(line) for line in warnings)
