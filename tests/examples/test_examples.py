"""The example music: its notes are playable, its clips are what examples/README.md says, and it can be rebuilt."""

from __future__ import annotations

import shutil
import struct
import sys
from pathlib import Path

import av
import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))

import midi  # noqa: E402
import render  # noqa: E402
import score  # noqa: E402

NOTES = sorted((EXAMPLES / "notes").glob("*.txt"))
CLIPS = sorted((EXAMPLES / "clips").iterdir())


def by_name(path: Path) -> str:
    return path.name


def struck_and_released(data: bytes) -> list[tuple[int, int]]:
    """(notes on, notes off) of every track of a Standard MIDI File, read without the writer's help."""
    kind, length, _, n_tracks, _ = struct.unpack(">4sIHHH", data[:14])
    assert (kind, length) == (b"MThd", 6)
    counts, position = [], 14
    for _ in range(n_tracks):
        kind, length = struct.unpack(">4sI", data[position : position + 8])
        assert kind == b"MTrk"
        position, end = position + 8, position + 8 + length
        on = off = 0
        while position < end:
            while data[position] & 0x80:  # the delta time
                position += 1
            status = data[position + 1]
            position += 2
            on, off = on + (status >> 4 == 9), off + (status >> 4 == 8)
            if status == 0xFF:  # a meta event; ours are shorter than 128 bytes
                position += 2 + data[position + 1]
            else:
                position += 1 if status >> 4 in (0xC, 0xD) else 2
        assert position == end
        counts.append((on, off))
    assert position == len(data)
    return counts


def test_every_piece_has_its_clip_and_every_clip_its_piece():
    expected = [f"{path.stem}.{score.read_piece(path).clip.suffix}" for path in NOTES]
    assert len(expected) >= 4
    assert [path.name for path in CLIPS] == expected


@pytest.mark.parametrize("path", NOTES, ids=by_name)
def test_notes_are_in_range_and_inside_the_piece(path):
    piece = score.read_piece(path)
    assert piece.title
    assert piece.length_beats % piece.beats_per_bar == 0
    assert {note.part for note in piece.notes} == set(piece.parts)
    for note in piece.notes:
        lowest, highest = (35, 82) if piece.parts[note.part].kit else (21, 108)
        assert lowest <= note.pitch <= highest
        assert 1 <= note.velocity <= 127
        assert note.beat >= 0
        assert note.length_beats > 0
        assert note.beat + note.length_beats <= piece.length_beats


@pytest.mark.parametrize("path", NOTES, ids=by_name)
def test_midi_file_strikes_and_releases_every_note_and_is_the_same_twice(path):
    piece = score.read_piece(path)
    counts = struck_and_released(midi.to_midi(piece))
    written = [sum(note.part == name for note in piece.notes) for name in piece.parts]
    assert counts == [(0, 0), *((n, n) for n in written)]
    assert midi.to_midi(score.read_piece(path)) == midi.to_midi(piece)


@pytest.mark.parametrize("path", CLIPS, ids=by_name)
def test_clip_is_small_and_sounds_from_end_to_end(path):
    assert path.stat().st_size < 300_000
    samples, sample_rate_hz = render.decode(path)
    assert np.isfinite(samples).all()
    assert 15 <= samples.shape[1] / sample_rate_hz <= 35
    peak = np.abs(samples).max()
    assert 0.5 < peak < 0.99, "too soft, or near clipping"
    half_second = sample_rate_hz // 2
    n_blocks = samples.shape[1] // half_second
    blocks = samples[:, : n_blocks * half_second].reshape(len(samples), n_blocks, half_second)
    rms_dbfs = 20 * np.log10(np.sqrt(np.mean(blocks**2, axis=(0, 2))) + 1e-12)
    assert rms_dbfs[:-4].min() > -50, "a silence before the last two seconds"
    end_dbfs = 20 * np.log10(np.sqrt(np.mean(samples[:, -sample_rate_hz // 20 :] ** 2)) + 1e-12)
    assert end_dbfs < rms_dbfs.max() - 30, "the end is cut off"


@pytest.mark.parametrize("path", CLIPS, ids=by_name)
def test_clip_says_what_it_is(path):
    piece = score.read_piece(EXAMPLES / "notes" / f"{path.stem}.txt")
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        metadata = {key.lower(): value for key, value in {**container.metadata, **stream.metadata}.items()}
        stated_seconds = container.duration / av.time_base
        assert (stream.rate, stream.channels) == (piece.clip.sample_rate_hz, piece.clip.channels)
    samples, sample_rate_hz = render.decode(path)
    assert stated_seconds == pytest.approx(samples.shape[1] / sample_rate_hz, abs=0.1)
    assert metadata["title"] == piece.title
    assert metadata["artist"] == "earmark examples"


@pytest.mark.parametrize(
    ("bars", "complaint"),
    [
        ("flute | C4:1 D4 E4", r"tune.txt, line 4: a bar of 3 beats .* it should have 4"),
        ("flute | C4:1 D4 E4 H4", "cannot read 'H4'"),
        ("flute | -:4", "a hold '-' needs a note before it"),
        ("oboe | C4:4", "no part 'oboe'; there are flute"),
        ("flute cowbell | x...", "no drum 'cowbell'; there are kick"),
        ("flute kick | x..y", "a drum bar has . o x X, not 'y'"),
        ("flute | C4:4\nflute | C4:4 | D4:4", r"'a' has voices of \[1, 2\] bars"),
        ("flute | C#9:4 | B9:4", "B9 is above G9"),
    ],
)
def test_a_mistake_in_the_notes_is_named(tmp_path, bars, complaint):
    path = tmp_path / "tune.txt"
    path.write_text(f"clip flac 16000 mono 16\npart flute program 74\nsection a tempo 100\n{bars}\n", encoding="utf-8")
    with pytest.raises(score.NotesError, match=complaint):
        score.read_piece(path)


def test_dynamics_holds_and_chords_are_read_as_written(tmp_path):
    path = tmp_path / "tune.txt"
    path.write_text(
        "clip flac 16000 mono 16\npart flute program 74\nsection a tempo 100\n"
        "flute | p-f C4:1 D4+F#4:1! -:2 | % | f Bb3:4\n",
        encoding="utf-8",
    )
    notes = score.read_piece(path).notes
    assert [(float(n.beat), float(n.length_beats), n.pitch) for n in notes] == [
        (0, 1, 60), (1, 3, 62), (1, 3, 66), (4, 1, 60), (5, 3, 62), (5, 3, 66), (8, 4, 58),
    ]  # fmt: skip
    first, _, _, halfway, _, _, last = (n.velocity for n in notes)
    assert last - first == score.DYNAMICS["f"] - score.DYNAMICS["p"]
    assert halfway - first == pytest.approx((last - first) / 2)


def test_limiter_holds_the_ceiling_and_leaves_the_soft_part_alone():
    soft = 0.1 * np.sin(np.arange(16_000) / 7)
    samples = np.stack([soft, soft])
    samples[:, 8_000:8_020] *= 30
    result = render.limited(samples, 0.5, 16_000)
    assert np.abs(result).max() <= 0.5 + 1e-12
    np.testing.assert_allclose(result[:, :7_000], samples[:, :7_000])


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not render.SOUNDFONT.is_file(),
    reason="needs the program fluidsynth and the Fluid (R3) SoundFont",
)
def test_rendering_a_piece_gives_its_clip(tmp_path):
    piece = score.read_piece(EXAMPLES / "notes" / "01-piano.txt")
    path = render.render(piece, render.SOUNDFONT, tmp_path)
    samples, sample_rate_hz = render.decode(path)
    shipped, shipped_rate_hz = render.decode(EXAMPLES / "clips" / path.name)
    assert sample_rate_hz == shipped_rate_hz
    assert samples.shape[1] == pytest.approx(shipped.shape[1], rel=0.05)
    assert 20 * np.log10(np.sqrt(np.mean(samples**2) / np.mean(shipped**2))) == pytest.approx(0, abs=2)
