"""Expected values for the page's own tests, its audio formats and words for tags: `python web/tests/from_python.py` writes them."""

from __future__ import annotations

import base64
import io
import json
import math
import struct
from dataclasses import asdict, replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import av
import numpy as np

from earmark import audio
from earmark.audio.chunks import read_header, shortfall
from earmark.audio.header_patches import header_patches
from earmark.audio.integrity import header_problem
from earmark.audio.mixer import Mixer, downmix_shares
from earmark.audio.ogg_links import count_pages, find_links, may_be_cut_off
from earmark.audio.phase_loss import lost_share
from earmark.audio.protection import is_protected
from earmark.audio.scale import ScaleMeter
from earmark.audio.silence import SilenceMeter
from earmark.audio.sound import SoundStream
from earmark.core.audio_formats import page_formats
from earmark.core.calibration import Platt, calibrated
from earmark.core.errors import AudioError
from earmark.core.input_spec import Conditioning, InputSpec
from earmark.core.musical_key import KEYS
from earmark.core.tag_constraints import TagConstraints
from earmark.core.tag_words import TagFinder, page_words
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.tagging.aggregation import aggregate
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tempo_key import KeyEstimate, TempoKeyMeter
from earmark.tagging.tempo_key.key_estimation import estimate_key
from earmark.tagging.tempo_key.pitch_features import tuned_pitches, tuning_cents
from earmark.tagging.tempo_key.tempo_estimation import estimate_tempo
from earmark.tagging.tempo_key.tempogram import refine_bpm, tempograms

OUT = Path(__file__).with_name("numbers.json")
FORMATS = Path(__file__).parents[1] / "src/audio_formats.json"
WORDS = Path(__file__).parents[1] / "src/tag_words.json"
CLIPS = Path(__file__).parents[2] / "examples/clips"
RATES_HZ = ((44_100, 16_000), (48_000, 16_000), (22_050, 16_000), (8_000, 16_000), (44_100, 12_000), (96_000, 22_050))
EVERY = 7  # of the resampled samples, so many are kept

SHORT = ((3, 8), (1, 8), (4, 4), (7, 8), (8, 8), (9, 8), (90, 80))
"""Samples, and the length of a window."""

SOUND: tuple[tuple[list[tuple[int, float]], float, float], ...] = (
    ([(1_234, 0.0), (4_000, 0.3), (2_001, 0.0), (2_400, 0.1), (500, 0.0), (1_700, 0.3), (777, 0.0)], 0.0, 0.0),
    ([(40, 0.0), (3_000, 0.3), (900, 1e-5), (20, 0.3), (1_200, 0.0), (2_000, 0.3)], 0.0, 0.0),
    ([(1_000, 0.0), (4_000, 0.3), (3_000, 0.0), (4_000, 0.2)], 0.1, 0.0),
    ([(9_000, 1e-5), (4_000, 0.3)], 0.0, 0.0),
    ([(5_000, 0.0)], 0.0, 0.0),
    ([(900, 0.0)], 0.1, 0.0),
    ([(1_000, 0.0), (4_000, 0.3), (3_000, 0.0), (4_000, 0.2), (1_111, 0.0)], -0.02, 10.0),
    ([(1_234, 0.0), (300, 0.002), (4_000, 0.3), (2_000, 0.0), (2_400, 0.002), (4_000, 0.3)], 0.0, 5.0),
    ([(5_000, 0.0)], 0.0, 3.0),
    ([(30, 0.3), (5_000, 0.0), (30, 0.3)], 0.1, 0.0),
    ([(30, 0.3), (200, 0.0), (30, 0.3)], 0.0, 0.0),
)
"""Samples and level of parts of noise, the offset of all, and the rate in Hz of rumble in all."""

SHARES: tuple[tuple[int, list[str]], ...] = (
    (2, []),
    (3, ["FL", "FR", "LFE"]),
    (6, ["FL", "FR", "FC", "LFE", "BL", "BR"]),
    (1, ["LFE"]),
    (4, ["FL", "FR"]),
    (5, ["NONE"] * 5),
)

PRINTED = ((0.5, 0), (1.5, 0), (2.51, 0), (0.25, 1), (0.75, 1), (0.15, 1), (2.45, 1), (12.25, 1), (3.0, 1))

MIX_HZ, FRAME, MIXED_EVERY = 16_000, 16_384, 211
MIXED: dict[str, tuple[list[list[list[float]]], list[str]]] = {
    "panned": ([[[1.0, 0, 0], [0.3, 0, 0]]], []),
    "unlike": ([[[0.5, 0, 0], [0, 0.5, 0]]], []),
    "inverted": ([[[0.4, 0, 0], [-0.5, 0, 0]]], []),
    "delayed": ([[[0.5, 0, 0], [0, 0, 0.5]]], []),
    "inverted, and then silent": (
        [[[0.4, 0, 0], [-0.5, 0, 0]], [[0, 0, 0], [0, 0, 0]], [[2e-4, 0, 0], [-2e-4, 0, 0]]],
        [],
    ),
    "one silent": ([[[0, 0, 0], [0.2, 0, 0]]], []),
    "all silent": ([[[0, 0, 0], [0, 0, 0]]], []),
    "inverted for a while": ([[[0.5, 0, 0], [0.5, 0, 0]], [[0.5, 0, 0], [-0.4, 0, 0]]] * 2, []),
    "less and less": ([[[0.5, 0.1 * k, 0], [-0.52, 0.12 * k, 0]] for k in range(8)], []),
    "louder elsewhere": ([[[0.5, 0, 0], [-0.4, 0, 0]], [[0.4, 0, 0], [-0.5, 0, 0]], [[0.1, 0, 0], [-0.5, 0, 0]]], []),
    "surround": ([[[0.5, 0, 0], [0, 0.5, 0], [0.3, 0.3, 0], [0, 0.9, 0], [0.1, 0, 0], [0, 0, 0.2]]], SHARES[2][1]),
    "all unlike": (
        [
            [
                [0.3, 0, 0, 0, 0, 0],
                [0, 0.3, 0, 0, 0, 0],
                *([0, 0, 0] + [0.3 * (i == j) for j in range(3)] for i in range(3)),
            ]
        ],
        [],
    ),
    "begins softly": ([[[0.001, 0, 0], [0, 0.001, 0]], [[0.5, 0, 0], [0, 0, 0.5]]], []),
    "inverted, and a louder low channel": ([[[0.3, 0, 0], [-0.2, 0, 0], [0, 0.9, 0]]], SHARES[1][1]),
    "a low channel, and then what cancels": (
        [[[0, 0, 0], [0, 0, 0], [0, 0.9, 0]], [[0.3, 0, 0], [-0.2, 0, 0], [0, 0.9, 0]]],
        SHARES[1][1],
    ),
    "only a low channel": ([[[0, 0, 0], [0, 0, 0], [0, 0, 0], [0.5, 0, 0], [0, 0, 0], [0, 0, 0]]], SHARES[2][1]),
}
"""For each frame and channel what there is in it of a noise, of another one, of the first one 48 samples later, and of others.

All channels that are not silent have an offset, too.
"""

SILENCE: tuple[tuple[list[float], float, int, str], ...] = (
    ([0.5] * 10 + [0.0] * 10, 0.0, 100, "overlap"),
    ([0.0] * 7 + [0.5, 0.0004, 0.1, 0.5] + [0.0] * 8 + [0.3], 0.0, 100, "overlap"),
    ([0.0] * 12, 0.0, 100, "overlap"),
    ([0.00009] * 5 + [0.0] * 5, 0.01, 50, "pad"),
    ([0.00011] * 5 + [0.0] * 5, 0.0, 50, "pad"),
    ([0.5, 0.0, 0.25], 0.1, 100, "overlap"),
    ([0.5] * 30 + [0.0] * 3, -0.1, 50, "pad"),
    ([0.5] * 13, 0.0, 100, "overlap"),
)
"""Levels of quarters of a second of a square wave, an offset, the hop as a percentage of a window, and the last window."""


W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0"
W64_TAIL = b"\xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a"


def wav(data: int, riff: int, magic: bytes = b"RIFF", before: bytes = b"") -> bytes:
    """The head of a WAV file: mono, 16 bits, 8 kHz."""
    form = struct.pack("<IHHIIHH", 16, 1, 1, 8_000, 16_000, 2, 16)
    return magic + struct.pack("<I", riff) + b"WAVE" + before + b"fmt " + form + b"data" + struct.pack("<I", data)


def rf64(data: int, riff: int, magic: bytes = b"RF64") -> bytes:
    """The head of an RF64 or BW64 file."""
    return wav(2**32 - 1, 2**32 - 1, magic, b"ds64" + struct.pack("<IQQQI", 28, riff, data, data // 2, 0))


def w64(data: int, whole: int) -> bytes:
    """The head of a Wave64 file."""
    form = struct.pack("<QHHIIHH", 40, 1, 1, 8_000, 16_000, 2, 16)
    head = W64_RIFF + struct.pack("<Q", whole) + b"wave" + W64_TAIL + b"fmt " + W64_TAIL + form
    return head + b"data" + W64_TAIL + struct.pack("<Q", data)


def aiff(sound: int, whole: int) -> bytes:
    """The head of an AIFF file."""
    comm = struct.pack(">IHIH", 18, 1, 8_000, 16) + bytes.fromhex("400bfa00000000000000")
    return b"FORM" + struct.pack(">I", whole) + b"AIFFCOMM" + comm + b"SSND" + struct.pack(">III", sound, 0, 0)


N = 80_000
HEADS: dict[str, tuple[bytes, int]] = {
    "wav": (wav(N, N + 36), N),
    "wav with a chunk behind": (wav(N, N + 46), N + 10),
    "wav that is cut off": (wav(N, N + 36), N // 2),
    "wav that lacks two bytes": (wav(N, 0), N - 2),
    "wav of nothing": (wav(0, 36), N),
    "wav of sox": (wav(0x7FFFF000, 0x7FFFF024), N),
    "wav of ffmpeg": (wav(2**32 - 1, 2**32 - 1), N),
    "wav of unknown size, 5 GB": (wav(0x7FFFF000, 0x7FFFF024), 5 * 10**9),
    "wav of 32 bits, 5 GiB": (wav(2**30, 2**30 + 36), 5 * 2**30),
    "wav with a size near 2 GiB and a chunk behind": (wav(2**31 - 20, 2**31 + 1_000), 2**31 - 20 + 1_008),
    "wav with an odd chunk in front": (wav(N, N + 48, before=b"LIST" + struct.pack("<I", 3) + bytes(4)), N),
    "wav with a list of 2 GB": (wav(N, N + 44, before=b"LIST" + struct.pack("<I", 2 * 10**9)), N),
    "rf64": (rf64(N, N + 72), N),
    "rf64 that is cut off": (rf64(N, N + 72), N - 9_000),
    "rf64 of 5 GB": (rf64(5 * 10**9, 5 * 10**9 + 72), 5 * 10**9),
    "rf64 of 5 GB that is cut off": (rf64(5 * 10**9, 5 * 10**9 + 72), 3 * 10**9),
    "rf64 of nothing": (rf64(0, 0), N),
    "rf64 of ones": (rf64(2**64 - 1, 2**64 - 1), N),
    "rf64 of nothing in either place": (rf64(0, 0).replace(b"data\xff\xff\xff\xff", b"data" + bytes(4)), N),
    "bw64": (rf64(N, N + 72, b"BW64"), N),
    "w64": (w64(N + 24, N + 104), N),
    "w64 that is cut off": (w64(N + 24, N + 104), N // 3),
    "w64 of unknown size": (w64(2**63 - 1, 2**64 - 1), N),
    "w64 of nothing but heads": (w64(24, 104), N),
    "w64 of no sense": (w64(3, 104), N),
    "au": (b".snd" + struct.pack(">IIIII", 24, N, 3, 8_000, 1), N),
    "au of unknown size": (b".snd" + struct.pack(">IIIII", 24, 2**32 - 1, 3, 8_000, 1), N),
    "au of 2 GiB": (b".snd" + struct.pack(">IIIII", 24, 2**31, 3, 8_000, 1), N),
    "au that is cut off": (b".snd" + struct.pack(">IIIII", 24, N, 3, 8_000, 1), N // 2),
    "aiff": (aiff(N + 8, N + 46), N),
    "aiff of sox": (aiff(0x7F000008, 0x7F00002E), N),
    "aiff that is cut off": (aiff(N + 8, N + 46), N // 2),
    "caf": (b"caff\0\1\0\0data" + struct.pack(">QI", N + 4, 0), N),
    "caf of unknown size": (b"caff\0\1\0\0data" + struct.pack(">qI", -1, 0), N),
    "caf of the largest size": (b"caff\0\1\0\0data" + struct.pack(">QI", 2**63 - 1, 0), N),
    "caf that is cut off": (b"caff\0\1\0\0data" + struct.pack(">QI", N + 4, 0), N // 2),
    "no sound": (b"RIFF\0\0\0\0WAVEfmt \0\0\0\0", 0),
    "another format": (b"fLaC" + bytes(40), N),
}
"""Heads of files, and how many bytes are behind them."""

ENTRIES = ((b"mp4a",), (b"drms",), (b"enca",), (b"aavd",), (b"avc1", b"enca"), (b"drmi", b"mp4a"))
"""Formats of the tracks of MP4 files."""

ENCRYPTIONS = (
    "",
    "fbb3112223bdd211b4b700a0c955fc6e",
    "14e68a292226174cb935dae07ee9289c",
    "338505438169e6499b74ad12cb86d58c",
)

OGGS: dict[str, tuple[list[str], list[float], float]] = {
    "one": (["02-strings.ogg"], [], 1),
    "with a bad byte": (["02-strings.ogg"], [0.5], 1),
    "with bad bytes": (["04-dance.opus"], [0.2, 0.21, 0.5, 0.9], 1),
    "with a bad header": (["04-dance.opus"], [0.0001], 1),
    "that is cut off": (["04-dance.opus"], [], 0.61),
    "chain of one format": (["02-strings.ogg", "02-strings.ogg"], [], 1),
    "chain of two formats": (["02-strings.ogg", "04-dance.opus"], [0.7], 1),
    "no Ogg file": (["03-rock.mp3"], [], 1),
}
"""Clips that are joined, where in them bytes are changed, and the share of the file that is kept."""

TAG_NAMES = (
    ("hip hop", "rapping", "vocals", "drum and bass", "rnb", "calm", "guitar", "blues", "00s"),
    ("genre---hiphop", "mood/theme---relaxing", "Mellow", "Rock music", "Hip-Hop"),
)
TYPED = (
    *(
        "rap",
        "Hip-Hop",
        "hiphop",
        "singer",
        "drum'n'bass",
        "drum & bass",
        "R&B",
        "chill",
        "guitars",
        "blue",
        "blues music",
    ),
    *("2000s", "00", "rock", "mellow", "music", "s", "&", "no such word", "", "été"),
)
"""Tags of two models, and what people type for them."""

LOUD: tuple[tuple[list[list[float]], bool], ...] = (
    ([[0.5, 7.9], [-8.0]], False),
    ([[0.5], [-8.5, 1.0]], False),
    ([[32_768.0]], False),
    ([[40_000.0, 12.0]], False),
    ([[2.0**23]], False),
    ([[2.0**31]], False),
    ([[3e9, 1e20]], False),
    ([[12_345_678.0]], False),
    ([[0.5] * 50, [20.25] + [0.5] * 49], True),
    ([[20.0] * 30, [0.5] * 70], True),
    ([[34_356.8203125] + [0.0] * 99], True),
)
"""Blocks of samples, a hundred in a second, and whether the codec is lossy."""

TUNES: dict[str, dict[str, Any]] = {
    "a dance in A minor": {
        "bpm": 123.4,
        "drums": 0.5,
        "fade": 1.5,
        "chords": [[57, 60, 64], [53, 57, 60], [57, 60, 64], [52, 56, 59]],
        "tuning_cents": 12,
        "hiss": 0,
        "seconds": 24,
        "rate_hz": 16_000,
    },
    "a march in D major, at another rate": {
        "bpm": 95.0,
        "drums": 0.3,
        "fade": 3,
        "chords": [[50, 54, 57], [55, 59, 62], [57, 61, 64], [50, 54, 57]],
        "tuning_cents": -28,
        "hiss": 0.001,
        "seconds": 21.3,
        "rate_hz": 22_050,
    },
    "drums": {
        "bpm": 170.0,
        "drums": 0.8,
        "fade": 0,
        "chords": [[]],
        "tuning_cents": 0,
        "hiss": 0.0001,
        "seconds": 13,
        "rate_hz": 16_000,
    },
    "a held chord": {
        "bpm": 60.0,
        "drums": 0,
        "fade": 0,
        "chords": [[51, 55, 58]],
        "tuning_cents": 40,
        "hiss": 0,
        "seconds": 9,
        "rate_hz": 16_000,
    },
    "noise": {
        "bpm": 60.0,
        "drums": 0,
        "fade": 0,
        "chords": [[]],
        "tuning_cents": 0,
        "hiss": 0.2,
        "seconds": 8,
        "rate_hz": 16_000,
    },
    "two seconds": {
        "bpm": 120.0,
        "drums": 0.5,
        "fade": 1,
        "chords": [[48, 52, 55]],
        "tuning_cents": 5,
        "hiss": 0,
        "seconds": 2,
        "rate_hz": 16_000,
    },
    "silence": {
        "bpm": 120.0,
        "drums": 0,
        "fade": 0,
        "chords": [[]],
        "tuning_cents": 0,
        "hiss": 0,
        "seconds": 5,
        "rate_hz": 16_000,
    },
}
"""Music of simple waves: tempo and level of its drums, how fast chords of four beats (MIDI) fade, tuning, and noise in all."""

TUNINGS = (-50.0, -33.3, 0.0, 12.5, 49.9)


def numbers() -> dict[str, Any]:
    """Windows, resampled samples, means, ranks and lengths; sizes in headers, encryption, pages, and samples too large."""
    return {
        "windows": [_windows(*case) for case in product((8, 5, 3), ("overlap", "pad", "drop"), (0, 3, 7))],
        "short": [_short(*case) for case in SHORT],
        "sound": [_sound(*case) for case in SOUND],
        "shares": [_shares(*case) for case in SHARES],
        "mixed": {name: _mixed(parts, channels) for name, (parts, channels) in MIXED.items()},
        "silence": [_silence(*case) for case in SILENCE],
        "printed": [{"x": x, "decimals": n, "text": f"{x:.{n}f}"} for x, n in PRINTED],
        "resampled": [_resampled(*rates) for rates in RATES_HZ],
        "aggregated": _aggregated(),
        "plain": _plain(),
        "calibrated": _calibrated(),
        "ranked": _ranked(),
        "applies": _applies(),
        "rifx": header_problem(lambda: io.BytesIO(b"RIFX" + bytes(40))),
        "heads": {name: _head(*case) for name, case in HEADS.items()},
        "mp4s": [_mp4(entries) for entries in ENTRIES],
        "asfs": [_asf(guid) for guid in ENCRYPTIONS],
        "oggs": {name: _ogg(*case) for name, case in OGGS.items()},
        "loud": [_loud(*case) for case in LOUD],
        "words": [_words(names) for names in TAG_NAMES],
        "tunes": {name: _tune(tune) for name, tune in TUNES.items()},
        "tempo_key": _tempo_key(),
        "keys": [KeyEstimate(key, 0.98765).record() for key in KEYS],
        "mp3_samples": {
            name: len(audio.load(CLIPS / name, hz)) for name, hz in (("03-rock.mp3", 44_100), ("06-folk.mp3", 48_000))
        },
    }


def _windows(hop: int, last: Any, lead: int) -> dict[str, Any]:
    spec = InputSpec(16_000, 8, hop, last, lead)
    cases = []
    for n in (1, 2, 5, 7, 8, 9, 13, 16, 17, 30):
        cuts = audio.cut(np.arange(1, n + 1, dtype=np.float32), spec)
        cases.append({"n": n, "starts": audio.window_starts(n, spec).tolist(), "windows": cuts.astype(int).tolist()})
    return {"hop": hop, "last": last, "lead": lead, "cases": cases}


def _short(n: int, size: int) -> dict[str, Any]:
    spec = InputSpec(1_600, size, size, conditioning=Conditioning())
    samples = np.arange(1, n + 1, dtype=np.float32) / 8
    return {
        "size": size,
        "samples": samples.tolist(),
        "starts": audio.window_starts(len(samples), spec).tolist(),
        "windows": audio.cut(samples, spec).tolist(),
    }


def _sound(parts: list[tuple[int, float]], offset: float, rumble_hz: float) -> dict[str, Any]:
    spec = InputSpec(1_600, 1_600, 1_600, conditioning=Conditioning())
    waves = [level * np.array(noise(n, 3)) for n, level in parts]
    whole = np.concatenate(waves) + offset
    whole += 0.1 * np.sin(2 * np.pi * rumble_hz / 1_600 * np.arange(len(whole)))
    stream = SoundStream([whole.astype(np.float32)], spec)
    given = np.concatenate(list(stream))
    return {
        "parts": parts,
        "offset": offset,
        "rumble_hz": rumble_hz,
        "left_out": stream.left_out().tolist(),
        "n_given": len(given),
        "begins": [round(float(x), 5) for x in given[:5]],
        "places": stream.at([0, len(given) // 2, len(given) - 1]).tolist(),
        "silent_seconds": stream.silent_seconds(),
        "warnings": stream.warnings(),
    }


def _shares(n_channels: int, channels: list[str]) -> dict[str, Any]:
    return {"n_channels": n_channels, "channels": channels, "shares": downmix_shares(n_channels, channels).tolist()}


def noise(n: int, seed: int) -> list[float]:
    """The same in any language: a linear congruential generator (Numerical Recipes, 3rd edition, section 7.1)."""
    out = []
    for _ in range(n):
        seed = (1_664_525 * seed + 1_013_904_223) % 2**32
        out.append(seed / 2**31 - 1)
    return out


def _mixed(parts: list[list[list[float]]], channels: list[str]) -> dict[str, Any]:
    n = FRAME * len(parts)
    first, second = np.array(noise(n + 48, 1)), np.array(noise(n, 2))
    sources = np.stack([first[48:], second, first[:n], *(np.array(noise(n, seed)) for seed in (3, 4, 5))])
    mixer, mono, lost = Mixer(Conditioning()), [], []
    for k, part in enumerate(parts):
        offsets = 0.01 * np.any(part, axis=1)[:, None]
        frame = (np.array(part) @ sources[: len(part[0]), k * FRAME : (k + 1) * FRAME] + offsets).astype(np.float32)
        mono.append(mixer.mix(frame, 1.0, MIX_HZ, channels))
        lost.append(lost_share(frame, downmix_shares(len(frame), channels), MIX_HZ))
    return {
        "parts": parts,
        "channels": channels,
        "mono": [round(float(x), 5) for x in np.concatenate(mono)[::MIXED_EVERY]],
        "lost": [round(x, 4) for x in lost],
        "cancelled_seconds": mixer.cancelled_seconds,
        "warnings": mixer.warnings(),
    }


def _silence(levels: list[float], offset: float, hop_percent: int, last: Any) -> dict[str, Any]:
    size = 1_600  # a second
    spec = InputSpec(1_600, size, size * hop_percent // 100, last, conditioning=Conditioning())
    wave = np.where(np.arange(400) % 2, 1.0, -1.0)
    samples = (np.array(levels)[:, None] * wave).ravel()[:-70] + offset
    meter = SilenceMeter(spec)
    meter.add(samples.astype(np.float32))
    starts = audio.window_starts(len(samples), spec)
    weights = meter.weights(starts)
    assert weights is not None
    return {
        "levels": levels,
        "offset": offset,
        "hop": spec.hop_samples,
        "last": last,
        "silent_seconds": meter.silent_seconds(),
        "weights": weights.tolist(),
        "warnings": meter.warnings(),
    }


def _resampled(from_hz: int, to_hz: int) -> dict[str, Any]:
    """Three tones, the highest at 80 % of what both rates can hold."""
    highest = 0.4 * min(from_hz, to_hz)
    t = np.arange(3_000) / from_hz
    tones = [0.3 * np.sin(2 * math.pi * hz * t + i) for i, hz in enumerate((220.0, 0.3 * highest, highest))]
    out = audio.resample(np.sum(tones, axis=0), from_hz, to_hz)
    kept = [round(float(x), 5) for x in out[::EVERY]]
    return {"from_hz": from_hz, "to_hz": to_hz, "n": len(out), "every": EVERY, "samples": kept}


class _Sparse(io.RawIOBase):
    """A file of zeros behind its head."""

    def __init__(self, head: bytes, n_bytes: int) -> None:
        self._head, self._n_bytes, self._at = head, n_bytes, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (self._n_bytes if whence == 2 else 0)
        return self._at

    def read(self, size: int = -1) -> bytes:
        n = max(0, min(size, self._n_bytes - self._at))
        return (self._head[self._at : self._at + n] + bytes(n))[:n]


def _head(head: bytes, n_behind: int) -> dict[str, Any]:
    n_bytes = len(head) + n_behind
    found = read_header(_Sparse(head, n_bytes))  # type: ignore[arg-type]
    case: dict[str, Any] = {"head": head.hex(), "n_bytes": n_bytes, "start": None}
    if found is not None:
        size = found.sound.value - found.sound.extra
        for at, new in header_patches(_Sparse(head, n_bytes)):  # type: ignore[arg-type]
            if at == found.sound.at:
                size = int.from_bytes(new, found.sound.order) - found.sound.extra
        is_all = (found.sound_bytes is None and found.kind in (b".snd", b"caff", b"FORM")) or size == 0
        case["start"], case["sound_bytes"] = found.start, found.sound_bytes
        case["present"] = n_behind if is_all else min(size, n_behind)
    seconds = n_behind / 16_000
    case["shortfall"] = shortfall(lambda: _Sparse(head, n_bytes), seconds)  # type: ignore[arg-type, return-value]
    return case


def _mp4(entries: tuple[bytes, ...]) -> dict[str, Any]:
    def box(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(content)) + name + content

    tracks = b""
    for number, entry in enumerate(entries):
        table = box(b"stbl", box(b"stsd", bytes(4) + struct.pack(">II", 1, 16) + entry + bytes(8)))
        head = box(b"tkhd", bytes(12) + struct.pack(">I", 7 + number) + bytes(8))
        tracks += box(b"trak", head + box(b"mdia", box(b"minf", table)))
    content = (
        box(b"ftyp", b"M4A ") + struct.pack(">I", 1) + b"mdat" + struct.pack(">Q", 20) + bytes(4) + box(b"moov", tracks)
    )
    protected = [is_protected(lambda: io.BytesIO(content), "mov,mp4", number) for number in range(len(entries))]
    return {"file": content.hex(), "first_track": 7, "protected": protected}


def _kept(values: Any, every: int, decimals: int = 4) -> list[float]:
    return [round(float(x), decimals) for x in np.ravel(values)[::every]]


def _waves(tune: dict[str, Any]) -> np.ndarray:
    n = round(tune["seconds"] * tune["rate_hz"])
    t = np.arange(n) / tune["rate_hz"]
    hiss = np.array(noise(n, 7))
    beat = np.floor(t * tune["bpm"] / 60)
    since = t - beat * 60 / tune["bpm"]
    out = tune["hiss"] * hiss + tune["drums"] * hiss * np.exp(-40 * since) * np.where(beat % 2, 1, 0.3)
    out += np.where(beat % 2, 0, tune["drums"]) * np.sin(2 * np.pi * 60 * since) * np.exp(-18 * since)
    bar = np.floor(beat / 4)
    envelope = 0.1 * np.exp(-tune["fade"] * (t - bar * 240 / tune["bpm"]))
    for i, chord in enumerate(tune["chords"]):
        here = np.where(bar % len(tune["chords"]) == i, envelope, 0)
        for pitch, harmonic in product(chord, (1, 2, 3, 4)):
            hz = 440 * 2 ** ((pitch - 69 + tune["tuning_cents"] / 100) / 12) * harmonic
            out += here * 0.6**harmonic * np.sin(2 * np.pi * hz * t)
    return out.astype(np.float32)


def _tune(tune: dict[str, Any]) -> dict[str, Any]:
    """Features and estimates of a tune."""
    meter = TempoKeyMeter(tune["rate_hz"])
    meter.add(_waves(tune))
    meter.flush()
    assert meter.onset_features is not None
    assert meter.pitch_features is not None
    onsets, steps, cents = meter.onset_features.onsets(), meter.pitch_features.steps(), meter.pitch_features.cents
    return tune | {
        "n_frames": len(onsets),
        "onsets": _kept(onsets, 37),
        "n_steps": len(steps),
        "steps": _kept(steps, 19),
        "cents": _kept(cents, 7),
        "tempo": estimate_tempo(onsets).record(),
        "key": estimate_key(steps, cents).record(),
    }


def _tempo_key() -> dict[str, Any]:
    """Features of recordings that are too long for a test: more than 64 windows, and more than 300 steps."""
    n_frames, n_steps = 25_000, 450
    onsets = np.maximum(0, np.array(noise(n_frames * 6, 8)).reshape(-1, 6) - 0.5).astype(np.float32)
    onsets[::31] += 2
    steps = (0.01 * np.abs(noise(n_steps * 330, 9))).astype(np.float16).reshape(-1, 330)
    steps[:, 207::60] += np.float16(0.25)
    cents = np.abs(noise(100, 10)) + 3 * np.exp(-0.01 * (np.arange(100) - 95.0) ** 2)
    grams = tempograms(onsets)
    return {
        "n_frames": n_frames,
        "n_segments": len(grams),
        "tempograms": _kept(grams, 173),
        "tempo": estimate_tempo(onsets).record(),
        "refined": [refine_bpm(onsets, bpm) for bpm in (119.0, 121.0, 242.0)],
        "n_steps": n_steps,
        "tuning_cents": tuning_cents(cents),
        "tuned": [{"cents": cents, "pitches": _kept(tuned_pitches(steps[:5], cents), 7)} for cents in TUNINGS],
        "key": estimate_key(steps, cents).record(),
    }


def _words(names: tuple[str, ...]) -> dict[str, Any]:
    finder = TagFinder(names)
    found = {word: {"spelled": finder.spelled(word), "meant": finder.meant(word)} for word in TYPED}
    return {"names": names, "found": found, "words": finder.words()}


def _asf(guid: str) -> dict[str, Any]:
    objects = bytes(30) + bytes.fromhex(guid) + bytes(10)
    content = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + struct.pack("<Q", len(objects)) + objects
    return {"file": content.hex(), "protected": is_protected(lambda: io.BytesIO(content), "asf", 0)}


def _ogg(names: list[str], places: list[float], share: float) -> dict[str, Any]:
    content = bytearray(b"".join((CLIPS / name).read_bytes() for name in names))
    for place in places:
        content[int(place * len(content))] ^= 0xFF
    whole = bytes(content[: int(share * len(content))])
    case: dict[str, Any] = {"names": names, "places": places, "share": share, "links": None}
    links = find_links(lambda: io.BytesIO(whole))
    if links:
        case["links"] = [[link.start, link.end] for link in links]
        case["differ"] = any(link.formats != links[0].formats for link in links)
        case["n_pages"], case["n_lost"] = count_pages(lambda: io.BytesIO(whole))
        case["may_be_cut_off"] = may_be_cut_off(lambda: io.BytesIO(whole))
    return case


def _loud(blocks: list[list[float]], is_lossy: bool) -> dict[str, Any]:
    meter = ScaleMeter()
    meter.is_lossy = is_lossy
    for block in blocks:
        meter.add(np.array(block, np.float32), 100)
    case: dict[str, Any] = {"blocks": blocks, "is_lossy": is_lossy, "warnings": [], "error": None}
    try:
        case["warnings"] = meter.warnings(sum(map(len, blocks)) / 100)
    except AudioError as error:
        case["error"] = error.reason
    return case


PLAIN = {
    "aiff": "pcm_s8 pcm_s16be pcm_s24be pcm_s32be pcm_f32be pcm_f64be pcm_mulaw pcm_alaw pcm_s16le",
    "au": "pcm_s8 pcm_s16be pcm_s24be pcm_s32be pcm_f32be pcm_f64be pcm_mulaw pcm_alaw",
    "caf": "pcm_s8 pcm_s16be pcm_s16le pcm_s24be pcm_s24le pcm_s32be pcm_s32le pcm_f32be pcm_f32le pcm_f64be pcm_mulaw",
}
"""Containers of uncompressed sound that the page reads itself, and the encoders that can write into each."""


def _plain() -> list[dict[str, Any]]:
    """Small files of every kind, and their samples as FFmpeg decodes them."""
    wave = np.sin(np.arange(24) ** 2 / 9, dtype=np.float64) * np.array([[0.9], [-0.2]])
    found = []
    for muxer, encoder in [(muxer, one) for muxer, encoders in PLAIN.items() for one in encoders.split()]:
        file = io.BytesIO()
        with av.open(file, "w", format=muxer) as container:
            stream = container.add_stream(encoder, rate=22_050, layout="stereo")
            frame = av.AudioFrame.from_ndarray(wave, format="dblp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = 22_050, 0, Fraction(1, 22_050)
            for part in (frame, None):
                container.mux(stream.encode(part))
        with av.open(io.BytesIO(file.getvalue())) as container:
            resampler = av.AudioResampler("fltp", "stereo")
            blocks = [out.to_ndarray() for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        samples = np.concatenate(blocks, axis=1)
        assert samples.shape == wave.shape, (muxer, encoder)
        content = base64.b64encode(file.getvalue()).decode()
        found.append({"kind": f"{muxer} {encoder}", "file": content, "samples": samples.tolist()})
    return found


def _aggregated() -> dict[str, Any]:
    taggram = np.random.default_rng(1).random((5, 4), np.float32)
    weights = np.array([1, 0, 0.25, 0.5, 0], np.float32)
    return {
        "taggram": taggram.ravel().tolist(),
        "n_tags": 4,
        "scores": aggregate(taggram).tolist(),
        "weights": weights.tolist(),
        "weighted": aggregate(taggram, weights).tolist(),
    }


def _calibrated() -> dict[str, Any]:
    """Two windows of three tags, the second of which has no map; scores at both ends among them."""
    maps = {"a": Platt(0.5, -1.0), "c": Platt(2.0, 0.25)}
    scores = np.array([[0.0, 0.3, 1.0], [0.6, 0.7, 0.25]], np.float32)
    return {
        "calibration": {name: {"slope": one.slope, "offset": one.offset} for name, one in maps.items()},
        "scores": scores.ravel().tolist(),
        "calibrated": calibrated(scores, ("a", "b", "c"), maps).ravel().tolist(),
    }


def _ranked() -> dict[str, Any]:
    """Equal scores, thresholds reached, not reached and absent, and a degree (b)."""
    tags = (Tag("a"), Tag("b", "regression", "mood"), Tag("c", category="genre"), Tag("d"))
    scores = np.array([0.25, 0.5, 0.5, 0.125], np.float32)
    result = TagScores(
        Path("a.mp3"), "m", Vocabulary(tags), scores, scores[None], np.zeros(1), 2.0, 1.5, {"a": 0.25, "c": 0.75}
    )
    return {
        "vocabulary": [{"name": t.name, "kind": t.kind, "category": t.category} for t in tags],
        "thresholds": result.thresholds,
        "scores": scores.tolist(),
        "record": result.to_record(),
        "silent_record": replace(
            result, scores=0 * scores, taggram=0 * scores[None], silent=True, silent_seconds=1.5, warnings=("silent",)
        ).to_record(),
        "applicable": [t.tag for t in result.top(0, "auto")],
    }


def _applies() -> list[dict[str, Any]]:
    """Which tags apply by thresholds and rules, of scores that bring every case: equal scores, chains, words that no tag has, a degree."""
    groups = (("voice", "no voice"), ("slow", "slower", "fast"))
    tree = {"metal": ("rock",), "fusion": ("jazz", "rock"), "swing": ("jazz",), "soprano": ("woman",)}
    rivals = {"classical": ("jazz", "swing"), "rock": ("classical", "no such tag"), "jazz": ("classical",)}
    return [
        _applies_by(TagConstraints(groups, {"soprano": "woman", "woman": "voice"})),
        _applies_by(
            TagConstraints(
                groups, {"slower": "fusion"}, {**tree, "woman": ("voice",), "fast": ("energy",)}, rivals, 0.125
            )
        ),
        _applies_by(TagConstraints((*groups, ("metal", "swing")), {"metal": "slow"}, tree, {"metal": ("jazz",)})),
    ]


def _applies_by(rules: TagConstraints) -> dict[str, Any]:
    names = {"voice": ("voice", "no voice", "woman", "soprano"), "tempo": ("fast", "slow", "slower")}
    names["genre"] = ("rock", "metal", "jazz", "swing", "fusion", "classical")
    tags = tuple(Tag(name, category=category) for category, some in names.items() for name in some)
    thresholds = {tag.name: 0.5 for tag in tags if tag.name != "slower"}
    tags += (Tag("energy", "regression", "mood"),)
    rng = np.random.default_rng(2)
    cases = []
    for scores in rng.choice(np.linspace(0, 1, 9), (60, len(tags))).astype(np.float32):
        result = TagScores(
            None, "m", Vocabulary(tags), scores, scores[None], np.zeros(1), 2.0, 1.5, thresholds, rules=rules
        )
        cases.append(
            {
                "scores": scores.tolist(),
                "applicable": [tag.tag for tag in result.top(0, "auto")],
                "top_per_category": [tag.tag for tag in result.top_per_category("auto")],
            }
        )
    return {
        "vocabulary": [{"name": t.name, "kind": t.kind, "category": t.category} for t in tags],
        "thresholds": thresholds,
        "rules": asdict(rules),
        "cases": cases,
    }


if __name__ == "__main__":
    OUT.write_text(json.dumps(numbers(), separators=(",", ":")) + "\n")
    FORMATS.write_text(json.dumps(page_formats()) + "\n")
    WORDS.write_text(json.dumps(page_words(), ensure_ascii=False) + "\n")
