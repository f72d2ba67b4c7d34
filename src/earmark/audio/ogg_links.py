"""The pages of Ogg files (RFC 3533): chains of streams, and pages that are damaged or missing.

Recordings of radio stations and joined files are chains: several streams one after the other. FFmpeg reads through links
of one format. Where a link has another codec, rate or number of channels, its demuxer stops with an error, or the decoder
misreads the link, so each link is then read as a file of its own.

FFmpeg leaves out pages whose checksum is wrong, without an error; :func:`count_pages` counts them.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import av

from earmark.audio.chunks import Opener, PatchedFile
from earmark.audio.decoder_setup import set_up_decoders
from earmark.audio.frames import best_stream, demuxer_options, joined_frames
from earmark.audio.integrity import PacketLog

_READ_BYTES = 1_048_576
_MOST_READ_AGAIN_BYTES = 16 * 2**20  # and as much as the file is long
_MOST_HEAD_BYTES = 27 + 255  # of a page: the length of each of its segments
_MOST_PAGE_BYTES = _MOST_HEAD_BYTES + 255 * 255
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_FORMAT_FIELDS = {
    b"\x01vorbis": ((11, 16),),  # channels, rate
    b"OpusHead": ((9, 10), (16, 64)),  # channels; gain, mapping
    b"\x7fFLAC": ((27, 30),),  # rate, channels, upper bits of the sample width
    b"Speex   ": ((36, 40), (48, 52)),  # rate, channels
}
"""How a stream of audio begins, and bytes of its first packet that have to be equal for a decoder to go on."""


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
        for at, page in _pages(file):
            is_first = page[5] & 2 and (has_right_checksum(page) or not any(page[6:14]))  # else by damage
            if not is_first:
                continue
            if at != group_end:
                links.append(Link(at, at))
            links[-1].formats.append(_format(_content(page)))
            group_end = at + _page_bytes(page)
        n_bytes = file.seek(0, os.SEEK_END)
    for link, after in zip(links, [*links[1:], Link(n_bytes, n_bytes)], strict=False):
        link.end = after.start
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
            container = av.open(part, "r", format="ogg", metadata_errors="ignore", options=dict(demuxer_options()))
            set_up_decoders(container)
            return container

        try:
            with reopen() as container:
                if best_stream(container) is None:
                    log.notes.append(f"chained: {name} holds no audio")
                    continue
                yield from joined_frames(container, None, log, opener, reopen)
        except av.FFmpegError:
            log.notes.append(f"chained: {name} cannot be read to its end")


def count_pages(opener: Opener) -> tuple[int, int]:
    """Number of pages of the streams of audio, and how many of them are damaged or missing.

    Such pages show by the numbers of the next ones. Those at the end are left to :func:`may_be_cut_off`. Behind the header
    of a stream a gap in the numbers is normal, unless there is damage: recordings begin in the middle of a broadcast.
    """
    streams: dict[bytes, _PageCount] = {}
    n_pages = n_lost = end = 0  # end: of the last page that is not damaged
    with opener() as file:
        for at, page in _pages(file):
            if not has_right_checksum(page):
                continue
            if at > end > 0:
                for stream in streams.values():
                    stream.after_damage = True
            end = at + len(page)
            name, number = page[14:18], int.from_bytes(page[18:22], "little")
            if page[5] & 2 and _content(page).startswith(tuple(_FORMAT_FIELDS)):
                streams[name] = _PageCount(number)
            if name in streams:
                stream = streams[name]
                if stream.after_damage or not stream.in_header:
                    n_lost += max(0, number - stream.expected)
                n_pages += 1
                streams[name] = _PageCount(number + 1, in_header=not any(page[6:14]))
    return n_pages + n_lost, n_lost


@dataclass
class _PageCount:
    """Of a stream: the number of its next page, and what was before it."""

    expected: int
    in_header: bool = True
    after_damage: bool = False


def may_be_cut_off(opener: Opener) -> bool:
    """Does an Ogg file lack the mark of its end? Cut files do, and so do recordings of radio streams.

    The last page is searched for from the end of the file, behind which there may be zeros or something else.
    """
    with opener() as file:
        start = file.seek(0, os.SEEK_END)
        after, size, most_bytes = b"", _MOST_PAGE_BYTES, start + _MOST_READ_AGAIN_BYTES
        while start > 0:
            before, start = start, max(0, start - size)
            file.seek(start)
            block = file.read(before - start) + after
            at = block.rfind(b"OggS\0", 0, before - start + 4)
            while at >= 0:
                page = block[at : at + _MOST_PAGE_BYTES]
                page = page[: _page_bytes(page)] if len(page) >= 27 else page
                if has_right_checksum(page):
                    return not page[5] & 4
                most_bytes -= len(page)  # so that forged pages inside each other take no longer than others
                if most_bytes < 0:
                    return True
                at = block.rfind(b"OggS\0", 0, at)
            after, size = block[:_MOST_PAGE_BYTES], _READ_BYTES
    return True


def has_right_checksum(page: bytes) -> bool:
    """Is a page as it was written? (CRC of the polynomial 04C11DB7, highest bits first; zlib's has the lowest first.)"""
    if len(page) < 27 or len(page) != _page_bytes(page):
        return False
    reversed_bits = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED_BITS)
    checksum = zlib.crc32(reversed_bits, 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return checksum.to_bytes(4).translate(_REVERSED_BITS) == page[22:26]


def _page_bytes(page: bytes) -> int:
    """Length of a page by its head."""
    return 27 + page[26] + sum(page[27 : 27 + page[26]])


def _content(page: bytes) -> bytes:
    return page[27 + page[26] :]


def _pages(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Positions and bytes of pages, in order; the last may be cut off.

    From page to page. Where a page does not follow the last one, which may be cut off, the next is searched for: in that page,
    too. What is read twice in this way is limited, so that forged pages inside each other take no longer than others.
    """
    block, base, at, n_again = b"", 0, 0, 0
    last = -1  # position of the last page, if it was as long as it says as far as is known
    while True:
        if at < base or (at - base > len(block) - _MOST_PAGE_BYTES and (len(block) == _READ_BYTES or not block)):
            file.seek(at)
            block, base = file.read(_READ_BYTES), at
        here = at - base
        if block[here : here + 5] != b"OggS\0" or len(block) - here < 27:
            if last >= 0:
                n_again += at - last
                if n_again > _MOST_READ_AGAIN_BYTES + at:
                    return
                at, last = last + 1, -1
                continue
            found = block.find(b"OggS\0", here)
            if found < 0 and len(block) < _READ_BYTES:
                return
            at = base + (found if found > here else max(here + 1, len(block) - 4))
            continue
        page = block[here : here + _page_bytes(block[here : here + _MOST_HEAD_BYTES])]
        yield at, page
        last, at = at, at + max(len(page), 27)


def _format(packet: bytes) -> bytes:
    for magic, fields in _FORMAT_FIELDS.items():
        if packet.startswith(magic):
            return magic + b"".join(packet[start:end] for start, end in fields)
    return packet[:8]
