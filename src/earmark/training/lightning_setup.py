"""Setting up Lightning: devices are checked first, the state file is written whole, errors say what to do."""

from __future__ import annotations

import io
import logging
import os
import signal
import threading
import time
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.pytorch.plugins import TorchCheckpointIO
from lightning.pytorch.strategies import ParallelStrategy

from earmark.core.atomic_files import write_atomic
from earmark.core.errors import ConfigError, DataError
from earmark.training.loading import ReadAhead
from earmark.training.sections import Precision, TrainingSection

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
"""Variables in which torchrun, Lightning and clusters give a process its number, in the order in which Lightning reads them."""


@dataclass(frozen=True)
class DistributedContext:
    """Rank of a process that neither Lightning nor torchrun started. Its process group exists already.

    Attributes:
        rank, world_size: of all processes, from 0.
        environment: the same for Lightning.
        strategy: makes for each process its device; used where there are several.
    """

    rank: int
    world_size: int
    environment: ClusterEnvironment
    strategy: ParallelStrategy


class ProcessLostError(DataError):
    """Another process of a run has ended. This one cannot continue; a restart from the state can."""


DEVICES = ("auto", "cpu", "cuda", "mps")
GRACE_SECONDS = 5.0

_log = logging.getLogger("earmark.training")


def is_first_process() -> bool:
    """False in the processes for further devices: they start the program again from its beginning."""
    ranks = (os.environ[name] for name in _RANKS if name in os.environ)
    return int(next(ranks, 0)) == 0


def is_restarted() -> bool:
    """Has torchrun restarted this process, because one of the run had ended?"""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0


def checked_accelerator(device: str, devices: int, nodes: int, precision: Precision) -> str:
    """Lightning's name of a device. A device that is requested but absent is an error.

    Raises:
        ConfigError: with every contradiction between what is requested and what there is.
    """
    if device not in DEVICES:
        raise ConfigError(f"device {device!r}: must be one of {', '.join(DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda: PyTorch finds no CUDA device here; use cpu or auto")
    if device == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device mps: PyTorch finds no Apple GPU here; use cpu or auto")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    problems = [f"{what} {n}: must be at least 1" for what, n in (("devices", devices), ("nodes", nodes)) if n < 1]
    n_gpus = torch.cuda.device_count() if device == "cuda" else 1 if device == "mps" else devices
    if devices > n_gpus:
        problems.append(f"devices {devices}: there are {n_gpus} of {device} here")
    if precision == "16-mixed" and device == "cpu":
        problems.append("training.precision 16-mixed: a CPU cannot; use bf16-mixed or 32")
    if "TORCHELASTIC_RUN_ID" in os.environ:
        started = int(os.environ["WORLD_SIZE"])
        if started != devices * nodes:
            problems.append(
                f"torchrun started {started} processes, but {devices} devices on {nodes} nodes are {devices * nodes}: "
                "give devices and nodes as torchrun has them"
            )
    elif nodes > 1 and "SLURM_NTASKS" not in os.environ:
        problems.append(f"nodes {nodes}: start the program on each of them with torchrun")
    if problems:
        raise ConfigError(problems)
    return device


class StateFile(TorchCheckpointIO):
    """Writes the state beside and renames it. Lightning's own way leaves a copy in the temporary folder when killed."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write a state. Raises DataError where it cannot be written."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        try:
            write_atomic(Path(path), content.getbuffer())
        except OSError as error:
            raise cannot_be_written(Path(path).parent, error) from error


def cannot_be_written(out: Path, error: Exception) -> DataError:
    """The error for a run's folder that cannot be written, e.g. on a full disk."""
    return DataError(
        f"{out}: cannot be written ({' '.join(str(error).split())}); what was saved before is intact: free some space and continue "
        "with --resume"
    )


def _makes_batches(frame: FrameType | None) -> bool:
    """Is the program inside the generator of batches? Python drops, and prints, what is raised while a generator is closed."""
    while frame is not None:
        if frame.f_code is ReadAhead.__iter__.__code__:
            return True
        frame = frame.f_back
    return False


_SAME_INTERRUPT_SECONDS = 2.0
"""A process that a launcher started gets a Ctrl-C twice: from the terminal, and from the launcher."""


def fit(trainer: pl.Trainer, module: pl.LightningModule, data: pl.LightningDataModule, state: Path | None) -> None:
    """Run Lightning, from a state where there is one.

    Args:
        trainer, module, data: Lightning's.
        state: the file to resume from, if it is there; None for a fresh run.

    Raises:
        KeyboardInterrupt: on Ctrl-C and SIGTERM; Lightning alone would end the program.
        ConfigError: the network cannot be compiled here.
        DataError: the state is damaged, or another process of this run has ended.
    """
    resuming = state is not None and state.is_file()
    if resuming and not zipfile.is_zipfile(str(state)):
        raise DataError(f"{state}: damaged; delete it, and the run starts over")
    if resuming:
        _log.info("resuming from %s", state)
    elif state is not None and is_first_process():
        _log.warning("%s: nothing to resume yet, starting from the beginning", state)
    on_interrupt, in_main = signal.getsignal(signal.SIGINT), threading.current_thread() is threading.main_thread()
    interrupts: list[float] = []
    if in_main and callable(on_interrupt):

        def interrupt(number: int, frame: FrameType | None) -> None:
            if _makes_batches(frame):
                threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
                return
            again = bool(interrupts) and time.monotonic() - interrupts[-1] < _SAME_INTERRUPT_SECONDS
            interrupts.append(time.monotonic())
            if not again:
                on_interrupt(number, frame)

        signal.signal(signal.SIGINT, interrupt)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=state if resuming else None, weights_only=True)
    except SystemExit as error:
        if trainer.interrupted:  # Lightning turns Ctrl-C and SIGTERM into an exit
            raise KeyboardInterrupt from error
        raise
    except RuntimeError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise ConfigError(
                f"training.compile: the network cannot be compiled here ({lines[0]}); install a C++ compiler (g++), or "
                "set training.compile to false"
            ) from error
        if _another_has_ended(trainer, error):
            if interrupts:
                raise KeyboardInterrupt from error
            raise ProcessLostError(
                f"another process of this run has ended ({lines[0]}); if it reported no error, it was killed: continue with "
                "--resume"
            ) from error
        raise
    finally:
        if in_main:
            signal.signal(signal.SIGINT, on_interrupt)  # Lightning leaves it ignored after a Ctrl-C


def make_trainer(
    training: TrainingSection,
    accelerator: str,
    devices: int,
    nodes: int,
    distributed: DistributedContext | None,
    checkpoints: pl.Callback,
    folder: Path,
) -> pl.Trainer:
    """Lightning's trainer, without what earmark does itself: logs, checkpoints, progress, samplers."""
    world_size = devices * nodes if distributed is None else distributed.world_size
    return pl.Trainer(
        accelerator=accelerator,
        devices=devices if distributed is None or world_size == 1 else "auto",
        num_nodes=nodes,
        strategy="auto" if world_size == 1 else "ddp" if distributed is None else distributed.strategy,
        sync_batchnorm=world_size > 1 and accelerator == "cuda",
        use_distributed_sampler=False,
        precision=training.precision,
        max_epochs=training.epochs,
        check_val_every_n_epoch=training.validate_every,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[checkpoints],
        plugins=[StateFile(), *([] if distributed is None else [distributed.environment])],
        default_root_dir=folder,
    )


def end_other_processes(trainer: pl.Trainer, error: BaseException) -> None:
    """End the processes that this one has started for further devices; they would wait for it forever.

    One that has already ended, and is the cause of this error, is given time to report it.
    """
    deadline = time.monotonic() + (GRACE_SECONDS if _another_has_ended(trainer, error) else 0.0)
    processes = getattr(trainer.strategy.launcher, "procs", ())
    while time.monotonic() < deadline and all(process.poll() is None for process in processes):
        time.sleep(0.05)
    for process in processes:
        process.kill()
        process.wait()


def _another_has_ended(trainer: pl.Trainer, error: BaseException) -> bool:
    """Does this error, of this process, come from the end of another one?"""
    signs = ("gloo", "nccl", "closed by peer")
    return trainer.world_size > 1 and isinstance(error, RuntimeError) and any(s in str(error).lower() for s in signs)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's messages on devices, loaders and logging, which do not apply here."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module=r"lightning\.")
            warnings.filterwarnings("ignore", message=r".*does not have many workers")
            warnings.filterwarnings(
                "ignore", message=r".*isinstance\(treespec, LeafSpec\)"
            )  # PyTorch 2.13's, at Lightning
            warnings.filterwarnings("ignore", message=r".*torch\.jit\.script_method")  # PyTorch 2.13's, at itself
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
