"""Tagging a manifest on a Ray cluster: the driver's side."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol

from earmark.cluster.manifest import read_manifest
from earmark.cluster.plan import STALE, WORK, Plan, Settings, Todo, check_settings, is_shard, make_plan
from earmark.cluster.ray_session import connected
from earmark.cluster.results_table import shard_counts
from earmark.cluster.worker import JOB, Job, Report, ShardWorker, remove_leftovers
from earmark.core.errors import ConfigError, DataError
from earmark.core.storage import Store, store_at
from earmark.core.version import __version__
from earmark.tagging.devices import device_problems
from earmark.tagging.options import option_problems
from earmark.tagging.runtime import OnnxModel, find_model

_READERS = 16


@dataclass
class Tally:
    """Counts of a run so far.

    Attributes:
        n_rows: tracks of the manifest.
        n_rows_kept, n_rows_done: whose results were there before, and those of this run.
        n_failed_kept, n_failed: of these, those that failed.
        n_shards, n_shards_kept, n_shards_done: the same for shards.
        n_stale: shards moved away, whose rows are no longer in the manifest.
        audio_seconds, core_seconds, cpu_seconds, bytes_read, bytes_written: of this run; see
            :class:`earmark.cluster.worker.Report`.
    """

    n_rows: int = 0
    n_rows_kept: int = 0
    n_rows_done: int = 0
    n_failed_kept: int = 0
    n_failed: int = 0
    n_shards: int = 0
    n_shards_kept: int = 0
    n_shards_done: int = 0
    n_stale: int = 0
    audio_seconds: float = 0.0
    core_seconds: float = 0.0
    cpu_seconds: float = 0.0
    bytes_read: int = 0
    bytes_written: int = 0

    @property
    def core_hours(self) -> float:
        """Spent so far by this run."""
        return self.core_seconds / 3600

    @property
    def core_hours_estimated(self) -> float | None:
        """Estimate for all shards that were missing; None before the first is done."""
        if not self.n_rows_done:
            return None
        return self.core_hours * (self.n_rows - self.n_rows_kept) / self.n_rows_done


class TaggingProgress(Protocol):
    """Called by :func:`tag_manifest`. A subclass overrides the methods that it needs."""

    def planned(self, tally: Tally) -> None:
        """The manifest was read and compared with the results that exist."""

    def connected(self, n_workers: int) -> None:
        """The cluster is connected, and can run this many workers."""

    def shard(self, report: Report, tally: Tally) -> None:
        """A shard is done, and counted."""

    def note(self, text: str) -> None:
        """A message for the user."""


class _NoProgress:
    def ignore(self, *_: object) -> None:
        pass

    planned = connected = shard = note = ignore


@dataclass(frozen=True)
class TagJob:
    """What is to be tagged, and how.

    Attributes:
        manifest: see :func:`earmark.cluster.manifest.read_manifest`.
        out: folder for the shards: a path that all machines see, or an address of an object store.
        model: as for :func:`earmark.tagging.tagger.load_tagger`.
        address: as for :func:`earmark.cluster.ray_session.connected`.
        windows, damaged, embeddings, tempo, key: as for :class:`earmark.tagging.tagger.Tagger`.
        shard_rows: tracks of a shard, about.
        timeout_seconds: a track that takes longer, to fetch or to tag, is cut off.
        workers: at most; None for as many as the cluster can run.
        cores, device: of each worker; device as for :func:`earmark.load_tagger`, with "cuda" each gets a GPU.
        retry_failed: remake the shards in which a track failed.

    Raises:
        ConfigError: numbers out of range, all at once.
    """

    manifest: str
    out: str
    model: str | Path | None = None
    address: str = "auto"
    windows: int | None = None
    damaged: Literal["error", "tag"] = "error"
    embeddings: bool = True
    tempo: bool = False
    key: bool = False
    shard_rows: int = 200
    timeout_seconds: float = 600.0
    workers: int | None = None
    cores: int = 1
    device: str = "cpu"
    retry_failed: bool = False

    def __post_init__(self) -> None:
        problems = [
            f"{name} {value}: must be at least 1"
            for name, value in (("shard_rows", self.shard_rows), ("workers", self.workers), ("cores", self.cores))
            if value is not None and value < 1
        ]
        if not (math.isfinite(self.timeout_seconds) and self.timeout_seconds > 0):
            problems.append(f"timeout_seconds {self.timeout_seconds:g}: must be above 0")
        problems += device_problems(self.device)
        problems += option_problems(
            {"windows": self.windows, "damaged": self.damaged, "tempo": self.tempo, "key": self.key}
        )
        if problems:
            raise ConfigError(problems)


def tag_manifest(job: TagJob, progress: TaggingProgress | None = None) -> Tally:
    """Tag all tracks of a manifest, with all machines of a cluster.

    What is there already is kept: shards are named after their rows, the model and the settings. The same call again
    continues where the first was stopped.

    Returns:
        The counts, including what earlier runs had made.

    Raises:
        ConfigError: a manifest, a folder or settings that cannot be used.
        ModelError: there is no such model.
        DataError: the manifest, the store or the cluster cannot be used. What is finished is kept.
    """
    progress = progress or _NoProgress()
    path = find_model(job.model)
    store = store_at(job.out)
    settings, tags = _settings(job, path)
    check_settings(store, settings)
    run = secrets.token_hex(6)
    redo = (
        frozenset(name for name, n in _failures(store, store.sizes()).items() if n) if job.retry_failed else frozenset()
    )
    try:
        plan = make_plan(read_manifest(job.manifest), settings, store, run, redo)
        tally = _tally(store, plan)
        progress.planned(tally)
        if plan.todo:
            model_file = f"{WORK}/{run}/model.onnx"
            worker = Job(settings, tags, model_file, job.cores, job.timeout_seconds, __version__, job.device)
            store.write(worker.model_file, path.read_bytes())
            store.write(f"{WORK}/{run}/{JOB}", worker.to_json().encode())
            for name in redo.intersection(one.name for one in plan.todo):
                store.delete(name)
            try:
                with connected(job.address):
                    _make_all(plan.todo, store, run, job, tally, progress)
            finally:
                if job.address == "local":  # elsewhere the next worker does it
                    remove_leftovers()
        tally.n_stale = _move_stale(store, plan)
    finally:
        store.delete_folder(f"{WORK}/{run}")
    return tally


def _settings(job: TagJob, path: Path) -> tuple[Settings, tuple[str, ...]]:
    model = OnnxModel(path)
    with path.open("rb") as file:
        weights_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    embeddings = job.embeddings and model.embedding_dims is not None
    settings = Settings(
        model.card.name, weights_sha256, job.windows, job.damaged, embeddings, job.shard_rows, job.tempo, job.key
    )
    return settings, tuple(model.card.vocabulary.names)


def _failures(store: Store, sizes: dict[str, int]) -> dict[str, int]:
    """Shards that are there, with the number of their failed tracks; -1 for one that cannot be read."""

    def count(name: str) -> int:
        try:
            return int(shard_counts(store, name, sizes[name])["n_failed"])
        except ValueError:
            return -1

    names = [name for name in sizes if is_shard(name)]
    with ThreadPoolExecutor(_READERS, thread_name_prefix="earmark-count") as pool:
        return dict(zip(names, pool.map(count, names), strict=True))


def _tally(store: Store, plan: Plan) -> Tally:
    sizes = store.sizes() if plan.kept else {}
    failed = _failures(store, {name: sizes[name] for name in plan.kept if name in sizes})
    return Tally(
        n_rows=plan.n_rows,
        n_rows_kept=sum(plan.kept.values()),
        n_failed_kept=sum(max(0, n) for n in failed.values()),
        n_shards=len(plan.kept) + len(plan.todo),
        n_shards_kept=len(plan.kept),
    )


def _make_all(todo: list[Todo], store: Store, run: str, job: TagJob, tally: Tally, progress: TaggingProgress) -> None:
    """Have all shards made. Those that were lost with their machine are requested again."""
    while todo:
        done = set()
        for report in _reports(todo, store, run, job, progress):
            if report.fatal is not None:
                raise DataError(f"machine {report.fatal}")
            done.add(report.name)
            _count(report, tally)
            progress.shard(report, tally)
        todo = [one for one in todo if one.name not in done]
        if todo and not done:
            raise DataError(
                f"{len(todo)} shards could not be made: their workers died again and again (out of memory?)"
            )
        if todo:
            progress.note(f"{len(todo)} shards were lost with their workers, and are made again")


def _count(report: Report, tally: Tally) -> None:
    tally.n_shards_done += 1
    tally.n_rows_done += report.n_rows
    tally.n_failed += report.n_failed
    tally.audio_seconds += report.audio_seconds
    tally.core_seconds += report.core_seconds
    tally.cpu_seconds += report.cpu_seconds
    tally.bytes_read += report.bytes_read
    tally.bytes_written += report.bytes_written


def _reports(todo: list[Todo], store: Store, run: str, job: TagJob, progress: TaggingProgress) -> Iterator[Report]:
    """Reports of shards as they come. Some may never come."""
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # a lost shard is no reason to lose the others
    there, n_gpus = ray.cluster_resources(), 1 if job.device == "cuda" else None
    n_workers = max(1, min(int(there.get("CPU", 1)) // job.cores, int(there.get("GPU", 0)) if n_gpus else len(todo)))
    if n_gpus and not there.get("GPU"):
        raise ConfigError("device 'cuda': the cluster has no GPU; leave --device out, or add machines with GPUs")
    most = min(job.workers or len(todo), len(todo))  # machines may join later
    progress.connected(min(n_workers, most))
    pool = ray.data.ActorPoolStrategy(
        min_size=1, max_size=most, initial_size=min(n_workers, most), max_tasks_in_flight_per_actor=2
    )
    # One block per shard: each is a task that is reported when it is done, and all that is lost with a machine.
    items = ray.data.from_items([{"todo": json.dumps(asdict(one))} for one in todo], override_num_blocks=len(todo))
    reports = items.map_batches(
        ShardWorker,
        fn_constructor_args=(store.place, run),
        batch_size=1,
        compute=pool,
        num_cpus=job.cores,
        num_gpus=n_gpus,
    )
    for row in reports.iter_rows():
        yield Report(**json.loads(row["report"]))


def _move_stale(store: Store, plan: Plan) -> int:
    """Move shards whose rows are no longer in the manifest out of the way of readers."""
    wanted = {*plan.kept, *(one.name for one in plan.todo)}
    stale = [name for name in store.sizes() if is_shard(name) and name not in wanted]
    for name in stale:
        store.write(f"{STALE}/{name}", store.read(name))
        store.delete(name)
    return len(stale)
