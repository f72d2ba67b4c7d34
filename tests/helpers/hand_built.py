"""Files in formats for which PyAV has no encoder: whole and valid, of silence, frame by frame as their formats are defined."""

from __future__ import annotations

import struct
import zlib
from itertools import accumulate

RATE_HZ = 44_100


def monkeys_audio(seconds: float) -> bytes:
    """Monkey's Audio 3.99, 16-bit stereo. Each frame says that both channels are silent."""
    frame_samples, n_samples = 9_216, round(seconds * RATE_HZ)
    n_frames = -(-n_samples // frame_samples)
    last_samples = n_samples - (n_frames - 1) * frame_samples
    has_flags, silent_stereo = 1 << 31, 3
    frames = [struct.pack("<2I", has_flags | n, silent_stereo) + bytes(60) for n in range(n_frames)]
    wav_header = bytes(44)
    n_head = 52 + 24 + 4 * n_frames
    starts = accumulate(map(len, frames[:-1]), initial=n_head + len(wav_header))
    descriptor = struct.pack("<4s2H3I", b"MAC ", 3990, 0, 52, 24, 4 * n_frames)
    descriptor += struct.pack("<4I", len(wav_header), sum(map(len, frames)), 0, 0) + bytes(16)
    header = struct.pack("<2H3I2HI", 1000, 0, frame_samples, last_samples, n_frames, 16, 2, RATE_HZ)
    return descriptor + header + struct.pack(f"<{n_frames}I", *starts) + wav_header + b"".join(frames)


def musepack_8(seconds: float) -> bytes:
    """Musepack of stream version 8: a packet for each frame, in which no band is coded."""

    def varint(number: int) -> bytes:
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(number & 0x7F | 0x80)
        return bytes(reversed(groups))

    def packet(key: bytes, content: bytes) -> bytes:
        return key + varint(3 + len(content)) + content  # key and size count

    n_samples = round(seconds * RATE_HZ)
    n_frames = -(-(n_samples + 481) // 1152)  # the decoder's delay
    stream = bytes([8]) + varint(n_samples) + varint(0) + bytes([31 - 1, 1 << 4])
    content = b"MPCK" + packet(b"SH", struct.pack(">I", zlib.crc32(stream)) + stream)
    content += packet(b"RG", bytes([1]) + bytes(8)) + packet(b"EI", bytes(4))
    return content + packet(b"AP", b"\0") * n_frames + packet(b"SE", b"")


def musepack_7(seconds: float) -> bytes:
    """Musepack of stream version 7: bits in little-endian words of 32. Each frame has two bands of resolution 0."""
    n_samples = round(seconds * RATE_HZ)
    n_frames = -(-n_samples // 1152)
    last_samples = n_samples - (n_frames - 1) * 1152
    most_bands, is_gapless = 1 << 24, 1 << 31
    settings = struct.pack("<4I", most_bands, 0, 0, is_gapless | last_samples << 20)
    frame = f"{0:08b}" + "11"  # the second band as the first, in both channels
    bits = f"{114:08b}" + f"{len(frame):020b}{frame}" * n_frames + f"{last_samples:011b}"  # the encoder's version first
    bits += "0" * (-len(bits) % 32)
    words = [int(bits[at : at + 32], 2) for at in range(0, len(bits), 32)]
    return b"MP+\x07" + struct.pack(f"<I16s{len(words)}I", n_frames, settings, *words)


MAKERS = {".ape": monkeys_audio, ".mpc": musepack_8}
"""By the ending of a file's name."""
