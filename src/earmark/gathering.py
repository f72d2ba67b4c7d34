"""A file's sound, decoded and gathered: FFmpeg's frames of some hundredths of a second, joined to a second or two.

There are two ways, and they give the same samples. Packet by packet shows what cannot be decoded and where, but takes
Python's lock several times a packet, for 20 microseconds of work at an MP3: threads that decode side by side wait for
each other. A filter graph that reads the file itself (FFmpeg's amovie) gives a joined frame in one call without the
lock, and stops at whatever is out of order. So it goes first, and packet by packet is for what it stops at, for codecs
with larger frames, and for files in memory, which it cannot read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av

from earmark.truncation import PacketLog

GATHERED_SAMPLES = 65_536

_SMALL_FRAMES = frozenset(["aac", "mp3", "opus", "vorbis"])
"""Codecs with frames of about a thousand samples. Of these the graph tells every error; of FLAC not the last frame's."""


def gathered_frames(
    container: av.container.InputContainer, path: Path | None, log: PacketLog
) -> Iterator[av.AudioFrame]:
    """Frames of a file's first audio stream, of at least ``GATHERED_SAMPLES`` each but where the sound's form changes.

    Args:
        container: the file, opened and not yet read; it has an audio stream.
        path: the file; None for one in memory.
        log: told of the packets by the time of the last frame.

    Raises (while iterating):
        av.FFmpegError, OSError: the file cannot be read.
    """
    source = container.streams.audio[0]
    n_given = 0
    if path is not None and source.codec_context.codec.canonical_name in _SMALL_FRAMES:
        try:
            for frame in _by_graph(file_url(path), container.format.name, source.index):
                n_given += frame.samples
                yield frame
        except (av.FFmpegError, ValueError):
            pass  # damage, a change of form, a name that is no UTF-8
        else:
            if container.format.name != "mp3" or not log.add_mp3_ends(container, lambda: path.open("rb")):
                for packet in container.demux(source):
                    log.add(packet, ok=True)
            return
    yield from _by_packet(container, source, log, n_given)


def file_url(path: Path) -> str:
    """What FFmpeg calls a file: "file:" keeps names such as "http:song.mp3" from being read as addresses."""
    return f"file:{path}"


def _by_graph(url: str, formats: str, index: int) -> Iterator[av.AudioFrame]:
    graph = av.filter.Graph()
    graph.threads = 1  # else it starts one for every core, which have nothing to do
    # The format that was found before: no other is tried.
    movie = graph.add("amovie", filename=url, format_name=formats.split(",")[0], streams=str(index))
    join = graph.add("asetnsamples", nb_out_samples=str(GATHERED_SAMPLES), pad="0")
    sink = graph.add("abuffersink")
    graph.link_nodes(movie, join, sink).configure()
    while True:
        try:
            frame = sink.pull()
        except av.EOFError:
            return
        assert isinstance(frame, av.AudioFrame)
        yield frame


def _by_packet(
    container: av.container.InputContainer, source: av.AudioStream, log: PacketLog, n_given: int
) -> Iterator[av.AudioFrame]:
    """All frames but the first ``n_given`` samples."""
    fifo, form = av.AudioFifo(), None
    for packet in container.demux(source):
        try:
            frames = packet.decode()
        except (av.InvalidDataError, av.EOFError):
            log.add(packet, ok=False)
            continue
        log.add(packet, ok=True)
        for frame in frames:
            new_form = (frame.sample_rate, frame.layout.name, frame.format.name)
            if new_form != form:  # the first frame, or a chained stream that goes on in another form
                if (rest := fifo.read(0, partial=True)) is not None:
                    yield rest
                fifo, form = av.AudioFifo(), new_form
            frame.pts = None  # gaps in time stamps are no gaps in the sound
            fifo.write(frame)
            if n_given:
                again = fifo.read(min(n_given, fifo.samples))
                n_given -= 0 if again is None else again.samples
        if fifo.samples >= GATHERED_SAMPLES and (gathered := fifo.read(0, partial=True)) is not None:
            yield gathered
    if (rest := fifo.read(0, partial=True)) is not None:
        yield rest
