"""Pages of Ogg files."""

from __future__ import annotations


def ogg_checksum(page: bytes) -> int:
    """RFC 3533: polynomial 04C11DB7, most significant bit first."""
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x104C11DB7 if value & 0x80000000 else 0)
    return value
