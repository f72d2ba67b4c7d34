"""Read parts of a file by seeking: decode from a little before the wanted sample, and cut exactly there.

Samples and positions equal those of a full read. Where that is not certain (no declared length, coarse time stamps,
damage, a file that ends early) :class:`CannotSeekError` requests a full read, which then reports any problem.

A part is decoded by a filter graph, as most files are when they are read in full (:mod:`earmark.audio.frames`): without
Python's lock. Packet by packet are only the beginning and the end, whose packets are looked at, codecs that are quick to
decode (PCM), files in memory, and those whose names are not UTF-8.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, gcd

import av
import numpy as np
import soxr

from earmark.audio.chunks import TOLERANCE_SECONDS
from earmark.audio.decoder import MIN_RATE_HZ, SILENCE_PEAK, AudioStream, Samples
from earmark.audio.decoder_setup import decoded, is_as_in_file
from earmark.audio.frames import best_stream, graph_frames, joined_samples
from earmark.audio.integrity import PacketLog, declares_length, missing_audio
from earmark.audio.ogg_links import find_links, may_be_cut_off
from earmark.audio.protection import is_protected
from earmark.audio.source import AudioSource
from earmark.core.audio_formats import find_format
from earmark.core.errors import AudioError
from earmark.core.input_spec import Conditioning

SILENT_IN_WINDOWS = "silent: no sample above -80 dBFS in the windows that were read, so the tags mean nothing"

_PREROLL_SECONDS = 0.5  # decoders need what came before: MP3's bit reservoir, Opus' and AAC's overlaps
_MIN_PREROLL_SECONDS = 0.2  # where seeking goes a little too far
_CONTEXT_SAMPLES = 512  # on both sides, at the lower of the two rates: longer than soxr's filter
_TAIL_SECONDS = 1.0
_TIMED_IN_OGG = ("vorbis", "opus")  # the place of others is known at the end of a page; up to there FFmpeg guesses
_FIRST_FRAMES = 12
_GRAPH_SAMPLES = 16_384  # in a frame of the graph: each has a time stamp
_BY_GRAPH = frozenset(["aac", "flac", "mp3", "opus", "vorbis"])  # errors in the last frame of FLAC are found at the end
_AGREEING_SHARE = 0.8  # of the frames must be where their time stamps say; FFmpeg's for Vorbis are wrong at some pages


class CannotSeekError(Exception):
    """The file has to be read in full; the message says why."""


@dataclass(frozen=True, eq=False)
class FileParts:
    """Parts of a file.

    Attributes:
        starts: first sample of each, at the target rate.
        samples: each part, mono float32.
        duration_seconds: length of the whole file, as in a full read.
        warnings: as :attr:`earmark.audio.decoder.AudioStream.warnings`.
    """

    starts: tuple[int, ...]
    samples: tuple[Samples, ...]
    duration_seconds: float
    warnings: tuple[str, ...]


def read_parts(
    source: AudioSource,
    sample_rate_hz: int,
    length: int,
    starts_of: Callable[[int], Sequence[int]],
    conditioning: Conditioning | None = None,
) -> FileParts | None:
    """Read parts of equal length from one file, by seeking.

    The end of the file is read, too, so truncation is found as in a full read. Damage and NaN are found only in the
    parts that are read.

    Args:
        source: the file.
        sample_rate_hz: rate of the parts, whatever the file's own.
        length: samples of each part.
        starts_of: from the file's length in samples at that rate to the first samples of the parts, ascending.
        conditioning: as for :class:`earmark.audio.decoder.AudioStream`. Where channels cancel each other, parts may
            differ a little from those of a full read.

    Returns:
        The parts; None where ``starts_of`` gives none.

    Raises:
        CannotSeekError: the file has to be read in full, if only to report what is wrong with it.
    """
    stream = AudioStream(source, sample_rate_hz, conditioning)
    try:
        with stream.open_container() as container:
            return _Seeker(stream, container).read(length, starts_of)
    except (AudioError, av.FFmpegError, OSError, ValueError, IndexError) as error:
        raise CannotSeekError("something in it cannot be read") from error


class _Seeker:
    """One open file."""

    def __init__(self, stream: AudioStream, container: av.container.InputContainer) -> None:
        self.stream, self.container = stream, container
        source, names = best_stream(container), container.format.name
        if source is None:
            raise CannotSeekError("it holds no audio")
        if is_protected(stream.open_bytes, names, source.index):
            raise CannotSeekError("it is protected (DRM)")
        if names == "ogg" and len(find_links(stream.open_bytes)) > 1:
            raise CannotSeekError("it is several streams one after the other")
        self.source = source
        form = find_format(names)
        if form is None or not form.exact_positions:
            raise CannotSeekError(f"positions in this format ({names}) are not exact")
        self.log = PacketLog()
        self.zero = 0  # time stamp of the first sample, in samples of the file
        frames = [frame for _, frame in zip(range(_FIRST_FRAMES), self._frames(), strict=False)]
        if not frames:
            raise CannotSeekError("its beginning cannot be decoded")
        if form.name == "WAV" and not self.source.codec_context.name.startswith("pcm_"):
            raise CannotSeekError("positions in compressed WAV follow from a bit rate in its header")
        if form.name.startswith("Ogg") and self.source.codec_context.name not in _TIMED_IN_OGG:
            raise CannotSeekError("positions in this kind of Ogg are guessed up to the end of a page")
        codec = self.source.codec_context.codec.canonical_name
        self.by_graph = codec in _BY_GRAPH and is_as_in_file(self.source) and _is_utf8(stream.url)
        self.rate_hz, self.form = frames[0].sample_rate, _form(frames[0])
        if self.rate_hz < MIN_RATE_HZ:
            raise CannotSeekError("its sample rate is that of no sound")
        base = self.source.time_base
        if base is None or base * self.rate_hz > 1:
            raise CannotSeekError("its time stamps are too coarse")
        offsets, count = Counter[int](), 0
        for frame in frames:
            if frame.pts is not None:
                offsets[self._stamp(frame) - count] += 1
            count += frame.samples
        self.zero = self._agreed(offsets)
        declared = self.source.duration
        if not declared or not declares_length(stream.open_bytes, names, self.log):
            raise CannotSeekError("it does not declare its length")
        self.declared_seconds = float(declared * base)

    def read(self, length: int, starts_of: Callable[[int], Sequence[int]]) -> FileParts | None:
        """See :func:`read_parts`."""
        want_hz = self.stream.sample_rate_hz
        n_native = self._end()
        starts = tuple(starts_of(n_native * want_hz // self.rate_hz))
        if not starts:
            return None
        parts = tuple(self._part(start, length, n_native) for start in starts)
        self.stream.check_scale()
        warnings = [SILENT_IN_WINDOWS] if self._silent() else []
        if self.container.format.name == "ogg" and may_be_cut_off(self.stream.open_bytes):
            warnings.append("perhaps cut off: its last Ogg page is not marked as the end")
        warnings += self.stream.mixer.warnings()
        return FileParts(starts, parts, n_native / self.rate_hz, tuple(warnings))

    def _silent(self) -> bool:
        """With conditioning, silence is measured later."""
        return self.stream.peak < SILENCE_PEAK and self.stream.mixer.conditioning is None

    def _end(self) -> int:
        """Length in samples of the file, from its decoded last second."""
        n_declared = round(self.declared_seconds * self.rate_hz)
        first, _, count = self._decode(n_declared - ceil(_TAIL_SECONDS * self.rate_hz), None)
        end = first + count
        reason = missing_audio(
            self.stream.open_bytes, self.container.format.name, self.log, self.declared_seconds, end / self.rate_hz
        )
        if reason:
            raise CannotSeekError(reason)
        if abs(end - n_declared) > ceil(TOLERANCE_SECONDS * self.rate_hz):
            raise CannotSeekError("it is longer or shorter than it declares")
        return end

    def _part(self, start: int, length: int, n_native: int) -> Samples:
        """One part at the target rate."""
        want_hz = self.stream.sample_rate_hz
        shared = gcd(self.rate_hz, want_hz)
        step, native_step = want_hz // shared, self.rate_hz // shared  # these last equally long
        context = ceil(_CONTEXT_SAMPLES * max(1, want_hz / self.rate_hz)) if want_hz != self.rate_hz else 0
        n_steps = max(0, start - context) // step  # so the resampler's samples fall where those of a full read do
        begin = n_steps * native_step
        end = min(n_native, ceil((start + length + context) * self.rate_hz / want_hz))
        first, fifo, count = self._decode(begin, end)
        if first > begin or first + count < end:
            raise CannotSeekError("seeking in it does not reach the right position")
        self.stream.mixer.jump()
        mono = np.concatenate([self.stream.to_mono(frame) for frame in _joined(fifo)])[begin - first : end - first]
        if want_hz != self.rate_hz:
            mono = soxr.resample(mono, self.rate_hz, want_hz, quality="HQ")
        at = start - n_steps * step
        return np.ascontiguousarray(mono[at : at + length])

    def _decode(self, begin: int, end: int | None) -> tuple[int, av.AudioFifo, int]:
        """Decode from somewhere before one sample of the file until another, or to its end.

        Returns:
            The position of the first decoded sample, all decoded samples, and how many these are.
        """
        target = begin - ceil(_PREROLL_SECONDS * self.rate_hz)
        if target <= 0:  # seeking to the very start would not skip the encoder's padding
            with self.stream.open_container() as container:
                return self._collect(_frames_of(container, self.log), end, 0)
        if self.by_graph and end is not None:
            frames = self._graph_frames(target)
        else:
            assert self.source.time_base is not None
            stamp = int((target + self.zero) / (self.source.time_base * self.rate_hz))
            self.container.seek(stamp, stream=self.source, backward=True)
            frames = self._frames()
        first, fifo, count = self._collect(frames, end, None)
        if first > begin - ceil(_MIN_PREROLL_SECONDS * self.rate_hz):
            raise CannotSeekError("seeking in it does not reach the right position")
        return first, fifo, count

    def _graph_frames(self, target: int) -> Iterator[av.AudioFrame]:
        """Frames from a sample of the file, or a little before."""
        assert self.stream.url is not None
        container_start = (self.container.start_time or 0) / av.time_base
        seconds = max(0.0, (target + self.zero) / self.rate_hz - container_start)
        url, name, log = self.stream.url, self.container.format.name, PacketLog()
        for frame in graph_frames(url, name, self.source.index, log, n_samples=_GRAPH_SAMPLES, seek_seconds=seconds):
            if log.n_damaged:
                raise CannotSeekError("something in it cannot be read")
            yield frame

    def _collect(
        self, frames: Iterator[av.AudioFrame], end: int | None, first: int | None
    ) -> tuple[int, av.AudioFifo, int]:
        """All frames until a sample. The position of the first is given, or found from all time stamps."""
        fifo, offsets, count = av.AudioFifo(), Counter[int](), 0
        for frame in frames:
            if _form(frame) != self.form:  # a FIFO that is given fewer channels reads beyond the frame
                raise CannotSeekError("its sample format changes")
            if frame.pts is None and first is None and not count:
                continue
            if frame.pts is not None:
                offsets[self._stamp(frame) - self.zero - count] += 1
            count += frame.samples
            frame.pts = None
            fifo.write(frame)
            if end is not None and count >= end - (offsets.most_common(1)[0][0] if first is None else first):
                break
        return (self._agreed(offsets) if first is None else first), fifo, count

    def _agreed(self, offsets: Counter[int]) -> int:
        """Position of the frames by most of their time stamps."""
        if not offsets:
            raise CannotSeekError("it has no time stamps")
        ((place, n),) = offsets.most_common(1)
        if n < _AGREEING_SHARE * offsets.total():
            raise CannotSeekError("its time stamps contradict each other")
        return place

    def _stamp(self, frame: av.AudioFrame) -> int:
        """A frame's time stamp in samples of the file."""
        base = frame.time_base
        assert frame.pts is not None
        assert base is not None
        # Rounded with whole numbers: fractions would take as long as decoding.
        return (2 * frame.pts * base.numerator * frame.sample_rate + base.denominator) // (2 * base.denominator)

    def _frames(self) -> Iterator[av.AudioFrame]:
        return _frames_of(self.container, self.log)


def _form(frame: av.AudioFrame) -> tuple[int, str, str]:
    return frame.sample_rate, frame.layout.name, frame.format.name


def _joined(fifo: av.AudioFifo) -> Iterator[av.AudioFrame]:
    """All samples, in frames as a full read has them."""
    while (frame := fifo.read(joined_samples(fifo.sample_rate))) is not None:
        yield frame
    if (rest := fifo.read(0, partial=True)) is not None:
        yield rest


def _is_utf8(url: str | None) -> bool:
    """A filter graph takes no other names. False for None."""
    try:
        return url is not None and bool(url.encode())
    except UnicodeEncodeError:
        return False


def _frames_of(container: av.container.InputContainer, log: PacketLog) -> Iterator[av.AudioFrame]:
    """Frames from the container's current position."""
    source = best_stream(container)
    assert source is not None
    for packet in container.demux(source):
        frames = decoded(packet, source)  # a damaged packet raises: the full read reports it
        log.add(packet, ok=True)
        yield from frames
