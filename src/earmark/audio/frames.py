"""Decode a file into frames of a second or two, joined from FFmpeg's frames of a few hundredths of a second.

There are two ways, with the same samples. Decoding packet by packet shows what cannot be decoded and where, but takes
Python's lock several times per packet, for 20 microseconds of work in an MP3: threads that decode in parallel wait for
each other. A filter graph that reads the file itself (FFmpeg's amovie) gives a joined frame in one call without the
lock, and continues after packets that cannot be decoded, so it is tried first. Packet by packet is for audio whose
sample format changes (it is decoded twice up to there), for damaged files other than MP3, for codecs with larger
frames, and for files in memory, which the graph cannot read. Of parts of a file see :mod:`earmark.audio.seeking`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from errno import EIO
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from earmark.audio.chunks import TOLERANCE_SECONDS, Opener
from earmark.audio.decoder_setup import decoded, is_as_in_file
from earmark.audio.integrity import PacketLog
from earmark.core.audio_formats import format_whitelist

JOINED_SAMPLES = 65_536
_MOST_JOINED_HZ = 192_000  # up to this rate a joined frame is a third of a second or more
_MOST_JOINED = 8  # times as many; a damaged header may declare any rate

_MANY_CHANNELS = 8
_MOST_DAMAGED_TOGETHER = 10_000
_COUNTED = ("wv", "ape", "mpc", "mpc8", "tta", "flac")  # the header counts all samples
_IN_PAGES = ("ogg", "mpegts")
_WITHOUT_PAGE_BYTES = 65_307  # FFmpeg reports an error after so many

_SMALL_FRAMES = frozenset(["aac", "mp3", "opus", "vorbis"])
"""Codecs with frames of about a thousand samples. For FLAC the graph does not report an error in the last frame."""


def joined_samples(sample_rate_hz: int) -> int:
    """Samples of a joined frame: more at rates beyond 192 kHz, as too little is known of how channels differ from a moment.

    Example:
        >>> joined_samples(192_000), joined_samples(768_000)
        (65536, 262144)
    """
    return JOINED_SAMPLES * min(_MOST_JOINED, -(-sample_rate_hz // _MOST_JOINED_HZ))


def joined_frames(
    container: av.container.InputContainer,
    url: str | None,
    log: PacketLog,
    opener: Opener,
    reopen: Callable[[], av.container.InputContainer],
) -> Iterator[av.AudioFrame]:
    """Frames of a file's best audio stream, of :func:`joined_samples` or a little more.

    They are shorter where the sample format changes, and at the end.

    Args:
        container: the file, opened and not yet read; it has an audio stream.
        url: of the file, as of :func:`file_url`; None for one in memory.
        log: filled with its packets by the end of the iteration; for an undamaged MP3, with the first and the last.
        opener: opens the file's bytes.
        reopen: opens the file again with FFmpeg.

    Raises (while iterating):
        av.FFmpegError, OSError: the file cannot be read.
    """
    source = best_stream(container)
    assert source is not None
    n_given, seconds = 0, 0.0
    if url is not None and _codec(source) in _SMALL_FRAMES and is_as_in_file(source):
        try:
            for frame in graph_frames(url, container.format.name, source.index, log):
                n_given += frame.samples
                seconds += frame.samples / frame.sample_rate
                yield frame
        except (av.FFmpegError, ValueError):
            log.forget()  # the sample format changes, the name is not UTF-8, or FFmpeg lacks this filter
        else:
            if _read_whole(container, opener, log, seconds):
                return
            log.forget()
            with reopen() as again:
                same = next(stream for stream in again.streams.audio if stream.index == source.index)
                yield from _by_packet(again, same, log, n_given)
            return
    yield from _by_packet(container, source, log, n_given)


def best_stream(container: av.container.InputContainer) -> av.AudioStream | None:
    """FFmpeg's choice of a file's audio streams (``av_find_best_stream``); None where there are none.

    The one marked as the default, then the one with the higher bit rate, then the first; those for people who cannot see
    or hear come last.
    """
    best = container.streams.best("audio")
    if isinstance(best, av.AudioStream):
        return best
    return next(iter(container.streams.audio), None)  # without rate or channels, e.g. of an unknown codec


@cache
def demuxer_options() -> Mapping[str, str]:
    """FFmpeg's options for opening a file: only containers of audio, and no decoder of pictures.

    FFmpeg decodes the beginning of every stream to learn its format; the pixels of a cover would take their memory.
    """
    decoders = set[str]()
    for name in av.codecs_available:
        try:
            codec = av.Codec(name, "r")
        except ValueError:  # only an encoder
            continue
        if codec.type == "audio":
            decoders.update((name, codec.name))
    return MappingProxyType({"format_whitelist": format_whitelist(), "codec_whitelist": ",".join(sorted(decoders))})


def _codec(source: av.AudioStream) -> str | None:
    """Name of the codec; None where there is no decoder (PyAV's types omit this). Reading packets then raises."""
    context: av.AudioCodecContext | None = source.codec_context
    return None if context is None else context.codec.canonical_name


def _read_whole(container: av.container.InputContainer, opener: Opener, log: PacketLog, seconds: float) -> bool:
    """Was that the whole file? The graph treats a read error or a demuxer's error as the end of the file.

    Demuxing once more raises such errors. An MP3 can only have read errors, so reading its bytes is enough.
    """
    names, source = container.format.name, best_stream(container)
    assert source is not None
    base = source.time_base or 0
    as_declared = source.duration is not None and seconds > source.duration * base - TOLERANCE_SECONDS
    if names == "mp3" and as_declared and not log.n_damaged and log.add_mp3_ends(container, opener):
        return True
    if log.n_damaged and names != "mp3":  # it may matter which packets, and demuxers may raise errors of their own
        return False
    ticks = 0
    for packet in _packets(container, source):
        log.add(packet, ok=True)
        ticks += packet.duration or 0
    log.damaged_seconds = float(ticks * base * log.n_damaged / max(1, log.n_packets))
    return seconds > ticks * base - log.damaged_seconds - TOLERANCE_SECONDS


def _packets(container: av.container.InputContainer, source: av.AudioStream) -> Iterator[Any]:
    """Packets to the end. Asked again, FFmpeg goes on behind a damaged head of an Ogg page, or 64 KiB without one."""
    n_failed = 0  # since the last packet
    while True:
        try:
            for packet in container.demux(source):
                n_failed = 0
                yield packet
        except IndexError as error:  # PyAV's, at a packet of a stream that was not there when the file was opened
            raise OSError(EIO, "a stream appears that its header does not list") from error
        except (av.InvalidDataError, av.BlockingIOError):  # the latter of MPEG-TS
            n_failed += 1
            if container.format.name in _COUNTED and source.duration:
                return  # whether this was the end shows by the length
            if container.format.name not in _IN_PAGES or n_failed > 1 + container.size // _WITHOUT_PAGE_BYTES:
                raise
        else:
            return


def file_url(path: Path, start: int = 0, end: int | None = None) -> str:
    """FFmpeg's URL of a file: "file:" keeps names such as "http:song.mp3" from being read as addresses.

    Args:
        path: the file.
        start: the first byte that FFmpeg may read.
        end: the byte after the last; None for the end of the file.

    >>> file_url(Path("a,b.mp3"), end=1000)
    'subfile,,start,0,end,1000,,:file:a,b.mp3'
    """
    return f"subfile,,start,{start},end,{end or 0},,:file:{path}" if start or end else f"file:{path}"


def graph_frames(
    url: str,
    formats: str,
    index: int,
    log: PacketLog,
    *,
    n_samples: int = JOINED_SAMPLES,
    seek_seconds: float = 0.0,
) -> Iterator[av.AudioFrame]:
    """Frames of ``n_samples`` that a filter graph reads from a file; the last one may be shorter.

    Args:
        url: of the file, as of :func:`file_url`.
        formats: FFmpeg's name of the container.
        index: of the stream.
        log: packets that cannot be decoded are counted in it, others are not.
        n_samples: of each frame.
        seek_seconds: begin at the last packet that can be found before this time, counted from the container's start.

    Raises (while iterating):
        av.FFmpegError: the file cannot be read, or the sample format changes.
        ValueError: the URL is not UTF-8, or this FFmpeg lacks a filter.
    """
    graph = av.filter.Graph()
    graph.threads = 1  # else it starts one per core, with nothing to do
    movie = graph.add(
        "amovie",
        filename=url,
        format_name=formats.split(",")[0],  # already detected
        format_opts=":".join(f"{name}={value}" for name, value in demuxer_options().items()),
        streams=str(index),
        seek_point=f"{seek_seconds:.6f}",
    )
    join = graph.add("asetnsamples", nb_out_samples=str(n_samples), pad="0")
    sink = graph.add("abuffersink")
    graph.link_nodes(movie, join, sink).configure()
    n_together = 0
    while True:
        try:
            frame = sink.pull()
        except av.EOFError:
            return
        except av.InvalidDataError:
            log.n_damaged += 1
            n_together += 1
            if n_together > _MOST_DAMAGED_TOGETHER:
                raise
            continue
        n_together = 0
        assert isinstance(frame, av.AudioFrame)
        yield frame


def _by_packet(
    container: av.container.InputContainer, source: av.AudioStream, log: PacketLog, n_given: int
) -> Iterator[av.AudioFrame]:
    """All frames but the first ``n_given`` samples."""
    fifo, form = av.AudioFifo(), None
    try:
        for packet in _packets(container, source):
            try:
                frames = decoded(packet, source)
            except av.FFmpegError:
                log.add(packet, ok=False)
                continue
            log.add(packet, ok=True, seconds=sum(frame.samples / frame.sample_rate for frame in frames))
            for frame in frames:
                new_form = (frame.sample_rate, frame.layout.name, frame.format.name)
                if new_form != form:  # the first frame, or a chained stream that continues in another format
                    if (rest := fifo.read(0, partial=True)) is not None:
                        yield rest
                    fifo, form = av.AudioFifo(), new_form
                frame.pts = None  # gaps in time stamps are no gaps in the sound
                fifo.write(frame)
                if n_given:
                    again = fifo.read(min(n_given, fifo.samples))
                    n_given -= 0 if again is None else again.samples
            enough = fifo.samples >= JOINED_SAMPLES and fifo.samples >= joined_samples(fifo.sample_rate)
            if enough and (joined := fifo.read(0, partial=True)) is not None:
                yield joined
    except av.FFmpegError:  # the file cannot be read on
        if (rest := fifo.read(0, partial=True)) is not None:
            yield rest
        raise
    if (rest := fifo.read(0, partial=True)) is not None:
        yield rest


def frame_channels(frame: av.AudioFrame) -> npt.NDArray[Any] | list[npt.NDArray[Any]]:
    """Samples of a frame: an array of each channel, or of all, ``(n_channels, n_samples)``, in the frame's own format.

    Without a copy where most codecs have them: in planes of 32-bit floats.
    """
    n_channels = frame.layout.nb_channels
    if frame.format.packed.name == "s64":  # PyAV makes no array of it
        frame = _converted(frame, "dblp")
    elif frame.format.is_planar and n_channels >= _MANY_CHANNELS:  # it reads beyond the planes of eight or more
        frame = _converted(frame, frame.format.packed.name)
    if frame.format.name == "fltp":
        planes: Any = frame.planes  # buffers, which PyAV's types omit
        return [np.frombuffer(plane, np.float32, frame.samples) for plane in planes]
    array: npt.NDArray[Any] = frame.to_ndarray()
    return array if frame.format.is_planar else array.reshape(-1, n_channels).T


def _converted(frame: av.AudioFrame, sample_format: str) -> av.AudioFrame:
    return av.AudioResampler(sample_format, frame.layout, frame.sample_rate).resample(frame)[0]
