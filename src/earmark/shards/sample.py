"""One clip of a shard: its audio, and a JSON file with its metadata."""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earmark import audio
from earmark.core.errors import AudioError, DataError
from earmark.core.input_spec import Conditioning
from earmark.core.storage import Store, store_at
from earmark.shards import flac16
from earmark.shards.layout import AudioKind, Entry, FailedClip, MeanAudio, shard_name
from earmark.shards.plan import PlannedClip
from earmark.shards.tarfiles import member_after

logger = logging.getLogger(__name__)

_PROBED = 8
_GUESSED_BYTES = 500_000.0
_CHECK_RATE_HZ = 16_000


@dataclass(frozen=True)
class Wanted:
    """The form of the audio: kind, and for FLAC its rate and how channels are mixed, see :class:`Header`."""

    audio: AudioKind
    sample_rate_hz: int | None
    cancelled_share: float | None = None


@dataclass(frozen=True)
class Sources:
    """Where the files of the dataset are.

    Attributes:
        root: local folder in which the dataset expects them; None if they are there.
        place: where they are instead, under the same names: a path or URI, as :class:`earmark.core.storage.Store` takes it.
    """

    root: Path | None = None
    place: str | None = None

    def name(self, path: Path) -> str:
        """Path or URI of a file."""
        inside = self._inside(path)
        return str(path) if self.place is None or inside is None else store_at(self.place).at(inside)

    def exists(self, path: Path) -> bool:
        """Whether there is such a file."""
        inside = self._inside(path)
        if self.place is None or inside is None:
            return path.is_file()
        return store_at(self.place).exists(inside)

    def read(self, path: Path) -> audio.AudioBytes:
        """A file. Raises AudioError."""
        if self.place is None:
            return audio.AudioBytes.read(path)
        inside = self._inside(path)
        if inside is None:
            raise AudioError(f"is not under {self.root}", path)
        try:
            content = store_at(self.place).read(inside)
        except FileNotFoundError as error:
            raise AudioError("no such file", self.name(path)) from error
        except (OSError, DataError) as error:
            raise AudioError(f"cannot be read ({error})", self.name(path)) from error
        if not content:
            raise AudioError("empty file", self.name(path))
        return audio.AudioBytes(content, self.name(path))

    def _inside(self, path: Path) -> str | None:
        root = self.root or Path()
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else None


LOCAL = Sources()


@dataclass(frozen=True, eq=False)
class Sample:
    """A clip's members and its index entry; see :class:`earmark.shards.layout.Entry`.

    Attributes:
        mean: content and gain of the plain mean of its channels, where it differs.
    """

    content: bytes
    suffix: str
    metadata: bytes
    n_samples: int | None
    gain: float
    duration_seconds: float
    mean: tuple[bytes, float] | None = None


def make_sample(item: PlannedClip, wanted: Wanted, sources: Sources = LOCAL) -> Sample | FailedClip:
    """Read a clip's file once, decode all of it, and pack it. Any problem with the file becomes a FailedClip."""
    try:
        return _make(item, wanted, sources)
    except AudioError as error:
        reason = error.reason
    except Exception as error:  # one strange file among 100,000 must not end a long run; it is reported by name
        logger.warning("%s: unexpected failure", sources.name(item.clip.path), exc_info=True)
        reason = f"unexpected: {type(error).__name__}: {error}"
    return FailedClip(item.clip.clip_id, sources.name(item.clip.path), " ".join(reason.split()))


def _make(item: PlannedClip, wanted: Wanted, sources: Sources) -> Sample:
    path = item.clip.path
    source = sources.read(path)
    facts: dict[str, Any] = {
        "source_name": path.name,
        "source_sha256": hashlib.sha256(source.content).hexdigest(),
    }
    conditioning = None if wanted.cancelled_share is None else Conditioning(cancelled_share=wanted.cancelled_share)
    stream = audio.stream(source, wanted.sample_rate_hz or _CHECK_RATE_HZ, conditioning)
    content, suffix, n_samples, gain, mean = source.content, _suffix(path), None, 1.0, None
    if wanted.sample_rate_hz is None:
        deque(stream, maxlen=0)  # decoded to its end, to know whether that works
    else:
        values, gain = flac16.quantise(np.concatenate(list(stream)))
        if not len(values):
            raise AudioError(f"too short: not one sample at {wanted.sample_rate_hz} Hz", path)
        content, suffix, n_samples = flac16.encode(values, wanted.sample_rate_hz), "flac", len(values)
        if not stream.mixer.is_mean:
            mean_values, mean_gain = flac16.quantise(audio.load(source, wanted.sample_rate_hz))
            if mean_gain != gain or not np.array_equal(mean_values, values):
                mean = flac16.encode(mean_values, wanted.sample_rate_hz), mean_gain
        facts |= {"sample_rate_hz": wanted.sample_rate_hz, "n_samples": n_samples, "gain": gain}
    seconds = round(stream.duration_seconds, 6)
    text = json.dumps({**item.metadata, "duration_seconds": seconds, **facts}, separators=(",", ":"), allow_nan=False)
    return Sample(content, suffix, text.encode(), n_samples, gain, seconds, mean)


def kept_sample(store: Store, entry: Entry) -> Sample:
    """A clip of the existing shard, when the shard is written again. Raises OSError, DataError."""
    content, last, mean = _kept(store, entry, entry), entry.mean or entry, None
    if entry.mean is not None:
        mean = _kept(store, entry, entry.mean), entry.mean.gain
    metadata = member_after(store, shard_name(entry.shard), last.offset, last.size)
    return Sample(content, entry.suffix, metadata, entry.n_samples, entry.gain, entry.duration_seconds, mean)


def _kept(store: Store, entry: Entry, part: Entry | MeanAudio) -> bytes:
    name = shard_name(entry.shard)
    content = store.read(name, part.offset, part.size)
    if zlib.crc32(content) != part.crc32:
        raise DataError(f"{store.at(name)}: clip {entry.clip_id!r} is damaged; delete this shard to have it made again")
    return content


def mean_bytes(planned: Sequence[PlannedClip], wanted: Wanted, pool: Executor, sources: Sources = LOCAL) -> float:
    """Mean size of a few clips in the shards; a guess if none of them can be decoded."""
    some = [planned[i] for i in np.linspace(0, len(planned) - 1, min(_PROBED, len(planned))).astype(int)]
    sizes = [
        len(sample.content) + len(sample.metadata) + len(sample.mean[0] if sample.mean else b"")
        for sample in pool.map(lambda item: make_sample(item, wanted, sources), some)
        if isinstance(sample, Sample)
    ]
    return float(np.mean(sizes)) if sizes else _GUESSED_BYTES


def _suffix(path: Path) -> str:
    """The suffix that gives the format; json is reserved for the metadata."""
    suffix = path.suffix[1:].lower()
    return suffix if suffix.isascii() and suffix.isalnum() and suffix != "json" else "audio"
