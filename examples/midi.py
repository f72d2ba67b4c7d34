"""Plays a `Piece` onto a Standard MIDI File (format 1: a tempo track and one track per part), as a person would.

The player's freedom (timing, touch, strummed chords, swing, pedal) is added here, with a seed, so a piece always
comes out the same. Format: Standard MIDI Files 1.0, MIDI Manufacturers Association.
"""

from __future__ import annotations

import struct

import numpy as np
from score import Note, Part, Piece

TICKS_PER_BEAT = 480
DRUM_CHANNEL = 9
_VOLUME, _PAN, _EXPRESSION, _PEDAL, _VIBRATO, _REVERB, _CHORUS = 7, 10, 11, 64, 1, 91, 93
Event = tuple[int, int, bytes]  # tick, order within the tick, message


def to_midi(piece: Piece) -> bytes:
    """The bytes of a Standard MIDI File of the piece. Raises ValueError for more than 15 pitched parts."""
    tracks = [_tempo_track(piece)]
    free_channels = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    for index, part in enumerate(piece.parts.values()):
        if not part.kit and not free_channels:
            raise ValueError(f"{piece.name}: more than 15 pitched parts; MIDI has 15 channels for them")
        channel = DRUM_CHANNEL if part.kit else free_channels.pop(0)
        random = np.random.default_rng([piece.seed, index])
        tracks.append(_part_track(piece, part, channel, random))
    header = struct.pack(">4sIHHH", b"MThd", 6, 1, len(tracks), TICKS_PER_BEAT)
    return header + b"".join(struct.pack(">4sI", b"MTrk", len(track)) + track for track in tracks)


def bpm_at(piece: Piece, beat: float) -> float:
    """The tempo at a beat, in beats a minute."""
    section = next((s for s in reversed(piece.sections) if float(s.first_beat) <= beat), piece.sections[0])
    share = min(1.0, (beat - float(section.first_beat)) / float(section.length_beats))
    return section.start_bpm + (section.end_bpm - section.start_bpm) * share


def swung(beat: float, swing: float) -> float:
    """The beat with its second half moved: swing 0.5 is straight, 2/3 is a triplet feel."""
    whole, part = divmod(beat, 1.0)
    bent = part / 0.5 * swing if part < 0.5 else swing + (part - 0.5) / 0.5 * (1 - swing)
    return whole + bent


def _tempo_track(piece: Piece) -> bytes:
    title = piece.title.encode()
    events: list[Event] = [(0, 0, b"\xff\x03" + _variable_length(len(title)) + title)]
    for half_beat in range(2 * int(piece.length_beats)):
        microseconds = round(60e6 / bpm_at(piece, half_beat / 2))
        events.append((_tick(half_beat / 2), 1, b"\xff\x51\x03" + microseconds.to_bytes(3, "big")))
    return _track(events)


def _part_track(piece: Piece, part: Part, channel: int, random: np.random.Generator) -> bytes:
    controls = {
        _VOLUME: part.volume, _PAN: part.pan, _REVERB: part.reverb, _CHORUS: part.chorus, _VIBRATO: part.vibrato,
    }  # fmt: skip
    events = [(0, 0, _control(channel, number, value)) for number, value in controls.items()]
    events.append((0, 1, bytes([0xC0 | channel, (part.kit or part.program) - 1])))
    own = sorted((n for n in piece.notes if n.part == part.name), key=lambda n: (n.beat, n.chord_index))
    for note, (start, end, velocity) in zip(own, _played(piece, part, own, random), strict=True):
        events.append((start, 3, bytes([0x90 | channel, note.pitch, velocity])))
        events.append((end, 2, bytes([0x80 | channel, note.pitch, 0])))
    beats = int(piece.length_beats)
    if part.pedal_beats:
        for beat in range(0, beats, part.pedal_beats):
            events.append((_tick(beat - 0.03), 4, _control(channel, _PEDAL, 0)))
            events.append((_tick(beat + 0.08), 4, _control(channel, _PEDAL, 127)))
    if part.pump_percent:
        for step in range(8 * beats):
            dip = part.pump_percent / 100 * (1 - (step % 8) / 7) ** 1.5
            events.append((_tick(step / 8), 4, _control(channel, _EXPRESSION, round(127 * (1 - dip)))))
    return _track(events)


def _played(piece: Piece, part: Part, notes: list[Note], random: np.random.Generator) -> list[tuple[int, int, int]]:
    """(first tick, last tick, velocity) of each note; the notes of one chord stray together, and a little apart."""
    played = []
    shared_ms = 0.0
    for note in notes:
        beats_per_ms = bpm_at(piece, float(note.beat)) / 60_000
        if note.chord_index == 0:
            shared_ms = float(np.clip(random.normal(0, part.timing_ms), -2 * part.timing_ms, 2 * part.timing_ms))
        late_ms = shared_ms + part.strum_ms * note.chord_index + abs(random.normal(0, part.timing_ms / 4))
        start = max(0.0, swung(float(note.beat), piece.swing) + late_ms * beats_per_ms)
        written_end = swung(float(note.beat + note.length_beats), piece.swing)
        sounding = max(0.05, written_end - swung(float(note.beat), piece.swing)) * part.gate_percent / 100
        velocity = int(np.clip(round(note.velocity + random.normal(0, part.touch)), 1, 127))
        played.append((_tick(start), _tick(start + sounding), velocity))
    return _released_in_time(notes, played)


def _released_in_time(notes: list[Note], played: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Ends a note before the same pitch is struck again: its late release would silence the new one."""
    result = list(played)
    next_start: dict[int, int] = {}
    for index in sorted(range(len(notes)), key=lambda i: played[i][0], reverse=True):
        start, end, velocity = played[index]
        pitch = notes[index].pitch
        result[index] = (start, max(start + 1, min(end, next_start.get(pitch, end))), velocity)
        next_start[pitch] = start
    return result


def _tick(beat: float) -> int:
    return max(0, round(beat * TICKS_PER_BEAT))


def _control(channel: int, number: int, value: int) -> bytes:
    return bytes([0xB0 | channel, number, value])


def _track(events: list[Event]) -> bytes:
    data, now = bytearray(), 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        data += _variable_length(tick - now) + message
        now = tick
    return bytes(data) + b"\x00\xff\x2f\x00"


def _variable_length(number: int) -> bytes:
    """Seven bits a byte, highest first, the top bit set on all but the last."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(0x80 | number & 0x7F)
    return bytes(reversed(groups))
