"""Examples for training and clips for validation.

All randomness is a function of (seed, epoch, batch): a run that is killed and resumed sees what it would have seen,
and neither workers nor devices change what a batch holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from earmark import audio
from earmark.audio.sound import SoundStream
from earmark.core.errors import ConfigError
from earmark.core.input_spec import InputSpec
from earmark.datasets.base import Clip, label_matrix
from earmark.training.audio_store import Samples, Waveform
from earmark.training.augment import Step, apply_step, recipe_steps, samples_needed
from earmark.training.augmentation_section import AugmentationSection
from earmark.training.loading import EpochSampler, Group, Groups, ReadAhead
from earmark.training.sections import TrainingSection

_ORDER, _BATCH, _STEPS = 0, 1, 2


class TrainingWindows(Dataset[tuple[Tensor, Tensor]]):
    """Batches of examples, each a function of (seed, epoch, batch).

    Args:
        clips: training clips, in the order of ``waveforms``.
        waveforms: one for each.
        spec: length of a window, and where segments are. A shorter clip is repeated or filled up with zeros, as in tagging.
        training: what an example is, how many make a batch, and the seed.
        augmentation: all but masks happens here; these in the module, behind the front-end.
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
        self.pairs = training.sampling == "pairs"
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
        """Batch ``(epoch, index)``: waveforms (B, N), (B, n_subclips, N) or (B, 2, N), and labels (B, n_tags), float32."""
        epoch, index = place
        rng = np.random.default_rng([self.training.seed, epoch, _BATCH, index])
        chosen = [int(example) for example in self._chosen(epoch, index)]
        if self.pairs:
            return self._pairs(chosen, rng, np.random.default_rng([self.training.seed, epoch, _STEPS, index]))
        places = [self._place(example, rng) for example in chosen]
        clips = np.array([clip for clip, _ in places])
        mine = np.arange(self.rank, len(places), self.world_size)
        gain = self._gain(len(places), rng)
        steps = self._steps(len(places), np.random.default_rng([self.training.seed, epoch, _STEPS, index]))
        windows, labels = self._read(places, mine, gain, steps), self.labels[clips[mine]]
        if self.augmentation.mixup_alpha:
            alpha = self.augmentation.mixup_alpha
            share = rng.beta(alpha, alpha, (len(places), 1)).astype(np.float32)[mine]
            other = rng.permutation(len(places))[mine]
            windows = share * windows + (1 - share) * self._read(places, other, gain, steps)
            labels = share * labels + (1 - share) * self.labels[clips[other]]  # NaN, not labelled, stays NaN
        if self.n_subclips:
            windows = windows.reshape(len(mine), self.n_subclips, self.spec.window_samples)
        return torch.from_numpy(windows), torch.from_numpy(labels)

    def _pairs(
        self, chosen: list[int], rng: np.random.Generator, of_steps: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Two windows of each clip (B, 2, N), changed apart from each other, and labels."""
        mine = np.arange(self.rank, len(chosen), self.world_size)
        views = []
        for _ in range(2):
            places = [self._place(example, rng) for example in chosen]
            gain = self._gain(len(chosen), rng)
            views.append(self._read(places, mine, gain, self._steps(len(chosen), of_steps)))
        clips = np.array([place[0] for place in places])
        return torch.from_numpy(np.stack(views, axis=1)), torch.from_numpy(self.labels[clips[mine]])

    def _gain(self, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """Factor of each window of a batch, (n, 1)."""
        if not self.augmentation.gain_db:
            return np.ones((n, 1), np.float32)
        gain_db = rng.uniform(-self.augmentation.gain_db, self.augmentation.gain_db, (n, 1))
        return (10 ** (gain_db / 20)).astype(np.float32)

    def _steps(self, n: int, rng: np.random.Generator) -> list[list[Step]]:
        """What is done to the waveform of each window of a batch."""
        if not self.augmentation.changes_waveforms:
            return [[]] * n
        return [recipe_steps(rng, self.augmentation) for _ in range(n)]

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
        self,
        places: Sequence[tuple[int, int]],
        which: npt.NDArray[np.int64],
        gain: npt.NDArray[np.float32],
        steps: Sequence[list[Step]],
    ) -> Samples:
        """Windows of some places (n, length), each by its steps and its gain."""
        length = self.spec.window_samples * self.windows_in_example
        windows = np.empty((len(which), length), np.float32)
        for row, i in zip(windows, which, strict=True):
            clip, start = places[i]
            if not steps[i]:
                self._read_into(row, clip, start)
                continue
            needed = samples_needed(length, steps[i])
            samples = np.empty(needed, np.float32)
            self._read_into(samples, clip, max(0, min(start, len(self.waveforms[clip]) - needed)))
            for step in steps[i]:
                samples = apply_step(samples, step, self.spec.sample_rate_hz)
            row[:] = np.pad(samples[:length], (0, max(0, length - len(samples))))
        if self.augmentation.gain_db:
            windows *= gain[which]
        return windows

    def _read_into(self, row: Samples, clip: int, start: int) -> None:
        """Samples of a clip from a place on; one that is too short is repeated or filled up, as in tagging."""
        if self.spec.conditioning is not None and len(self.waveforms[clip]) < self.spec.window_samples:
            row[:] = np.resize(np.roll(self.waveforms[clip].read(), -start), len(row))
        else:
            self.waveforms[clip].read_into(row, start)

    def loader(self, workers: int = 0) -> DataLoader[Group]:
        """One item per group of batches; Lightning gives the sampler the epoch."""
        groups = Groups(self)
        sampler = EpochSampler(len(groups))
        if workers:
            return DataLoader(groups, batch_size=None, sampler=sampler, **_workers(workers))
        return ReadAhead(groups, batch_size=None, sampler=sampler)


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
        sound = SoundStream([self.waveforms[index].read()], self.spec)
        windows = np.stack(list(audio.windows(sound, self.spec)))
        weights = sound.meter.weights(audio.window_starts(sound.n_given, self.spec))
        return torch.from_numpy(windows), weights, index

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
