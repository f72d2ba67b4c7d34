"""Writes shards one after the other; their clips are decoded in parallel and ahead.

A shard is finished when its record is written, after the shard itself was renamed into place; everything else is
made again. The contents of a shard depend neither on the number of threads nor on how often the work was interrupted.
"""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from earmark.core.storage import Store
from earmark.shards.layout import (
    Entry,
    FailedClip,
    Header,
    MeanAudio,
    Record,
    read_record,
    shard_name,
    write_failed,
    write_header,
    write_index,
    write_record,
)
from earmark.shards.plan import PlannedClip
from earmark.shards.sample import Sample, Wanted, kept_sample, make_sample
from earmark.shards.tarfiles import TarWriter

logger = logging.getLogger(__name__)

_AHEAD = 4  # clips in memory for each thread


@dataclass(frozen=True)
class PrepareProgress:
    """Progress of a run.

    Attributes:
        n_done, n_clips: finished clips, and all clips.
        n_kept: those of them in shards that were finished before.
        n_failed: those of them that failed.
        audio_seconds: length of the clips of this run.
        n_bytes: size of all shards so far.
        estimated_bytes: final size of all shards, known from the first shard on.
    """

    n_done: int
    n_clips: int
    n_kept: int
    n_failed: int
    audio_seconds: float
    n_bytes: int
    estimated_bytes: int | None


@dataclass(frozen=True)
class PrepareReport:
    """Result of a run.

    Attributes:
        header: what is now in the folder.
        n_shards_made: shards of this run; the others existed before.
        failures: clips that could not be decoded.
    """

    header: Header
    n_shards_made: int
    failures: tuple[FailedClip, ...]


class Run:
    """One run with exclusive use of a folder. Arguments as in :func:`earmark.shards.prepare.prepare`."""

    def __init__(
        self,
        folder: Path,
        header: Header,
        planned: Sequence[PlannedClip],
        wanted: Wanted,
        on_done: Callable[[PrepareProgress], None] | None,
    ) -> None:
        self.folder, self.header, self.wanted, self.on_done = folder, header, wanted, on_done
        self.store = Store(folder)
        self.shards = in_shards(planned, header)
        self.records: dict[int, Record] = {}
        self.progress = PrepareProgress(0, len(planned), 0, 0, 0.0, 0, None)

    def run(self, pool: ThreadPoolExecutor, jobs: int, retry_failed: bool) -> PrepareReport:
        """Make the missing shards. Raises OSError if they cannot be written."""
        numbers = range(len(self.shards))
        found = [(number, record) for number in numbers if (record := read_record(self.store, number)) is not None]
        sound = pool.map(lambda item: _is_sound(self.folder / shard_name(item[0]), item[1]), found)
        there = {number: record for (number, record), ok in zip(found, sound, strict=True) if ok}
        for number in sorted({number for number, _ in found} - set(there)):
            logger.warning("%s is missing or damaged, and is made again", self.folder / shard_name(number))
        self.records = {n: record for n, record in there.items() if not (retry_failed and record.failed)}
        todo = [number for number in numbers if number not in self.records]
        n_kept = sum(len(self.shards[number]) for number in self.records)
        n_failed = sum(len(record.failed) for record in self.records.values())
        self._report(n_done=n_kept, n_kept=n_kept, n_failed=n_failed, **self._sizes())
        if todo:
            write_header(self.store, replace(self.header, complete=False))
        self._make(pool, jobs, todo, there)
        return self._finish(len(todo))

    def _make(self, pool: ThreadPoolExecutor, jobs: int, todo: Sequence[int], there: dict[int, Record]) -> None:
        """Make shards one after the other; clips are prefetched across shards."""
        kept = {entry.clip_id: entry for number in todo for entry in (there[number].entries if number in there else ())}

        def work(item: PlannedClip) -> Sample | FailedClip:
            entry = kept.get(item.clip.clip_id)
            return make_sample(item, self.wanted) if entry is None else kept_sample(self.store, entry)

        clips = (item for number in todo for item in self.shards[number])
        samples = in_order(pool, work, clips, jobs * _AHEAD)
        try:
            for number in todo:
                self._make_shard(number, samples)
        finally:
            samples.close()

    def _make_shard(self, number: int, samples: Iterator[Sample | FailedClip]) -> None:
        self.records[number] = make_shard(
            self.folder / shard_name(number), number, self.shards[number], samples, self._report_clip
        )
        write_record(self.store, number, self.records[number])
        self._report(**self._sizes())

    def _report_clip(self, sample: Sample | FailedClip) -> None:
        if isinstance(sample, FailedClip):
            self._report(n_done=self.progress.n_done + 1, n_failed=self.progress.n_failed + 1)
        else:
            audio_seconds = self.progress.audio_seconds + sample.duration_seconds
            self._report(n_done=self.progress.n_done + 1, audio_seconds=audio_seconds)

    def _finish(self, n_made: int) -> PrepareReport:
        return finish(self.store, self.header, [self.records[number] for number in range(len(self.shards))], n_made)

    def _sizes(self) -> dict[str, Any]:
        n_bytes = sum(record.size for record in self.records.values())
        n_clips = sum(len(self.shards[number]) for number in self.records)
        estimated = round(n_bytes / n_clips * self.progress.n_clips) if n_clips else None
        return {"n_bytes": n_bytes, "estimated_bytes": estimated}

    def _report(self, **changes: Any) -> None:
        self.progress = replace(self.progress, **changes)
        if self.on_done is not None:
            self.on_done(self.progress)


def in_shards(planned: Sequence[PlannedClip], header: Header) -> list[Sequence[PlannedClip]]:
    """The clips of each shard."""
    size = header.clips_per_shard
    return [planned[start : start + size] for start in range(0, len(planned), size)]


def make_shard(
    path: Path,
    number: int,
    items: Sequence[PlannedClip],
    samples: Iterator[Sample | FailedClip],
    on_clip: Callable[[Sample | FailedClip], None] = lambda _: None,
) -> Record:
    """Write one shard to a temporary file and rename it; ``samples`` are those of its clips, in order. Raises OSError."""
    entries: list[Entry] = []
    failed: list[FailedClip] = []
    with TarWriter(path) as tar:
        for item in items:
            sample = next(samples)
            if isinstance(sample, FailedClip):
                failed.append(sample)
            else:
                offset = tar.add(f"{item.key}.{sample.suffix}", sample.content)
                mean = None
                if sample.mean is not None:
                    mean_content, mean_gain = sample.mean
                    place = tar.add(f"{item.key}.mean.flac", mean_content)
                    mean = MeanAudio(place, len(mean_content), zlib.crc32(mean_content), mean_gain)
                tar.add(f"{item.key}.json", sample.metadata)
                entries.append(
                    Entry(
                        item.clip.clip_id,
                        number,
                        item.key,
                        sample.suffix,
                        offset,
                        len(sample.content),
                        zlib.crc32(sample.content),
                        sample.n_samples,
                        sample.gain,
                        sample.duration_seconds,
                        mean,
                    )
                )
            on_clip(sample)
        tar.finish()
    return Record(tar.size, tar.sha256, tuple(entries), tuple(failed))


def finish(store: Store, header: Header, records: Sequence[Record], n_made: int) -> PrepareReport:
    """Write the tables of a folder with all shards; ``records`` are theirs, in order. Raises OSError."""
    entries = [entry for record in records for entry in record.entries]
    failures = tuple(failed for record in records for failed in record.failed)
    header = replace(
        header,
        complete=True,
        n_failed=len(failures),
        duration_seconds=round(sum(entry.duration_seconds for entry in entries), 3),
        n_bytes=sum(record.size for record in records),
        sizes=tuple(record.size for record in records),
        sha256=tuple(record.sha256 for record in records),
    )
    write_index(store, entries)
    write_failed(store, failures)
    write_header(store, header)
    return PrepareReport(header, n_made, failures)


def in_order(
    pool: ThreadPoolExecutor,
    work: Callable[[PlannedClip], Sample | FailedClip],
    items: Iterable[PlannedClip],
    n_ahead: int,
) -> Generator[Sample | FailedClip, None, None]:
    """Results in the order of the items, at most ``n_ahead`` of them waiting."""
    waiting: deque[Future[Sample | FailedClip]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= n_ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _is_sound(path: Path, record: Record) -> bool:
    try:
        if path.stat().st_size != record.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == record.sha256
    except OSError:
        return False
