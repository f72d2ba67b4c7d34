"""Chord progressions in a key."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
MINOR_SCALE = (0, 2, 3, 5, 7, 8, 10)

_TRIADS = {"maj": (0, 4, 7), "min": (0, 3, 7), "dim": (0, 3, 6), "7": (0, 4, 7, 10)}

CHORDS: dict[str, dict[str, tuple[int, str]]] = {
    "major": {
        "I": (0, "maj"), "ii": (2, "min"), "iii": (4, "min"), "IV": (5, "maj"), "V": (7, "maj"), "vi": (9, "min"),
        "V7": (7, "7"), "viio": (11, "dim"), "bVII": (10, "maj"), "iv": (5, "min"), "V/V": (2, "7"), "V/vi": (4, "7"),
        "V/ii": (9, "7"), "V/IV": (0, "7"), "bVI": (8, "maj"),
    },
    "minor": {
        "i": (0, "min"), "iio": (2, "dim"), "III": (3, "maj"), "iv": (5, "min"), "v": (7, "min"), "V": (7, "maj"),
        "V7": (7, "7"), "VI": (8, "maj"), "VII": (10, "maj"), "IV": (5, "maj"), "bII": (1, "maj"), "viio": (11, "dim"),
        "V/V": (2, "7"), "V/iv": (0, "7"), "V/III": (10, "7"),
    },
}  # fmt: skip
"""Name -> semitones of the root above the tonic, and kind."""

LOOPS: dict[str, tuple[str, ...]] = {
    "major": (
        "I V vi IV", "I vi IV V", "I IV V IV", "I IV I V", "I bVII IV I", "I ii IV V", "I iii IV V", "I V IV V", "ii V I I",
        "I vi ii V", "I I IV V", "I IV vi V", "I I I I", "I IV I IV", "I V I V", "I I V V I I IV V", "I iii vi IV", "I IV iv I",
        "I V/V IV I", "I I I I IV IV I I V IV I V", "IV V I vi", "I bVII I bVII", "IV I V I", "I V/vi vi IV",
    ),
    "minor": (
        "i VI III VII", "i VII VI VII", "i iv v i", "i iv V i", "i VI iv V", "i VII VI V", "i i i i", "i IV i IV", "i v VI iv",
        "i III VII iv", "iio V i i", "i i iv V", "i VII i VII", "i VI VII i", "i i VI VII", "i iv VII III", "i v iv i", "VI VII i i",
        "i i i i iv iv i i V iv i V", "i bII i V", "i V i V", "i VI i VI", "i V/V V i",
    ),
}  # fmt: skip

_NEXT: dict[str, dict[str, dict[str, float]]] = {
    "major": {
        "I": {"IV": 3, "V": 2, "V7": 1, "vi": 3, "ii": 3, "iii": 1, "V/V": 0.4, "V/vi": 0.4, "V/IV": 0.3, "V/ii": 0.3, "viio": 0.4},
        "ii": {"V": 4, "V7": 3, "viio": 0.5, "IV": 0.5}, "iii": {"vi": 3, "IV": 2}, "IV": {"V": 3, "V7": 2, "I": 2, "ii": 1.5, "iv": 0.3},
        "V": {"I": 5, "vi": 1.2, "V7": 0.5, "IV": 0.4}, "V7": {"I": 6, "vi": 1}, "vi": {"ii": 3, "IV": 3, "V": 1, "iii": 0.5, "V/V": 0.5},
        "viio": {"I": 1}, "iv": {"I": 2, "V": 1}, "V/V": {"V": 3, "V7": 1}, "V/vi": {"vi": 1}, "V/ii": {"ii": 1}, "V/IV": {"IV": 1},
    },
    "minor": {
        "i": {"iv": 3, "V": 2, "V7": 1, "VI": 2, "VII": 1.5, "iio": 1, "III": 1, "v": 0.5, "V/iv": 0.4, "viio": 0.5, "bII": 0.3, "V/V": 0.3},
        "iio": {"V": 3, "V7": 2}, "III": {"VI": 2, "VII": 1, "iv": 1.5}, "iv": {"V": 3, "V7": 2, "i": 2, "VII": 1, "iio": 0.7},
        "V": {"i": 5, "VI": 1}, "V7": {"i": 6, "VI": 1}, "v": {"i": 1, "VI": 1}, "VI": {"iio": 1, "iv": 2, "V": 2, "VII": 1, "III": 1},
        "VII": {"III": 2, "i": 1.5, "VI": 1}, "viio": {"i": 1}, "V/iv": {"iv": 1}, "bII": {"V": 1}, "V/V": {"V": 1}, "V/III": {"III": 1},
    },
}  # fmt: skip


@dataclass(frozen=True)
class Chord:
    """A chord of some beats: pitch classes (root first), and the scale to play over it."""

    beats: float
    classes: tuple[int, ...]
    scale: tuple[int, ...]


def make_chord(rng: random.Random, name: str, beats: float, tonic: int, mode: str, sevenths: float) -> Chord:
    """A chord by its name in a key; ``sevenths`` is the chance of an added seventh of the scale."""
    root, kind = CHORDS[mode][name]
    scale = {(tonic + step) % 12 for step in (MAJOR_SCALE if mode == "major" else MINOR_SCALE)}
    classes = [(tonic + root + step) % 12 for step in _TRIADS[kind]]
    for note in classes:  # a chord note from outside the scale replaces its neighbour there
        if note not in scale:
            scale -= {(note + 1) % 12, (note - 1) % 12} - set(classes)
            scale.add(note)
    if len(classes) == 3 and rng.random() < sevenths:
        third_above = [
            note
            for note in sorted(scale, key=lambda note: (note - classes[2]) % 12)
            if 3 <= (note - classes[2]) % 12 <= 4
        ]
        classes += third_above[:1]
    return Chord(beats, tuple(classes), tuple(sorted(scale)))


def is_clear(names: str) -> bool:
    """Whether the tonic of a loop is not a matter of taste: it begins on it, and has more than two chords or only one.

    >>> [is_clear(names) for names in ("I V vi IV", "VI VII i i", "I IV I IV", "i i i i")]
    [True, False, False, True]
    """
    chords = names.split()
    return chords[0] in ("I", "i") and len(set(chords)) != 2


def tonic_leads(names: str) -> bool:
    """Whether the tonic's chord sounds longer than any other in a loop.

    >>> [tonic_leads(names) for names in ("I IV I V", "I V vi IV", "i i i i")]
    [True, False, True]
    """
    first, *others = sorted(Counter(names.split()).items(), key=lambda item: -item[1])
    return first[0] in ("I", "i") and all(count < first[1] for _, count in others)


def loop(
    rng: random.Random, names: str, tonic: int, mode: str, n_beats: float, beats_per_chord: float, sevenths: float
) -> list[Chord]:
    """A short progression over and over, as in popular music."""
    chords = [make_chord(rng, name, beats_per_chord, tonic, mode, sevenths) for name in names.split()]
    return [chords[i % len(chords)] for i in range(int(n_beats // beats_per_chord) + 1)]


def functional(
    rng: random.Random,
    tonic: int,
    mode: str,
    n_beats: float,
    beats_per_chord: float,
    phrase: int,
    sevenths: float,
    modulates: bool,
) -> list[Chord]:
    """Phrases of functional harmony with cadences; a middle part may go to a near key, and comes back."""
    home = "I" if mode == "major" else "i"
    total = int(n_beats // beats_per_chord) + 1
    away = range(0)
    there = (tonic, mode)
    if modulates:
        begin = phrase * rng.randint(1, max(1, total // phrase // 3))
        away = range(begin, begin + max(phrase, total // 4 // phrase * phrase))
        options = (
            [(tonic + 7, mode), ((tonic + 9) % 12, "minor")]
            if mode == "major"
            else [(tonic + 3, "major"), (tonic + 7, "minor")]
        )
        there = rng.choice([*options, (tonic + 5, mode)])
    chords: list[Chord] = []
    name = home
    for i in range(total):
        key, now = (there[0] % 12, there[1]) if i in away else (tonic, mode)
        start = "I" if now == "major" else "i"
        place = i % phrase
        if place == 0 and (i == 0 or rng.random() < 0.7):
            name = start
        elif place == phrase - 1:
            name = start if rng.random() < 0.6 else rng.choice(["V", "V7"])
        elif place == phrase - 2:
            name = rng.choice(["V", "V7", "V7", "IV" if now == "major" else "iv"])
        else:
            choices = _NEXT[now].get(name, {start: 1.0})
            name = rng.choices(list(choices), list(choices.values()))[0]
        chords.append(make_chord(rng, name, beats_per_chord, key, now, sevenths))
    return chords
