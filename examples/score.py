"""Reads the note files of `notes/`: a small text format of ours, described in README.md of this folder.

`read_piece(path)` gives a `Piece`: parts, and notes on a beat axis (one beat is a quarter note) as they are written,
exact, before any humanising. Everything is checked while reading: a bar that is too long is an error with its line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path

DYNAMICS = {"pp": 36, "p": 50, "mp": 64, "mf": 78, "f": 94, "ff": 110}
DRUMS = {
    "kick": 36, "sidestick": 37, "snare": 38, "clap": 39, "swirl": 40, "floor": 41, "hat": 42, "pedalhat": 44,
    "lowtom": 45, "openhat": 46, "midtom": 47, "crash": 49, "hightom": 50, "ride": 51, "bell": 53,
    "tambourine": 54, "shaker": 82,
}  # fmt: skip
GRID_ACCENTS = {"o": -26, "x": 0, "X": 20}
CLIP_FORMATS = ("flac", "m4a", "mp3", "ogg", "opus")
ACCENT = 18
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_TOKEN = re.compile(r"(?P<what>r|-|[A-G][#b]?\d(?:\+[A-G][#b]?\d)*)(?::(?P<length>[\d./]+))?(?P<marks>['!]*)")


class NotesError(ValueError):
    """A note file says something that cannot be played; the message names the file and the line."""


@dataclass(frozen=True)
class Part:
    """One instrument. `program` is the General MIDI number 1..128; with `kit` it is a drum kit (1 standard, 41 brush).

    volume, pan (64 is the middle), reverb, chorus, vibrato: MIDI controllers, 0..127. timing_ms and touch: how far
    (standard deviation, milliseconds and MIDI velocity) the player strays. gate_percent: how much of its written
    length a note sounds. strum_ms: delay between the notes of a chord. pedal_beats: press the pedal anew every so
    many beats, 0 is never. pump_percent: how deep the part dips on every beat, as if a kick drum ducked it.
    """

    name: str
    program: int = 1
    kit: int = 0
    volume: int = 100
    pan: int = 64
    reverb: int = 40
    chorus: int = 0
    vibrato: int = 0
    timing_ms: int = 6
    touch: int = 4
    gate_percent: int = 96
    strum_ms: int = 0
    pedal_beats: int = 0
    pump_percent: int = 0


@dataclass(frozen=True)
class Note:
    """A written note: beat and length in beats, MIDI pitch 0..127, velocity 1..127, index within its chord."""

    part: str
    beat: Fraction
    length_beats: Fraction
    pitch: int
    velocity: float
    chord_index: int = 0


@dataclass(frozen=True)
class Section:
    """A stretch of bars; the tempo moves evenly from start to end (beats a minute)."""

    name: str
    first_beat: Fraction
    length_beats: Fraction
    start_bpm: float
    end_bpm: float


@dataclass(frozen=True)
class Clip:
    """How the rendered piece is stored.

    detail: bits a second for m4a, mp3 and opus; bits a sample, at most 16, for flac; for ogg FFmpeg's global_quality.
    """

    suffix: str
    sample_rate_hz: int
    channels: int
    detail: int


@dataclass
class Piece:
    name: str
    title: str = ""
    style: str = ""
    beats_per_bar: int = 4
    swing: float = 0.5
    seed: int = 0
    fade_seconds: float = 0.0
    tail_seconds: float = 3.0
    limiting_db: float = 5.0
    clip: Clip | None = None
    parts: dict[str, Part] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def length_beats(self) -> Fraction:
        return sum((section.length_beats for section in self.sections), Fraction(0))

    @property
    def length_seconds(self) -> float:
        """Length as written; a tempo that moves evenly over the beats lasts by its logarithmic mean, nearly this."""
        return sum(float(s.length_beats) * 60 / ((s.start_bpm + s.end_bpm) / 2) for s in self.sections)


def midi_pitch(name: str) -> int:
    """'C4' -> 60, 'F#3' -> 54, 'Bb2' -> 46."""
    step = {"": 0, "#": 1, "b": -1}[name[1:-1]]
    pitch = 12 * (int(name[-1]) + 1) + _STEPS[name[0]] + step
    if pitch > 127:
        raise ValueError(f"{name} is above G9, the highest MIDI note")
    return pitch


def read_piece(path: Path) -> Piece:
    """The piece in a note file. Raises NotesError with file and line for anything it cannot play."""
    reader = _Reader(Piece(name=path.stem))
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = raw.partition("# ")[0].strip() if not raw.startswith("#") else ""
        if not line:
            continue
        try:
            reader.line(line)
        except NotesError:
            raise
        except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
            raise NotesError(f"{path.name}, line {number}: {error} in {line!r}") from error
    reader.end_section()
    if reader.piece.clip is None or not reader.piece.notes:
        raise NotesError(f"{path.name}: a piece needs a 'clip' line and at least one section with notes")
    return reader.piece


class _Reader:
    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.section: tuple[str, float, float] | None = None
        self.voices: list[_Voice] = []

    def line(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        if line.startswith("|"):
            if not self.voices:
                raise ValueError("a line of bars follows the name of a part")
            self.voices[-1].play(line)
        elif word in ("title", "style"):
            setattr(self.piece, word, rest)
        elif word in ("beats_per_bar", "seed"):
            setattr(self.piece, word, int(rest))
        elif word in ("swing", "fade_seconds", "tail_seconds", "limiting_db"):
            setattr(self.piece, word, float(rest))
        elif word == "clip":
            self.piece.clip = _clip(rest.split())
        elif word == "part":
            part = _part(rest.split())
            self.piece.parts[part.name] = part
        elif word == "section":
            self.end_section()
            name, _, start, *end = rest.split()
            self.section = (name, float(start), float(end[-1] if end else start))
        elif self.section is None:
            raise ValueError(f"unknown word {word!r} before the first section")
        else:
            names, bar_line, bars = line.partition("|")
            name, *drum = names.split()
            if name not in self.piece.parts:
                raise ValueError(f"no part {name!r}; there are {', '.join(self.piece.parts)}")
            if drum and drum[0] not in DRUMS:
                raise ValueError(f"no drum {drum[0]!r}; there are {', '.join(DRUMS)}")
            pitch = DRUMS[drum[0]] if drum else None
            self.voices.append(_Voice(self.piece, self.piece.parts[name], pitch))
            self.voices[-1].play(bar_line + bars)

    def end_section(self) -> None:
        if self.section is None:
            return
        name, start_bpm, end_bpm = self.section
        lengths = {voice.bars for voice in self.voices}
        if len(lengths) != 1:
            raise NotesError(
                f"{self.piece.name}: section {name!r} has voices of {sorted(lengths)} bars; make them equal"
            )
        first_beat = self.piece.length_beats
        length = Fraction(lengths.pop() * self.piece.beats_per_bar)
        for voice in self.voices:
            self.piece.notes += voice.notes(first_beat)
        self.piece.sections.append(Section(name, first_beat, length, start_bpm, end_bpm))
        self.section, self.voices = None, []


class _Voice:
    """One line of music in one section: collects notes bar by bar, and dynamics with their ramps."""

    def __init__(self, piece: Piece, part: Part, drum_pitch: int | None) -> None:
        self.piece, self.part, self.drum_pitch = piece, part, drum_pitch
        self.bars = 0
        self.length = Fraction(1)
        self.last_bar: list[str] = []
        self.written: list[list] = []  # [beat, length, pitches, accent]
        self.dynamics: list[tuple[Fraction, int, int]] = []  # (beat, from, to)

    def play(self, bars: str) -> None:
        cells = bars.strip().strip("|").split("|")
        for cell in cells:
            tokens = cell.split()
            if tokens == ["%"]:
                tokens = [t for t in self.last_bar if t.split("-")[0] not in DYNAMICS]
            self._bar(tokens)
            self.last_bar = tokens

    def _bar(self, tokens: list[str]) -> None:
        start = Fraction(self.bars * self.piece.beats_per_bar)
        beat, end = start, start + self.piece.beats_per_bar
        for token in tokens:
            low, _, high = token.partition("-")
            if low in DYNAMICS:
                self.dynamics.append((beat, DYNAMICS[low], DYNAMICS[high or low]))
            elif self.drum_pitch is not None:
                beat = self._grid(token, beat, Fraction(self.piece.beats_per_bar))
            else:
                beat = self._note(token, beat)
        if beat != end:
            raise ValueError(f"a bar of {beat - start} beats in {' '.join(tokens)!r}; it should have {end - start}")
        self.bars += 1

    def _grid(self, token: str, beat: Fraction, length: Fraction) -> Fraction:
        if unknown := set(token) - {".", *GRID_ACCENTS}:
            raise ValueError(f"a drum bar has . o x X, not {''.join(sorted(unknown))!r}")
        step = length / len(token)
        for index, mark in enumerate(token):
            if mark != ".":
                self.written.append([beat + index * step, step, [self.drum_pitch], GRID_ACCENTS[mark]])
        return beat + length

    def _note(self, token: str, beat: Fraction) -> Fraction:
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise ValueError(f"cannot read {token!r}; a note is like F#4, C4+E4:1.5 or Bb3:1/2'!, a rest r, a hold -")
        if match["length"]:
            self.length = Fraction(match["length"])
        if match["what"] == "-":
            if not self.written:
                raise ValueError("a hold '-' needs a note before it")
            self.written[-1][1] += self.length
        elif match["what"] != "r":
            pitches = [midi_pitch(name) for name in match["what"].split("+")]
            accent = ACCENT if "!" in match["marks"] else 0
            sounding = self.length / 2 if "'" in match["marks"] else self.length
            self.written.append([beat, sounding, pitches, accent])
        return beat + self.length

    def notes(self, first_beat: Fraction) -> list[Note]:
        marks = self.dynamics or [(Fraction(0), DYNAMICS["mf"], DYNAMICS["mf"])]
        ends = [mark[0] for mark in marks[1:]] + [Fraction(self.bars * self.piece.beats_per_bar)]
        result = []
        for beat, length, pitches, accent in self.written:
            index = max((i for i, mark in enumerate(marks) if mark[0] <= beat), default=0)
            start, low, high = marks[index]
            level = low + (high - low) * float((beat - start) / (ends[index] - start))
            velocity = min(127.0, max(1.0, level + accent + self._pulse(beat)))
            result += [Note(self.part.name, first_beat + beat, length, p, velocity, i) for i, p in enumerate(pitches)]
        return result

    def _pulse(self, beat: Fraction) -> int:
        """The weight of a place in the bar: the first beat is heaviest, between the beats is lightest."""
        if beat % self.piece.beats_per_bar == 0:
            return 5
        return 1 if beat.denominator == 1 else -4


def _part(words: list[str]) -> Part:
    name, *options = words
    allowed = {f.name for f in fields(Part)} - {"name"}
    values = dict(zip(options[::2], map(int, options[1::2]), strict=True))
    if unknown := values.keys() - allowed:
        raise ValueError(f"unknown option {sorted(unknown)}; a part has {sorted(allowed)}")
    for option, value in values.items():
        highest = {"program": 128, "kit": 128, "gate_percent": 200, "pump_percent": 100}.get(option, 127)
        if not 0 <= value <= highest:
            raise ValueError(f"{option} {value} is not in 0..{highest}")
    return Part(name, **values)


def _clip(words: list[str]) -> Clip:
    suffix, rate, channels, detail = words
    if suffix not in CLIP_FORMATS:
        raise ValueError(f"unknown format {suffix!r}; use one of {', '.join(CLIP_FORMATS)}")
    return Clip(suffix, int(rate), {"mono": 1, "stereo": 2}[channels], int(detail))
