"""Training examples: 29.1 s of music, each a pure function of a seed and its number.

An example is drawn as a recipe, a small JSON document, and made from it: parts of one or two songs, perhaps at another
speed, mixed, and then augmented by :mod:`earmark.training.augment`. Teachers and student get exactly the same 16-bit
samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from earmark.datasets.labelled_set.shards import EXAMPLE_SAMPLES, RATE_HZ, loudness
from earmark.datasets.labelled_set.songs import Song, shares
from earmark.training.audio_store import Waveform
from earmark.training.augment import Samples, apply_step, draw_steps

Recipe = dict[str, Any]

UNCHANGED_PROBABILITY = 0.2
MIX_PROBABILITY = 0.3
SPEED_PROBABILITY = 0.4
MOST_SEMITONES = 2.0
_GOLDEN = (math.sqrt(5) - 1) / 2
_FADE_SAMPLES = 160  # 10 ms at the ends of a song that is repeated


class Examples:
    """The endless, numbered list of training examples over some songs.

    Songs are drawn by their shares with the golden ratio's sequence: any range of numbers holds every song about as
    often as its share says, so that any part of the labelled set is a fair sample.

    Args:
        songs: those of the split train are used.
        seconds: real length of every song, by id.
        seed: another seed, another list.
    """

    def __init__(self, songs: Sequence[Song], seconds: Mapping[str, float], seed: int) -> None:
        chosen = shares(songs)
        self.ids = [song.song_id for song, _ in chosen]
        self.ends = np.cumsum([share for _, share in chosen])
        self.seconds = seconds
        self.seed = seed
        self.offset = float(np.random.default_rng([seed]).random())

    def recipe(self, number: int) -> Recipe:
        """The recipe of example ``number`` (0, 1, ...)."""
        rng = np.random.default_rng([self.seed, number])
        place = (self.offset + number * _GOLDEN) % 1.0
        unchanged = rng.random() < UNCHANGED_PROBABILITY
        parts = [self._part(place, rng, unchanged)]
        if not unchanged and rng.random() < MIX_PROBABILITY:
            second = self._part(float(rng.random()), rng, unchanged)
            parts.append(second | {"level_db": round(float(rng.uniform(-12, 0)), 2)})
        return {"number": number, "parts": parts, "steps": [] if unchanged else draw_steps(rng)}

    def _part(self, place: float, rng: np.random.Generator, unchanged: bool) -> dict[str, Any]:
        song_id = self.ids[min(int(np.searchsorted(self.ends, place * self.ends[-1], side="right")), len(self.ids) - 1)]
        semitones = 0.0
        if not unchanged and rng.random() < SPEED_PROBABILITY:
            semitones = round(float(rng.uniform(-MOST_SEMITONES, MOST_SEMITONES)), 2)
        left = self.seconds[song_id] - EXAMPLE_SAMPLES / RATE_HZ * 2 ** (semitones / 12)
        # A song that is too short is repeated: it may begin anywhere.
        start = float(rng.uniform(0, left if left > 0 else self.seconds[song_id]))
        return {"song": song_id, "start_seconds": round(start, 3), "semitones": semitones}


def plain_recipes(songs: Sequence[Song], seconds: Mapping[str, float], most: int | None = None) -> list[Recipe]:
    """Unchanged examples that together cover songs, or at most so many per song, evenly spread over it."""
    recipes: list[Recipe] = []
    length = EXAMPLE_SAMPLES / RATE_HZ
    for song in songs:
        n = max(1, math.ceil(seconds[song.song_id] / length - 0.2))
        last = max(0.0, seconds[song.song_id] - length)
        # Few examples begin inside of the song: its ends are unlike the rest.
        starts = np.linspace(0, last, n) if most is None or n <= most else (np.arange(most) + 0.5) / most * last
        for start in starts:
            part = {"song": song.song_id, "start_seconds": round(float(start), 3), "semitones": 0.0}
            recipes.append({"number": len(recipes), "parts": [part], "steps": []})
    return recipes


def make_example(recipe: Recipe, waveforms: Mapping[str, Waveform]) -> npt.NDArray[np.int16]:
    """The samples of an example, (EXAMPLE_SAMPLES,) int16; 32767 is full scale, louder samples are clipped.

    Args:
        recipe: from :class:`Examples` or :func:`plain_recipes`.
        waveforms: songs by id, at 16 kHz.
    """
    first, *others = recipe["parts"]
    samples = _cut(first, waveforms[first["song"]])
    for part in others:
        added = _cut(part, waveforms[part["song"]])
        level = loudness(samples) / max(loudness(added), 1e-6) * 10 ** (part["level_db"] / 20)
        samples = samples + added * np.float32(level)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > 1.0:  # mixes and resampled audio are scaled; only a gain clips
        samples = samples / np.float32(peak)
    for step in recipe["steps"]:
        samples = apply_step(samples, step, RATE_HZ)
    out: npt.NDArray[np.int16] = np.rint(samples * np.float32(32767)).clip(-32767, 32767).astype(np.int16)
    return out


def to_float(samples: npt.NDArray[np.int16]) -> Samples:
    """int16 samples as float32 in -1..1: the input of teachers and student."""
    return samples.astype(np.float32) / np.float32(32767)


def _cut(part: Mapping[str, Any], waveform: Waveform) -> Samples:
    """A part of a song at its speed, (EXAMPLE_SAMPLES,); a song that ends too early begins again."""
    speed = 2 ** (part["semitones"] / 12)
    needed = math.ceil(EXAMPLE_SAMPLES * speed) + (0 if speed == 1 else 16)
    start = round(part["start_seconds"] * RATE_HZ)
    n = len(waveform)
    if start + needed <= n:
        samples = waveform.read(start, needed)
    elif n >= needed:
        samples = waveform.read(n - needed, needed)  # the start was rounded up
    else:
        whole = waveform.read()
        fade = np.linspace(0, 1, min(_FADE_SAMPLES, n // 2), dtype=np.float32)
        whole[: len(fade)] *= fade
        whole[n - len(fade) :] *= fade[::-1]
        samples = np.resize(np.roll(whole, -start), needed)
    if speed != 1:
        samples = soxr.resample(samples, RATE_HZ * speed, RATE_HZ, quality="HQ").astype(np.float32)
    return np.pad(samples[:EXAMPLE_SAMPLES], (0, max(0, EXAMPLE_SAMPLES - len(samples))))
