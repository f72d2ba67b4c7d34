"""How FFmpeg's decoders have to be set up and called to give the right samples, in little memory."""

from __future__ import annotations

from errno import EILSEQ
from typing import Any

import av

_MAPPING_AT = 21  # in an Opus header, RFC 7845 section 5.1: one byte per channel, if the family of mappings is not 0
_FAMILY_AT = 18
_SILENT_CHANNEL = 255

_CHECKSUMS = {
    "wavpack": "crccheck",
    **dict.fromkeys(("flac", "tta", "ac3", "eac3"), "crccheck+explode"),  # else they only log it
}
"""FFmpeg's settings for codecs with a checksum in every frame. That of MP3 is optional, and some encoders write it wrong; those of
TAK and Monkey's Audio could not be tried with their encoders."""

_MOST_APE_SAMPLES = 2**21  # in a frame of Monkey's Audio; encoders write 16 x 73,728 at most


def set_up_decoders(container: av.container.InputContainer) -> None:
    """Set up the decoders of a file that was opened and not yet decoded.

    - Codecs with checksums (:data:`_CHECKSUMS`): frames in which they are wrong are refused. Otherwise one bad byte gives up to a
      second of noise (True Audio), or NaN (WavPack).
    - Opus with a silent channel: that channel repeats another. FFmpeg (8.0) would give it the place of the first stream's
      first channel, and leave in its stead what was in memory.
    """
    for stream in container.streams.audio:
        codec: av.AudioCodecContext | None = stream.codec_context  # PyAV's types omit the None
        if codec is None:
            continue
        if codec.name in _CHECKSUMS:
            codec.options = {"err_detect": _CHECKSUMS[codec.name]}
        elif codec.name == "opus" and codec.extradata:
            mapping = _opus_mapping(codec.extradata)
            used = [channel for channel in mapping if channel != _SILENT_CHANNEL]
            if used and len(used) < len(mapping):
                filled = bytes(used[0] if channel == _SILENT_CHANNEL else channel for channel in mapping)
                codec.extradata = codec.extradata[:_MAPPING_AT] + filled + codec.extradata[_MAPPING_AT + len(filled) :]


def is_as_in_file(source: av.AudioStream) -> bool:
    """Does a filter graph, which opens the file itself, decode as the stream's own decoder does, if nothing is damaged?"""
    codec = source.codec_context
    mapping = _opus_mapping(codec.extradata or b"") if codec.name == "opus" else b""
    return codec.name != "wavpack" and len(set(mapping)) == len(mapping)


def decoded(packet: Any, source: av.AudioStream) -> list[av.AudioFrame]:
    """The frames of a packet (av.Packet) of a stream.

    Raises:
        av.FFmpegError: it is damaged. This includes a frame of Monkey's Audio that claims more samples than any encoder
            writes: FFmpeg would give as many, gigabytes of them from 76 bytes.
    """
    context: av.AudioCodecContext | None = source.codec_context
    if context is not None and context.name == "ape" and (packet.duration or 0) > _MOST_APE_SAMPLES:
        raise av.InvalidDataError(EILSEQ, f"a frame of {packet.duration} samples")
    frames: list[av.AudioFrame] = packet.decode()
    return frames


def _opus_mapping(head: bytes) -> bytes:
    """Channels of an Opus file's streams, in the order of the file's channels; empty for mono and stereo."""
    if len(head) <= _MAPPING_AT or not head[_FAMILY_AT]:
        return b""
    return head[_MAPPING_AT : _MAPPING_AT + head[9]]
