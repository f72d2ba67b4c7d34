"""Audio and labels for training: every file is decoded once, by :mod:`earmark.audio`, and kept in 16 bits.

All randomness is a function of (seed, epoch, batch): a run that is killed and resumed sees what it would have seen.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from earmark import audio
from earmark.card import InputSpec
from earmark.datasets.base import Clip, label_matrix, raise_problems
from earmark.errors import AudioError, DataError
from earmark.tagging import available_cores
from earmark.training.config import AugmentationSection

Samples = npt.NDArray[np.float32]

_ORDER, _BATCH = 0, 1
_HASH_DIGITS = 32


@dataclass(frozen=True, eq=False)
class PackedAudio:
    """A waveform in 16 bits, scaled to its own peak: noise at -96 dB of the peak or lower, nothing clipped.

    Attributes:
        values: (n_samples,) int16, in memory or mapped from disk.
        scale: what to multiply them with; full scale is -1..1.
    """

    values: npt.NDArray[np.int16]
    scale: float

    @classmethod
    def pack(cls, samples: Samples) -> PackedAudio:
        """Pack a waveform (n_samples,) float32."""
        peak = float(np.abs(samples).max(initial=0.0))
        scale = float(np.float32(peak / 32767)) or 1.0
        return cls(np.rint(samples / np.float32(scale)).clip(-32767, 32767).astype(np.int16), scale)

    def __len__(self) -> int:
        return len(self.values)

    def read(self, start: int = 0, length: int | None = None) -> Samples:
        """Samples from ``start`` on, float32; filled up with zeros where ``length`` reaches beyond the end."""
        stop = len(self) if length is None else start + length
        part = self.values[start:stop].astype(np.float32) * np.float32(self.scale)
        return part if length is None else np.pad(part, (0, length - len(part)))


class AudioStore:
    """Decodes files once; keeps them in memory, or in a folder for the next run.

    Args:
        sample_rate_hz: rate of the waveforms.
        folder: where to keep them, named by content and rate, so that a changed file is decoded anew and a moved one
            is not. None for memory alone (115 MB an hour at 16 kHz).
    """

    def __init__(self, sample_rate_hz: int, folder: Path | None = None) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.folder = folder

    def load(
        self, paths: Sequence[Path], *, jobs: int | None = None, on_done: Callable[[int, int], None] | None = None
    ) -> list[PackedAudio]:
        """All files, decoded side by side, in the order of the paths.

        Args:
            paths: the files.
            jobs: how many at a time; None for one a core.
            on_done: called with how many are done and how many there are.

        Raises:
            DataError: with every file that cannot be listened to, and why. None is left out unseen.
        """
        jobs = jobs or available_cores()
        packed: list[PackedAudio] = []
        problems = []
        with ThreadPoolExecutor(jobs, thread_name_prefix="earmark-decode") as pool:
            for done, result in enumerate(pool.map(self._one, paths), start=1):
                if isinstance(result, AudioError):
                    problems.append(str(result))
                else:
                    packed.append(result)
                if on_done is not None:
                    on_done(done, len(paths))
        raise_problems(f"{len(problems)} of {len(paths)} files cannot be listened to", problems)
        return packed

    def _one(self, path: Path) -> PackedAudio | AudioError:
        try:
            if self.folder is None:
                return PackedAudio.pack(audio.load(path, self.sample_rate_hz))
            return self._from_folder(path, self.folder)
        except AudioError as error:
            return error

    def _from_folder(self, path: Path, folder: Path) -> PackedAudio:
        """Kept as one array of int16 whose first two values are the scale, a float32."""
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()[:_HASH_DIGITS]
        except OSError as error:
            raise AudioError(f"cannot be read ({error.strerror})", path) from error
        kept = folder / f"{digest}-{self.sample_rate_hz}.npy"
        if not kept.is_file():
            packed = PackedAudio.pack(audio.load(path, self.sample_rate_hz))
            head = np.array([packed.scale], np.float32).view(np.int16)
            folder.mkdir(parents=True, exist_ok=True)
            beside = kept.with_name(f".{kept.name}.{os.getpid()}.part")
            with beside.open("wb") as out:
                np.save(out, np.concatenate([head, packed.values]), allow_pickle=False)
            beside.replace(kept)
        try:
            values = np.load(kept, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError) as error:
            raise DataError(f"{kept}: damaged ({error}); delete it, it will be made anew") from error
        if values.dtype != np.int16 or values.ndim != 1 or len(values) < 2:
            raise DataError(f"{kept}: not one of earmark's kept waveforms; delete it, it will be made anew")
        return PackedAudio(values[2:], float(values[:2].view(np.float32)[0]))


class TrainingWindows(Dataset[tuple[Tensor, Tensor]]):
    """Batches of random windows, each a function of (seed, epoch, batch).

    Args:
        clips: training clips, in the order of ``waveforms``.
        waveforms: one for each.
        window_samples: length of a window. A shorter clip is filled up with zeros, as in tagging.
        batch_size, windows_per_clip, seed: see :class:`earmark.training.config.TrainingSection`.
        augmentation: gain and mixup happen here; masks in the module, behind the front-end.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        waveforms: Sequence[PackedAudio],
        *,
        window_samples: int,
        batch_size: int,
        windows_per_clip: int,
        seed: int,
        augmentation: AugmentationSection,
    ) -> None:
        self.waveforms = waveforms
        self.labels = label_matrix(clips)
        self.window_samples = window_samples
        self.n_windows = len(clips) * windows_per_clip
        self.n_batches = -(-self.n_windows // batch_size)
        self.seed = seed
        self.augmentation = augmentation

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.n_batches

    def __getitem__(self, place: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Batch ``(epoch, index)``: waveforms (B, window_samples) and labels (B, n_tags), both float32."""
        epoch, index = place
        order = np.random.default_rng([self.seed, epoch, _ORDER]).permutation(self.n_windows) % len(self.waveforms)
        chosen = np.array_split(order, self.n_batches)[index]
        rng = np.random.default_rng([self.seed, epoch, _BATCH, index])
        windows = np.stack([self._window(self.waveforms[i], rng) for i in chosen])
        labels = self.labels[chosen]
        if self.augmentation.gain_db:
            gain_db = rng.uniform(-self.augmentation.gain_db, self.augmentation.gain_db, (len(chosen), 1))
            windows *= (10 ** (gain_db / 20)).astype(np.float32)
        if self.augmentation.mixup_alpha:
            alpha = self.augmentation.mixup_alpha
            share = rng.beta(alpha, alpha, (len(chosen), 1)).astype(np.float32)
            other = rng.permutation(len(chosen))
            windows = share * windows + (1 - share) * windows[other]
            labels = share * labels + (1 - share) * labels[other]  # NaN, not labelled, stays NaN
        return torch.from_numpy(windows), torch.from_numpy(labels)

    def _window(self, waveform: PackedAudio, rng: np.random.Generator) -> Samples:
        start = int(rng.integers(0, max(0, len(waveform) - self.window_samples) + 1))
        return waveform.read(start, self.window_samples)

    def loader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """One item a batch; Lightning tells the sampler the epoch."""
        return DataLoader(self, batch_size=None, sampler=EpochSampler(len(self)))


class EpochSampler(Sampler[tuple[int, int]]):
    """Places ``(epoch, index)`` of all batches of the epoch last set."""

    def __init__(self, n_batches: int) -> None:
        self.n_batches = n_batches
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for index in range(self.n_batches):
            yield self.epoch, index


class ValidationClips(Dataset[tuple[Tensor, int]]):
    """All windows of each clip, cut by the only chunker.

    Args:
        waveforms: one a clip.
        spec: how they are cut.
    """

    def __init__(self, waveforms: Sequence[PackedAudio], spec: InputSpec) -> None:
        self.waveforms = waveforms
        self.spec = spec

    def __len__(self) -> int:
        """Clips."""
        return len(self.waveforms)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Windows (n_windows, window_samples) float32 of one clip, and its place."""
        return torch.from_numpy(audio.cut(self.waveforms[index].read(), self.spec)), index

    def loader(self) -> DataLoader[tuple[Tensor, int]]:
        """One item a clip."""
        return DataLoader(self, batch_size=None, shuffle=False)
