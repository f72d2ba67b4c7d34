"""Expected values for the page's own tests, and its audio endings: `python web/tests/from_python.py` writes both."""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from earmark import audio
from earmark.core.audio_formats import page_suffixes
from earmark.core.calibration import Platt, calibrated
from earmark.core.card import InputSpec
from earmark.core.tag_constraints import TagConstraints
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.tagging.aggregation import aggregate
from earmark.tagging.tag_scores import TagScores

OUT = Path(__file__).with_name("numbers.json")
SUFFIXES = Path(__file__).parents[1] / "src/audio_suffixes.json"
CLIPS = Path(__file__).parents[2] / "examples/clips"
RATES_HZ = ((44_100, 16_000), (48_000, 16_000), (22_050, 16_000), (8_000, 16_000), (44_100, 12_000), (96_000, 22_050))
EVERY = 7  # of the resampled samples, so many are kept


def numbers() -> dict[str, Any]:
    """Windows, resampled samples, means, ranks and lengths."""
    return {
        "windows": [_windows(*case) for case in product((8, 5, 3), ("overlap", "pad"), (0, 3, 7))],
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
    return {"taggram": taggram.ravel().tolist(), "n_tags": 4, "scores": aggregate(taggram).tolist()}


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
        "holding": [t.tag for t in result.top(0, "auto")],
    }


def _held() -> dict[str, Any]:
    """What holds by thresholds and rules, of scores that bring every case: equal scores, chains, words that no tag has."""
    names = ("voice", "no voice", "woman", "soprano", "fast", "slow", "slower", "rock")
    categories = ("voice", "voice", "voice", "voice", "tempo", "tempo", "tempo", "genre")
    tags = tuple(Tag(name, category=category) for name, category in zip(names, categories, strict=True))
    groups = (("voice", "no voice"), ("slow", "slower", "fast"))
    rules = TagConstraints(groups, {"soprano": "woman", "woman": "voice"})
    thresholds = {name: 0.5 for name in names if name != "slower"}
    rng = np.random.default_rng(2)
    cases = []
    for scores in rng.choice(np.linspace(0, 1, 9), (60, len(names))).astype(np.float32):
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
        "rules": {"exclusive": groups, "requires": rules.requires},
        "cases": cases,
    }


if __name__ == "__main__":
    OUT.write_text(json.dumps(numbers(), separators=(",", ":")) + "\n")
    SUFFIXES.write_text(json.dumps(page_suffixes()) + "\n")
