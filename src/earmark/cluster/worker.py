"""A worker of the cluster: fetches and tags a shard's tracks, and writes the shard."""

from __future__ import annotations

import atexit
import hashlib
import json
import logging
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from earmark.cluster.plan import WORK, Settings, Todo, read_plan
from earmark.cluster.prefetch import Fetcher
from earmark.cluster.results_table import shard_counts, shard_table
from earmark.cluster.supervisor import WorkerSupervisor
from earmark.core.errors import ConfigError, DataError, EarmarkError
from earmark.core.storage import Store

logger = logging.getLogger(__name__)

JOB = "job.json"
MOST_FAILURES_NAMED = 20
"""Failed tracks of a shard that a report names; the shard has all."""

_FETCHED_AHEAD = 4  # for each core
_SCRATCH = "earmark-cluster-"
_TRIES = 3
_FIRST_PAUSE_SECONDS = 0.5

T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """What every worker needs to know; kept in the store.

    Attributes:
        settings: what decides the shards.
        tags: names, in the model's order.
        model_file: in the store.
        cores: a worker's.
        timeout_seconds: a track that takes longer, to fetch or to tag, is cut off.
        version: of earmark.
        device: on which the network runs.
    """

    settings: Settings
    tags: tuple[str, ...]
    model_file: str
    cores: int
    timeout_seconds: float
    version: str
    device: str = "cpu"

    def to_json(self) -> str:
        """Text that :meth:`from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Job:
        """A job from its text."""
        found = json.loads(text)
        return cls(**found | {"settings": Settings(**found["settings"]), "tags": tuple(found["tags"])})


@dataclass(frozen=True)
class Report:
    """A worker's report on a shard.

    Attributes:
        name: of the shard.
        n_rows, n_failed: tracks.
        audio_seconds: length of those that were tagged.
        core_seconds: time it took, times the cores that were reserved for it.
        cpu_seconds: that the decoder and the network used of it.
        bytes_read, bytes_written: tracks, and the shard.
        failures: address and reason of the first tracks that failed.
        kept: it was there already, made by a worker that was lost before it could report.
        fatal: why nothing can be made at all; nothing else is true then.
    """

    name: str
    n_rows: int = 0
    n_failed: int = 0
    audio_seconds: float = 0.0
    core_seconds: float = 0.0
    cpu_seconds: float = 0.0
    bytes_read: int = 0
    bytes_written: int = 0
    failures: list[list[str]] = field(default_factory=list)
    kept: bool = False
    fatal: str | None = None


class ShardWorker:
    """Makes shards, one after the other, with one Tagger. Ray Data keeps one in each of its actors.

    Args:
        place: of the results.
        run: the folder below WORK.
    """

    def __init__(self, place: str, run: str) -> None:
        self._place, self._run = place, run
        self._scratch: Path | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Todos as JSON in the column ``todo`` -> reports as JSON in the column ``report``."""
        return {"report": [json.dumps(asdict(self.make(Todo(**json.loads(todo))))) for todo in batch["todo"]]}

    def make(self, todo: Todo) -> Report:
        """Make a shard, unless it is there."""
        try:
            if self._scratch is None:
                self._set_up()
            return self._make(todo)
        except (EarmarkError, OSError) as error:
            return Report(todo.name, fatal=f"{platform.node()}: {error}")
        except Exception as error:  # raised, Ray Data would only count it
            logger.exception("failed at %s", todo.name)
            return Report(todo.name, fatal=f"{platform.node()}: {type(error).__name__}: {error}")

    def _set_up(self) -> None:
        from earmark.core.version import __version__

        self._store = Store(self._place)
        text = _retried(lambda: self._store.read_if_there(f"{WORK}/{self._run}/{JOB}"))
        if text is None:
            raise DataError(
                f"{self._store} is not there; it must be a folder that all machines share, or an object store"
            )
        self._job = Job.from_json(text)
        if self._job.version != __version__:
            raise ConfigError(f"has earmark {__version__}, but the command runs {self._job.version}: install the same")
        remove_leftovers()
        scratch = Path(tempfile.mkdtemp(prefix=f"{_SCRATCH}{os.getpid()}-"))
        atexit.register(self.close)
        model = scratch / "model.onnx"
        model.write_bytes(_retried(lambda: self._store.read(self._job.model_file)))
        with model.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != self._job.settings.weights_sha256:
                raise DataError(f"{self._store.at(self._job.model_file)}: is not the model that it should be")
        settings = self._job.settings
        self._supervisor = WorkerSupervisor(
            model,
            {
                "device": self._job.device,
                "damaged": settings.damaged,
                "embeddings": settings.embeddings,
                "windows": settings.windows,
                "tempo": settings.with_tempo,
                "key": settings.with_key,
            },
            n_threads=self._job.cores,
            timeout_seconds=self._job.timeout_seconds,
            scratch=scratch,
        )
        self._scratch = scratch

    def _make(self, todo: Todo) -> Report:
        store, job = self._store, self._job
        started = time.monotonic()
        size = _retried(lambda: store.size(todo.name))
        if size:
            try:
                return Report(todo.name, kept=True, **shard_counts(store, todo.name, size))
            except ValueError:
                logger.warning("%s is damaged, and is made again", store.at(todo.name))
        rows = _retried(lambda: read_plan(store, todo.plan, todo.group))
        assert self._scratch is not None
        before = self._supervisor.cpu_seconds
        files = Fetcher(rows, self._scratch, ahead=_FETCHED_AHEAD * job.cores, timeout_seconds=job.timeout_seconds)
        try:
            results = self._supervisor.tag(files, len(rows))
        finally:
            files.close()
        content = shard_table(rows, results, job.tags, job.settings)
        _retried(lambda: store.write(todo.name, content))
        failed = [(row.uri, one.error) for row, one in zip(rows, results, strict=True) if one.error is not None]
        return Report(
            name=todo.name,
            n_rows=len(rows),
            n_failed=len(failed),
            audio_seconds=sum(one.duration_seconds or 0.0 for one in results),
            core_seconds=(time.monotonic() - started) * job.cores,
            cpu_seconds=self._supervisor.cpu_seconds - before,
            bytes_read=files.bytes_read,
            bytes_written=len(content),
            failures=[[uri, reason] for uri, reason in failed[:MOST_FAILURES_NAMED]],
        )

    def close(self) -> None:
        """End the process that tags, and remove what was fetched."""
        if self._scratch is not None:
            self._supervisor.close()
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None


def remove_leftovers() -> None:
    """Remove what workers left on this machine that were killed together with their process."""
    if os.name == "nt":  # where signal 0 is no question
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        try:
            os.kill(int(folder.name.removeprefix(_SCRATCH).partition("-")[0]), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (ValueError, OSError):  # another's
            continue


def _retried(work: Callable[[], T]) -> T:
    """Try again where a store fails for a moment."""
    pause = _FIRST_PAUSE_SECONDS
    for _ in range(_TRIES - 1):
        try:
            return work()
        except (FileNotFoundError, PermissionError, ConfigError):
            raise
        except (OSError, DataError) as error:
            logger.warning("tried again in %g s: %s", pause, error)
            time.sleep(pause)
            pause *= 4
    return work()
