"""What each process of a cluster training does: the run of :mod:`earmark.training`, with its folder kept in a store.

The folder of the run is on the worker's own disk while it runs. The first process uploads what an epoch
has changed, the state last, and all processes start from the stored state. So a run that loses a process, or all of
them, continues from its last epoch wherever it is started again.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.core.errors import ConfigError, DataError, EarmarkError
from earmark.core.storage import Store, store_at
from earmark.datasets.base import Dataset
from earmark.training.callbacks import LogRow
from earmark.training.checkpoint_callback import STATE_NAME
from earmark.training.sections import Recipe

_SECONDS_BETWEEN_BATCHES = 0.5  # that are reported to the driver
_TRIES, _PAUSE_SECONDS = 20, 0.5  # to see the state that the first process sees, on a disk of a network

Message = tuple[str, tuple[Any, ...]]
"""For the driver: the name of a method of TrainingProgress, or "log" or "failed", and its arguments."""


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """All that a worker needs.

    Attributes:
        recipe: with every default filled in.
        dataset: the clips that it chooses.
        out: the run's folder, a path that all workers see or the URI of a store.
        shards: the same for the audio; None where all workers see the dataset's own files.
        device: "cpu" or "cuda".
        readers: processes that read ahead, see :func:`earmark.training.run.train`.
        jobs: files decoded side by side.
        tensorboard, measure_training: see there.
        messages: the actor that takes messages for the driver.
    """

    recipe: Recipe
    dataset: Dataset
    out: str
    shards: str | None
    device: str
    readers: int | None
    jobs: int
    tensorboard: bool
    measure_training: int
    messages: Any


@dataclass(frozen=True)
class Outcome:
    """The result of a worker: the end of the run, or an error that a restart would not cure."""

    best_epoch: int = 0
    selection: float = 0.0
    history: tuple[LogRow, ...] = ()
    resumed_after: int = 0
    usage_error: bool = False
    error: str | None = None


def train_worker(config: dict[str, Any]) -> Outcome:
    """For Ray Train: run in each process of the group.

    Raises:
        ProcessLostError, StoreError: what a restart may cure; Ray restarts the worker.
    """
    from earmark.training.lightning_setup import ProcessLostError

    job: TrainingJob = config["job"]
    try:
        return _train(job)
    except (ProcessLostError, StoreError):
        raise
    except EarmarkError as error:
        _report(job.messages, "failed", str(error))
        _leave_process_group()
        return Outcome(usage_error=isinstance(error, ConfigError), error=str(error))


class StoreError(DataError):
    """The run's folder cannot be read or written just now."""


def _train(job: TrainingJob) -> Outcome:
    import ray.train
    from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment

    from earmark.training.lightning_setup import DistributedContext
    from earmark.training.run import train

    context = ray.train.get_context()
    rank = context.get_world_rank()
    distributed = DistributedContext(rank, context.get_world_size(), RayLightningEnvironment(), RayDDPStrategy())
    store = store_at(job.out)
    with (
        tempfile.TemporaryDirectory(prefix="earmark-run-") as scratch,
        _forward_logs(job.messages if rank == 0 else None),
    ):
        folder = Path(scratch) / "run"
        resuming = _fetch_state(store, folder, rank)
        progress = _StoreUploader(folder, store, job.messages)
        result = train(
            job.recipe,
            folder,
            resume=resuming,
            device=job.device,
            shards=job.shards,
            workers=job.readers,
            jobs=job.jobs,
            tensorboard=job.tensorboard,
            measure_training=job.measure_training,
            progress=progress if rank == 0 else None,
            loaded=(job.dataset, None),
            distributed=distributed,
        )
        if rank == 0:
            progress.upload()
    return Outcome(result.best_epoch, result.selection, result.history, result.resumed_after)


def _fetch_state(store: Store, folder: Path, rank: int) -> bool:
    """The state from the store, if there is one: for all processes the one that the first sees.

    Raises:
        StoreError: it cannot be read, or this process sees another one.
    """
    from ray.train.collective import broadcast_from_rank_zero

    try:
        state = store.read_if_there(STATE_NAME)
        wanted = broadcast_from_rank_zero(_digest(state))
        for _ in range(_TRIES):
            if _digest(state) == wanted:
                break
            time.sleep(_PAUSE_SECONDS)
            state = store.read_if_there(STATE_NAME)
        else:
            raise StoreError(
                f"{store}: process {rank} finds another state there than process 0; --out must be one place for all "
                "machines: an object store, or a disk that all of them see"
            )
    except OSError as error:
        raise StoreError(f"{store}: cannot be read ({error.strerror or error})") from error
    if state is None:
        return False
    folder.mkdir(parents=True)
    (folder / STATE_NAME).write_bytes(state)
    return True


class _StoreUploader:
    """Progress of the first process: uploads the run's folder after each epoch, and reports to the driver."""

    def __init__(self, folder: Path, store: Store, messages: Any) -> None:
        self.folder, self.store, self.messages = folder, store, messages
        self._uploaded: dict[str, tuple[int, int]] = {}
        self._reported_at = 0.0
        state = folder / STATE_NAME
        if state.exists():
            self._uploaded[STATE_NAME] = _version(state)

    def decoding(self, done: int, total: int) -> None:
        """Files decoded so far."""
        if done == total or self._is_time():
            _report(self.messages, "decoding", done, total)

    def batch(self, epoch: int, done: int, total: int, loss: float, windows_per_second: float) -> None:
        """A batch is done."""
        if self._is_time():
            _report(self.messages, "batch", epoch, done, total, loss, windows_per_second)

    def epoch(self, row: LogRow) -> None:
        """An epoch is done, and its state written."""
        self.upload()
        _report(self.messages, "epoch", row)

    def upload(self) -> None:
        """Upload what has changed, the state last. Raises StoreError."""
        files = [path for path in self.folder.rglob("*") if path.is_file() and not path.name.endswith(".part")]
        for path in sorted(files, key=lambda path: (path.name == STATE_NAME, path)):
            name, version = path.relative_to(self.folder).as_posix(), _version(path)
            if self._uploaded.get(name) == version:
                continue
            try:
                self.store.put(name, path)
            except (OSError, DataError) as error:
                raise StoreError(f"{self.store}: cannot be written ({error})") from error
            self._uploaded[name] = version

    def _is_time(self) -> bool:
        now = time.monotonic()
        if now - self._reported_at < _SECONDS_BETWEEN_BATCHES:
            return False
        self._reported_at = now
        return True


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _digest(content: bytes | None) -> str:
    return "none" if content is None else hashlib.sha256(content).hexdigest()


def _report(messages: Any, what: str, *args: Any) -> None:
    """Report to the driver, without waiting for it; the run continues whether or not the driver is there."""
    with suppress(Exception):
        messages.add.remote((what, args))


def _leave_process_group() -> None:
    """Close the connections to the other processes, so that none waits for this one in vain."""
    import torch.distributed

    with suppress(Exception):
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


@contextmanager
def _forward_logs(messages: Any) -> Iterator[None]:
    """Forward the run's log to the driver; nothing where ``messages`` is None."""
    if messages is None:
        yield
        return
    handler = _LogForwarder(messages)
    logger = logging.getLogger("earmark")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _LogForwarder(logging.Handler):
    def __init__(self, messages: Any) -> None:
        super().__init__(logging.INFO)
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        _report(self.messages, "log", record.levelno, record.getMessage())
