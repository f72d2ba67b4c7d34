"""Audio for training: every file is decoded once, by :mod:`earmark.audio`, and kept in 16 bits."""

from __future__ import annotations

import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from earmark import audio
from earmark.core.array_files import ARRAY_FILE_ERRORS, problem_of
from earmark.core.atomic_files import remove_leftovers, write_atomic
from earmark.core.cpu import available_cores
from earmark.core.errors import AudioError, DataError
from earmark.core.input_spec import Conditioning
from earmark.datasets.base import raise_problems

Samples = npt.NDArray[np.float32]

_HASH_DIGITS = 32
_LEFTOVER_SECONDS = 3600.0  # other runs may be writing into the same folder


class Waveform(Protocol):
    """Audio of one clip, in memory or in a file."""

    def __len__(self) -> int:
        """Samples."""

    def read(self, start: int = 0, length: int | None = None) -> Samples:
        """Samples from ``start`` on, float32; filled up with zeros where ``length`` reaches beyond the end."""

    def read_into(self, out: Samples, start: int) -> None:
        """The same, into an existing row (n,)."""


class SixteenBitAudio(ABC):
    """A waveform of which 16 bits per sample are kept, scaled to its own peak."""

    scale: float

    @abstractmethod
    def __len__(self) -> int:
        """Samples."""

    @abstractmethod
    def integers(self, start: int, stop: int) -> npt.NDArray[np.int16]:
        """Values of the samples from ``start`` to ``stop``, or to the end; times ``scale`` they are in -1..1."""

    def read(self, start: int = 0, length: int | None = None) -> Samples:
        """Samples from ``start`` on, float32; filled up with zeros where ``length`` reaches beyond the end."""
        part = self.integers(start, len(self) if length is None else start + length).astype(np.float32)
        part *= np.float32(self.scale)
        return part if length is None else np.pad(part, (0, length - len(part)))

    def read_into(self, out: Samples, start: int) -> None:
        """The same, into an existing row (n,)."""
        part = self.integers(start, start + len(out))
        out[: len(part)] = part
        out[: len(part)] *= np.float32(self.scale)
        out[len(part) :] = 0.0


@dataclass(frozen=True, eq=False)
class PackedAudio(SixteenBitAudio):
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

    def integers(self, start: int, stop: int) -> npt.NDArray[np.int16]:
        """Values of the samples from ``start`` to ``stop``."""
        return self.values[start:stop]


@dataclass(frozen=True, eq=False)
class KeptAudio(SixteenBitAudio):
    """A waveform in a file of its own, which is open only while it is read.

    A file that stays mapped holds a descriptor, and a process may have 1,024 of them: fewer than most datasets have clips.

    Attributes:
        path: an array of int16.
        n_samples: of the waveform.
        first_byte: where it begins in the file.
        scale: what to multiply the values with; full scale is -1..1.
    """

    path: Path
    n_samples: int
    first_byte: int
    scale: float

    def __len__(self) -> int:
        return self.n_samples

    def integers(self, start: int, stop: int) -> npt.NDArray[np.int16]:
        """Values of the samples from ``start`` to ``stop``, read from the file. Raises DataError."""
        count = max(0, min(stop, self.n_samples) - start)
        try:
            values = np.fromfile(self.path, np.int16, count, offset=self.first_byte + 2 * start)
        except OSError as error:
            raise DataError(f"{self.path}: {problem_of(error)}") from error
        if len(values) < count:
            raise DataError(f"{self.path}: has become shorter; delete it, it will be made again")
        return values


@dataclass(frozen=True, eq=False)
class TrimmedAudio:
    """The beginning of a waveform: ``most_samples`` of it, or all where it has fewer."""

    whole: Waveform
    most_samples: int

    def __len__(self) -> int:
        return min(len(self.whole), self.most_samples)

    def read(self, start: int = 0, length: int | None = None) -> Samples:
        """Samples from ``start`` on, float32; filled up with zeros where ``length`` reaches beyond the end."""
        inside = max(0, min(len(self) - start, len(self) if length is None else length))
        part = self.whole.read(start, inside)
        return part if length is None else np.pad(part, (0, length - inside))

    def read_into(self, out: Samples, start: int) -> None:
        """The same, into an existing row (n,)."""
        out[:] = self.read(start, len(out))


class AudioStore:
    """Decodes files once; keeps them in memory, or in a folder for the next run.

    Args:
        sample_rate_hz: rate of the waveforms.
        folder: where to keep them, named by content and rate, so that a changed file is decoded again and a moved one
            is not. None for memory only (115 MB per hour at 16 kHz).
        conditioning: how channels are mixed, as in tagging; None for their mean.
    """

    def __init__(
        self, sample_rate_hz: int, folder: Path | None = None, conditioning: Conditioning | None = None
    ) -> None:
        self.sample_rate_hz, self.conditioning = sample_rate_hz, conditioning
        self.folder = folder

    def load(
        self, paths: Sequence[Path], *, jobs: int | None = None, on_done: Callable[[int, int], None] | None = None
    ) -> list[Waveform]:
        """All files, decoded side by side, in the order of the paths.

        Args:
            paths: the files.
            jobs: how many at a time; None for one per core.
            on_done: called with how many are done and how many there are.

        Raises:
            DataError: with every file that cannot be decoded, and why.
        """
        jobs = jobs or available_cores()
        if self.folder is not None:
            remove_leftovers(self.folder, older_than_seconds=_LEFTOVER_SECONDS)
        packed: list[Waveform] = []
        problems = []
        with ThreadPoolExecutor(jobs, thread_name_prefix="earmark-decode") as pool:
            for done, result in enumerate(pool.map(self._one, paths), start=1):
                if isinstance(result, AudioError):
                    problems.append(str(result))
                else:
                    packed.append(result)
                if on_done is not None:
                    on_done(done, len(paths))
        raise_problems(f"{len(problems)} of {len(paths)} files cannot be read", problems)
        return packed

    def _one(self, path: Path) -> SixteenBitAudio | AudioError:
        try:
            if self.folder is None:
                return PackedAudio.pack(audio.load(path, self.sample_rate_hz, self.conditioning))
            return self._from_folder(path, self.folder)
        except AudioError as error:
            return error

    def _from_folder(self, path: Path, folder: Path) -> KeptAudio:
        """Kept as one array of int16 whose first two values are the scale, a float32."""
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()[:_HASH_DIGITS]
        except OSError as error:
            raise AudioError(f"cannot be read ({error.strerror})", path) from error
        mix = "" if self.conditioning is None else f"-{self.conditioning.cancelled_share}"
        kept = folder / f"{digest}-{self.sample_rate_hz}{mix}.npy"
        if not kept.is_file():
            packed = PackedAudio.pack(audio.load(path, self.sample_rate_hz, self.conditioning))
            head = np.array([packed.scale], np.float32).view(np.int16)
            content = io.BytesIO()
            np.save(content, np.concatenate([head, packed.values]), allow_pickle=False)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                write_atomic(kept, content.getbuffer())
            except OSError as error:
                raise DataError(
                    f"{folder}: decoded audio cannot be kept ({error.strerror}); free some space, keep it elsewhere or not "
                    "at all"
                ) from error
        try:
            values = np.load(kept, mmap_mode="r", allow_pickle=False)
        except ARRAY_FILE_ERRORS as error:
            raise DataError(f"{kept}: {problem_of(error, 'delete it, it will be made again')}") from error
        if values.dtype != np.int16 or values.ndim != 1 or len(values) < 2:
            raise DataError(f"{kept}: not one of earmark's kept waveforms; delete it, it will be made again")
        scale = float(values[:2].view(np.float32)[0])
        return KeptAudio(kept, len(values) - 2, values.offset + 4, scale)
