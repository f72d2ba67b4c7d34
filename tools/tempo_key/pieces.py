"""Random pieces of music of known tempo and key, as notes."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from tools.tempo_key.harmony import LOOPS, functional, is_clear, loop, tonic_leads
from tools.tempo_key.parts import LEADS, PADS, PIANOS, Score, accompaniment, bass, drums_part, melody, near, voicing
from tools.tempo_key.patterns import DRUMS


@dataclass(frozen=True)
class Note:
    """A note; pitch and channel as in MIDI, velocity 1..127."""

    begin_s: float
    end_s: float
    channel: int
    pitch: int
    velocity: int


@dataclass
class Piece:
    """Notes, and what is known of them.

    Attributes:
        bpm: None without a clear beat.
        is_clear: whether the key is not a matter of taste, see :func:`.harmony.is_clear`: such pieces are trained on.
        tonic_leads: whether the tonic's chord sounds longest, see :func:`.harmony.tonic_leads`; or harmony is functional.
    """

    notes: list[Note]
    programs: dict[int, int]
    bpm: float | None
    tonic: int
    mode: str
    style: str
    is_clear: bool = True
    tonic_leads: bool = True


def _ambient(rng: random.Random, seconds: float, tonic: int, mode: str) -> Piece:
    """Long chords and single notes at random times: no beat."""
    score = Score(rng)
    chords = functional(rng, tonic, mode, 64, 4, 4, 0.4, False)
    pads = [score.channel(rng.choice(PADS)) for _ in range(rng.randint(1, 2))]
    lead = score.channel(rng.choice((*LEADS, *PIANOS, 46, 88, 98)))
    at, density = 0.0, rng.choice([0.0, 0.3, 1.0])
    for chord in chords:
        length = rng.uniform(2.5, 8)
        for channel in pads:
            around = rng.randint(45, 72)
            for note in voicing(chord, around):
                score.add(at + rng.uniform(0, 0.4), length + 0.5, channel, note, rng.randint(45, 85))
        for _ in range(round(length * density)):
            note = near(rng.choice(chord.scale if rng.random() < 0.4 else chord.classes), rng.randint(60, 84))
            score.add(at + rng.uniform(0, length), rng.uniform(0.3, 2), lead, note, rng.randint(40, 85))
        at += length
        if at > seconds:
            break
    notes = [
        Note(begin, begin + beats, channel, pitch, velocity) for begin, beats, channel, pitch, velocity in score.notes
    ]
    return Piece(notes, score.programs, None, tonic, mode, "ambient")


def make_piece(seed: int, seconds: float) -> Piece:
    """A piece that follows from the seed: popular with drums, without drums, classical, counterpoint, rubato or ambient."""
    rng = random.Random(seed)
    tonic, mode = rng.randrange(12), rng.choice(["major", "minor"])
    style = rng.choices(
        ["drums", "no drums", "classical", "counterpoint", "techno", "rubato", "ambient"], [38, 12, 20, 10, 8, 6, 6]
    )[0]
    if style == "ambient":
        return _ambient(rng, seconds, tonic, mode)
    score = Score(rng)
    drums = None
    if style in ("drums", "techno"):
        names = [
            name
            for name in DRUMS
            if style == "drums" or name in ("techno", "house", "trance", "minimal", "electro", "drum_and_bass")
        ]
        drums = rng.choice(names)
        bar, per_beat, _, low, high = DRUMS[drums]
        bpm = rng.uniform(low, high)
        ternary = per_beat == 3
    else:
        bar = rng.choices([4, 3, 2], [6, 3, 1])[0]
        ternary = rng.random() < 0.2
        bpm = rng.uniform(45, 100) if ternary or style == "rubato" else 2 ** rng.uniform(math.log2(55), math.log2(180))
    n_beats = seconds * bpm / 60 * 1.15 + bar
    per_chord = float(bar if rng.random() < 0.75 else rng.choice([bar * 2, bar / 2 if bar % 2 == 0 else bar]))
    sevenths = rng.choice([0, 0, 0.1, 0.8])
    clear = leads = True
    if style in ("classical", "counterpoint", "rubato") or rng.random() < 0.15:
        per_chord = float(bar if bpm > 110 or rng.random() < 0.4 else max(1, bar // 2))
        chords = functional(rng, tonic, mode, n_beats, per_chord, rng.choice([4, 8]), sevenths / 2, rng.random() < 0.45)
    else:
        names = rng.choice(LOOPS[mode])
        clear, leads = is_clear(names), tonic_leads(names)
        chords = loop(rng, names, tonic, mode, n_beats, per_chord, sevenths)
    if style == "counterpoint":
        program = rng.choice([6, 19, 0, 48, 40, 73, 68, 20])
        for around in sorted(rng.sample([45, 52, 57, 62, 67, 72, 76], rng.randint(2, 4))):
            melody(score, chords, ternary, program, around)
    else:
        if rng.random() < (0.85 if style != "techno" else 0.95):
            bass(score, chords, ternary)
        for _ in range(rng.choices([0, 1, 2, 3], [1, 6, 4, 1])[0] if drums else rng.choice([1, 1, 2])):
            accompaniment(score, chords, bar, ternary)
        for _ in range(rng.choices([0, 1, 2], [3, 6, 1])[0] if style != "classical" else rng.choice([1, 1, 2])):
            melody(score, chords, ternary)
        if not score.notes:
            accompaniment(score, chords, bar, ternary)
    if drums:
        drums_part(score, drums, n_beats)
    wander = {"rubato": 0.22, "classical": rng.choice([0.0, 0.01, 0.03]), "counterpoint": rng.choice([0.0, 0.01])}.get(
        style, rng.choice([0, 0, 0.004])
    )
    jitter = rng.choice([0, 0, 0.004, 0.01, 0.018])
    swing = rng.uniform(0.5, 0.64) if not ternary and rng.random() < 0.12 else 0.5
    times = [0.0]
    pace = 1.0
    for _ in range(int(n_beats) + 40):
        pace = 1 + (pace - 1) * 0.7 + rng.gauss(0, wander)
        times.append(times[-1] + 60 / bpm * max(0.4, pace))
    skip = rng.uniform(0, 8) if rng.random() < 0.5 else 0.0  # the recording begins anywhere

    def second(beat: float) -> float:
        whole = math.floor(beat)
        part = beat - whole
        part = part * swing / 0.5 if part < 0.5 else swing + (part - 0.5) * (1 - swing) / 0.5
        whole = min(whole, len(times) - 2)
        return times[whole] + part * (times[whole + 1] - times[whole]) - skip

    notes = []
    for begin, beats, channel, pitch, velocity in score.notes:
        begin_s = second(begin) + (rng.gauss(0, jitter) if jitter else 0)
        if 0 <= begin_s < seconds:
            notes.append(Note(begin_s, max(begin_s + 0.05, second(begin + beats)), channel, pitch, velocity))
    name = f"{style}: {drums}" if drums else style
    return Piece(notes, score.programs, None if style == "rubato" else bpm, tonic, mode, name, clear, leads)
