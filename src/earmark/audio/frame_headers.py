"""How long a frame is, by its first bytes: MPEG audio (ISO 11172-3, 13818-3) and AC-3 (ETSI TS 102 366)."""

from __future__ import annotations

HEAD_BYTES = 6
"""So many are enough."""

MPEG_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""By the version's two bits: MPEG 1, MPEG 2, and MPEG 2.5."""

_LAYER_1, _LAYER_2, _LAYER_3 = 3, 2, 1
_LOW_RATE_KBPS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG1_KBPS = {
    _LAYER_1: tuple(range(0, 449, 32)),
    _LAYER_2: (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    _LAYER_3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_MPEG2_KBPS = {
    _LAYER_1: (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    _LAYER_2: _LOW_RATE_KBPS,
    _LAYER_3: _LOW_RATE_KBPS,
}
_AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_AC3_RATES_HZ = (48_000, 44_100, 32_000)
_LAST_AC3_VERSION, _LAST_EAC3_VERSION = 10, 16


def mpeg_frame_bytes(head: bytes) -> int | None:
    """Length in bytes of a frame of MPEG audio, layer I to III; None where it is no such frame, or says no length.

    >>> mpeg_frame_bytes(bytes.fromhex("fffb9264")), mpeg_frame_bytes(bytes.fromhex("fffde204")), mpeg_frame_bytes(b"ID3")
    (418, 1254, None)
    """
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = (head[1] >> 3) & 3, (head[1] >> 1) & 3
    kbps_index, rate_index, padding = head[2] >> 4, (head[2] >> 2) & 3, (head[2] >> 1) & 1
    if version == 1 or layer == 0 or kbps_index in (0, 15) or rate_index == 3:
        return None
    kbps = (_MPEG1_KBPS if version == 3 else _MPEG2_KBPS)[layer][kbps_index]
    rate_hz = MPEG_RATES_HZ[version][rate_index]
    if layer == _LAYER_1:
        return 4 * (12_000 * kbps // rate_hz + padding)
    return (72_000 if layer == _LAYER_3 and version != 3 else 144_000) * kbps // rate_hz + padding


def ac3_frame_bytes(head: bytes) -> int | None:
    """Length in bytes of a frame of AC-3 or E-AC-3; None where it is no such frame.

    >>> ac3_frame_bytes(bytes.fromhex("0b77e6fc5540")), ac3_frame_bytes(b"ID3")
    (836, None)
    """
    if len(head) < HEAD_BYTES or head[:2] != b"\x0b\x77" or head[5] >> 3 > _LAST_EAC3_VERSION:
        return None
    if head[5] >> 3 > _LAST_AC3_VERSION:
        return 2 * (int.from_bytes(head[2:4]) % 2048 + 1)
    rate_index, size_index = head[4] >> 6, head[4] & 0x3F
    if rate_index == len(_AC3_RATES_HZ) or size_index >= 2 * len(_AC3_KBPS):
        return None
    n_words = 96_000 * _AC3_KBPS[size_index // 2] // _AC3_RATES_HZ[rate_index]
    return 2 * (n_words + (size_index % 2 if _AC3_RATES_HZ[rate_index] == 44_100 else 0))
