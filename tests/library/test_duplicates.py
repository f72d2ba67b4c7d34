"""Duplicates: the same audio under other names, the same recording in other encodings, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from mutagen.flac import FLAC

from earmark.core.errors import ConfigError
from earmark.library.duplicates import find
from earmark.library.duplicates.copies import Copy, Encoding, read_encoding
from earmark.library.duplicates.find import DuplicateGroup, candidate_pairs, find_same_audio, find_same_sound
from earmark.library.index.track_index import Index
from earmark.library.query.search import Hit, Tracks
from earmark.library.scan.content import read_content
from tests.helpers import sounds
from tests.helpers.command import earmark_here, terminal
from tests.helpers.made_library import Row, make_index

RATE_HZ = 44_100
SECONDS = 6


def index_of(folder: Path, embedding: Callable[[Path], tuple[float, ...]] = lambda _: (1.0, 0.0)) -> Path:
    """An index of the files in a folder, as a scan makes it, but with embeddings as wanted: by default all are equal."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    rows = []
    for path in files:
        content = read_content(path)
        seconds = sum(frame.samples / frame.sample_rate for frame in av.open(str(path)).decode(audio=0))
        own = {name: getattr(content, name) for name in ("title", "artist", "album", "genre")}
        rows.append(Row(os.fsencode(path), {}, seconds, key=content.key, embedding=embedding(path), **own))
    index = make_index(folder.with_name("library.sqlite"), rows, embedding_dims=2)
    with Index.open(index, write=True) as opened:
        for path in files:
            status = path.stat()
            opened.execute(
                "UPDATE files SET size = ?, mtime_ns = ? WHERE path = ?",
                (status.st_size, status.st_mtime_ns, os.fsencode(path)),
            )
    return index


def same_audio(index: Path, notes: list[str] | None = None) -> list[DuplicateGroup]:
    with Index.open(index) as opened:
        return find_same_audio(opened, Tracks.load(opened), on_note=(notes if notes is not None else []).append)


def same_sound(
    index: Path, notes: list[str] | None = None, progress: list[tuple[int, int]] | None = None
) -> list[DuplicateGroup]:
    with Index.open(index) as opened:
        return find_same_sound(
            opened,
            Tracks.load(opened),
            jobs=2,
            on_note=(notes if notes is not None else []).append,
            on_progress=lambda *done: (progress if progress is not None else []).append(done),
        )


def names(group: DuplicateGroup) -> list[str]:
    return [copy.track.path.name for copy in group.copies]


def song(path: Path, seed: int = 0, gain: float = 1.0, trimmed_seconds: float = 0.0) -> Path:
    path.parent.mkdir(exist_ok=True)
    samples = sounds.music(SECONDS, RATE_HZ, 2, seed=seed)[:, round(trimmed_seconds * RATE_HZ) :]
    return sounds.write(path, samples * gain, RATE_HZ)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "Music"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def encodings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two songs, one of them in four encodings."""
    folder = tmp_path_factory.mktemp("encodings") / "Music"
    song(folder / "a.flac")
    song(folder / "a.mp3", gain=0.3)
    song(folder / "a.ogg", trimmed_seconds=1)
    song(folder / "a.m4a", gain=0.9)
    song(folder / "b.mp3", seed=5)
    song(folder / "c.ogg", seed=6)
    return folder


# The same audio -------------------------------------------------------------------------------------------


def test_copies_are_found_under_any_name_and_tags_and_the_best_has_most_tags(music: Path) -> None:
    first = song(music / "a.flac")
    song(music / "other.flac", seed=1)
    shutil.copy(first, music / "z.flac")
    tagged = Path(shutil.copy(first, music / "caf\udce9 with a long name.flac"))
    file = FLAC(os.fsencode(tagged))
    file.update({"title": "Blue", "artist": "Miles"})
    file.save()
    (group,) = same_audio(index_of(music))
    assert (group.kind, group.reason) == ("audio", "more tags")
    assert names(group) == ["caf\udce9 with a long name.flac", "a.flac", "z.flac"]
    assert group.spare_bytes == 2 * first.stat().st_size
    assert all(copy.track.score is None for copy in group.copies)


def test_names_of_one_file_are_one_file(music: Path) -> None:
    first = song(music / "a.flac")
    (music / "hard.flac").hardlink_to(first)
    (music / "soft.flac").symlink_to(first)
    assert same_audio(index_of(music)) == []
    shutil.copy(first, music / "copy.flac")
    (group,) = same_audio(index_of(music))
    assert names(group) == ["a.flac", "copy.flac"]
    assert group.reason == "shorter path"


@pytest.mark.slow
def test_files_that_changed_or_are_gone_are_left_out_with_a_note(music: Path) -> None:
    for name in "abcd":
        shutil.copy(song(music / "first.flac"), music / f"{name}.flac")
    index = index_of(music)
    (music / "a.flac").unlink()
    (music / "b.flac").write_bytes(b"something else")
    notes: list[str] = []
    (group,) = same_audio(index, notes)
    assert names(group) == ["c.flac", "d.flac", "first.flac"]
    assert notes == ["note: left out are 2 files that changed or went since the last scan: earmark library scan"]
    (music / "c.flac").unlink()
    (music / "d.flac").unlink()
    assert same_audio(index) == []


# The same sound -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_encodings_of_a_recording_are_one_group_and_music_with_the_same_embedding_is_not_in_it(encodings: Path) -> None:
    index = index_of(encodings)  # all six have the same embedding and about the same duration
    assert same_audio(index) == []
    (group,) = same_sound(index)
    assert (group.kind, group.reason) == ("sound", "lossless")
    assert names(group)[0] == "a.flac"
    assert sorted(names(group)) == ["a.flac", "a.m4a", "a.mp3", "a.ogg"]
    assert [copy.track.score for copy in group.copies] == [None, 1, 1, 1]
    assert group.copies[0].encoding == Encoding("flac", True, RATE_HZ, 2, 16, group.copies[0].encoding.bit_rate_bps)


@pytest.mark.slow
def test_tracks_with_other_embeddings_or_durations_are_not_compared(encodings: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Music"
    shutil.copytree(encodings, folder)
    progress: list[tuple[int, int]] = []
    directions = {"a.flac": (1.0, 0.0), "a.mp3": (0.0, 1.0), "a.ogg": (-1.0, 0.0), "a.m4a": (0.0, -1.0)}
    assert same_sound(index_of(folder, lambda path: directions.get(path.name, (1.0, 1.0))), progress=progress) == []
    assert len(progress) == 2  # of the two other songs, which have one embedding
    index = index_of(folder)
    with Index.open(index, write=True) as opened:
        for number, (key,) in enumerate(list(opened.rows("SELECT content_key FROM audio"))):
            opened.execute("UPDATE audio SET duration_seconds = ? WHERE content_key = ?", (10 + 4 * number, key))
    assert same_sound(index) == []


@pytest.mark.slow
def test_fingerprints_are_made_once_and_forgotten_with_their_audio(encodings: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Music"
    shutil.copytree(encodings, folder)
    index = index_of(folder)
    kept = tmp_path / "library.sqlite.fingerprints"
    progress: list[tuple[int, int]] = []
    found = same_sound(index, progress=progress)
    assert progress == [(n, 6) for n in range(1, 7)]
    assert len(list(kept.iterdir())) == 6
    next(kept.iterdir()).unlink()
    (kept / "audio-of-something-gone.1").write_bytes(b"")
    progress.clear()
    assert same_sound(index, progress=progress) == found
    assert progress == [(1, 1)]
    assert len(list(kept.iterdir())) == 6
    sorted(kept.iterdir())[0].write_bytes(b"odd")  # damaged: made again
    assert same_sound(index) == found
    shutil.rmtree(kept)
    kept.write_text("a file where the folder should be")
    assert same_sound(index) == found


@pytest.mark.slow
def test_of_copies_with_the_same_audio_the_best_stands_for_all(encodings: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Music"
    folder.mkdir()
    shutil.copy(encodings / "a.mp3", folder / "a.mp3")
    for name in ("x.flac", "y.flac"):
        shutil.copy(encodings / "a.flac", folder / name)
    file = FLAC(folder / "y.flac")
    file["title"] = "Blue"
    file.save()
    (group,) = same_sound(index_of(folder))
    assert names(group) == ["y.flac", "a.mp3"]


@pytest.mark.slow
def test_a_file_that_is_another_now_is_not_compared_and_one_that_cannot_be_read_is_like_nothing(
    encodings: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "Music"
    shutil.copytree(encodings, folder)
    shutil.copy(folder / "a.ogg", folder / "copy of a.ogg")
    index = index_of(folder)
    shutil.copy(folder / "c.ogg", folder / "a.ogg")  # its copy is what was scanned
    damaged = folder / "a.m4a"
    status = damaged.stat()
    damaged.write_bytes(b"#" * status.st_size)  # by a disk that changes no times
    os.utime(damaged, ns=(status.st_atime_ns, status.st_mtime_ns))
    notes: list[str] = []
    (group,) = same_sound(index, notes)
    assert sorted(names(group)) == ["a.flac", "a.mp3", "copy of a.ogg"]
    assert notes[0] == "note: left out are 1 files that changed or went since the last scan: earmark library scan"
    assert notes[1].startswith(f"note: cannot be compared: {damaged}: not audio")
    assert len(notes) == 2
    with pytest.raises(ConfigError, match="jobs 0: must be at least 1"), Index.open(index) as opened:
        find_same_sound(opened, Tracks.load(opened), jobs=0)


@pytest.mark.slow
def test_silence_and_very_short_sounds_are_no_duplicates(music: Path) -> None:
    for suffix in (".flac", ".mp3", ".ogg"):
        sounds.write(music / f"silence{suffix}", np.zeros((2, SECONDS * RATE_HZ)), RATE_HZ)
        sounds.write(music / f"blip{suffix}", sounds.music(0.2, RATE_HZ), RATE_HZ)
    notes: list[str] = []
    assert same_sound(index_of(music), notes) == []
    assert notes == []


@pytest.mark.slow
def test_another_master_of_a_recording_is_no_duplicate(encodings: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Music"
    shutil.copytree(encodings, folder)
    samples = sounds.music(SECONDS, RATE_HZ, 2)
    sounds.write(folder / "remaster.flac", np.diff(samples, axis=1, append=0) * 3, RATE_HZ)  # +6 dB an octave
    (group,) = same_sound(index_of(folder))
    assert sorted(names(group)) == ["a.flac", "a.m4a", "a.mp3", "a.ogg"]


@pytest.mark.parametrize("n", [40, 700])  # few, and so many that their mean is subtracted
def test_candidates_are_those_of_a_loop_over_all_pairs(tmp_path: Path, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "_BLOCK_ROWS", 17)
    draw = np.random.default_rng(n)
    centres = draw.normal(size=(n // 4, 8))
    vectors = (centres[draw.integers(len(centres), size=n)] + draw.normal(scale=0.05, size=(n, 8))).astype(np.float32)
    seconds = draw.choice([None, *np.round(draw.uniform(100, 130, 200), 1)], size=n)
    silent = draw.random(n) < 0.1
    tags = ("slow", "fast", "guitar", "piano", "female vocals", "vocals", "jazz", "rock", "drum and bass", "happy")
    rows = [
        Row(f"/{i:04d}.mp3", dict.fromkeys(tags, 0.0) if silent[i] else {}, seconds[i], embedding=tuple(vectors[i]))
        for i in range(n)
    ]
    with Index.open(make_index(tmp_path / "i.sqlite", rows, embedding_dims=8)) as opened:
        tracks = Tracks.load(opened)
    there = [i for i in range(n) if seconds[i] is not None and not silent[i]]
    kept = vectors - vectors[there].mean(axis=0) if len(there) >= 500 else vectors
    unit = kept / np.linalg.norm(kept, axis=1, keepdims=True)
    expected = {
        (a, b)
        for k, a in enumerate(there)
        for b in there[k + 1 :]
        if abs(seconds[a] - seconds[b]) <= 3 and unit[a] @ unit[b] >= find.LEAST_SIMILARITY
    }
    found = candidate_pairs(tracks, vectors)
    assert len(expected) > n // 4
    assert {tuple(sorted(pair)) for pair in found.tolist()} == expected
    assert len(found) == len(expected)


# Which is best ---------------------------------------------------------------------------------------------

MP3 = Encoding("mp3", False, 44_100, 2, None, 320_000)
CD = Encoding("flac", True, 44_100, 2, 16, 900_000)


def copy(encoding: Encoding, seconds: float = 200.0, path: str = "/a.mp3", **tags: str) -> Copy:
    own = dict.fromkeys(("title", "artist", "album", "genre")) | tags
    return Copy(Hit(Path(path), "key", seconds, **own, score=None, tags=()), encoding, 1)


@pytest.mark.parametrize(
    ("best", "second", "reason"),
    [
        (copy(replace(CD, bit_rate_bps=100_000), 190), copy(MP3, 200, title="x"), "lossless"),
        (copy(replace(CD, sample_rate_hz=96_000, sample_bits=32)), copy(CD, 210), "higher resolution"),
        (copy(CD), copy(replace(CD, n_channels=1)), "higher resolution"),
        (copy(MP3), copy(replace(MP3, bit_rate_bps=128_000), 201, title="x"), "higher bit rate"),
        (copy(MP3), copy(replace(MP3, bit_rate_bps=None)), "higher bit rate"),
        (copy(replace(MP3, bit_rate_bps=319_000), 202), copy(MP3, 200), "longer"),
        (copy(MP3, 199.8, title="x", artist="y"), copy(MP3, 200.2, title="x"), "more tags"),
        (copy(MP3, path="/z.mp3"), copy(MP3, path="/a (1).mp3"), "shorter path"),
        (copy(MP3, path="/a.mp3"), copy(MP3, path="/b.mp3"), "first path"),
    ],
)
def test_the_best_copy(best: Copy, second: Copy, reason: str) -> None:
    assert best.preference(same_audio=False) < second.preference(same_audio=False)
    assert best.advantage(second, same_audio=False) == reason


def test_encodings_are_read_from_files(encodings: Path, tmp_path: Path) -> None:
    assert str(read_encoding(encodings / "a.flac", SECONDS)) == "FLAC 44.1 kHz"
    assert str(read_encoding(encodings / "a.mp3", SECONDS)) == "MP3 128 kbit/s"
    vorbis = read_encoding(encodings / "a.ogg", SECONDS - 1)  # no bit rate in its header
    size_bits = 8 * (encodings / "a.ogg").stat().st_size
    assert vorbis.bit_rate_bps == pytest.approx(size_bits / (SECONDS - 1), rel=0.15)
    assert not vorbis.is_lossless
    pcm = read_encoding(sounds.write_float_wav(tmp_path / "mono.wav", sounds.music(1, 8000), 8000), 1)
    assert (pcm.codec, pcm.is_lossless, str(pcm)) == ("pcm", True, "PCM 8 kHz mono")


# The command -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_prints_groups_for_people_and_programs_and_deletes_nothing(encodings: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Music"
    shutil.copytree(encodings, folder)
    shutil.copy(folder / "b.mp3", folder / "b [copy]\x1b.mp3")
    index = index_of(folder)
    before = sorted(folder.iterdir())
    done = earmark_here("library", "duplicates", "--index", index)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split("\t") for line in done.stdout.splitlines()]  # into a pipe
    assert [row[:3] for row in rows] == [
        ["1", "audio", "best"],
        ["1", "audio", ""],
        ["2", "sound", "best"],
        *[["2", "sound", ""]] * 3,
    ]
    assert rows[0][3:] == ["", "MP3 128 kbit/s", "0:06", rows[0][6], str(folder / "b.mp3"), "shorter path"]
    assert rows[1][7:] == [f"{folder}/b [copy]\\x1b.mp3", ""]
    assert rows[2][4] == "FLAC 44.1 kHz"
    assert [row[3] for row in rows[3:]] == ["100%"] * 3
    lines = earmark_here("library", "duplicates", "--index", index, environment=terminal(120)).stdout.splitlines()
    assert lines[1].startswith("same audio: 1 group, 1 file to spare, ")
    assert lines[3].startswith("best        MP3 128 kbit/s        0:06 ")
    assert lines[3].endswith("MB  b.mp3  (shorter path)")
    assert lines[4].endswith("MB  b [copy]\\x1b.mp3")
    assert lines[6].startswith("same sound in another encoding: 1 group, 3 files to spare, ")
    assert lines[8].endswith("a.flac  (lossless)")
    done = earmark_here("library", "duplicates", "--format", "jsonl", "--index", index)
    audio, sound = map(json.loads, done.stdout.splitlines())
    assert [audio["kind"], sound["kind"]] == ["audio", "sound"]
    assert sound["best"] == sound["copies"][0]["path"] == str(folder / "a.flac")
    assert sound["copies"][0]["agreement"] is None
    assert sound["copies"][1]["agreement"] == 1
    for kind in ("audio", "sound"):
        done = earmark_here("library", "duplicates", "--only", kind, "--format", "jsonl", "--index", index)
        assert [json.loads(line)["kind"] for line in done.stdout.splitlines()] == [kind]
    assert sorted(folder.iterdir()) == before


def test_the_command_without_duplicates_or_wrongly(tmp_path: Path) -> None:
    index = make_index(tmp_path / "i.sqlite", [Row("/a.mp3"), Row("/b.mp3", {"slow": 0.9}, 400)])
    done = earmark_here("library", "duplicates", "--index", index)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "earmark: no duplicates among 2 tracks\n")
    assert earmark_here("library", "duplicates", "--only", "titles", "--index", index).returncode == 2
    assert earmark_here("library", "duplicates", "--jobs", 0, "--index", index).returncode == 2
    assert earmark_here("library", "duplicates", "--index", tmp_path / "none.sqlite").returncode == 1
