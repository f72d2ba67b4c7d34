"""Mutations of valid files: flipped bits, boundary values in length fields, chunks removed, repeated, inserted, cut ends."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from random import Random

MAX_BYTES = 1 << 20
_SPLICES = 0.05  # of the mutations
_ENDS_BYTES = 600  # headers and indexes are near the ends
_NAME = re.compile(rb"[A-Za-z\xa9][A-Za-z0-9 ]{3}")
_PAGE = re.compile(rb"OggS\0")

Mutation = Callable[[bytearray, Random], None]


def mutate(content: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """One to eight mutations, most often few.

    Args:
        content: a valid file.
        rng: decides everything.
        others: other files, parts of which may be copied into this one.
    """
    out = bytearray(content)
    for _ in range(min(8, 1 + int(rng.expovariate(0.6)))):
        if not out:
            break
        if others and rng.random() < _SPLICES:
            splice(out, rng, others)
        else:
            rng.choices(_MUTATIONS, _WEIGHTS)[0](out, rng)
        del out[MAX_BYTES:]
    if out.startswith(b"OggS") and rng.random() < 0.7:
        repair_ogg_checksums(out)
    return bytes(out)


def _place(out: bytearray, rng: Random) -> int:
    """A position: near the beginning, near the end, or anywhere."""
    kind = rng.random()
    near = min(len(out), _ENDS_BYTES)
    if kind < 0.4:
        return rng.randrange(near)
    if kind < 0.5:
        return len(out) - 1 - rng.randrange(near)
    return rng.randrange(len(out))


def _span(out: bytearray, rng: Random) -> tuple[int, int]:
    start = _place(out, rng)
    longest = rng.choice((4, 16, 128, 2048, len(out)))
    return start, min(len(out), start + rng.randint(1, max(1, longest)))


def _boundary(rng: Random, size: int, width: int) -> int:
    top = 1 << (8 * width)
    near = rng.choice((0, 1, 2, size, size // 2, top - 1, top // 2, top // 2 - 1, top // 4, 0x7FFFF000, 0x7FFFFFFF))
    return (near + rng.randint(-2, 2)) % top


def _put(out: bytearray, at: int, value: int, width: int, rng: Random) -> None:
    out[at : at + width] = (value % (1 << (8 * width))).to_bytes(width, rng.choice(("little", "big")))


def flip_bits(out: bytearray, rng: Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        out[_place(out, rng)] ^= 1 << rng.randrange(8)


def set_bytes(out: bytearray, rng: Random) -> None:
    start, end = _span(out, rng)
    end = min(end, start + 512)
    kind = rng.randrange(4)
    out[start:end] = (
        rng.randbytes(end - start) if kind == 0 else bytes([(0, 0xFF, rng.randrange(256))[kind - 1]]) * (end - start)
    )


def set_integer(out: bytearray, rng: Random) -> None:
    width = rng.choice((1, 2, 3, 4, 4, 8))
    _put(out, _place(out, rng), _boundary(rng, len(out), width), width, rng)


def add_to_integer(out: bytearray, rng: Random) -> None:
    width, at, order = rng.choice((1, 2, 4)), _place(out, rng), rng.choice(("little", "big"))
    value = int.from_bytes(out[at : at + width], order) + rng.choice((-1, 1)) * rng.choice((1, 2, 4, 8, 100, 1000))
    out[at : at + width] = (value % (1 << (8 * width))).to_bytes(width, order)


def set_length_field(out: bytearray, rng: Random) -> None:
    """The four or eight bytes beside a name such as RIFF's "data" or MP4's "stsz", where its length usually is."""
    names = [match.start() for match in _NAME.finditer(bytes(out[:65_536]))]
    if not names:
        set_integer(out, rng)
        return
    at, width = rng.choice(names), rng.choice((4, 4, 4, 8))
    _put(out, max(0, at + rng.choice((4, -4, 8, 12))), _boundary(rng, len(out), width), width, rng)


def truncate(out: bytearray, rng: Random) -> None:
    del out[_place(out, rng) :]


def remove(out: bytearray, rng: Random) -> None:
    start, end = _span(out, rng)
    del out[start:end]


def repeat(out: bytearray, rng: Random) -> None:
    start, end = _span(out, rng)
    part = bytes(out[start:end]) * rng.choice((1, 1, 2, 30 if end - start < 2048 else 1))
    at = rng.choice((start, _place(out, rng)))
    out[at:at] = part


def insert(out: bytearray, rng: Random) -> None:
    at, n = _place(out, rng), rng.choice((1, 2, 4, 16, 512, 4096))
    out[at:at] = rng.choice((bytes(n), b"\xff" * n, rng.randbytes(n)))


def splice(out: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    """Copy a part of another file over or into this one, or append all of it."""
    other = bytearray(rng.choice(others))
    if rng.random() < 0.2:
        out += other
        return
    start, end = _span(other, rng)
    at = _place(out, rng)
    out[at : at + (end - start if rng.random() < 0.5 else 0)] = other[start:end]


def swap(out: bytearray, rng: Random) -> None:
    start, end = _span(out, rng)
    part = bytes(out[start:end])
    del out[start:end]
    at = rng.randrange(len(out) + 1)
    out[at:at] = part


_CHOICES: dict[Mutation, int] = {
    flip_bits: 4,
    set_bytes: 2,
    set_integer: 4,
    add_to_integer: 2,
    set_length_field: 4,
    truncate: 1,
    remove: 2,
    repeat: 2,
    insert: 2,
    swap: 1,
}
_MUTATIONS, _WEIGHTS = list(_CHOICES), list(_CHOICES.values())


def _table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
        table.append(value & 0xFFFFFFFF)
    return table


_OGG_TABLE = _table()


def repair_ogg_checksums(out: bytearray) -> None:
    """Give every page the checksum of its content (RFC 3533), so that readers look into it and do not skip it."""
    starts = [match.start() for match in _PAGE.finditer(bytes(out))]
    for start, following in itertools.pairwise([*starts, len(out)]):
        if start + 27 > len(out):
            return
        lacing = out[start + 27 : start + 27 + out[start + 26]]
        end = min(following, start + 27 + len(lacing) + sum(lacing))
        out[start + 22 : start + 26] = bytes(4)
        value = 0
        for byte in out[start:end]:
            value = ((value << 8) & 0xFFFFFFFF) ^ _OGG_TABLE[(value >> 24) ^ byte]
        out[start + 22 : start + 26] = value.to_bytes(4, "little")


def minimize(content: bytes, fails: Callable[[bytes], bool], max_tries: int) -> bytes:
    """A shorter content for which ``fails`` still holds: halves, quarters and smaller parts are removed, then zeroed."""
    n_tries = 0

    def still(candidate: bytes) -> bool:
        nonlocal n_tries
        n_tries += 1
        return n_tries <= max_tries and fails(candidate)

    for fill in (False, True):
        size = max(1, len(content) // 2)
        while size >= 1 and n_tries < max_tries:
            at = 0
            while at < len(content) and n_tries < max_tries:
                zeros = bytes(len(content[at : at + size])) if fill else b""
                candidate = content[:at] + zeros + content[at + size :]
                if candidate != content and still(candidate):
                    content = candidate
                    at += size if fill else 0
                else:
                    at += size
            size //= 2
            if size < len(content) // 256:
                break
    return content
