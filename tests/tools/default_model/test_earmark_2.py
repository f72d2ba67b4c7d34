"""What is particular to earmark-2: its tables of tags, its plan, and how its music is divided."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from tools.default_model.__main__ import app
from tools.default_model.earmark_2 import songs
from tools.default_model.earmark_2.degrees import DEGREES, estimate_degrees, read_degrees
from tools.default_model.earmark_2.music import EMOTIFY_SHARE, EMOTION_TAGS, NO_MUSIC_SHARE, VOICES_FACTOR

from earmark.core.errors import ConfigError, DataError
from earmark.core.published_weights import find_published
from earmark.core.tag_lists import load_vocabulary
from earmark.datasets import load_dataset
from earmark.datasets.labelled_set import Song, read_songs, read_tag_union
from earmark.datasets.labelled_set.shards import RATE_HZ
from earmark.distillation.packed_labels import PackedSet
from earmark.distillation.plan import read_plan
from tests.helpers.emotify import write_emotify
from tests.helpers.sounds import music

FOLDER = Path(__file__).parents[3] / "tools" / "default_model" / "earmark_2"
COLUMNS = ("track_id", "path", "group", "split", "duration_s")


def write_music(folder: Path, rows: list[tuple[str, str, str, float]], no_music: list[tuple[str, str, float]]) -> Path:
    """A folder as fetch-music writes it: rows are (id, group, split, seconds)."""
    folder.mkdir()
    tables = {
        "tracks.csv": rows,
        "no_music.csv": [(name, name.split("/")[0], split, seconds) for name, split, seconds in no_music],
    }
    for name, found in tables.items():
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for track, group, split, seconds in found:
                path = f"{track.replace('/', '-')}.flac"
                soundfile.write(folder / path, music(1.0, RATE_HZ)[0], RATE_HZ)
                writer.writerow([track, path, group, split, seconds])
    return folder


ROWS = [
    ("wesnoth/a", "wesnoth", "train", 100.0),
    ("cars24/b", "a singer", "train", 100.0),
    ("0ad/c", "0ad", "validation", 100.0),
    ("0ad/d", "0ad", "test", 100.0),
    ("hudebni/e", "composer", "heldout", 100.0),
]
NO_MUSIC = [("speech-en/a", "train", 5.0), ("speech-en/b", "train", 1.0), ("moodist/rain", "train", 60.0)]


def test_every_tag_of_the_plans_teachers_has_its_place() -> None:
    plan = read_plan(FOLDER / "plan.yaml")
    rows = list(csv.DictReader(plan.tags.read_text(encoding="utf-8").splitlines()))
    names = [column for column in rows[0] if column not in ("name", "category", "kind", "parents")]
    assert {find_published(teacher).vocabulary for teacher in plan.teachers} <= {*names}
    union = read_tag_union(
        plan.tags,
        plan.left_out,
        {name: load_vocabulary(name).names for name in names},
        [*EMOTION_TAGS.values(), *DEGREES],
    )
    assert {tag.name for tag in union.vocabulary if tag.kind == "regression"} == set(DEGREES)
    assert set(EMOTION_TAGS.values()) <= {*union.vocabulary.names}
    assert plan.examples_per_song == 2
    assert {"saxophone", "choir", "rapping", "drum and bass", "aggressive", "speech", "noise"} <= {
        *union.vocabulary.names
    }
    genres = {row["name"] for row in rows if row["category"] == "genre"}
    parents = {row["name"]: set(filter(None, row["parents"].split("|"))) for row in rows}
    assert all(found <= set(parents) for found in parents.values())
    assert all(parents[name] <= genres for name in genres)
    for name in parents:  # no circles
        above = {name}
        for _ in parents:
            above = {parent for tag in above for parent in parents[tag]}
        assert not above, name


def test_music_is_divided(tmp_path: Path) -> None:
    emotify = write_emotify(tmp_path / "emotify")
    found = {song.song_id: song for song in songs(emotify, write_music(tmp_path / "music", ROWS, NO_MUSIC))}
    assert {"0ad/d", "hudebni/e", "speech-en/b"}.isdisjoint(found)
    assert found["0ad/c"].split == "heldout"
    weights = {name: song.weight for name, song in found.items() if song.split == "train"}
    assert all(song.weight is None for song in found.values() if song.split != "train")
    assert sum(weight or 0 for weight in weights.values()) == pytest.approx(1)
    assert weights["cars24/b"] == pytest.approx(VOICES_FACTOR * (weights["wesnoth/a"] or 0))
    assert (weights["speech-en/a"] or 0) + (weights["moodist/rain"] or 0) == pytest.approx(NO_MUSIC_SHARE)
    known = [song for song in found.values() if song.labels and song.known_share is None]
    assert sum(song.weight or 0 for song in known) == pytest.approx(EMOTIFY_SHARE)
    assert {song.split for song in known} == {"train", "validation"}


def test_speech_and_noise_have_nothing_of_music(tmp_path: Path) -> None:
    emotify, folder = write_emotify(tmp_path / "emotify"), write_music(tmp_path / "music", ROWS, NO_MUSIC)
    table = folder / "no_music.csv"
    titles = {"speech-en/a": "one moment please", "moodist/rain": "Wind Chimes"}
    lines = [line + "," + titles.get(line.split(",")[0], "title") for line in table.read_text("utf-8").splitlines()]
    table.write_text("\n".join(lines), "utf-8")
    found = {song.song_id: song for song in songs(emotify, folder)}
    speech, chimes = found["speech-en/a"], found["moodist/rain"]
    assert (speech.labels["speech"], speech.labels["vocals"], speech.labels["sad"], speech.known_share) == (1, 0, 0, 1)
    assert "noise" not in speech.labels
    assert "energy" not in speech.labels
    assert not chimes.labels  # there are notes in it
    assert found["wesnoth/a"].known_share is None


@pytest.mark.slow
def test_known_labels_are_of_several_kinds(tmp_path: Path) -> None:
    emotify = write_emotify(tmp_path / "emotify")
    folder = write_music(tmp_path / "music", [*ROWS, ("hudebni/f", "composer", "train", 60.0)], [])
    table = folder / "tracks.csv"
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    lists = {"hudebni/e": "Violin", "hudebni/f": "Brass, Tuba, Voice"}
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*COLUMNS, "instruments"])
        writer.writeheader()
        writer.writerows({**row, "instruments": lists.get(row["track_id"], "")} for row in rows)
    found = {song.song_id: song for song in songs(emotify, folder)}
    assert "hudebni/e" not in found  # a held-out title
    labels = found["hudebni/f"].labels
    assert (labels["brass"], labels["vocals"], labels["piano"]) == (1, 1, 0)
    assert {"trumpet", "choir", "tuba", "a voice"}.isdisjoint(labels)  # open, or no tags
    assert not found["wesnoth/a"].labels
    song = next(song for name, song in found.items() if name.startswith("emotify"))
    assert set(song.labels) == {"classical", "rock", "electronic", "pop", *EMOTION_TAGS.values()}
    clip = next(clip for clip in load_dataset("emotify", emotify).clips if clip.clip_id == song.song_id)
    place = load_dataset("emotify", emotify).vocabulary.index("joyful activation")
    assert song.labels["joyful"] == clip.labels[place]
    writer_rows = table.read_text(encoding="utf-8").replace("Brass", "Kazoo")
    table.write_text(writer_rows, encoding="utf-8")
    with pytest.raises(DataError, match="instrument 'kazoo' is not in"):
        songs(emotify, folder)


def test_without_music_to_train_on(tmp_path: Path) -> None:
    emotify = write_emotify(tmp_path / "emotify")
    with pytest.raises(DataError, match="must have songs to train on"):
        songs(emotify, write_music(tmp_path / "music", ROWS[2:], []))


@pytest.mark.slow
def test_the_command_lists_one_collection(tmp_path: Path) -> None:
    emotify = write_emotify(tmp_path / "emotify")
    folder = write_music(tmp_path / "music", ROWS, NO_MUSIC)
    words = ["songs", "--emotify", str(emotify), "--out", str(tmp_path / "songs.csv")]
    result = CliRunner().invoke(app, [*words, "--music", str(folder)])
    assert result.exit_code == 0, result.output
    assert {song.song_id for song in read_songs(tmp_path / "songs.csv")} == {
        song.song_id for song in songs(emotify, folder)
    }
    for more in ([], ["--music", str(folder), "--corpus", str(folder)]):
        assert isinstance(CliRunner().invoke(app, [*words, *more]).exception, ConfigError)


PROGRAM = """#!{python}
import csv, pathlib, sys, wave
assert sys.argv[2:] == ["--format", "csv", "--quiet", "--workers", "1"]
names = ["acousticness", "danceability", "energy", "instrumentalness", "liveness", "speechiness", "valence"]
out = csv.writer(sys.stdout)
out.writerow(["path", *names])
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    with wave.open(str(path)) as file:
        seconds = file.getnframes() / file.getframerate()
        peak = max(memoryview(file.readframes(file.getnframes())).cast("h")) / 32767
    {rule}
    out.writerow([path, seconds / 100, *[peak] * 6])
"""


def write_program(path: Path, rule: str = "") -> Path:
    """A program with VibeNet's command line, which answers with an excerpt's length (acousticness) and peak."""
    path.write_text(PROGRAM.format(python=sys.executable, rule=rule))
    path.chmod(0o755)
    return path


@pytest.mark.slow
def test_degrees_are_those_of_excerpts_and_known_before(tmp_path: Path) -> None:
    found = []
    for name, seconds, level in (("short", 5, 0.25), ("long", 70, 0.5)):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, np.full(seconds * RATE_HZ, level) * np.sin(np.arange(seconds * RATE_HZ)), RATE_HZ)
        found.append(Song(f"a, {name}", path, name, "train", float(seconds)))
    out = tmp_path / "degrees.csv"
    program = write_program(tmp_path / "vibenet")
    estimate_degrees(found[:1], tmp_path / "decoded", program, out)
    first = read_degrees(out)
    assert first == {
        "a, short": {"energy": 0.25, "valence": 0.25, "danceability": 0.25, "acousticness": 0.05}
        | {"instrumentalness": 0.25}
    }
    out.write_text(out.read_text().replace("0.050", "0.060"))  # not estimated again
    reported: list[tuple[int, int]] = []
    estimate_degrees(found, tmp_path / "decoded", program, out, lambda *numbers: reported.append(numbers))
    assert reported == [(2, 2)]
    after = read_degrees(out)
    assert after["a, short"]["acousticness"] == 0.06
    assert after["a, long"] == {
        "energy": 0.5,
        "valence": 0.5,
        "danceability": 0.5,
        "acousticness": 0.3,
        "instrumentalness": 0.5,
    }


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("sys.exit('no memory')", "exit code 1: no memory"),
        ("if path.name.startswith('0000'): continue", "no numbers for excerpts of s"),
    ],
)
def test_a_program_that_fails_is_an_error(tmp_path: Path, rule: str, message: str) -> None:
    soundfile.write(tmp_path / "s.wav", np.zeros(RATE_HZ), RATE_HZ)
    with pytest.raises(DataError, match=message):
        estimate_degrees(
            [Song("s", tmp_path / "s.wav", "g", "train", 1.0)],
            tmp_path / "decoded",
            write_program(tmp_path / "vibenet", rule),
            tmp_path / "out.csv",
        )
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("value", ["1.5", "-0.1", "nan", "loud", ""])
def test_degrees_are_numbers_from_0_to_1(tmp_path: Path, value: str) -> None:
    table = tmp_path / "degrees.csv"
    table.write_text(f"song_id,{','.join(DEGREES)}\na,0,1,.5,.5,.5\nb,0.1,0.2,{value},0.4,0.5\n")
    with pytest.raises(DataError, match=rf"0\.1, 0\.2, {value}, 0\.4, 0\.5: must be numbers from 0 to 1"):
        read_degrees(table)


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "s.wav", np.zeros(RATE_HZ), RATE_HZ)
    song = Song("s", tmp_path / "s.wav", "g", "train", 1.0)
    with pytest.raises(DataError, match="nowhere: cannot be run"):
        estimate_degrees([song], tmp_path / "decoded", tmp_path / "nowhere", tmp_path / "out.csv")


@pytest.mark.slow
def test_the_packed_labels_are_of_the_listed_songs_and_of_none_that_is_measured_on() -> None:
    packed = {name: PackedSet.read(FOLDER / "labels" / f"{name}.npz") for name in ("train", "heldout", "validation")}
    songs = {
        name: {part["song"] for recipe in found.recipes for part in recipe["parts"]} for name, found in packed.items()
    }
    assert songs["train"] | songs["heldout"] | songs["validation"] <= read_degrees().keys()
    assert not songs["train"] & (songs["heldout"] | songs["validation"])
    vocabularies = {find_published(teacher).vocabulary for teacher in read_plan(FOLDER / "plan.yaml").teachers}
    for found in packed.values():
        assert len(found.recipes) == len(found.labels) == len(found.checksums)
        assert found.vocabularies.keys() == vocabularies
        for name, tags in found.vocabularies.items():
            assert set(tags) <= {*load_vocabulary(name).names}
        known = found.labels[~np.isnan(found.labels)]
        assert 0 <= known.min() < known.max() <= 1
        assert (~np.isnan(found.labels)).any(axis=(1, 2, 3)).all()
