"""Models against labels that people gave: the join of songs and clips, the tables, the metrics, the stored scores."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tools.default_model.judges import suite
from tools.default_model.judges.answers import TABLE, answering_tags, label_scores, labels_said, read_answers
from tools.default_model.judges.factors import Recalibrated
from tools.default_model.judges.magnatagatune import join_clips, read_clip_labels, tagged_songs
from tools.default_model.judges.measures import (
    best_threshold,
    correlations,
    decisions,
    frequent_labels,
    over_threshold,
    ranking,
    share,
)
from tools.default_model.judges.models import Average, Model
from tools.default_model.judges.report import label_table, markdown, read_results, write_page, write_results
from tools.default_model.judges.scoring import ScoreStore, model_file, predicted_tags
from tools.default_model.judges.songs import (
    FOLDER,
    Collection,
    LabelledSong,
    composer_songs,
    emotify_songs,
    gtzan_songs,
    piano_songs,
    title_split,
)
from tools.default_model.music.kept_apart import ComposerTitle

from earmark.core.calibration import Platt
from earmark.core.card import ModelCard
from earmark.core.errors import AudioError, DataError, ModelError
from earmark.core.input_spec import InputSpec
from earmark.core.tag_constraints import TagConstraints
from earmark.core.tag_lists import VOCABULARIES, load_vocabulary
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets.emotify import EMOTIONS
from earmark.tagging.runtime import DEFAULT_MODEL, find_model
from earmark.tagging.tagger import load_tagger
from tests.helpers.emotify import write_emotify
from tests.helpers.onnx_files import tiny

TAGS = ("rock", "classical", "jazz", "vocals", "female vocals", "piano", "happy")


def card(**changes: object) -> ModelCard:
    return ModelCard(
        name="made",
        architecture="tiny",
        input=InputSpec(16_000, 16_000, 16_000),
        vocabulary=Vocabulary(tuple(Tag(name) for name in TAGS)),
        thresholds=dict.fromkeys(TAGS, 0.5),
        rules=TagConstraints(requires={"female vocals": "vocals"}),
    ).replace(**changes)


def songs(labels: dict[str, list[float]], groups: str | None = None) -> Collection:
    n = len(next(iter(labels.values())))
    return Collection(
        "made",
        tuple(
            LabelledSong(
                str(i),
                Path(f"{i}.wav"),
                (groups or "abcdefghij")[i],
                "validation",
                {k: v[i] for k, v in labels.items()},
            )
            for i in range(n)
        ),
    )


def write_sounds(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.3 * np.sin(np.arange(16_000) / (7 + len(name))), 16_000)


# songs


def test_versions_of_a_piece_are_in_one_split() -> None:
    titles = [f"Piece {word} ({version})" for word in map(str, range(300)) for version in ("fast", "slow")]
    splits = [title_split(title) for title in titles]
    assert splits[::2] == splits[1::2]
    assert 0.1 < splits.count("validation") / 600 < 0.3
    assert 0.25 < splits.count("test") / 600 < 0.45


def test_titles_that_are_measured_are_not_trained_on() -> None:
    titles = [f"Title {word}" for word in map(str, range(300))]
    trained = [ComposerTitle(title, "", "", "").split == "train" for title in titles]
    assert trained == [title_split(title) == "train" for title in titles]
    assert 0 < sum(trained) < len(titles)


def test_instruments_that_are_not_listed_are_not_there_or_left_open(tmp_path: Path) -> None:
    write_sounds(tmp_path, "music/a.wav", "music/b.wav", "music/c.wav")
    (tmp_path / "t.csv").write_text(
        "repo,path,seconds,title,genre,instruments,feel,bpm\n"
        'x,music/a.wav,1,A,,"Kit, Piano",Dark,0\n'
        'x,music/b.wav,1,B,,"Trumpet. Choirs","Bright, Dark",0\n'
        "x,music/c.wav,1,C,,,,0\n"
        "x,music/missing.wav,1,D,,Piano,,0\n"
    )
    a, b, c = composer_songs(tmp_path / "t.csv", tmp_path).songs
    assert (a.labels["drums"], a.labels["piano"], a.labels["brass"], a.labels["a voice"]) == (1, 1, 0, 0)
    assert np.isnan(a.labels["percussion"])
    assert (b.labels["trumpet"], b.labels["brass"], b.labels["choir"], b.labels["a voice"]) == (1, 1, 1, 1)
    assert (a.labels["feel: bright"], b.labels["feel: bright"], b.labels["feel: dark"]) == (0, 1, 1)
    assert not c.labels

    (tmp_path / "t.csv").write_text("repo,path,title,instruments,feel\nx,music/a.wav,A,Piano and nose flute,\n")
    with pytest.raises(DataError, match=r"'piano and nose flute' is not in .*instruments\.csv"):
        composer_songs(tmp_path / "t.csv", tmp_path)


def test_gtzan_is_read_from_the_names_of_its_files(tmp_path: Path) -> None:
    write_sounds(tmp_path, "hiphop.00001.wav", "blues.00000.wav")
    found = gtzan_songs(tmp_path)
    assert [song.labels["hip hop"] for song in found.songs] == [0, 1]
    write_sounds(tmp_path, "polka.00001.wav")
    with pytest.raises(DataError, match="must begin with one of blues"):
        gtzan_songs(tmp_path)


def test_the_table_of_instruments_is_about_labels_that_have_answers() -> None:
    with (FOLDER / "instruments.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    written = [row["written"] for row in rows]
    assert len(set(written)) == len(written)
    labels = {label for row in rows for column in ("labels", "unclear") for label in row[column].split("|") if label}
    assert labels <= set(read_answers())


@pytest.mark.shared
def test_every_instrument_of_the_composer_is_known(shared_dir: Path, tmp_path: Path) -> None:
    assert composer_songs(shared_dir / "data" / "macleod.csv", tmp_path).songs == ()


def test_pieces_of_piano_have_the_quadrant_of_their_names(tmp_path: Path) -> None:
    write_sounds(tmp_path, "e1_a.wav", "e2_a.wav", "e3_a.wav", "e4_a.wav")
    found = [(song.labels["high valence"], song.labels["high arousal"]) for song in piano_songs(tmp_path).songs]
    assert found == [(1, 1), (0, 1), (0, 0), (1, 0)]
    write_sounds(tmp_path, "x.wav")
    with pytest.raises(DataError, match="must begin with e1, e2, e3 or e4"):
        piano_songs(tmp_path)


# answers


def test_a_label_is_answered_by_its_own_name_before_others() -> None:
    assert answering_tags("male vocal", ["male vocals", "male", "male vocal"]) == [2]
    assert answering_tags("male vocal", ["male vocals", "male voice"]) == [1]
    assert answering_tags("male vocal", ["Male singing"]) == [0]
    assert answering_tags("male vocal", ["female vocals"]) == []
    assert answering_tags("something new", ["genre---something new"]) == [0]


@pytest.mark.parametrize("table", ["tags.csv", "earmark_2/tags.csv"])
def test_every_label_of_magnatagatune_and_every_emotion_is_answered_by_our_tags(table: str) -> None:
    with (TABLE.parents[1] / table).open(encoding="utf-8", newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    labels = [*load_vocabulary("mtat-50").names, *(name.replace("_", " ") for name in EMOTIONS)]
    assert [label for label in labels if not answering_tags(label, names)] == []


def test_every_answer_is_plain_and_opposites_do_not_answer_each_other() -> None:
    for label, answer in read_answers().items():
        for name in (*(name for group in answer.groups for name in group), *answer.implied_by):
            assert name == name.casefold().strip(), (label, name)
            assert name, label
    for one, other in (("slow", "fast"), ("loud", "quiet"), ("no vocals", "vocals"), ("female", "male")):
        for a, b in ((one, other), (other, one)):
            assert answering_tags(a, [b]) == [], (a, b)
    general = [load_vocabulary(name).names for name in VOCABULARIES if not name.startswith("essentia-")]
    assert all(answering_tags("a voice", names) for names in general)
    assert TABLE.is_file()


def test_scores_are_the_highest_of_the_answering_tags_and_what_is_said_may_be_implied() -> None:
    scores = np.array([[0.2, 0.7, 0.1], [0.9, 0.3, 0.8]], np.float32)
    tags = ["Male singing", "Female singing", "Choir"]
    found = label_scores(["a voice", "rock"], tags, scores)
    assert found[:, 0] == pytest.approx([0.7, 0.9])
    assert np.isnan(found[:, 1]).all()
    said = labels_said(["a voice", "rock"], tags, np.array([[False, False, True], [False, False, False]]))
    assert said[:, 0].tolist() == [1, 0]
    assert np.isnan(said[:, 1]).all()


# MagnaTagATune


def test_songs_and_clips_are_joined_by_artist_album_and_title() -> None:
    paths = [
        "b/barbara_leoni-human_needs-03-dont_rain_on_my_parade-0-29.mp3",
        "b/barbara_leoni-human_needs-03-dont_rain_on_my_parade-30-59.mp3",
        "0/barbara_leoni-live-01-dont_rain_on_my_parade-0-29.mp3",
        "1/curl-ultimate_station-02-fly-0-29.mp3",
        "2/musica_franca-sonatas-21-sonata_no_2_in_g_major_op_50__largo_boismortier-0-29.mp3",
        "3/another-human_needs-03-dont_rain_on_my_parade-0-29.mp3",
        "odd name.mp3",
    ]
    found = join_clips(
        {
            "apostrophe": ("Barbara Leoni", "Human Needs", "Don't rain on my parade"),
            "short": ("Curl", "Ultimate Station", "Fly Free"),
            "longer": ("Musica Franca", "Sonatas", "21 - Sonata No. 2 in G major Op. 50 - Largo "),
            "other album": ("Musica Franca", "Chaconnes", "Sonata No. 2 in G major Op. 50 - Largo"),
        },
        paths,
    )
    assert found == {"apostrophe": paths[:2], "longer": [paths[4]]}


def test_a_song_has_the_tags_of_any_of_its_clips_and_only_songs_of_emotify_are_joined(tmp_path: Path) -> None:
    emotify = write_emotify(tmp_path / "emotify", seconds=0.1)
    mtat = tmp_path / "mtat"
    mtat.mkdir()
    (mtat / "pons_tags.txt").write_text("\n".join(["guitar", "piano"]) + "\n")
    (mtat / "clips.tsv").write_text(
        "2\t0/artist_1-album-01-title-0-29.mp3\n6\t0/artist_1-album-01-title-29-58.mp3\n7\t0/x-y-01-z-0-29.mp3\n"
    )
    (mtat / "pons_test_labels.tsv").write_text("2\t[1.0, 0.0]\n7\t[1.0, 1.0]\n")
    more = tmp_path / "more.tsv"
    more.write_text("6\t[0.0, 1.0]\n")
    collection = emotify_songs(emotify)

    def tagged(*tables: Path) -> dict[str, dict[str, float]]:
        found = tagged_songs(collection, emotify / "tracks.csv", mtat, tables)
        return {song.song_id: dict(song.labels) for song in found.songs}

    with pytest.raises(DataError, match="2 values"):
        more.write_text("6\t[0.0]\n")
        read_clip_labels(mtat, [more])
    more.write_text("6\t[0.0, 1.0]\n")
    assert tagged() == {"emotify-001": {"guitar": 1, "piano": 0}}
    assert tagged(more) == {"emotify-001": {"guitar": 1, "piano": 1}}


@pytest.mark.slow
@pytest.mark.shared
def test_no_song_of_emotify_has_labels_in_the_published_validation_and_test_parts(shared_dir: Path) -> None:
    """They are of the songs that are kept apart; so this judge needs the labels of the training part."""
    data = shared_dir / "data"
    emotify = emotify_songs(data / "emotify")
    assert tagged_songs(emotify, data / "emotify" / "tracks.csv", data / "mtat").songs == ()


# measures


def test_labels_that_a_model_does_not_know_count_as_chance() -> None:
    made = songs({"a": [1, 1, 0, 0], "b": [1, 0, 1, 0]})
    scores = np.array([[0.9, np.nan], [0.8, np.nan], [0.2, np.nan], [0.1, np.nan]])
    known, everything = ranking("j", made, scores, ["a", "b"])
    assert (known.value, known.n_known, known.n_labels) == (1, 1, 2)
    assert everything.value == pytest.approx(0.75)
    assert everything.low <= everything.value <= everything.high
    assert everything.labels == {"a": 1.0, "b": None}
    unknown = ranking("j", made, np.full((4, 2), np.nan), ["a", "b"])
    assert np.isnan(unknown[0].value)
    assert unknown[1].value == 0.5


@pytest.mark.slow
def test_correlations_count_unknown_degrees_as_none() -> None:
    made = songs({"sad": [0.1, 0.2, 0.3, 0.4], "calm": [0.4, 0.1, 0.3, 0.2]})
    scores = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, np.nan], [4.0, np.nan]])
    (found,) = correlations("j", made, scores, ["sad", "calm"])
    assert found.value == pytest.approx(0.5)
    assert found.labels == {"sad": 1.0, "calm": None}
    assert found.n_known == 1


def test_decisions_count_pairs_of_the_labels_that_can_be_said() -> None:
    made = songs({"a": [1, 1, 0], "b": [1, np.nan, 0], "c": [1, 1, 1]})
    said = np.array([[1, 0, np.nan], [0, 1, np.nan], [1, 0, np.nan]])
    precision, recall, f1 = decisions("j", "default output", [(made, said, ["a", "b", "c"])])
    assert (precision.value, recall.value) == (pytest.approx(1 / 2), pytest.approx(1 / 3))
    assert f1.value == pytest.approx(0.4)
    assert (f1.n_known, f1.n_labels, f1.measure) == (2, 3, "default output: f1")
    assert f1.labels == {"a": pytest.approx(0.5), "b": 0.0}
    assert decisions("j", "x", [(made, np.full((3, 3), np.nan), ["a", "b", "c"])]) == []
    both = decisions("j", "x", [(made, said, ["a", "b", "c"]), (made, said, ["a", "b", "c"])])
    assert (both[2].value, both[2].n_songs, both[2].n_known) == (pytest.approx(0.4), 6, 4)


def test_one_threshold_is_that_of_the_best_f1() -> None:
    labels = np.array([[1.0, 0.0], [1.0, np.nan], [0.0, 0.0]])
    scores = np.array([[0.8, 0.3], [0.6, 0.9], [0.4, 0.1]])
    threshold = best_threshold(labels, scores)
    assert 0.4 < threshold <= 0.6
    assert over_threshold(np.array([[0.7, np.nan]]), threshold)[0, 0] == 1
    assert np.isnan(over_threshold(np.array([[0.7, np.nan]]), threshold)[0, 1])


def test_shares_leave_out_what_does_not_count() -> None:
    made = songs({"a": [1, 1, 1, 1]}, groups="aabc")
    found = share("j", "m", made, [1, 0, np.nan, 1])
    assert found.value == pytest.approx(2 / 3)
    assert (found.n_songs, found.n_groups) == (3, 2)
    assert np.isnan(share("j", "m", made, [np.nan] * 4).value)


def test_labels_must_be_frequent_and_not_everywhere() -> None:
    made = songs({"a": [1, 1, 0, 0], "b": [1, 0, 0, 0], "c": [1, 1, 1, 1], "d": [1, 1, np.nan, 0]})
    assert frequent_labels(made, ["a", "b", "c", "d"], 2) == ["a"]


# scores


def test_predicted_tags_are_those_that_the_tagger_prints(tmp_path: Path) -> None:
    model = load_tagger(tiny(tmp_path / "made.onnx", card()))
    sounds = [0.3 * np.random.default_rng(i).standard_normal(16_000).clip(-1, 1) for i in range(8)]
    results = [model.tag_waveform(sound * i / 8, 16_000) for i, sound in enumerate(sounds, start=1)]
    predicted = predicted_tags(card(), np.stack([result.scores for result in results]))
    for result, row in zip(results, predicted, strict=True):
        assert {tag.tag for tag in result.top(0, "auto")} == {TAGS[i] for i in np.flatnonzero(row)}


@pytest.mark.slow
def test_scores_are_stored_and_not_computed_again(tmp_path: Path) -> None:
    write_sounds(tmp_path, "one.wav", "other.wav")
    made = [LabelledSong(name, tmp_path / name, name, "test") for name in ("one.wav", "other.wav")]
    model = tiny(tmp_path / "made.onnx", card())
    done: list[int] = []
    first = ScoreStore(model, tmp_path / "scores").scores(made[:1], on_done=lambda i, _n: done.append(i))
    both = ScoreStore(model, tmp_path / "scores").scores(made[::-1], on_done=lambda i, _n: done.append(i))
    assert done == [1, 1]
    assert np.array_equal(both.scores[1], first.scores[0])
    assert both.scores.shape == (2, len(TAGS))
    write_sounds(tmp_path, "one.wav")  # written again: another file
    ScoreStore(model, tmp_path / "scores").scores(made, on_done=lambda i, _n: done.append(i))
    assert done == [1, 1, 1]
    other = tiny(tmp_path / "made.onnx", card(thresholds={}))
    assert ScoreStore(other, tmp_path / "scores").scores(made, on_done=lambda i, _n: done.append(i)).predicted.all()
    assert done == [1, 1, 1, 1, 2]
    few = ScoreStore(other, tmp_path / "scores", windows=1)
    few.scores(made, on_done=lambda i, _n: done.append(i))  # fewer windows: scores of their own
    assert (few.name, done) == ("made, 1 windows", [1, 1, 1, 1, 2, 1, 2])
    with pytest.raises(AudioError):
        ScoreStore(model, tmp_path / "scores").scores([LabelledSong("x", Path(__file__), "x", "test")])


def test_another_calibration_of_the_same_network_needs_no_song_again(tmp_path: Path) -> None:
    write_sounds(tmp_path, "a.wav", "b.wav")
    found = Collection("made", tuple(LabelledSong(p.name, p, p.name, "validation") for p in sorted(tmp_path.glob("*"))))
    maps = {"rock": Platt(1.5, 0.4), "jazz": Platt(0.7, -1.0)}
    first, second = card(calibration=maps), card(calibration={"rock": Platt(1.0, 2.0)}, thresholds={"rock": 0.9})
    model = Model(ScoreStore(tiny(tmp_path / "first.onnx", first), tmp_path / "scores"))
    expected = Model(ScoreStore(tiny(tmp_path / "second.onnx", second), tmp_path / "scores")).output(found)
    model.output(found)
    for song in found.songs:  # the same file to whoever does not look inside
        times = song.path.stat()
        song.path.write_bytes(bytes(times.st_size))
        os.utime(song.path, ns=(times.st_atime_ns, times.st_mtime_ns))
    again = Recalibrated(model, model.card.replace(calibration=second.calibration, thresholds=second.thresholds))
    assert again.output(found).scores == pytest.approx(expected.scores, abs=1e-5)
    assert again.output(found).predicted.tolist() == expected.predicted.tolist()
    assert again.scores(found, ["rock"]) == pytest.approx(expected.scores[:, :1], abs=1e-5)


def test_models_are_found_by_name_or_file(tmp_path: Path) -> None:
    file = tiny(tmp_path / "fcn-mtat.onnx", card())
    assert model_file(str(file)) == file
    assert model_file("fcn-mtat", tmp_path) == file
    assert model_file(DEFAULT_MODEL) == find_model()
    with pytest.raises(ModelError, match="crnn-msd"):
        model_file("crnn-msd", tmp_path, tmp_path)


# the whole


@pytest.mark.slow
def test_a_model_is_measured_on_all_that_is_there(tmp_path: Path) -> None:
    emotify = write_emotify(tmp_path / "emotify", seconds=1.0)
    (tmp_path / "mtat").mkdir()
    (tmp_path / "mtat" / "pons_tags.txt").write_text("piano\n" * 50)
    (tmp_path / "mtat" / "clips.tsv").write_text("")
    titles = [f"{word} song" for word in map(str, range(40))]
    (tmp_path / "macleod.csv").write_text(
        "path,title,instruments,feel\n"
        + "".join(f"{i}.wav,{title},{('Piano', 'Choir', 'Synths')[i % 3]},Dark\n" for i, title in enumerate(titles))
    )
    audio = tmp_path / "audio"
    write_sounds(audio, *(f"macleod/{i}.wav" for i in range(40)), *(f"gtzan/jazz.{i}.wav" for i in range(9)))
    write_sounds(
        audio, *(f"gtzan/classical.{i}.wav" for i in range(9)), *(f"piano/e{1 + i % 4}_{i}.wav" for i in range(24))
    )
    write_sounds(audio, *(f"sounds/rain/{i}.wav" for i in range(6)), *(f"speech/{i}.wav" for i in range(6)))
    folders = suite.Folders(emotify, tmp_path / "macleod.csv", tmp_path / "mtat", audio)
    collections = suite.read_collections(folders)
    assert set(collections) == {"emotify", "composer", "gtzan", "piano", "sounds", "speech"}

    model = Model(ScoreStore(tiny(tmp_path / "made.onnx", card()), tmp_path / "scores"), jobs=1)
    values = suite.rankings(model, collections, "validation") + suite.outputs(model, collections, "validation")
    by_name = {(value.judge, value.measure): value for value in values}
    assert by_name["Emotify's genres", "ROC-AUC"].n_known == 2
    assert by_name["nothing said of music", "gtzan"].n_songs == len(collections["gtzan"].split("validation").songs)
    assert ("jazz said of classical music", "solo piano") in by_name
    assert by_name["all of these labels", "default output: f1"].n_known > 0
    assert by_name["a voice said", "composer, with a voice"].n_songs > 0
    assert {value.judge for value in values} >= {"no music", "the composer's instruments", "listeners' emotions"}
    average = suite.rankings(Average([model, model]), collections, "validation")
    alone = suite.rankings(model, collections, "validation")
    assert [value.value for value in average] == pytest.approx([value.value for value in alone], nan_ok=True)

    path = write_results(tmp_path / "out", "made", "validation", values, model.sha256)
    name, split, read, sha256 = read_results(path)
    assert (name, split, len(read)) == ("made", "validation", len(values))
    assert sha256 == hashlib.sha256((tmp_path / "made.onnx").read_bytes()).hexdigest()
    assert "NaN" not in path.read_text()
    assert json.loads(path.read_text())["values"][0]["judge"] == values[0].judge
    page = write_page(tmp_path / "out", "validation").read_text()
    assert page.startswith(markdown("validation", {"made": read}))
    assert "| piano |" in page
    assert "| made |" in page
    assert "## Jazz said of classical music" in page
    assert "| jazz |" in label_table("GTZAN's genres", "ROC-AUC", {"made": read})


def test_results_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(DataError, match="not a file of results"):
        read_results(tmp_path / "x.json")
