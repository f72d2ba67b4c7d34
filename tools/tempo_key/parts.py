"""What the instruments of a piece play: accompaniment, bass, melody, drums."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from itertools import pairwise

from tools.tempo_key.harmony import Chord
from tools.tempo_key.patterns import CRASH, DRUMS

DRUM_CHANNEL = 9
BASSES = (32, 33, 34, 35, 36, 37, 38, 39, 43, 58, 70, 87)
PIANOS = (0, 1, 2, 3, 4, 5, 6, 7, 11, 16, 18, 19, 21, 22)
PLUCKED = (24, 25, 26, 27, 28, 29, 30, 45, 46, 104, 105, 107, 12, 13, 8, 10)
PADS = (48, 49, 50, 51, 52, 54, 61, 62, 63, 88, 89, 90, 91, 92, 94, 95, 97, 99, 16, 19, 20, 21)
LEADS = (
    22,
    40,
    41,
    42,
    56,
    57,
    60,
    64,
    65,
    66,
    67,
    68,
    69,
    70,
    71,
    72,
    73,
    74,
    75,
    78,
    79,
    80,
    81,
    82,
    84,
    85,
    87,
    29,
    26,
    0,
    11,
    52,
    53,
)


@dataclass
class Score:
    """Notes with times in beats, while a piece is written."""

    rng: random.Random
    notes: list[tuple[float, float, int, int, int]] = field(default_factory=list)
    programs: dict[int, int] = field(default_factory=dict)

    def channel(self, program: int) -> int:
        channel = next(i for i in range(16) if i != DRUM_CHANNEL and i not in self.programs)
        self.programs[channel] = program
        return channel

    def add(self, begin: float, beats: float, channel: int, pitch: int, velocity: float) -> None:
        self.notes.append((begin, beats, channel, pitch, max(1, min(127, round(velocity + self.rng.gauss(0, 6))))))


def near(pitch_class: int, around: int) -> int:
    """The pitch of a class that is nearest to ``around``."""
    return around + (pitch_class - around + 6) % 12 - 6


def voicing(chord: Chord, around: int) -> list[int]:
    return sorted(near(pitch_class, around) for pitch_class in chord.classes)


def accompaniment(score: Score, chords: list[Chord], bar: int, ternary: bool) -> None:
    rng = score.rng
    kind = rng.choice(["block", "pad", "arpeggio", "alberti", "offbeat", "strum", "pulse", "oompah", "stabs"])
    program = rng.choice(
        {"pad": PADS, "strum": PLUCKED, "arpeggio": (*PIANOS, *PLUCKED, 46, 81, 80, 88)}.get(
            kind, (*PIANOS, *PLUCKED, 48, 61, 80, 81)
        )
    )
    channel, around, loud = score.channel(program), rng.randint(52, 70), rng.randint(50, 95)
    step = (1 / 3 if ternary else rng.choice([0.25, 0.5, 0.5])) if kind in ("arpeggio", "pulse") else 0.5
    order = rng.choice([(0, 1, 2, 1), (0, 1, 2, 3), (0, 2, 1, 2), (3, 2, 1, 0), (0, 1, 2)])
    rhythm = sorted(rng.sample(range(8), rng.randint(2, 5)))  # of the stabs, in halves of beats
    at = 0.0
    for chord in chords:
        notes = voicing(chord, around)
        if kind in ("block", "pad"):
            times = [0.0] if kind == "pad" or rng.random() < 0.5 else [float(beat) for beat in range(int(chord.beats))]
            for i, time in enumerate(times):
                length = (times[i + 1] if i + 1 < len(times) else chord.beats) - time
                for note in notes:
                    score.add(at + time, length * 0.98, channel, note, loud)
        elif kind in ("arpeggio", "alberti", "pulse"):
            for i in range(round(chord.beats / step)):
                chosen = (
                    notes if kind == "pulse" else [[*notes, notes[0] + 12][order[i % len(order)] % (len(notes) + 1)]]
                )
                for note in chosen:
                    score.add(
                        at + i * step, step * rng.choice([0.9, 0.5, 1.2]), channel, note, loud - (8 if i % 2 else 0)
                    )
        else:
            for half in range(round(chord.beats * 2)):
                place = int(at * 2 + half) % (2 * bar)
                is_on = {
                    "offbeat": place % 2 == 1, "oompah": place % 2 == 0 and place > 0, "stabs": place % 8 in rhythm,
                    "strum": place % 2 == 0 or rng.random() < 0.6,
                }[kind]  # fmt: skip
                if is_on:
                    late = 2 / 3 if ternary and half % 2 else half % 2 / 2
                    for i, note in enumerate(notes):
                        begin = at + half // 2 + late + (i * 0.015 if kind == "strum" else 0)
                        score.add(
                            begin, 0.4 if kind != "strum" else 0.7, channel, note, loud + (8 if place == 0 else 0)
                        )
        at += chord.beats


def bass(score: Score, chords: list[Chord], ternary: bool) -> None:
    rng = score.rng
    kind = rng.choice(["roots", "roots", "eighths", "fifths", "walking", "octaves", "syncopated", "long"])
    channel, around, loud = score.channel(rng.choice(BASSES)), rng.randint(34, 43), rng.randint(70, 110)
    at = 0.0
    for chord, following in pairwise([*chords, chords[0]]):
        root = near(chord.classes[0], around)
        fifth = root + 7 if 7 in [(note - chord.classes[0]) % 12 for note in chord.classes] else root + 12
        if kind == "long":
            score.add(at, chord.beats, channel, root, loud)
        elif kind in ("roots", "fifths", "walking"):
            target = near(following.classes[0], around)
            for beat in range(int(chord.beats)):
                note = root
                if kind == "fifths" and beat % 2:
                    note = fifth - (12 if rng.random() < 0.5 else 0)
                if kind == "walking" and beat:
                    note = (
                        near(rng.choice([*chord.classes, *chord.scale]), (root + target) // 2)
                        if beat < chord.beats - 1
                        else target + rng.choice([-1, 1, 2, -2])
                    )
                score.add(at + beat, 0.9, channel, note, loud)
        elif kind == "syncopated":
            for time in (0, 0.75 if not ternary else 2 / 3, 1.5 if not ternary else 5 / 3, 2.5, 3.0):
                if time < chord.beats and rng.random() < 0.85:
                    score.add(at + time, 0.4, channel, rng.choice([root, root, root, fifth, root + 12]), loud)
        else:
            step = 1 / 3 if ternary else 0.5
            for i in range(round(chord.beats / step)):
                score.add(
                    at + i * step,
                    step * 0.8,
                    channel,
                    root + (12 if kind == "octaves" and i % 2 else 0),
                    loud - (i % 2) * 8,
                )
        at += chord.beats


def melody(score: Score, chords: list[Chord], ternary: bool, program: int | None = None, around: int = 0) -> None:
    rng = score.rng
    channel = score.channel(rng.choice(LEADS) if program is None else program)
    around, loud = around or rng.randint(62, 80), rng.randint(70, 110)
    values = [1 / 3, 2 / 3, 1, 2] if ternary else [0.25, 0.5, 0.75, 1, 1.5, 2]
    weights = [rng.random() ** 2 + 0.02 for _ in values]
    motif = [rng.choices(values, weights)[0] for _ in range(rng.randint(3, 7))]
    rests = rng.uniform(0, 0.3)
    total, at, i, pitch = sum(chord.beats for chord in chords), 0.0, 0, around
    ends, running = [], 0.0
    for chord in chords:
        running += chord.beats
        ends.append(running)
    which = 0
    while at < total:
        while at >= ends[which] - 1e-6 and which < len(chords) - 1:
            which += 1
        chord = chords[which]
        beats = motif[i % len(motif)]
        i += 1
        on_beat = abs(at - round(at)) < 0.01
        classes = chord.classes if on_beat or rng.random() < 0.4 else chord.scale
        options = [note for note in range(pitch - 7, pitch + 8) if note % 12 in classes and abs(note - around) < 13]
        if options:
            pitch = rng.choices(
                options, [math.exp(-abs(note - pitch) / 2.5) * (0.4 if note == pitch else 1) for note in options]
            )[0]
        if rng.random() > rests:
            score.add(at, beats * 0.95, channel, pitch, loud + (8 if on_beat else 0))
        at += beats


def drums_part(score: Score, name: str, n_beats: float) -> None:
    rng = score.rng
    bar, per_beat, lines, _, _ = DRUMS[name]
    lines = {drum: steps for drum, steps in lines.items() if len(lines) < 3 or rng.random() < 0.88}
    fills = rng.choice([0, 0, 4, 8])
    loud = rng.randint(75, 115)
    for number in range(int(n_beats // bar) + 1):
        is_fill = fills and number % fills == fills - 1
        if fills and number % fills == 0 and rng.random() < 0.6:
            score.add(number * bar, 1, DRUM_CHANNEL, CRASH, loud)
        for drum, steps in lines.items():
            for i, character in enumerate(steps):
                if character == "." or (is_fill and i >= len(steps) // 2):
                    continue
                score.add(
                    number * bar + i / per_beat, 0.2, DRUM_CHANNEL, drum, loud if character == "x" else loud * 0.55
                )
        if is_fill:
            for i in range(bar * per_beat // 2):
                if rng.random() < 0.75:
                    score.add(
                        number * bar + bar / 2 + i / per_beat, 0.2, DRUM_CHANNEL, rng.choice([38, 45, 47, 50]), loud
                    )
