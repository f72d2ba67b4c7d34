"""Headers that FFmpeg misreads: sizes that mean "unknown", and integers in wider containers."""

from __future__ import annotations

import os
from typing import BinaryIO

import numpy as np

from earmark.audio.chunks import STREAMED_MARGIN_BYTES, Header, is_unknown, read_header

Patch = tuple[int, bytes]
"""A position, and the bytes that replace those there."""

_PCM = 1
_EXTENSIBLE = 0xFFFE
_PCM_SUBFORMAT = bytes.fromhex("0100000000001000800000aa00389b71")
_CAF_FLOAT_FLAG = 1
_LONGEST_AU_BYTES = 2**31 - 1
_READ_BYTES = 65_536
_LEAST_FLOAT, _MOST_FLOAT = 2.0**-40, 2.0**30  # full scale is 2 ** 23


def header_patches(file: BinaryIO) -> list[Patch]:
    """Bytes to change in a header so that FFmpeg reads the file right, as positions and bytes; mostly none.

    - Unknown sizes in RF64, Wave64, AIFF, CAF and AU, at which FFmpeg finds no sound: set to what the file has. Unknown
      counts of samples are set to nothing.
    - Sizes in WAV that are unknown, or too small by a multiple of 4 GiB, where the sound goes on behind them: set to nothing,
      which means "to the end". FFmpeg would look for chunks in the sound.
    - Integers in wider containers (e.g. 24 bits in 32): they fill the container from its top, so they are read as integers of
      the container's width. FFmpeg would take the bits that count for the width, also where they are more than it.
    """
    header = read_header(file)
    if header is None:
        return []
    n_bytes = file.seek(0, os.SEEK_END)
    patches = _wav_sizes(header, n_bytes) if header.kind == b"RIFF" else _sizes(header, n_bytes)
    if header.format_at:
        patches += _caf_container(file, header) if header.kind == b"caff" else _wave_container(file, header)
    return patches


def _wav_sizes(header: Header, n_bytes: int) -> list[Patch]:
    beyond = n_bytes - header.start - header.sound.value
    is_wrapped = beyond >= 2**32 and beyond % 2**32 <= STREAMED_MARGIN_BYTES
    is_longer = beyond > STREAMED_MARGIN_BYTES  # than by chunks behind the sound
    if header.sound.value and is_longer and (header.sound_bytes is None or is_wrapped):
        return [(header.sound.at, bytes(4))]
    return []


def _sizes(header: Header, n_bytes: int) -> list[Patch]:
    if header.kind == b"asf":
        return []
    patches = []
    if header.kind == b".snd" and n_bytes - header.start > _LONGEST_AU_BYTES:
        patches.append((header.sound.at, b"\xff" * 4))  # to the end; FFmpeg reads larger sizes as negative
    elif header.sound_bytes is None:
        patches.append(header.sound.patched(n_bytes - header.start))
    if header.samples is not None and (header.sound_bytes is None or is_unknown(header.samples.value)):
        patches.append((header.samples.at, bytes(header.samples.n_bytes)))
    if header.whole is not None and is_unknown(header.whole.value):
        patches.append(header.whole.patched(n_bytes))
    return patches


def _wave_container(file: BinaryIO, header: Header) -> list[Patch]:
    at = header.format_at
    file.seek(at)
    form = file.read(40)
    tag, n_channels, block_bytes, bits, valid_bits = (
        int.from_bytes(form[place : place + 2], "little") for place in (0, 2, 12, 14, 18)
    )
    is_extensible = tag == _EXTENSIBLE and form[24:40] == _PCM_SUBFORMAT
    if n_channels and block_bytes == 4 * n_channels and 16 < bits <= 24:
        if is_extensible or (tag == _PCM and not _are_floats(file, header.start)):
            return [(at + place, b"\x20\0") for place in ((14, 18) if is_extensible else (14,))]
    elif is_extensible and bits in (8, 16, 24, 32) and valid_bits > 0 and (valid_bits + 7) // 8 != bits // 8:
        return [(at + 18, bits.to_bytes(2, "little"))]
    return []


def _are_floats(file: BinaryIO, start: int) -> bool:
    """Are samples floats with a full scale of 2 ** 23? Cool Edit writes these with the header of 24 bits in 32.

    As floats, integers that are small, or negative and small, are tiny or no numbers.
    """
    file.seek(start)
    while content := file.read(_READ_BYTES):
        samples = np.frombuffer(content[: len(content) // 4 * 4], "<f4")
        with np.errstate(invalid="ignore"):  # NaN
            sizes = np.abs(samples[samples != 0])
            if len(sizes):
                return bool(((sizes > _LEAST_FLOAT) & (sizes < _MOST_FLOAT)).all())
    return False


def _caf_container(file: BinaryIO, header: Header) -> list[Patch]:
    file.seek(header.format_at + 8)
    form = file.read(24)
    flags, packet_bytes, n_samples, n_channels, bits = (
        int.from_bytes(form[place : place + 4]) for place in (4, 8, 12, 16, 20)
    )
    if form[:4] != b"lpcm" or flags & _CAF_FLOAT_FLAG or n_samples != 1 or not n_channels:
        return []
    container_bits = 8 * packet_bytes // n_channels
    if container_bits in (16, 24, 32) and (bits + 7) // 8 < container_bits // 8:
        return [(header.format_at + 28, container_bits.to_bytes(4))]
    return []
