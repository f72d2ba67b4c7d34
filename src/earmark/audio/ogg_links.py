"""Chained Ogg files: several streams one after the other, as recordings of radio stations and joined files have them.

FFmpeg reads through links of one format. Where a link has another codec, rate or number of channels, its demuxer stops
with an error, or the decoder misreads the link, so each link is then read as a file of its own (RFC 3533, section 4).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import av

from earmark.audio.chunks import Opener, PatchedFile
from earmark.audio.frames import best_stream, demuxer_options, joined_frames
from earmark.audio.integrity import PacketLog

_READ_BYTES = 1_048_576
_MOST_HEAD_BYTES = 27 + 255  # of a page: the length of each of its segments
_FORMAT_FIELDS = {
    b"\x01vorbis": ((11, 16),),  # channels, rate
    b"OpusHead": ((9, 10), (16, 64)),  # channels; gain, mapping
    b"\x7fFLAC": ((27, 30),),  # rate, channels, upper bits of the sample width
    b"Speex   ": ((36, 40), (48, 52)),  # rate, channels
}
"""Bytes of a stream's first packet that have to be equal for a decoder to go on."""


@dataclass
class Link:
    """One link of a chain.

    Attributes:
        start: position of its first page, in bytes.
        end: position after its last page.
        formats: codec, rate and channels of its streams, as bytes that can be compared.
    """

    start: int
    end: int
    formats: list[bytes] = field(default_factory=list)


def find_links(opener: Opener) -> list[Link]:
    """The links of an Ogg file. All of it is read, nothing is decoded."""
    links: list[Link] = []
    group_end = -1  # where the next page would begin, after the first pages of a link's streams
    with opener() as file:
        for at in _first_pages(file):
            file.seek(at)
            page = file.read(_MOST_HEAD_BYTES + 256)
            n_segments = page[26] if len(page) > 26 else 0
            if at != group_end:
                links.append(Link(at, at))
            links[-1].formats.append(_format(page[27 + n_segments :]))
            group_end = at + 27 + n_segments + sum(page[27 : 27 + n_segments])
        n_bytes = file.seek(0, os.SEEK_END)
    for link, after in zip(links, [*[link.start for link in links[1:]], n_bytes], strict=True):
        link.end = after
    return links


def linked_frames(links: list[Link], opener: Opener, log: PacketLog) -> Iterator[av.AudioFrame]:
    """Frames of all links, as of :func:`earmark.audio.frames.joined_frames`. A link that cannot be read gets a note.

    Args:
        links: of :func:`find_links`.
        opener: the file.
        log: filled with the packets and the notes.

    Raises (while iterating):
        OSError: the file cannot be read.
    """
    log.notes.append(f"chained: {len(links)} streams of different formats, one after the other")
    for number, link in enumerate(links, 1):
        name = f"part {number} of {len(links)}"

        def reopen(link: Link = link) -> av.container.InputContainer:
            part = PatchedFile(opener(), start=link.start, end=link.end, name="audio.ogg")
            return av.open(part, "r", format="ogg", metadata_errors="ignore", options=dict(demuxer_options()))

        try:
            with reopen() as container:
                if best_stream(container) is None:
                    log.notes.append(f"chained: {name} holds no audio")
                    continue
                yield from joined_frames(container, None, log, reopen)
        except av.FFmpegError:
            log.notes.append(f"chained: {name} cannot be read to its end")


def _first_pages(file: BinaryIO) -> Iterator[int]:
    """Positions of pages that begin a stream, in order.

    From page to page. Where a page does not follow the last one, which may be cut off, the next is searched for.
    """
    block, base, at = b"", 0, 0
    last = -1  # position of the last page, if it was as long as it says as far as is known
    while True:
        if not 0 <= at - base <= len(block) - _MOST_HEAD_BYTES:
            file.seek(at)
            block, base = file.read(_READ_BYTES), at
        here = at - base
        if block[here : here + 5] != b"OggS\0" or len(block) - here < 27:
            if last >= 0:
                at, last = last + 1, -1
                continue
            found = block.find(b"OggS\0", here)
            if found < 0 and len(block) < _READ_BYTES:
                return
            at = base + (found if found > here else max(here + 1, len(block) - 4))
            continue
        if block[here + 5] & 2:
            yield at
        n_segments = block[here + 26]
        last, at = at, at + 27 + n_segments + sum(block[here + 27 : here + 27 + n_segments])


def _format(packet: bytes) -> bytes:
    for magic, fields in _FORMAT_FIELDS.items():
        if packet.startswith(magic):
            return magic + b"".join(packet[start:end] for start, end in fields)
    return packet[:8]
