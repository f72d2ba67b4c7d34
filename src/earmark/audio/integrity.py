"""Is a file complete? Decoders do not report it: they stop at the end of a truncated file without an error.

A declared length is compared with what was decoded. For MP3 and Ogg the bytes of the file are checked, too, and for
formats whose header gives sizes in bytes (:mod:`earmark.audio.chunks`) only these.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any, BinaryIO

import av

from earmark.audio.chunks import TOLERANCE_SECONDS, Opener, shortfall
from earmark.audio.frame_headers import HEAD_BYTES, MPEG_RATES_HZ, ac3_frame_bytes, mpeg_frame_bytes
from earmark.core.audio_formats import LengthSource, find_format

_DAMAGED_PARTS = 2
_DAMAGED_SHARE = 0.01
_LONG_SECONDS = 0.5  # of a packet from which decoders give all or, at damage, what is before it (Musepack, WavPack)
_MISSING_SHARE = 0.1  # of such a packet
_SHORTEST_FRAME_SECONDS = 0.005  # of lossless formats

_TAIL_BYTES = 65_536  # the 45 largest frames of an MP3, or many more
_READ_BYTES = 1_048_576
_LONGEST_TEXT_BYTES = 16_777_216
_MOST_CHUNKS = 10_000

_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")

_XING = (b"Xing", b"Info")
_FRAME_BYTES: dict[LengthSource | None, Callable[[bytes], int | None]] = {
    "mp3": mpeg_frame_bytes,
    "ac3": ac3_frame_bytes,
}
_XING_DISTANCES = (36, 21, 13)  # bytes from the frame's header: MPEG 1 stereo, MPEG 1 mono and 2 stereo, MPEG 2 mono


class PacketLog:
    """Positions of a file's first and last packet, how many were damaged, and notes for the user.

    Only of the packets that were added; see :meth:`add_mp3_ends`.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start again."""
        self.n_packets = 0
        self.n_damaged = 0
        self.damaged_seconds = 0.0
        self.first_byte: int | None = None
        self.last_is_damaged = False
        self._last: Any = None
        self._offset = 0
        self._missing_seconds = 0.0  # of the last packet
        self.notes: list[str] = []

    def add(self, packet: Any, *, ok: bool, seconds: float | None = None, offset: int = 0) -> None:
        """Add a packet (av.Packet). The empty packet that flushes a decoder does not count.

        Args:
            packet: the packet.
            ok: whether it could be decoded.
            seconds: how much was decoded. A long packet of which a part is missing is damaged, too, if another follows.
            offset: position in the file, in bytes, of the data that the packet was read from.
        """
        if not packet.size:
            return
        if self._missing_seconds:  # of the packet before: it was not the last, which may be shorter than it declares
            self._add_damaged(self._missing_seconds)
        declared_seconds = float((packet.duration or 0) * (packet.time_base or 0))
        missing_seconds = declared_seconds - (declared_seconds if seconds is None else seconds)
        is_part = declared_seconds >= _LONG_SECONDS and missing_seconds > _MISSING_SHARE * declared_seconds
        self._missing_seconds = missing_seconds if ok and is_part else 0.0
        self.n_packets += 1
        if not ok:
            self._add_damaged(declared_seconds)
        if self.first_byte is None:
            self.first_byte = packet.pos
        self.last_is_damaged = not ok
        self._last, self._offset = packet, offset

    def _add_damaged(self, seconds: float) -> None:
        self.n_damaged += 1
        self.damaged_seconds += seconds

    @property
    def too_damaged(self) -> bool:
        """Are more packets damaged than can be passed over with a note?"""
        return is_too_damaged(self.n_damaged, self.n_packets)

    def leave_out_tag(self) -> None:
        """What is read behind the last frame of an MP3 or AAC file may be a tag, or zeros, which are no damage."""
        last = self.last_packet()
        if self.n_damaged and last is not None and (last[1].startswith(_TAGS) or not last[1].strip(b"\0")):
            self.n_damaged, self.last_is_damaged = self.n_damaged - 1, False

    def last_packet(self) -> tuple[int, bytes] | None:
        """Position in the file (bytes) and content of the last packet, where known."""
        if self._last is None or self._last.pos is None or self._last.pos < 0:
            return None
        return self._offset + self._last.pos, bytes(self._last)

    def add_mp3_ends(self, container: av.container.InputContainer, opener: Opener) -> bool:
        """Add only the first and the last packet of an MP3 that was decoded without an error.

        Nothing else is needed of such a file. FFmpeg does not distinguish a read error from the end of the file, so
        the file is read once more.

        Args:
            container: the file, opened and not yet read.
            opener: the file.

        Returns:
            False where no frame was found near the end of the file, and nothing was added.

        Raises:
            OSError: the file cannot be read to its end.
        """
        with opener() as file:
            buffer = bytearray(_READ_BYTES)
            while file.readinto(buffer):  # type: ignore[attr-defined]
                pass
            start = max(0, file.tell() - _TAIL_BYTES)
            file.seek(start)
            tail = io.BytesIO(file.read())
        try:
            with av.open(tail, "r", format="mp3", metadata_errors="ignore") as end:
                last = [packet for packet in end.demux(audio=0) if packet.size][-1:]
        except av.FFmpegError:
            return False
        first = next(container.demux(audio=0), None)
        if not last or first is None:
            return False
        self.add(first, ok=True)
        self.add(last[0], ok=True, offset=start)
        return True


def is_too_damaged(n_damaged: int, n_parts: int) -> bool:
    """Are more packets, or pages, damaged than can be passed over with a note?"""
    return n_damaged > max(_DAMAGED_PARTS, _DAMAGED_SHARE * n_parts)


def missing_audio(
    opener: Opener, container: str, log: PacketLog, declared_seconds: float | None, decoded_seconds: float
) -> str | None:
    """Why a fully decoded file is known to lack audio, in one line; None where it is not.

    Args:
        opener: the file.
        container: FFmpeg's name of the container format.
        log: its packets.
        declared_seconds: length the container gives, exact or estimated; None where it gives none.
        decoded_seconds: length that came out.
    """
    source = _length_source(container)
    frame_bytes = _FRAME_BYTES.get(source)
    if (source == "adts" and log.last_is_damaged) or (frame_bytes and _ends_inside_a_frame(opener, log, frame_bytes)):
        return f"truncated: ends in the middle of a frame after {decoded_seconds:.1f} s"
    exact = source == "header"
    if source == "mp3":
        exact = has_length_header(opener, log)
        # FFmpeg guesses from the bit rate where a long tag behind the music makes the file longer than its header says.
        declared_seconds = _mp3_header_seconds(opener, log) or declared_seconds
    skipped_seconds = 0 if log.too_damaged else log.damaged_seconds
    if exact and declared_seconds and decoded_seconds + skipped_seconds < declared_seconds - TOLERANCE_SECONDS:
        return f"truncated or damaged: {decoded_seconds:.1f} s decode of the {declared_seconds:.1f} s it declares"
    return shortfall(opener, decoded_seconds) if source in ("size", "header") else None


def missing_frames(
    container: str, source: av.AudioStream, declared_seconds: float | None, decoded_seconds: float
) -> str | None:
    """A note on damage that shows only by the length: FFmpeg joins a damaged frame of FLAC with the next, and then leaves it out.

    Args:
        container: FFmpeg's name of the container format.
        source: the stream.
        declared_seconds: length the container gives; None where it gives none.
        decoded_seconds: length that came out.
    """
    form = find_format(container)
    is_exact = (
        form is not None and form.exact_positions and form.length == "header" and source.codec_context.codec.lossless
    )
    if not is_exact or declared_seconds is None or decoded_seconds > declared_seconds - _SHORTEST_FRAME_SECONDS:
        return None
    return f"damaged: {declared_seconds - decoded_seconds:.2f} of {declared_seconds:.1f} s cannot be decoded"


def container_seconds(container: av.container.InputContainer, source: av.AudioStream) -> float | None:
    """Length that the container gives for a stream, declared or estimated; None where it gives none."""
    is_alone = len(container.streams) == 1
    form = find_format(container.format.name)
    if source.duration and source.time_base and (is_alone or form is None or not form.one_length):
        return float(source.duration * source.time_base)
    return container.duration / av.time_base if container.duration and is_alone else None


def declares_length(opener: Opener, container: str, log: PacketLog) -> bool:
    """Is the length that FFmpeg gives for a file written in it, or found at its end, rather than estimated?

    ``log`` must know the first packet.
    """
    source = _length_source(container)
    return has_length_header(opener, log) if source == "mp3" else source in ("header", "size", "ogg")


def _length_source(container: str) -> LengthSource | None:
    found = find_format(container)
    return None if found is None else found.length


def has_length_header(opener: Opener, log: PacketLog) -> bool:
    """Does the frame before the first audio packet of an MP3 hold a Xing, Info or VBRI header?"""
    before = _before_first_packet(opener, log)
    return any(mark in before for mark in (*_XING, b"VBRI"))


def _before_first_packet(opener: Opener, log: PacketLog) -> bytes:
    if not log.first_byte:
        return b""
    with opener() as file:
        file.seek(max(0, log.first_byte - 2048))
        return file.read(log.first_byte - file.tell())


def _mp3_header_seconds(opener: Opener, log: PacketLog) -> float | None:
    """Length that a Xing or Info header counts in frames; None where there is none, or no count in it."""
    before = _before_first_packet(opener, log)
    for mark in _XING:
        at = before.rfind(mark)
        if at < 0 or len(before) < at + 12 or not before[at + 7] & 1:
            continue
        for distance in _XING_DISTANCES:
            header = before[max(0, at - distance) : at]
            if mpeg_frame_bytes(header) is not None and len(header) == distance:
                version, rate_index = (header[1] >> 3) & 3, (header[2] >> 2) & 3
                n_frames = int.from_bytes(before[at + 8 : at + 12])
                return n_frames * (1152 if version == 3 else 576) / MPEG_RATES_HZ[version][rate_index] or None
    return None


def _ends_inside_a_frame(opener: Opener, log: PacketLog, frame_bytes: Callable[[bytes], int | None]) -> bool:
    """Of a stream of frames, each with its length in its first bytes."""
    last = log.last_packet()
    if last is None:
        return False
    position, content = last
    announced = frame_bytes(content[:HEAD_BYTES])
    if announced is None:
        return False
    if len(content) < announced:
        return True
    # The decoder leaves an incomplete frame unread: bytes after the last packet that begin like it.
    with opener() as file:
        file.seek(position + len(content))
        rest = file.read(announced + 1)
    wanted = frame_bytes(rest[:HEAD_BYTES])
    return rest[:2] == content[:2] and wanted is not None and len(rest) < wanted


def header_problem(opener: Opener) -> str | None:
    """Why a file must not be opened by FFmpeg, which allocates what some headers claim, and misreads others."""
    with opener() as file:
        magic = file.read(4)
        if magic == b"RIFX":
            return "a big-endian WAV (RIFX), which is not read; convert it, e.g. with: sox FILE -L NEW.wav"
        if magic in (b"RIFF", b"RF64", b"BW64"):
            return _info_problem(file)
        return None


def _info_problem(file: BinaryIO) -> str | None:
    """Of a RIFF file: FFmpeg allocates what an entry of an INFO list claims, up to 2 GB."""
    n_bytes = file.seek(0, os.SEEK_END)
    at, list_end = 12, 0
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        head = file.read(12)
        size = int.from_bytes(head[4:8], "little")
        if len(head) < 8 or (head[:4] == b"data" and size == 0):  # a stream: all that follows is sound
            return None
        if at < list_end and size > max(n_bytes, _LONGEST_TEXT_BYTES):
            return f"damaged: a text in its INFO list claims {size} bytes, the file has {n_bytes}"
        if head[:4] == b"LIST" and head[8:] == b"INFO":
            at, list_end = at + 12, at + 8 + size
        else:
            at += 8 + size + size % 2
    return None
