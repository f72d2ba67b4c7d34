"""Examples for training and clips for validation.

All randomness is a function of (seed, epoch, batch): a run that is killed and resumed sees what it would have seen,
and neither workers nor devices change what a batch holds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from earmark import audio
from earmark.audio.silence import SilenceMeter
from earmark.core.errors import ConfigError
from earmark.core.input_spec import InputSpec
from earmark.datasets.base import Clip, label_matrix
from earmark.training.audio_store import Samples, Waveform
from earmark.training.sections import AugmentationSection, TrainingSection

_ORDER, _BATCH = 0, 1


class TrainingWindows(Dataset[tuple[Tensor, Tensor]]):
    """Batches of examples, each a function of (seed, epoch, batch).

    Args:
        clips: training clips, in the order of ``waveforms``.
        waveforms: one for each.
        spec: length of a window, and where segments are. A shorter clip is repeated or filled up with zeros, as in tagging.
        training: what an example is, how many make a batch, and the seed.
        augmentation: gain and mixup happen here; masks in the module, behind the front-end.
        rank, world_size: of several devices this one takes every ``world_size``-th example of a batch.

    Raises:
        ConfigError: fewer examples in a batch than devices.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        waveforms: Sequence[Waveform],
        *,
        spec: InputSpec,
        training: TrainingSection,
        augmentation: AugmentationSection,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.waveforms = waveforms
        self.labels = label_matrix(clips)
        self.spec = spec
        self.training = training
        self.augmentation = augmentation
        self.rank, self.world_size = rank, world_size
        self._order: tuple[int, npt.NDArray[np.int64]] | None = None  # of one epoch
        self.n_subclips = training.windows_per_clip if training.sampling == "subclips" else 0
        self.segments: npt.NDArray[np.int64] | None = None  # (n_examples, 2): clip, start
        if training.sampling == "segments":
            starts = [audio.window_starts(len(waveform), spec) for waveform in waveforms]
            self.segments = np.array([(i, start) for i, all_of in enumerate(starts) for start in all_of], np.int64)
            self.n_examples = len(self.segments)
        else:
            self.n_examples = len(clips) * (1 if self.n_subclips else training.windows_per_clip)
        self.n_batches = -(-self.n_examples // training.batch_size)
        if self.n_examples // self.n_batches < world_size:
            raise ConfigError(
                f"training.batch_size {training.batch_size}: a batch of {self.n_examples // self.n_batches} examples "
                f"cannot be divided among {world_size} devices"
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.n_batches

    @property
    def windows_in_example(self) -> int:
        """1, or the subclips of a clip."""
        return self.n_subclips or 1

    def __getitem__(self, place: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Batch ``(epoch, index)``: waveforms (B, N), or (B, n_subclips, N), and labels (B, n_tags), float32."""
        epoch, index = place
        seed = self.training.seed
        rng = np.random.default_rng([seed, epoch, _BATCH, index])
        places = [self._place(int(example), rng) for example in self._chosen(epoch, index)]
        clips = np.array([clip for clip, _ in places])
        mine = np.arange(self.rank, len(places), self.world_size)
        gain = np.ones((len(places), 1), np.float32)
        if self.augmentation.gain_db:
            gain_db = rng.uniform(-self.augmentation.gain_db, self.augmentation.gain_db, gain.shape)
            gain = (10 ** (gain_db / 20)).astype(np.float32)
        windows, labels = self._read(places, mine, gain), self.labels[clips[mine]]
        if self.augmentation.mixup_alpha:
            alpha = self.augmentation.mixup_alpha
            share = rng.beta(alpha, alpha, (len(places), 1)).astype(np.float32)[mine]
            other = rng.permutation(len(places))[mine]
            windows = share * windows + (1 - share) * self._read(places, other, gain)
            labels = share * labels + (1 - share) * self.labels[clips[other]]  # NaN, not labelled, stays NaN
        if self.n_subclips:
            windows = windows.reshape(len(mine), self.n_subclips, self.spec.window_samples)
        return torch.from_numpy(windows), torch.from_numpy(labels)

    def _chosen(self, epoch: int, index: int) -> npt.NDArray[np.int64]:
        """Examples of a batch. The first batches have one more where they cannot all be of one size."""
        if self._order is None or self._order[0] != epoch:
            rng = np.random.default_rng([self.training.seed, epoch, _ORDER])
            self._order = epoch, rng.permutation(self.n_examples)
        size, n_larger = divmod(self.n_examples, self.n_batches)
        start = index * size + min(index, n_larger)
        return self._order[1][start : start + size + (index < n_larger)]

    def _place(self, example: int, rng: np.random.Generator) -> tuple[int, int]:
        """Clip and first sample of an example."""
        if self.segments is not None:
            return int(self.segments[example, 0]), int(self.segments[example, 1])
        clip = example % len(self.waveforms)
        spare = len(self.waveforms[clip]) - self.spec.window_samples * self.windows_in_example
        return clip, int(rng.integers(0, max(0, spare) + 1))

    def _read(
        self, places: Sequence[tuple[int, int]], which: npt.NDArray[np.int64], gain: npt.NDArray[np.float32]
    ) -> Samples:
        length = self.spec.window_samples * self.windows_in_example
        windows = np.empty((len(which), length), np.float32)
        for row, i in zip(windows, which, strict=True):
            clip, start = places[i]
            if self.spec.conditioning is not None and len(self.waveforms[clip]) < self.spec.window_samples:
                row[:] = np.resize(np.roll(self.waveforms[clip].read(), -start), length)
            else:
                self.waveforms[clip].read_into(row, start)
        if self.augmentation.gain_db:
            windows *= gain[which]
        return windows

    def loader(self, workers: int = 0) -> DataLoader[Group]:
        """One item per group of batches; Lightning gives the sampler the epoch."""
        groups = Groups(self)
        sampler = EpochSampler(len(groups))
        if workers:
            return DataLoader(groups, batch_size=None, sampler=sampler, **_workers(workers))
        return ReadAhead(groups, batch_size=None, sampler=sampler)


Batch = tuple[Tensor, Tensor]
Group = tuple[int, list[Batch]]
"""Consecutive batches of an epoch, and the index of the first of them."""


class Groups(Dataset[Group]):
    """Batches that the trainer is given at once.

    Lightning takes 0.7 ms per item, on any device; a step of a small network takes five.

    Args:
        windows: makes the batches.
    """

    MOST = 16
    MOST_BYTES = 16 << 20

    def __init__(self, windows: TrainingWindows) -> None:
        self.windows = windows
        example_bytes = 4 * windows.spec.window_samples * windows.windows_in_example
        fitting = self.MOST_BYTES // (example_bytes * windows.training.batch_size)
        self.n_in_group = 1 if windows.world_size > 1 else max(1, min(self.MOST, fitting))

    def __len__(self) -> int:
        """Groups in an epoch."""
        return -(-len(self.windows) // self.n_in_group)

    def __getitem__(self, place: tuple[int, int]) -> Group:
        """Group ``(epoch, index)``: the index of its first batch, and the batches."""
        epoch, index = place
        first = index * self.n_in_group
        last = min(first + self.n_in_group, len(self.windows))
        return first, [self.windows[epoch, i] for i in range(first, last)]


class ReadAhead(DataLoader[Group]):
    """Makes the next groups in a thread while the network learns from the last one.

    Making a batch is copying, which releases Python's lock; a separate process would copy it twice.
    """

    N_AHEAD = 1

    def __iter__(self) -> Iterator[Group]:  # type: ignore[override]
        """The groups, in the sampler's order."""
        made: deque[Future[Group]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="earmark-batch") as pool:
            try:
                for place in self.sampler:
                    made.append(pool.submit(self.dataset.__getitem__, place))
                    if len(made) > self.N_AHEAD:
                        yield made.popleft().result()
                while made:
                    yield made.popleft().result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


class EpochSampler(Sampler[tuple[int, int]]):
    """Places ``(epoch, index)`` of all items of the epoch last set."""

    def __init__(self, n_items: int) -> None:
        self.n_items = n_items
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n_items

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for index in range(self.n_items):
            yield self.epoch, index


class ValidationClips(Dataset[tuple[Tensor, npt.NDArray[np.float32] | None, int]]):
    """All windows of each clip, cut by the only chunker, and what each of them counts for.

    Args:
        waveforms: one per clip.
        spec: how they are cut.
    """

    def __init__(self, waveforms: Sequence[Waveform], spec: InputSpec) -> None:
        self.waveforms = waveforms
        self.spec = spec

    def __len__(self) -> int:
        """Clips."""
        return len(self.waveforms)

    def __getitem__(self, index: int) -> tuple[Tensor, npt.NDArray[np.float32] | None, int]:
        """Windows (n_windows, window_samples) float32 of one clip, their weights (n_windows,), and its place."""
        samples = self.waveforms[index].read()
        meter = SilenceMeter(self.spec)
        meter.add(samples)
        weights = meter.weights(audio.window_starts(len(samples), self.spec))
        return torch.from_numpy(audio.cut(samples, self.spec)), weights, index

    def loader(
        self, *, rank: int = 0, world_size: int = 1, workers: int = 0
    ) -> DataLoader[tuple[Tensor, npt.NDArray[np.float32] | None, int]]:
        """One item per clip; each of several devices takes its share."""
        return DataLoader(self, batch_size=None, sampler=range(rank, len(self), world_size), **_workers(workers))


class TrainingData(pl.LightningDataModule):
    """Both splits, divided among devices once Lightning knows which one this is.

    Args:
        make_windows: (rank, world_size) -> the training examples of that device.
        validation: clips to validate on.
        workers: processes that read ahead; 0 reads in the training process.
    """

    def __init__(
        self, make_windows: Callable[[int, int], TrainingWindows], validation: ValidationClips, workers: int
    ) -> None:
        super().__init__()
        self.make_windows = make_windows
        self.validation = validation
        self.workers = workers

    def train_dataloader(self) -> DataLoader[Group]:
        """Batches of this device, in groups."""
        rank, world_size = self._place()
        return self.make_windows(rank, world_size).loader(self.workers)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, npt.NDArray[np.float32] | None, int]]:
        """Clips of this device."""
        rank, world_size = self._place()
        return self.validation.loader(rank=rank, world_size=world_size, workers=self.workers)

    def _place(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)


def _workers(workers: int) -> dict[str, Any]:
    return {"num_workers": workers, "persistent_workers": True, "prefetch_factor": 4} if workers else {}
