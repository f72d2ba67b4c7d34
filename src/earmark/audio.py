"""From files to windows: decode, mix to mono, resample, cut. The only decoder and the only chunker.

Everything is a stream: memory does not grow with the length of a file. Decoding is FFmpeg's (PyAV),
resampling is soxr's. All samples are float32, full scale is -1..1.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soxr

from earmark.card import InputSpec
from earmark.errors import AudioError, TruncatedAudioError
from earmark.truncation import PacketLog, may_be_cut_off, missing_audio

Samples = npt.NDArray[np.float32]

AUDIO_SUFFIXES = frozenset(
    [
        ".aac",
        ".ac3",
        ".aif",
        ".aifc",
        ".aiff",
        ".amr",
        ".ape",
        ".au",
        ".caf",
        ".dff",
        ".dsf",
        ".dts",
        ".flac",
        ".m4a",
        ".m4b",
        ".mka",
        ".mp2",
        ".mp3",
        ".mp4a",
        ".mpc",
        ".oga",
        ".ogg",
        ".opus",
        ".rf64",
        ".snd",
        ".spx",
        ".tak",
        ".tta",
        ".voc",
        ".w64",
        ".wav",
        ".wave",
        ".wma",
        ".wv",
    ]
)
"""File name endings that a search through folders takes for audio (compared in lower case)."""

# Containers that hold audio. Play lists, network streams and picture formats stay out: FFmpeg would
# follow addresses written in a text file that is named like a song.
_CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,iff,loas,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,"
    "ogg,oma,rm,shn,tak,tta,voc,w64,wav,wv,xwma"
)
_BLOCK_SAMPLES = 65_536
SILENCE_PEAK = 1e-4  # -80 dBFS
SILENT = "silent: no sample above -80 dBFS once mixed to mono, so the tags mean nothing"
_DAMAGED_SHARE = 0.01

_INTEGER_SCALE = {np.dtype(np.int16): 1 / 2**15, np.dtype(np.int32): 1 / 2**31, np.dtype(np.int64): 1 / 2**63}


class AudioStream:
    """Iterates over a file's audio: blocks of mono float32 samples, shape ``(n,)``, at one rate.

    A frame's channels are averaged. Iterate once.

    Args:
        path: the file.
        sample_rate_hz: rate of the blocks, whatever the file's own.

    Attributes:
        duration_seconds: audio decoded so far.
        peak: largest absolute sample so far, after mixing to mono.
        warnings: what a user should know though it is no error, one line each; complete at the end.

    Raises (while iterating):
        AudioError: missing, empty, no permission, not audio, no samples, NaN or infinite samples.
        TruncatedAudioError: at the very end, after all that could be decoded was given out, where the
            file promises more than that.
    """

    def __init__(self, path: str | Path, sample_rate_hz: int) -> None:
        self.path = Path(path)
        self.sample_rate_hz = sample_rate_hz
        self.duration_seconds = 0.0
        self.peak = 0.0
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[Samples]:
        try:
            self._check_file()
            # "file:" keeps names such as "http:song.mp3" from being read as addresses.
            container = av.open(
                f"file:{self.path}", metadata_errors="ignore", options={"format_whitelist": _CONTAINERS}
            )
        except AudioError:
            raise
        except (av.FFmpegError, OSError, ValueError) as error:
            raise AudioError(_cause(error), self.path) from error
        with container:
            try:
                yield from self._blocks(container)
            except (av.FFmpegError, OSError) as error:
                raise AudioError(_cause(error), self.path) from error
        if self.peak < SILENCE_PEAK:
            self.warnings.append(SILENT)

    def _check_file(self) -> None:
        status = self.path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise AudioError("is a folder, not an audio file", self.path)
        if not stat.S_ISREG(status.st_mode):
            raise AudioError("is not a regular file", self.path)
        if status.st_size == 0:
            raise AudioError("the file is empty (0 bytes)", self.path)

    def _blocks(self, container: av.container.InputContainer) -> Iterator[Samples]:
        if not container.streams.audio:
            raise AudioError(f"holds no audio ({container.format.name})", self.path)
        source = container.streams.audio[0]
        log = PacketLog()
        resampler: soxr.ResampleStream | None = None
        frame_key: tuple[int, str, str] | None = None
        fifo = av.AudioFifo()

        def flush() -> Samples:
            frame = fifo.read(0, partial=True)
            mono = np.empty(0, np.float32) if frame is None else self._mono(frame)
            if resampler is None:
                return mono
            out: Samples = resampler.resample_chunk(mono, last=True)
            return out

        for packet in container.demux(source):
            try:
                frames = packet.decode()
            except (av.InvalidDataError, av.EOFError):
                log.add(packet, ok=False)
                continue
            log.add(packet, ok=True)
            for frame in frames:
                key = (frame.sample_rate, frame.layout.name, frame.format.name)
                if key != frame_key:  # the first frame, or a chained stream that goes on in another form
                    if frame_key is not None:
                        yield flush()
                    if not frame.sample_rate:
                        raise AudioError("not audio: the stream has no sample rate", self.path)
                    frame_key = key
                    fifo = av.AudioFifo()
                    resampler = None
                    if frame.sample_rate != self.sample_rate_hz:
                        resampler = soxr.ResampleStream(
                            frame.sample_rate, self.sample_rate_hz, num_channels=1, dtype="float32", quality="HQ"
                        )
                frame.pts = None  # gaps in time stamps are no gaps in the sound
                fifo.write(frame)
            if fifo.samples >= _BLOCK_SAMPLES and (gathered := fifo.read(0, partial=True)) is not None:
                mono = self._mono(gathered)
                yield mono if resampler is None else resampler.resample_chunk(mono)
        if frame_key is not None:
            yield flush()
        self._judge(container, source, log)

    def _mono(self, frame: av.AudioFrame) -> Samples:
        """One frame of any sample format as mono float32; keeps count of duration and peak."""
        array = frame.to_ndarray()
        n_channels = frame.layout.nb_channels
        scale = _INTEGER_SCALE.get(array.dtype, 1.0)
        if array.dtype == np.uint8:  # the one unsigned format: silence is 128
            array, scale = array.astype(np.float32) - np.float32(128), 1 / 128
        array = array.astype(np.float32, copy=False)
        shares = np.full(n_channels, scale / n_channels, np.float32)
        # A product with the shares is several times faster than scaling and a mean over the channels.
        mono: Samples = shares @ array if frame.format.is_planar else array.reshape(-1, n_channels) @ shares
        if mono.size:
            peak = float(max(mono.max(), -mono.min()))
            if not np.isfinite(peak):
                first = int(np.argmin(np.isfinite(mono)))
                at = self.duration_seconds + first / frame.sample_rate
                raise AudioError(f"holds NaN or infinite samples, the first at {at:.2f} s", self.path)
            self.peak = max(self.peak, peak)
        self.duration_seconds += mono.size / frame.sample_rate
        return mono

    def _judge(self, container: av.container.InputContainer, source: av.AudioStream, log: PacketLog) -> None:
        """At the end of the file: was this all of it?"""
        if self.duration_seconds == 0:
            if log.n_damaged:
                raise AudioError(f"not audio that can be decoded (damaged, {source.codec_context.name})", self.path)
            raise AudioError("holds no audio samples", self.path)
        declared = None
        if source.duration and source.time_base:
            declared = float(source.duration * source.time_base)
        elif container.duration and len(container.streams) == 1:
            declared = container.duration / av.time_base
        reason = missing_audio(self.path, container.format.name, log, declared, self.duration_seconds)
        if reason:
            raise TruncatedAudioError(reason, self.path)
        if log.n_damaged > max(2, _DAMAGED_SHARE * log.n_packets):
            raise TruncatedAudioError(
                f"damaged: {log.n_damaged} of {log.n_packets} packets cannot be decoded", self.path
            )
        if log.n_damaged:
            self.warnings.append(f"damaged: {log.n_damaged} of {log.n_packets} packets skipped")
        if may_be_cut_off(self.path, container.format.name):
            self.warnings.append("perhaps cut off: its last Ogg page is not marked as the end")


def _cause(error: Exception) -> str:
    """FFmpeg's and the system's errors in words for a person, without the path."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, av.InvalidDataError | av.ArgumentError | ValueError):
        return "not audio, or in no format that can be decoded, or cut off before its index"
    text = getattr(error, "strerror", None) or str(error)
    return f"cannot be read ({text})"


def stream(path: str | Path, sample_rate_hz: int) -> AudioStream:
    """A file's audio as blocks of mono float32 samples at ``sample_rate_hz``; see :class:`AudioStream`."""
    return AudioStream(path, sample_rate_hz)


def load(path: str | Path, sample_rate_hz: int) -> Samples:
    """A whole file, mono float32, shape ``(n_samples,)``, at ``sample_rate_hz``. Raises AudioError."""
    blocks = list(stream(path, sample_rate_hz))
    return np.concatenate(blocks)


def resample(samples: npt.ArrayLike, from_hz: int, to_hz: int) -> Samples:
    """A waveform in memory as mono float32 at another rate, by the same rules as a file.

    Args:
        samples: ``(n_samples,)`` or ``(n_channels, n_samples)``, floating point, full scale -1..1.
        from_hz: its sample rate.
        to_hz: the rate wanted.

    Raises:
        AudioError: integers, wrong shape, no samples, NaN or infinite samples, a rate below 1.
    """
    array = np.asarray(samples)
    if not np.issubdtype(array.dtype, np.floating):
        raise AudioError(f"samples of type {array.dtype}: must be floating point in -1..1 (int16: divide by 32768)")
    if array.ndim == 2 and array.shape[0] > array.shape[1]:
        raise AudioError(f"samples of shape {array.shape}: must be (n_channels, n_samples): transpose them")
    if array.ndim not in (1, 2):
        raise AudioError(f"samples of shape {array.shape}: must be (n_samples,) or (n_channels, n_samples)")
    if from_hz < 1 or to_hz < 1:
        raise AudioError(f"sample rates {from_hz} Hz to {to_hz} Hz: must be at least 1 Hz")
    if array.size == 0:
        raise AudioError("holds no audio samples")
    mono: Samples = (array if array.ndim == 1 else array.mean(axis=0)).astype(np.float32)
    if not np.isfinite(mono).all():
        at = int(np.argmin(np.isfinite(mono))) / from_hz
        raise AudioError(f"holds NaN or infinite samples, the first at {at:.2f} s")
    if from_hz == to_hz:
        return mono
    out: Samples = soxr.resample(mono, from_hz, to_hz, quality="HQ")
    return out


def windows(blocks: Iterable[Samples], spec: InputSpec) -> Iterator[Samples]:
    """Cut a stream of mono blocks at the spec's rate into windows, each ``(window_samples,)``.

    Every sample lies in at least one window. What is left at the end gets a window as
    ``spec.last_window`` says; a stream shorter than a window is filled up with zeros; an empty stream
    gives none. The k-th window starts at sample ``window_starts(n_samples, spec)[k]``; with
    ``spec.lead_samples`` the first begins before the stream, on its mirror image.
    """
    size, hop = spec.window_samples, spec.hop_samples
    kept = np.empty(0, np.float32)  # begins at the next window's start; up to a window before it is kept too
    behind = 0  # samples of `kept` that lie before the next window's start
    n_given = 0
    for block in _led(blocks, spec.lead_samples):
        kept = np.concatenate([kept, block])
        while len(kept) - behind >= size:
            yield kept[behind : behind + size]
            n_given += 1
            behind += hop
        drop = max(0, behind - size)  # an overlapping last window reaches at most `size` back
        kept, behind = kept[drop:], behind - drop
    unheard = len(kept) - behind - (size - hop if n_given else 0)
    if unheard <= 0:
        return
    if n_given and spec.last_window == "overlap":
        yield kept[-size:]
    else:
        yield np.pad(kept[behind:], (0, size - (len(kept) - behind)))


def _led(blocks: Iterable[Samples], lead_samples: int) -> Iterator[Samples]:
    """The stream with the mirror image of its first samples in front; the first sample itself is not doubled."""
    waiting = np.empty(0, np.float32)
    parts = iter(blocks)
    if lead_samples:
        for block in parts:
            waiting = np.concatenate([waiting, block])
            if len(waiting) > lead_samples:
                break
        if len(waiting):
            yield np.pad(waiting, (lead_samples, 0), mode="reflect" if len(waiting) > 1 else "edge")
    yield from parts


def window_starts(n_samples: int, spec: InputSpec) -> npt.NDArray[np.int64]:
    """First sample of every window that :func:`windows` cuts from ``n_samples`` samples, ``(n_windows,)``.

    Negative where a window begins on the mirror image in front.
    """
    if n_samples < 1:
        return np.empty(0, np.int64)
    n_all = n_samples + spec.lead_samples
    n_whole = max(0, (n_all - spec.window_samples) // spec.hop_samples + 1)
    starts = np.arange(n_whole, dtype=np.int64) * spec.hop_samples
    heard = starts[-1] + spec.window_samples if n_whole else 0
    if heard < n_all:
        overlap = n_whole and spec.last_window == "overlap"
        starts = np.append(starts, n_all - spec.window_samples if overlap else n_whole * spec.hop_samples)
    return starts - spec.lead_samples


def cut(samples: Samples, spec: InputSpec) -> Samples:
    """All windows of a waveform in memory, ``(n_windows, window_samples)``: :func:`windows` in one array."""
    cuts = list(windows([np.asarray(samples, np.float32)], spec))
    if not cuts:
        return np.empty((0, spec.window_samples), np.float32)
    return np.stack(cuts)
