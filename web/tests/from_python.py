"""Expected values for the page's own tests, and its audio endings: `python web/tests/from_python.py` writes both."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from earmark import audio
from earmark.audio.conditioning import Mixer, SilenceMeter, downmix_shares, lost_share
from earmark.core.audio_formats import page_suffixes
from earmark.core.calibration import Platt, calibrated
from earmark.core.card import Conditioning, InputSpec
from earmark.core.tag_constraints import TagConstraints
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.tagging.aggregation import aggregate
from earmark.tagging.tag_scores import TagScores

OUT = Path(__file__).with_name("numbers.json")
SUFFIXES = Path(__file__).parents[1] / "src/audio_suffixes.json"
CLIPS = Path(__file__).parents[2] / "examples/clips"
RATES_HZ = ((44_100, 16_000), (48_000, 16_000), (22_050, 16_000), (8_000, 16_000), (44_100, 12_000), (96_000, 22_050))
EVERY = 7  # of the resampled samples, so many are kept

SHORT = ((0, 3, 0, 8), (2, 5, 1, 8), (0, 1, 0, 8), (0, 4, 0, 4), (5, 0, 0, 8), (0, 7, 0, 8))
"""Samples that are silent, that are not, and that are silent again; and the length of a window."""

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
    "one silent": ([[[0, 0, 0], [0.2, 0, 0]]], []),
    "all silent": ([[[0, 0, 0], [0, 0, 0]]], []),
    "inverted for a while": ([[[0.5, 0, 0], [0.5, 0, 0]], [[0.5, 0, 0], [-0.4, 0, 0]]] * 2, []),
    "less and less": ([[[0.5, 0.1 * k, 0], [-0.52, 0.12 * k, 0]] for k in range(8)], []),
    "louder elsewhere": ([[[0.5, 0, 0], [-0.4, 0, 0]], [[0.4, 0, 0], [-0.5, 0, 0]], [[0.1, 0, 0], [-0.5, 0, 0]]], []),
    "surround": ([[[0.5, 0, 0], [0, 0.5, 0], [0.3, 0.3, 0], [0, 0.9, 0], [0.1, 0, 0], [0, 0, 0.2]]], SHARES[2][1]),
    "only a low channel": ([[[0, 0, 0], [0, 0, 0], [0, 0, 0], [0.5, 0, 0], [0, 0, 0], [0, 0, 0]]], SHARES[2][1]),
}
"""For each frame and channel what there is in it of a noise, of another one, and of the first one 48 samples later.

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


def numbers() -> dict[str, Any]:
    """Windows, resampled samples, means, ranks and lengths."""
    return {
        "windows": [_windows(*case) for case in product((8, 5, 3), ("overlap", "pad"), (0, 3, 7))],
        "short": [_short(*case) for case in SHORT],
        "shares": [_shares(*case) for case in SHARES],
        "mixed": {name: _mixed(parts, channels) for name, (parts, channels) in MIXED.items()},
        "silence": [_silence(*case) for case in SILENCE],
        "printed": [{"x": x, "decimals": n, "text": f"{x:.{n}f}"} for x, n in PRINTED],
        "resampled": [_resampled(*rates) for rates in RATES_HZ],
        "aggregated": _aggregated(),
        "calibrated": _calibrated(),
        "ranked": _ranked(),
        "held": _held(),
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


def _short(silent: int, sound: int, silent_again: int, size: int) -> dict[str, Any]:
    spec = InputSpec(16_000, size, size, conditioning=Conditioning())
    samples = np.zeros(silent + sound + silent_again, np.float32)
    samples[silent : silent + sound] = np.arange(1, sound + 1) / 8
    return {
        "size": size,
        "samples": samples.tolist(),
        "starts": audio.window_starts(len(samples), spec).tolist(),
        "windows": audio.cut(samples, spec).tolist(),
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
    sources = np.stack([first[48:], second, first[:n]])
    mixer, mono, lost = Mixer(Conditioning()), [], []
    for k, part in enumerate(parts):
        offsets = 0.01 * np.any(part, axis=1)[:, None]
        frame = (np.array(part) @ sources[:, k * FRAME : (k + 1) * FRAME] + offsets).astype(np.float32)
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
    """Equal scores, and thresholds reached, not reached and absent."""
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
        "holding": [t.tag for t in result.top(0, "auto")],
    }


def _held() -> list[dict[str, Any]]:
    """What holds by thresholds and rules, of scores that bring every case: equal scores, chains, words that no tag has."""
    groups = (("voice", "no voice"), ("slow", "slower", "fast"))
    tree = {"metal": ("rock",), "fusion": ("jazz", "rock"), "swing": ("jazz",), "soprano": ("woman",)}
    rivals = {"classical": ("jazz", "swing"), "rock": ("classical", "no such tag"), "jazz": ("classical",)}
    return [
        _held_by(TagConstraints(groups, {"soprano": "woman", "woman": "voice"})),
        _held_by(TagConstraints(groups, {"slower": "fusion"}, {**tree, "woman": ("voice",)}, rivals, 0.125)),
        _held_by(TagConstraints((*groups, ("metal", "swing")), {"metal": "slow"}, tree, {"metal": ("jazz",)})),
    ]


def _held_by(rules: TagConstraints) -> dict[str, Any]:
    names = {"voice": ("voice", "no voice", "woman", "soprano"), "tempo": ("fast", "slow", "slower")}
    names["genre"] = ("rock", "metal", "jazz", "swing", "fusion", "classical")
    tags = tuple(Tag(name, category=category) for category, some in names.items() for name in some)
    thresholds = {tag.name: 0.5 for tag in tags if tag.name != "slower"}
    rng = np.random.default_rng(2)
    cases = []
    for scores in rng.choice(np.linspace(0, 1, 9), (60, len(tags))).astype(np.float32):
        result = TagScores(
            None, "m", Vocabulary(tags), scores, scores[None], np.zeros(1), 2.0, 1.5, thresholds, rules=rules
        )
        cases.append(
            {
                "scores": scores.tolist(),
                "holding": [tag.tag for tag in result.top(0, "auto")],
                "few": [tag.tag for tag in result.top_per_category("auto")],
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
    SUFFIXES.write_text(json.dumps(page_suffixes()) + "\n")
