"""The files of a group of duplicates: how their audio is encoded, and which is the best."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import av

from earmark.audio.decoder import AudioStream
from earmark.audio.frames import best_stream
from earmark.audio.source import ANY_RATE_HZ, cause
from earmark.core.errors import AudioError
from earmark.library.index.track_index import Index
from earmark.library.query.search import Hit, Tracks


@dataclass(frozen=True)
class Encoding:
    """How a file's audio is encoded.

    Attributes:
        codec: FFmpeg's name, e.g. "mp3"; "pcm" for all kinds of PCM.
        is_lossless: whether the codec keeps every sample. What was lost before, it cannot say.
        sample_rate_hz, n_channels: of the decoded audio.
        sample_bits: of the decoded samples, 16 or 32 (which 24 become); None where the codec is lossy.
        bit_rate_bps: as the header says, or of the encoded audio itself; None where neither is known.
    """

    codec: str
    is_lossless: bool
    sample_rate_hz: int
    n_channels: int
    sample_bits: int | None
    bit_rate_bps: int | None

    def __str__(self) -> str:
        """For people.

        >>> str(Encoding("flac", True, 44_100, 2, 16, 800_000)), str(Encoding("mp3", False, 44_100, 2, None, 320_000))
        ('FLAC 44.1 kHz', 'MP3 320 kbit/s')
        """
        name = self.codec.title() if self.codec in ("opus", "vorbis", "speex", "wavpack") else self.codec.upper()
        if self.is_lossless:
            return f"{name} {self.sample_rate_hz / 1000:g} kHz{' mono' if self.n_channels == 1 else ''}"
        return name if self.bit_rate_bps is None else f"{name} {self.bit_rate_bps / 1000:.0f} kbit/s"


@dataclass(frozen=True)
class Copy:
    """One file of a group.

    Attributes:
        track: the file, as a search gives it. Its ``score`` is how far it agrees with the best of the group, 0..1, see
            :func:`earmark.audio.fingerprint.agreement`; None for the best itself, and for the same audio.
        encoding: of its audio.
        size_bytes: of the file.
    """

    track: Hit
    encoding: Encoding
    size_bytes: int

    def preference(self, *, same_audio: bool) -> tuple[bool, int, int, int, int, str]:
        """What orders copies, the best first: lossless, resolution or bit rate, duration, tags, a short path, its letters.

        Bit rates count in steps of 10 kbit/s, durations in seconds. Of the same audio only tags and path count: containers add
        some bits and time.
        """
        track, encoding = self.track, self.encoding
        n_tags = sum(map(bool, (track.title, track.artist, track.album, track.genre)))
        path = str(track.path)
        if same_audio:
            return False, 0, 0, -n_tags, len(path), path
        if encoding.is_lossless:
            quality = encoding.sample_rate_hz * encoding.n_channels * (encoding.sample_bits or 16)
        else:
            quality = round((encoding.bit_rate_bps or 0) / 10_000)
        return not encoding.is_lossless, -quality, -round(track.duration_seconds or 0), -n_tags, len(path), path

    def advantage(self, other: Copy, *, same_audio: bool) -> str:
        """In what this copy is better than another, for people."""
        pairs = zip(self.preference(same_audio=same_audio), other.preference(same_audio=same_audio), strict=True)
        differs = next(i for i, (mine, theirs) in enumerate(pairs) if mine != theirs)
        quality = "higher resolution" if self.encoding.is_lossless else "higher bit rate"
        return ("lossless", quality, "longer", "more tags", "shorter path", "first path")[differs]


def unchanged_files(
    index: Index, tracks: Tracks, rows: Iterable[int], on_note: Callable[[str], None]
) -> dict[int, os.stat_result]:
    """Tracks by row whose files are still those that were scanned. Others are left out, with a note on how many."""
    scanned = {path: at for path, *at in index.rows("SELECT path, size, mtime_ns FROM files WHERE status = 'ok'")}
    found = {}
    rows = sorted(rows)
    for row in rows:
        path = tracks.path(row)
        with contextlib.suppress(OSError):
            status = path.stat()
            if [status.st_size, status.st_mtime_ns] == scanned.get(os.fsencode(path)):
                found[row] = status
    if len(found) < len(rows):
        on_note(
            f"note: left out are {len(rows) - len(found)} files that changed or went since the last scan: "
            "earmark library scan"
        )
    return found


def read_copies(tracks: Tracks, files: Mapping[int, os.stat_result], on_note: Callable[[str], None]) -> dict[int, Copy]:
    """Tracks by row as copies; a file that has several names (links) is there once, one that cannot be read is noted."""
    copies, seen = {}, set()
    for row, status in files.items():
        file = (status.st_dev, status.st_ino)
        if file in seen and status.st_ino:
            continue
        seen.add(file)
        track = tracks.hit(row)
        try:
            copies[row] = Copy(track, read_encoding(track.path, track.duration_seconds), status.st_size)
        except AudioError as error:
            on_note(f"note: cannot be compared: {error}")
    return copies


def read_encoding(path: Path, duration_seconds: float | None) -> Encoding:
    """The encoding of a file of known duration. Nothing is decoded.

    Raises:
        AudioError: it is missing, may not be read, or holds no audio that can be decoded.
    """
    try:
        with AudioStream(path, ANY_RATE_HZ).open_container() as container:
            stream = best_stream(container)
            context: av.AudioCodecContext | None = None if stream is None else stream.codec_context
            if stream is None or context is None:
                raise AudioError("holds no audio that can be decoded", path)
            codec, name = context.codec, context.codec.canonical_name
            is_lossless = codec.lossless and (not codec.lossy or name == "wavpack")  # dts is both, and mostly lossy
            bit_rate_bps = stream.bit_rate
            if not bit_rate_bps and duration_seconds:  # FFmpeg's guess would count pictures, too
                bit_rate_bps = round(8 * sum(packet.size for packet in container.demux(stream)) / duration_seconds)
            return Encoding(
                codec="pcm" if name.startswith("pcm_") else name,
                is_lossless=is_lossless,
                sample_rate_hz=context.sample_rate,
                n_channels=context.channels,
                sample_bits=context.format.bits if is_lossless and context.format else None,
                bit_rate_bps=bit_rate_bps or None,
            )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise AudioError(cause(error), path) from error
