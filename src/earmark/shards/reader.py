"""Random access to the audio of a folder of shards. Safe in threads and in processes, forked or spawned."""

from __future__ import annotations

import io
import logging
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from earmark import audio
from earmark.core.errors import AudioError, ConfigError, DataError
from earmark.core.input_spec import Conditioning
from earmark.core.storage import Store, store_at
from earmark.datasets.base import raise_problems
from earmark.shards import flac16
from earmark.shards.layout import INDEX, MEAN_ONLY, AudioKind, Entry, Header, read_header, read_index, shard_name
from earmark.shards.tarfiles import TarMember

logger = logging.getLogger(__name__)

Samples = npt.NDArray[np.float32]


class ShardAudio:
    """The audio that ``earmark data prepare`` put into a folder.

    No file is kept open: each read opens and closes its shard, which costs some microseconds and needs
    no care with threads, forked processes or a thousand shards. It can be pickled.

    Methods that give samples take a network's ``conditioning`` as :func:`earmark.audio.load` does, and mix channels as it
    does: with it as in tagging, with None to the plain mean. Shards of earlier versions hold the plain mean only
    (:attr:`mean_only`), and give it in both cases.

    Args:
        folder: that `prepare` wrote; a path, or the URI of an object store, from which each clip is read by its byte range.

    Attributes:
        folder: the same as text.
        store: the same.
        header: what was prepared: dataset, protocol, counts.
        kind: "flac" or "original".
        sample_rate_hz: rate of the FLAC audio; None for original files, each of which has its own.
        mean_only: whether channels that cancel each other are lost, because an earlier version prepared the shards.
        clips: ids of all clips with audio, in the order of the shards.

    Raises:
        DataError: no shards, unfinished shards, or a shard that is missing or of another size.
    """

    def __init__(self, folder: str | Path) -> None:
        self.store = store_at(folder)
        self.folder = self.store.place
        self.header, entries = _read_tables(self.store)
        self.kind: AudioKind = self.header.audio
        self.sample_rate_hz = self.header.sample_rate_hz
        self.mean_only = self.kind == "flac" and self.header.cancelled_share is None
        self._entries = {entry.clip_id: entry for entry in entries}
        self.clips = tuple(self._entries)

    def __len__(self) -> int:
        """Number of clips with audio."""
        return len(self.clips)

    def __contains__(self, clip_id: object) -> bool:
        """Whether this clip has audio."""
        return clip_id in self._entries

    def require(self, clip_ids: Iterable[str], sample_rate_hz: int, conditioning: Conditioning | None = None) -> None:
        """Check, before a long run, that these clips are available at this rate, and warn where they are the mean only.

        Raises:
            DataError: naming the missing clips.
            ConfigError: the rate is above that of the shards, or their channels are mixed otherwise.
        """
        self._check_wanted(sample_rate_hz, conditioning)
        if self.mean_only and conditioning is not None:
            logger.warning("%s: %s", self.folder, MEAN_ONLY)
        wanted = list(clip_ids)
        missing = [clip_id for clip_id in wanted if clip_id not in self]
        raise_problems(
            f"{self.folder}: {len(missing)} of {len(wanted)} clips are not in these shards "
            "(failed.csv there says why, where their files failed)",
            [f"clip {clip_id!r}" for clip_id in missing],
        )

    def duration_seconds(self, clip_id: str) -> float:
        """Length of a clip's source. Raises DataError for an unknown clip."""
        return self._entry(clip_id).duration_seconds

    def read_bytes(self, clip_id: str) -> bytes:
        """A clip's audio file, FLAC or the original. Raises DataError: an unknown clip, or damaged bytes."""
        return self._read(self._entry(clip_id))

    def _read(self, entry: Entry) -> bytes:
        name = shard_name(entry.shard)
        path = self.store.at(name)
        try:
            content = self.store.read(name, entry.offset, entry.size)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
        if zlib.crc32(content) != entry.crc32:
            raise DataError(
                f"{path}: clip {entry.clip_id!r} is damaged; run `earmark data prepare` again to remake the shard"
            )
        return content

    def load(self, clip_id: str, sample_rate_hz: int, conditioning: Conditioning | None = None) -> Samples:
        """A whole clip, (n_samples,) float32, full scale -1..1.

        Args:
            clip_id: one of :attr:`clips`.
            sample_rate_hz: FLAC shards are resampled if it is lower than theirs.
            conditioning: how channels are mixed; None for their mean.

        Raises:
            DataError: an unknown clip, or damaged bytes.
            ConfigError: a rate above that of the shards, or another mix of the channels than theirs.
            AudioError: an original file that this FFmpeg cannot decode.
        """
        self._check_wanted(sample_rate_hz, conditioning)
        entry = self._mixed(clip_id, conditioning)
        content = self._read(entry)
        if self.sample_rate_hz is None:
            return audio.load(audio.AudioBytes(content, self._name(entry)), sample_rate_hz, conditioning)
        samples = self._decode(entry, io.BytesIO(content)).astype(np.float32) * self._scale(entry)
        if self.sample_rate_hz == sample_rate_hz:
            return samples
        return audio.resample(samples, self.sample_rate_hz, sample_rate_hz)

    def packed(
        self, clip_id: str, sample_rate_hz: int, conditioning: Conditioning | None = None
    ) -> tuple[npt.NDArray[np.int16], float]:
        """A whole clip in 16 bits: values (n_samples,) int16 and their scale. Raises as :meth:`load`.

        From FLAC shards of this rate these are the stored values.
        """
        if self.sample_rate_hz == sample_rate_hz:
            self._check_wanted(sample_rate_hz, conditioning)
            entry = self._mixed(clip_id, conditioning)
            return self._decode(entry, io.BytesIO(self._read(entry))), float(self._scale(entry))
        values, gain = flac16.quantise(self.load(clip_id, sample_rate_hz, conditioning))
        return values, flac16.scale_of(gain)

    def load_window(
        self,
        clip_id: str,
        start: int,
        n_samples: int,
        sample_rate_hz: int,
        conditioning: Conditioning | None = None,
    ) -> Samples:
        """Part of a clip, (n_samples,) float32, zero-padded beyond its end. Raises as :meth:`load`.

        FLAC shards of this rate decode only the blocks around the window, several times faster than a whole clip of
        half a minute; otherwise the whole clip is decoded.

        Args:
            clip_id: one of :attr:`clips`.
            start: first sample at ``sample_rate_hz``, from 0.
            n_samples: length of the window.
            sample_rate_hz, conditioning: see :meth:`load`.
        """
        if start < 0 or n_samples < 0:
            raise ConfigError(f"window of {n_samples} samples at {start}: both must be at least 0")
        if self.sample_rate_hz == sample_rate_hz:
            self._check_wanted(sample_rate_hz, conditioning)
            entry = self._mixed(clip_id, conditioning)
            n_there = entry.n_samples or 0
            part = np.empty(0, np.float32)
            if start < n_there:
                with io.BytesIO(self._read(entry)) if self.store.path is None else self._part(entry) as file:
                    values = self._decode(entry, file, start, min(n_samples, n_there - start))
                part = values.astype(np.float32) * self._scale(entry)
        else:
            part = self.load(clip_id, sample_rate_hz, conditioning)[start : start + n_samples]
        return np.pad(part, (0, n_samples - len(part)))

    def waveform(self, clip_id: str, sample_rate_hz: int, conditioning: Conditioning | None = None) -> ShardWaveform:
        """A clip that is decoded when it is read. Raises DataError and ConfigError as :meth:`load`."""
        self._check_wanted(sample_rate_hz, conditioning)
        n_samples = self._length(self._entry(clip_id), sample_rate_hz)
        return ShardWaveform(self, clip_id, sample_rate_hz, n_samples, conditioning)

    def _length(self, entry: Entry, sample_rate_hz: int) -> int:
        if entry.n_samples is None or self.sample_rate_hz is None:
            return max(1, round(entry.duration_seconds * sample_rate_hz))
        return max(1, round(entry.n_samples * sample_rate_hz / self.sample_rate_hz))

    def _entry(self, clip_id: str) -> Entry:
        if clip_id not in self._entries:
            raise DataError(f"{self.folder}: no clip {clip_id!r} in these shards")
        return self._entries[clip_id]

    def _mixed(self, clip_id: str, conditioning: Conditioning | None) -> Entry:
        """The entry with the place of the audio whose channels are mixed that way."""
        entry = self._entry(clip_id)
        if entry.mean is None or conditioning is not None:
            return entry
        return entry._replace(suffix="mean.flac", mean=None, **entry.mean._asdict())

    def _check_wanted(self, sample_rate_hz: int, conditioning: Conditioning | None) -> None:
        share = self.header.cancelled_share
        if conditioning is not None and share is not None and share != conditioning.cancelled_share:
            raise ConfigError(
                f"{self.folder}: channels are mixed with cancelled_share {share:g}, and {conditioning.cancelled_share:g} is "
                "wanted; prepare the dataset with --audio original"
            )
        if self.sample_rate_hz is not None and sample_rate_hz > self.sample_rate_hz:
            raise ConfigError(
                f"{self.folder}: these shards hold {self.sample_rate_hz} Hz and {sample_rate_hz} Hz is wanted; "
                f"prepare the dataset with --rate {sample_rate_hz} or --audio original"
            )

    def _scale(self, entry: Entry) -> np.float32:
        return np.float32(flac16.scale_of(entry.gain))

    def _name(self, entry: Entry) -> str:
        """For messages; its suffix gives the format."""
        return f"{self.store.at(shard_name(entry.shard))}, clip {entry.clip_id!r}, {entry.key}.{entry.suffix}"

    def _decode(
        self, entry: Entry, file: BinaryIO | io.RawIOBase, start: int = 0, length: int | None = None
    ) -> npt.NDArray[np.int16]:
        wanted = (entry.n_samples or 0) - start if length is None else length
        try:
            values = flac16.decode(file, start, length)
        except AudioError as error:
            raise AudioError(error.reason, self._name(entry)) from error
        if len(values) != wanted:
            raise AudioError(f"damaged: {len(values)} samples decode of {wanted} from {start} on", self._name(entry))
        return values

    def _part(self, entry: Entry) -> TarMember:
        assert self.store.path is not None
        path = self.store.path / shard_name(entry.shard)
        try:
            return TarMember(path, entry.offset, entry.size)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error


class ShardWaveform:
    """One clip of a :class:`ShardAudio` at one rate, decoded at each read; takes no memory.

    Its length is exact if the shards hold FLAC of this rate; otherwise it may be a sample more or less than
    ``read()`` gives.
    """

    def __init__(
        self,
        shards: ShardAudio,
        clip_id: str,
        sample_rate_hz: int,
        n_samples: int,
        conditioning: Conditioning | None = None,
    ) -> None:
        self.shards, self.clip_id, self.sample_rate_hz = shards, clip_id, sample_rate_hz
        self._n_samples, self.conditioning = n_samples, conditioning

    def __len__(self) -> int:
        """Samples."""
        return self._n_samples

    def read(self, start: int = 0, length: int | None = None) -> Samples:
        """Samples from ``start`` on, float32; zero-padded if ``length`` reaches beyond the end."""
        if length is not None:
            return self.shards.load_window(self.clip_id, start, length, self.sample_rate_hz, self.conditioning)
        return self.shards.load(self.clip_id, self.sample_rate_hz, self.conditioning)[start:]

    def read_into(self, out: Samples, start: int) -> None:
        """The same into an existing row (n,)."""
        out[:] = self.read(start, len(out))


def _read_tables(store: Store) -> tuple[Header, list[Entry]]:
    """Header and index. Raises DataError where the shards are not finished, or not those of header and index."""
    header = read_header(store)
    if header is None:
        raise DataError(f"{store}: no shards here (no shards.json); `earmark data prepare` makes them")
    if not header.complete:
        raise DataError(f"{store}: these shards are not finished; run `earmark data prepare` again to resume")
    there = store.sizes()
    problems = [
        f"{name}: {there[name]} bytes, must be {size}" if name in there else f"{name}: missing"
        for name, size in zip(map(shard_name, range(len(header.sizes))), header.sizes, strict=True)
        if there.get(name) != size
    ]
    raise_problems(f"{store}: shards are damaged; run `earmark data prepare` again to remake them", problems)
    entries = read_index(store)
    for entry in entries:
        end = max(part.offset + part.size for part in (entry, entry.mean) if part is not None)
        if entry.shard >= len(header.sizes) or end > header.sizes[entry.shard]:
            raise DataError(f"{store.at(INDEX)}: clip {entry.clip_id!r} is not in these shards; prepare them again")
    return header, entries
