"""The only decoder: a file, on disk or in memory, as blocks of mono samples at one rate."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import BinaryIO, cast

import av
import numpy as np
import numpy.typing as npt
import soxr

from earmark.audio.chunks import PatchedFile
from earmark.audio.decoder_setup import set_up_decoders
from earmark.audio.frames import best_stream, demuxer_options, file_url, frame_channels, joined_frames
from earmark.audio.header_patches import header_patches
from earmark.audio.integrity import (
    PacketLog,
    container_seconds,
    declares_length,
    header_problem,
    is_too_damaged,
    missing_audio,
    missing_frames,
)
from earmark.audio.mixer import Mixer
from earmark.audio.ogg_links import count_pages, find_links, linked_frames, may_be_cut_off
from earmark.audio.padding import MANY_ZEROS, bytes_in_front, sound_end, zeros_in_front
from earmark.audio.protection import is_protected
from earmark.audio.scale import MAX_PEAK, ScaleMeter
from earmark.audio.source import (
    ONLY_ZEROS,
    AudioBytes,
    AudioSource,
    NamedBytes,
    as_source,
    cause,
    check_file,
    check_size,
    ffmpeg_name,
    why_no_sound,
    why_not_opened,
)
from earmark.core.errors import AudioError, NoAudioError, TruncatedAudioError
from earmark.core.input_spec import Conditioning

Samples = npt.NDArray[np.float32]

MIN_RATE_HZ = 1_000  # no sound is stored at less, and a block at 1 Hz would take gigabytes once resampled
SILENCE_PEAK = 1e-4  # -80 dBFS
SILENT = "silent: no sample above -80 dBFS once mixed to mono, so the tags mean nothing"
_NO_SAMPLES = np.empty(0, np.float32)
_INTEGER_SCALE = {np.dtype(np.int16): 1 / 2**15, np.dtype(np.int32): 1 / 2**31}


class AudioStream:
    """Iterates over a file's audio: blocks of mono float32 samples, shape ``(n,)``, at one rate.

    Iterate once.

    Args:
        source: the file: path, bytes, binary file object or :class:`AudioBytes`.
        sample_rate_hz: rate of the blocks, whatever the file's own.
        conditioning: how channels are mixed, see :class:`earmark.audio.mixer.Mixer`; None for their mean.

    Attributes:
        path: the file; the name of one in memory, None without a name.
        duration_seconds: audio decoded so far.
        declared_seconds: length that the file declares or its bit rate suggests; None where it does not, and before
            it is opened.
        peak: largest absolute sample so far, after mixing to mono.
        warnings: what a user should know though it is no error, one line each; complete at the end.

    Raises (while iterating):
        AudioError: missing, empty, no permission, not audio, no samples, NaN or infinite samples; at the end, samples
            beyond 8.
        TruncatedAudioError: at the very end, after all that could be decoded was given out, where the
            file promises more than that.
    """

    def __init__(self, source: AudioSource, sample_rate_hz: int, conditioning: Conditioning | None = None) -> None:
        self.mixer = Mixer(conditioning)
        self.source = as_source(source)
        self.path = self.source.path if isinstance(self.source, AudioBytes) else self.source
        self.sample_rate_hz = sample_rate_hz
        self.duration_seconds = 0.0
        self.declared_seconds: float | None = None
        self.peak = 0.0
        self.warnings: list[str] = []
        self._scale, self._log = ScaleMeter(), PacketLog()
        self._start = 0  # of what FFmpeg may read
        self._end: int | None = None  # of it; None for the end of the file

    def __iter__(self) -> Iterator[Samples]:
        try:
            container = self.open_container()
        except AudioError:
            raise
        except (av.FFmpegError, OSError, ValueError) as error:
            raise AudioError(why_not_opened(error, self.open_bytes), self.path) from error
        with container:
            try:
                yield from self._blocks(container)
            except (av.FFmpegError, OSError) as error:
                if self.duration_seconds and isinstance(error, av.InvalidDataError | av.PatchWelcomeError):
                    self._add_warnings()
                    reason = f"damaged: cannot be read beyond {self.duration_seconds:.1f} s"
                    raise TruncatedAudioError(reason, self.path) from error
                raise AudioError(cause(error), self.path) from error

    def open_container(self) -> av.container.InputContainer:
        """Open the file with FFmpeg, without tags that it would take for sound.

        The caller closes it, and :func:`cause` describes PyAV's errors.
        """
        if isinstance(self.source, AudioBytes):
            check_size(len(self.source.content), self.path)
        else:
            check_file(self.source)
        with self.open_bytes() as content:
            n_zeros = zeros_in_front(content)
            if 0 < n_zeros == content.seek(0, os.SEEK_END):
                raise AudioError(ONLY_ZEROS, self.path)
        self._start += n_zeros if n_zeros >= MANY_ZEROS else 0
        try:
            return self._open_part()
        except av.InvalidDataError:
            with self.open_bytes() as content:
                n_bytes = bytes_in_front(content)
                if not 0 < n_bytes <= content.seek(0, os.SEEK_END):
                    raise
            self._start += n_bytes
            return self._open_part()

    def _open_part(self) -> av.container.InputContainer:
        if reason := header_problem(self.open_bytes):
            raise AudioError(reason, self.path)
        # The system says whether it may be read: FFmpeg's errors may mean other things.
        with self.open_bytes() as content:
            patches = header_patches(content)
        container = self._open(patches)
        if self._end is None:
            with self.open_bytes() as content:
                end = sound_end(content, container.format.name)
            if end is not None:
                self._end = self._start + end
                container.close()
                container = self._open(patches)
        return container

    def _open(self, patches: list[tuple[int, bytes]]) -> av.container.InputContainer:
        file: str | io.IOBase = NamedBytes(self.source) if isinstance(self.source, AudioBytes) else self.url or ""
        if patches or (isinstance(file, NamedBytes) and (self._start or self._end)):
            file = PatchedFile(self.open_bytes(), patches, name=ffmpeg_name(self.path))
        container = av.open(file, "r", metadata_errors="ignore", options=dict(demuxer_options()))
        set_up_decoders(container)
        return container

    def open_bytes(self) -> BinaryIO:
        """The file's own bytes, for checks that FFmpeg does not make; once it is open, those that FFmpeg may read."""
        file = io.BytesIO(self.source.content) if isinstance(self.source, AudioBytes) else self.source.open("rb")
        is_part = self._start > 0 or self._end is not None
        return cast("BinaryIO", PatchedFile(file, start=self._start, end=self._end)) if is_part else file

    @property
    def url(self) -> str | None:
        """FFmpeg's URL of what it may read of the file, once it is open; None of one in memory."""
        return None if isinstance(self.source, AudioBytes) else file_url(self.source, self._start, self._end)

    def _blocks(self, container: av.container.InputContainer) -> Iterator[Samples]:
        source, names = best_stream(container), container.format.name
        if source is None:
            raise NoAudioError(f"holds no audio ({names})", self.path)
        if is_protected(self.open_bytes, names, source.index):
            raise AudioError("protected (DRM): it is encrypted, and only its seller's programs can play it", self.path)
        codec: av.AudioCodecContext | None = source.codec_context  # PyAV's types omit the None
        if codec is None:
            raise AudioError(f"cannot be read (no decoder for its codec, {names})", self.path)
        self._scale.is_lossy = not codec.codec.lossless
        self.declared_seconds = container_seconds(container, source)
        log, rate_hz = self._log, 0
        resampler: soxr.ResampleStream | None = None
        frames = joined_frames(container, self.url, log, self.open_bytes, self.open_container)
        links = find_links(self.open_bytes) if names == "ogg" else []
        if any(link.formats != links[0].formats for link in links):
            frames = linked_frames(links, self.open_bytes, log)
        for frame in frames:
            if frame.sample_rate != rate_hz:  # the first frame, or a chained stream that continues at another rate
                if resampler is not None:
                    yield resampler.resample_chunk(_NO_SAMPLES, last=True)
                rate_hz, resampler = frame.sample_rate, None
                if rate_hz < MIN_RATE_HZ:
                    raise AudioError(f"not audio: a sample rate of {rate_hz} Hz", self.path)
                if rate_hz != self.sample_rate_hz:
                    resampler = soxr.ResampleStream(
                        rate_hz, self.sample_rate_hz, num_channels=1, dtype="float32", quality="HQ"
                    )
            mono = self.to_mono(frame)
            yield mono if resampler is None else resampler.resample_chunk(mono)
        if resampler is not None:
            yield resampler.resample_chunk(_NO_SAMPLES, last=True)
        self._check_complete(container, source)

    def to_mono(self, frame: av.AudioFrame) -> Samples:
        """One frame of any sample format as mono float32; keeps count of duration and peak."""
        n_channels = frame.layout.nb_channels
        samples = frame_channels(frame)
        dtype = samples[0].dtype
        scale = _INTEGER_SCALE.get(dtype, 1.0)
        if dtype.kind == "f" and not self._scale.is_lossy:
            self._scale.add(np.asarray(samples), frame.sample_rate * n_channels)
        if dtype == np.uint8:  # the one unsigned format: silence is 128
            samples, scale = np.asarray(samples, np.float32) - np.float32(128), 1 / 128
        elif dtype != np.float32:
            samples = np.asarray(samples, np.float32)
        names = [channel.name for channel in frame.layout.channels] if n_channels > 2 else []
        mono = self.mixer.mix(samples, scale, frame.sample_rate, names)
        if mono.size:
            peak = float(max(mono.max(), -mono.min()))
            if not np.isfinite(peak):
                at = self.duration_seconds + int(np.argmin(np.isfinite(mono))) / frame.sample_rate
                raise AudioError(f"holds NaN or infinite samples, the first at {at:.2f} s", self.path)
            if peak > MAX_PEAK:  # clipped also where the file will be refused: its sums could be infinite
                if self._scale.is_lossy:
                    self._scale.add(mono, frame.sample_rate)
                mono, peak = np.clip(mono, -1, 1), 1.0
            self.peak = max(self.peak, peak)
        self.duration_seconds += mono.size / frame.sample_rate
        return mono

    def check_scale(self) -> None:
        """Raise AudioError where samples so far are beyond :data:`~earmark.audio.scale.MAX_PEAK`, or warn of damage."""
        try:
            self.warnings += self._scale.warnings(self.duration_seconds)
        except AudioError as error:
            raise AudioError(error.reason, self.path) from None

    def _add_warnings(self) -> None:
        """At the end of what can be read. Raises AudioError as :meth:`check_scale`."""
        self.check_scale()
        self.warnings += self._log.notes
        if self.peak < SILENCE_PEAK and self.mixer.conditioning is None:
            self.warnings.append(SILENT)
        self.warnings += self.mixer.warnings()

    def _check_complete(self, container: av.container.InputContainer, source: av.AudioStream) -> None:
        """At the end of the file: is it complete?"""
        log = self._log
        log.leave_out_tag()
        if self.duration_seconds == 0:
            damaged = f"not audio that can be decoded (damaged, {source.codec_context.name})" if log.n_damaged else ""
            why = why_no_sound(self.open_bytes) or damaged or "".join(log.notes[-1:]) or "holds no audio samples"
            raise AudioError(why, self.path)
        self._add_warnings()
        declared = container_seconds(container, source)
        if reason := missing_audio(self.open_bytes, container.format.name, log, declared, self.duration_seconds):
            raise TruncatedAudioError(reason, self.path)
        if log.too_damaged:
            raise TruncatedAudioError(
                f"damaged: {log.n_damaged} of {log.n_packets} packets cannot be decoded", self.path
            )
        is_ogg = container.format.name == "ogg"
        n_pages, n_lost = count_pages(self.open_bytes) if is_ogg else (0, 0)
        if is_too_damaged(n_lost, n_pages):
            raise TruncatedAudioError(f"damaged: {n_lost} of {n_pages} Ogg pages are lost", self.path)
        if n_lost:
            self.warnings.append(f"damaged: {n_lost} of {n_pages} Ogg pages are lost")
        if log.n_damaged:
            self.warnings.append(f"damaged: {log.n_damaged} of {log.n_packets} packets skipped")
        elif note := missing_frames(container.format.name, source, declared, self.duration_seconds):
            self.warnings.append(note)
        if is_ogg and may_be_cut_off(self.open_bytes):
            self.warnings.append("perhaps cut off: its last Ogg page is not marked as the end")


def declared_seconds(source: AudioSource) -> float | None:
    """The length that a file declares, without decoding it.

    Args:
        source: the file: path, bytes, binary file object or :class:`AudioBytes`.

    Returns:
        Seconds; None where it declares no length or only an estimate, or cannot be opened or decoded.
    """
    stream = AudioStream(source, MIN_RATE_HZ)
    try:
        with stream.open_container() as container:
            best, names, log = best_stream(container), container.format.name, PacketLog()
            codec = None if best is None else best.codec_context  # None, too, where there is no decoder
            if best is None or codec is None or codec.sample_rate < MIN_RATE_HZ:
                return None
            seconds = container_seconds(container, best)
            if seconds is None or (names == "ogg" and len(find_links(stream.open_bytes)) > 1):
                return None
            log.add(next(container.demux(best)), ok=True)
            return seconds if declares_length(stream.open_bytes, names, log) else None
    except (AudioError, av.FFmpegError, OSError, ValueError, IndexError, StopIteration):
        return None
