"""Training on a cluster: Ray Train starts and restarts the processes; the run itself is `earmark.training`'s."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.cluster.training_worker import Outcome, TrainingJob, train_worker
from earmark.core.errors import ConfigError, DataError
from earmark.core.storage import Store, store_at
from earmark.datasets import load_dataset
from earmark.shards import ShardAudio
from earmark.training.callbacks import LogRow, TrainingProgress
from earmark.training.config import CHECKPOINT_FOLDER, RECIPE_NAME
from earmark.training.data_setup import chosen_clips
from earmark.training.lightning_setup import DEVICES
from earmark.training.sections import Recipe

_log = logging.getLogger("earmark.training")

_MESSAGES_EVERY_SECONDS = 0.3
_PLACING_SECONDS = "15"  # Ray may still count the cores of a machine that was just lost: then it must ask again


@dataclass(frozen=True)
class ClusterTrainingResult:
    """What a run came to; see :class:`earmark.training.run.TrainingResult`.

    Attributes:
        checkpoint: where the best weights and their card are, a path or URI.
        best_epoch, selection, history, resumed_after: see there.
    """

    checkpoint: str
    best_epoch: int
    selection: float
    history: tuple[LogRow, ...]
    resumed_after: int


def train(
    recipe: Recipe,
    out: str | Path,
    *,
    resume: bool = False,
    workers: int = 1,
    min_workers: int | None = None,
    cores: int = 1,
    device: str = "auto",
    shards: str | Path | None = None,
    readers: int | None = None,
    max_failures: int = 5,
    tensorboard: bool = False,
    measure_training: int = 0,
    progress: TrainingProgress | None = None,
) -> ClusterTrainingResult:
    """Train a model by a recipe, on the cluster that Ray is connected to.

    The dataset's lists are read here, its audio by the workers. They divide each batch, so that the recipe means the same
    on any number of them (see :func:`earmark.training.run.train`). Where one is lost, all begin again from the last
    epoch's state, on as many workers as there can be.

    Args:
        recipe: with ``data.root`` set.
        out: the run's folder: a path that all machines see, or the URI of a store. Its content is what
            ``earmark train`` leaves.
        resume: continue the run in this folder; where there is none, start a fresh one.
        workers: processes that train together, each on a GPU of its own where there are GPUs.
        min_workers: continue with so few where machines are lost, until others come; None waits for all.
        cores: CPU cores of each worker.
        device: "cpu", "cuda", or "auto" for "cuda" where the cluster has GPUs.
        shards: that `earmark data prepare` or `earmark cluster prepare` has made, a path that all machines see or the
            URI of a store; None where all machines see the dataset's files.
        readers: processes of each worker that read ahead; None as :func:`earmark.training.run.train` has it.
        max_failures: so often the workers may be started again.
        tensorboard, measure_training, progress: see there.

    Raises:
        ConfigError: recipe and device problems, a place with a run in it without ``resume``, or resuming with another
            recipe or other data.
        DataError: data missing or not as it must be; workers were lost too often.
    """
    _check(recipe, workers, min_workers, cores, device, max_failures)
    store = store_at(out)
    if not resume and store.exists(RECIPE_NAME):
        raise ConfigError(f"{store}: a run is already there; continue it with --resume, or choose another place")
    assert recipe.data.root is not None
    dataset = chosen_clips(
        load_dataset(recipe.data.dataset, recipe.data.root, recipe.data.protocol, **recipe.data.options), recipe
    )
    if len(dataset.split("validation")) < workers:
        raise ConfigError(f"workers {workers}: there are fewer validation clips than that; use fewer workers")
    if shards is not None:
        ShardAudio(shards)  # raises where it is not complete, here and not in each worker
    return _Run(store, recipe.training.epochs, progress).fit(
        lambda messages, chosen: TrainingJob(
            recipe=recipe,
            dataset=dataset,
            out=store.place,
            shards=None if shards is None else store_at(shards).place,
            device=chosen,
            readers=readers,
            jobs=cores,
            tensorboard=tensorboard,
            measure_training=measure_training,
            messages=messages,
        ),
        workers if min_workers is None or min_workers == workers else (min_workers, workers),
        cores,
        device,
        max_failures,
    )


def _check(recipe: Recipe, workers: int, min_workers: int | None, cores: int, device: str, max_failures: int) -> None:
    problems = []
    if recipe.data.root is None:
        problems.append("data.root is not set: say where the dataset is, with --root DIR or -o data.root=DIR")
    if recipe.model.members and any(not Path(folder).is_absolute() for folder in recipe.model.members):
        problems.append("model.members: must be absolute paths that all machines see")
    if device not in ("auto", "cpu", "cuda"):
        problems.append(f"device {device!r}: must be one of {', '.join(set(DEVICES) - {'mps'})} on a cluster")
    if device == "cpu" and recipe.training.precision == "16-mixed":
        problems.append("training.precision 16-mixed: a CPU cannot; use bf16-mixed or 32")
    problems += [f"{what} {n}: must be at least 1" for what, n in (("workers", workers), ("cores", cores)) if n < 1]
    if min_workers is not None and not 1 <= min_workers <= workers:
        problems.append(f"min_workers {min_workers}: must be in 1..{workers}, the number of workers")
    if max_failures < 0:
        problems.append(f"max_failures {max_failures}: must be at least 0")
    if problems:
        raise ConfigError(problems)


class _Messages:
    """An actor beside the driver: keeps what the first worker reports until the driver asks."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def add(self, message: Any) -> None:
        self.messages.append(message)

    def take(self) -> list[Any]:
        taken, self.messages = self.messages, []
        return taken


class _Run:
    """The driver's side of one run."""

    def __init__(self, store: Store, n_epochs: int, progress: TrainingProgress | None) -> None:
        self.store, self.n_epochs, self.progress = store, n_epochs, progress
        self.failed: str | None = None

    def fit(
        self, make_job: Any, workers: int | tuple[int, int], cores: int, device: str, max_failures: int
    ) -> ClusterTrainingResult:
        """Start the workers and wait for their end. Raises ConfigError, DataError."""
        if not isinstance(workers, int):
            os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", _PLACING_SECONDS)
        import ray
        from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
        from ray.train.torch import TorchTrainer
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = ray.cluster_resources()
        use_gpu = device == "cuda" or (device == "auto" and there.get("GPU", 0) > 0)
        most = workers if isinstance(workers, int) else workers[1]
        for kind, wanted in (("CPU", most * cores), ("GPU", most * use_gpu)):
            if wanted > there.get(kind, 0):
                _log.warning(
                    "%d of %s are wanted, the cluster has %d: waiting for more machines",
                    wanted,
                    kind,
                    there.get(kind, 0),
                )
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        messages = ray.remote(num_cpus=0, scheduling_strategy=here)(_Messages).remote()
        with tempfile.TemporaryDirectory(prefix="earmark-ray-train-") as folder:
            trainer = TorchTrainer(
                train_worker,
                train_loop_config={"job": make_job(messages, "cuda" if use_gpu else "cpu")},
                scaling_config=ScalingConfig(
                    num_workers=workers,
                    use_gpu=use_gpu,
                    resources_per_worker={"CPU": cores, **({"GPU": 1} if use_gpu else {})},
                ),
                # Ray keeps no checkpoints of its own for us: its folder holds a mark or two, here beside the driver.
                run_config=RunConfig(
                    name="run", storage_path=folder, failure_config=FailureConfig(max_failures=max_failures)
                ),
            )
            try:
                with _signals_as_before(), self._receiving(ray, messages):
                    outcome: Outcome = trainer.fit().return_value
            except TrainingFailedError as error:
                raise DataError(self._why(error)) from error
            finally:
                ray.kill(messages)
        if outcome.error is not None:
            raise ConfigError(outcome.error) if outcome.usage_error else DataError(outcome.error)
        return ClusterTrainingResult(
            self.store.at(CHECKPOINT_FOLDER),
            outcome.best_epoch,
            outcome.selection,
            outcome.history,
            outcome.resumed_after,
        )

    def _why(self, error: Exception) -> str:
        causes = getattr(error, "worker_failures", {}) or {0: error}
        reason = self.failed or "; ".join(
            f"worker {rank}: {_last_line(cause)}" for rank, cause in sorted(causes.items())
        )
        return f"{self.store}: the workers were lost or failed too often ({reason}); continue with --resume"

    @contextmanager
    def _receiving(self, ray: Any, messages: Any) -> Iterator[None]:
        """Pass on what the workers report, from a thread beside the one that waits for the end."""
        over = threading.Event()

        def receive() -> None:
            while True:
                last = over.wait(_MESSAGES_EVERY_SECONDS)
                try:
                    for what, args in ray.get(messages.take.remote(), timeout=30):
                        self._pass_on(what, args)
                except ray.exceptions.RayError as error:
                    _log.debug("no messages from the workers: %s", error)
                if last:
                    return

        thread = threading.Thread(target=receive, name="earmark-messages", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(60)

    def _pass_on(self, what: str, args: tuple[Any, ...]) -> None:
        if what == "log":
            _log.log(*args)
        elif what == "failed":
            self.failed = args[0]
        elif self.progress is not None:
            getattr(self.progress, what)(*args)


@contextmanager
def _signals_as_before() -> Iterator[None]:
    """Ray Train puts a handler for Ctrl-C in place, which ends the program with exit code 0: here it stays a Ctrl-C."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    finally:
        if main:
            signal.signal(signal.SIGINT, before)


def _last_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip()
