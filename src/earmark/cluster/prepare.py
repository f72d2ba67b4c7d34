"""Shards of a dataset, made by all machines of a cluster: the same bytes as `earmark data prepare` makes on one.

A task makes a shard, records it as finished, and is repeated elsewhere when its machine is lost. What a shard holds
is a function of the dataset alone, so it does not matter which machine makes it, or how often.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from earmark.core.errors import EarmarkError
from earmark.core.storage import Store, store_at
from earmark.datasets.base import Dataset, raise_problems
from earmark.shards.layout import (
    RECORDS,
    AudioKind,
    Entry,
    FailedClip,
    Header,
    Record,
    read_record,
    record_name,
    shard_name,
    write_header,
    write_record,
)
from earmark.shards.plan import PlannedClip, plan_clips
from earmark.shards.prepare import check_options, exclusive_lock, plan_header, remove_parts, storage_errors
from earmark.shards.sample import Sample, Sources, Wanted, kept_sample, make_sample
from earmark.shards.shard_writer import PrepareProgress, PrepareReport, finish, in_order, in_shards, make_shard

logger = logging.getLogger(__name__)

_READERS = 16
_AHEAD = 2  # waiting tasks per running one
_CLIPS_AHEAD = 4  # of a shard, in memory, for each core
_RETRIES = 10  # how often a task's machine may be lost
_POLL_SECONDS = 1.0


def prepare(
    dataset: Dataset | Sequence[Dataset],
    out: str | Path,
    *,
    audio: AudioKind = "flac",
    sample_rate_hz: int | None = 16_000,
    shard_megabytes: float | None = None,
    clips_per_shard: int | None = None,
    sources: Sources | None = None,
    cores: int = 1,
    retry_failed: bool = False,
    on_done: Callable[[PrepareProgress], None] | None = None,
) -> PrepareReport:
    """As :func:`earmark.shards.prepare`, on the cluster that Ray is connected to.

    Shards that are in ``out`` are kept where their record and their size say that they are whole; the command for one
    machine also reads them and compares their digests.

    Args:
        dataset, audio, sample_rate_hz, shard_megabytes, clips_per_shard, retry_failed: see there.
        out: folder of the shards: a path that all machines see, or the URI of an object store.
        sources: where the audio files are, if not where the dataset says; else all machines must see its files.
        cores: that each shard is made with.
        on_done: called after every shard.

    Raises:
        ConfigError: options that contradict each other, or other shards in ``out`` than those wanted.
        DataError: none of the files exists; the store cannot be written; shards that could not be made, with all
            others finished.
    """
    datasets = [dataset] if isinstance(dataset, Dataset) else list(dataset)
    planned = plan_clips(datasets)
    check_options(audio, sample_rate_hz, shard_megabytes, clips_per_shard)
    wanted, sources, store = Wanted(audio, sample_rate_hz), sources or Sources(), store_at(out)
    with (
        storage_errors(store),
        _to_itself(store),
        ThreadPoolExecutor(_READERS, thread_name_prefix="earmark-prepare") as pool,
    ):
        header = plan_header(store, datasets, planned, wanted, shard_megabytes, clips_per_shard, pool, sources)
        wanted = replace(wanted, cancelled_share=header.cancelled_share)
        there = _finished(store, header, pool)
        job = _Job(store, header, in_shards(planned, header), wanted, sources, there, retry_failed, on_done)
        job.run(cores)
        return job.finish()


@contextlib.contextmanager
def _to_itself(store: Store) -> Iterator[None]:
    """Lock a local folder against a second run, and remove what killed ones left; object stores need neither."""
    if store.path is None:
        yield
        return
    (store.path / RECORDS).mkdir(parents=True, exist_ok=True)
    with exclusive_lock(store.path):
        remove_parts(store.path)
        yield
        remove_parts(store.path)


def _finished(store: Store, header: Header, pool: ThreadPoolExecutor) -> dict[int, Record]:
    """Records of the shards that are there and of the size that they must have."""
    sizes, records = store.sizes(), store.sizes(RECORDS)
    numbers = [n for n in range(header.n_shards) if record_name(n).removeprefix(f"{RECORDS}/") in records]
    found = zip(numbers, pool.map(lambda number: read_record(store, number), numbers), strict=True)
    there = {n: record for n, record in found if record is not None and sizes.get(shard_name(n)) == record.size}
    for number in sorted(set(numbers) - set(there)):
        logger.warning("%s is missing or damaged, and is made again", store.at(shard_name(number)))
    return there


@dataclass(frozen=True, eq=False)
class _Task:
    """One shard to be made, with all that a worker needs."""

    place: str
    number: int
    items: Sequence[PlannedClip]
    kept: tuple[Entry, ...]
    wanted: Wanted
    sources: Sources
    cores: int

    def run(self) -> Record:
        """Make the shard, upload it to the store, and record that it is finished. Raises OSError, DataError."""
        store = Store(self.place)
        kept = {entry.clip_id: entry for entry in self.kept}

        def work(item: PlannedClip) -> Sample | FailedClip:
            entry = kept.get(item.clip.clip_id)
            return make_sample(item, self.wanted, self.sources) if entry is None else kept_sample(store, entry)

        with contextlib.ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(self.cores, thread_name_prefix="earmark-prepare"))
            folder = store.path or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="earmark-shard-")))
            path = folder / shard_name(self.number)
            samples = stack.enter_context(
                contextlib.closing(in_order(pool, work, self.items, self.cores * _CLIPS_AHEAD))
            )
            record = make_shard(path, self.number, self.items, samples)
            if store.path is None:
                store.put(shard_name(self.number), path)
        write_record(store, self.number, record)
        return record


class _Job:
    """The driver's side: hands out tasks, never more than the cluster will soon come to, and counts."""

    def __init__(
        self,
        store: Store,
        header: Header,
        shards: Sequence[Sequence[PlannedClip]],
        wanted: Wanted,
        sources: Sources,
        there: dict[int, Record],
        retry_failed: bool,
        on_done: Callable[[PrepareProgress], None] | None,
    ) -> None:
        self.store, self.header, self.shards, self.wanted, self.sources = store, header, shards, wanted, sources
        self.there, self.on_done = there, on_done
        self.records = {n: record for n, record in there.items() if not (retry_failed and record.failed)}
        self.todo = [number for number in range(len(shards)) if number not in self.records]
        self.n_kept = sum(len(shards[number]) for number in self.records)
        self.audio_seconds = 0.0

    def run(self, cores: int) -> None:
        """Make what is missing. Raises DataError with the shards that could not be made, once all others are."""
        import ray

        self._report_progress()
        if not self.todo:
            return
        write_header(self.store, replace(self.header, complete=False))
        remote = ray.remote(num_cpus=cores, max_retries=_RETRIES, scheduling_strategy="SPREAD")(_run_task)
        waiting: dict[Any, int] = {}
        left = iter(self.todo)
        problems: list[str] = []
        try:
            while True:
                n_free = max(1, int(ray.cluster_resources().get("CPU", 1)) // cores) * _AHEAD - len(waiting)
                for number in [n for _, n in zip(range(max(0, n_free)), left, strict=False)]:
                    waiting[remote.remote(self._task(number, cores))] = number
                if not waiting:
                    break
                done, _ = ray.wait(list(waiting), timeout=_POLL_SECONDS)
                for ref in done:
                    self._take(ray, ref, waiting.pop(ref), problems)
        except BaseException:
            for ref in waiting:
                ray.cancel(ref, force=True)
            raise
        raise_problems(
            f"{self.store}: {len(problems)} shards could not be made; the same command tries again", problems
        )

    def finish(self) -> PrepareReport:
        """Write the tables."""
        records = [self.records[number] for number in range(len(self.shards))]
        return finish(self.store, self.header, records, len(self.todo))

    def _task(self, number: int, cores: int) -> _Task:
        kept = self.there[number].entries if number in self.there else ()
        return _Task(self.store.place, number, self.shards[number], kept, self.wanted, self.sources, cores)

    def _take(self, ray: Any, ref: Any, number: int, problems: list[str]) -> None:
        try:
            record: Record = ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            if not isinstance(cause, EarmarkError | OSError):
                raise
            problems.append(f"{shard_name(number)}: {' '.join(str(cause).split())}")
        except ray.exceptions.RayError as error:  # its process was lost again and again
            problems.append(f"{shard_name(number)}: {str(error).strip().splitlines()[0]}")
        else:
            self.records[number] = record
            self.audio_seconds += sum(entry.duration_seconds for entry in record.entries)
            self._report_progress()

    def _report_progress(self) -> None:
        if self.on_done is None:
            return
        n_bytes = sum(record.size for record in self.records.values())
        n_done, n_clips = sum(len(self.shards[number]) for number in self.records), sum(map(len, self.shards))
        n_failed = sum(len(record.failed) for record in self.records.values())
        estimated = round(n_bytes / n_done * n_clips) if n_done else None
        self.on_done(PrepareProgress(n_done, n_clips, self.n_kept, n_failed, self.audio_seconds, n_bytes, estimated))


def _run_task(task: _Task) -> Record:
    return task.run()
