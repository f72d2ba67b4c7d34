"""Making a labelled set for a student: examples, augmentations, shards, and soft labels over the union of tags."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from scipy.signal import sosfreqz
from scipy.stats import spearmanr
from tools.default_model.corpus import read_collections

from earmark import audio
from earmark.cli.main import app
from earmark.core.errors import ConfigError, DataError, ModelError
from earmark.core.tag_constraints import default_constraints
from earmark.core.tag_lists import load_vocabulary
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets import load_dataset
from earmark.datasets.labelled_set import (
    LabelFusion,
    LabelledSet,
    LabelledSets,
    Song,
    TagUnion,
    UnionTag,
    read_songs,
    read_tag_union,
    union_logits,
)
from earmark.datasets.labelled_set.shards import EXAMPLE_SAMPLES, RATE_HZ, loudness, n_train_shards, overlaps
from earmark.datasets.labelled_set.songs import shares, songs_csv
from earmark.datasets.labelled_set.tag_union import read_parents
from earmark.datasets.table import read_table
from earmark.distillation.augment import apply_step, biquad, draw_steps
from earmark.distillation.label import Shard, label, plan_shards, unchanged_sets
from earmark.distillation.labelling_inputs import LabellingInputs, is_in_share, load_inputs
from earmark.distillation.plan import read_plan
from earmark.distillation.teacher_agreement import agreement_with_all, teacher_agreement
from earmark.distillation.teacher_auc import greedy_order, known_label_rows
from earmark.distillation.teacher_comparison import all_groups, song_logits
from earmark.distillation.teachers import Teacher, load_teacher, prepare_teacher, resample_example
from earmark.distillation.windows import Examples, make_example, plain_recipes, to_float
from earmark.export import check_signals, export_onnx
from earmark.models import create_model
from earmark.models.checkpoint import make_card
from earmark.tagging.runtime import find_model
from earmark.tagging.tagger import Tagger
from earmark.training.audio_store import AudioStore, PackedAudio
from tests.conftest import ROOT
from tests.helpers import labelled_sets
from tests.helpers.labelled_sets import default_union, write_collections
from tests.helpers.sounds import music


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A made Emotify and a made corpus: 24 sources, the first with three excerpts."""
    return write_collections(tmp_path_factory.mktemp("music"))


@pytest.fixture(scope="module")
def inputs(folders: tuple[Path, Path]) -> LabellingInputs:
    """Songs, and one real network of several windows."""
    songs = read_collections(*folders)
    packed = AudioStore(RATE_HZ).load([song.path for song in songs])
    waveforms = {song.song_id: waveform for song, waveform in zip(songs, packed, strict=True)}
    teacher = load_teacher(find_model(), EXAMPLE_SAMPLES)
    return LabellingInputs(songs, waveforms, (teacher,), train_teachers=(teacher.name,))


def test_recipes_are_functions_of_seed_and_number(inputs: LabellingInputs) -> None:
    examples = Examples(inputs.songs, inputs.seconds, seed=3)
    again = Examples(inputs.songs, inputs.seconds, seed=3)
    recipes = [examples.recipe(k) for k in range(200)]
    assert [again.recipe(k) for k in (7, 3, 199)] == [recipes[7], recipes[3], recipes[199]]
    assert json.loads(json.dumps(recipes)) == recipes
    assert Examples(inputs.songs, inputs.seconds, seed=4).recipe(0) != recipes[0]
    roles = {song.song_id: song.split for song in inputs.songs}
    assert {roles[part["song"]] for recipe in recipes for part in recipe["parts"]} == {"train"}
    assert 0.15 < np.mean([len(recipe["parts"]) == 2 for recipe in recipes]) < 0.35
    assert 0.2 < np.mean([not recipe["steps"] for recipe in recipes]) < 0.5


@pytest.mark.parametrize("first", [0, 500])
def test_any_stretch_of_numbers_is_a_fair_sample(inputs: LabellingInputs, first: int) -> None:
    examples = Examples(inputs.songs, inputs.seconds, seed=0)
    counts = Counter(examples.recipe(k)["parts"][0]["song"] for k in range(first, first + 200))
    for song, share in shares(inputs.songs):
        assert counts[song.song_id] == pytest.approx(200 * share, abs=2.5)


def test_an_unchanged_example_is_the_songs_own_samples() -> None:
    sound = 0.2 * np.random.default_rng(0).uniform(-1, 1, 40 * RATE_HZ).astype(np.float32)
    recipe = {"parts": [{"song": "a", "start_seconds": 5.0, "semitones": 0.0}], "steps": []}
    made = make_example(recipe, {"a": PackedAudio.pack(sound)})
    assert made.shape == (EXAMPLE_SAMPLES,)
    np.testing.assert_allclose(to_float(made), sound[5 * RATE_HZ :][:EXAMPLE_SAMPLES], atol=5e-5)


def test_a_short_song_is_repeated_without_gaps() -> None:
    sound = np.sin(2 * np.pi * 440 * np.arange(7 * RATE_HZ) / RATE_HZ).astype(np.float32) * 0.5
    recipe = {"parts": [{"song": "a", "start_seconds": 3.0, "semitones": 0.0}], "steps": []}
    made = to_float(make_example(recipe, {"a": PackedAudio.pack(sound)}))
    levels = [loudness(block) for block in made[: 29 * RATE_HZ].reshape(29, -1)]
    assert min(levels) > 0.34
    np.testing.assert_array_equal(made[: EXAMPLE_SAMPLES // 2], made[7 * RATE_HZ :][: EXAMPLE_SAMPLES // 2])


@pytest.mark.parametrize("semitones", [-2.0, 0.5, 2.0])
def test_speed_moves_the_pitch(semitones: float) -> None:
    sound = np.sin(2 * np.pi * 1000 * np.arange(40 * RATE_HZ) / RATE_HZ).astype(np.float32) * 0.5
    recipe = {"parts": [{"song": "a", "start_seconds": 0.0, "semitones": semitones}], "steps": []}
    made = to_float(make_example(recipe, {"a": PackedAudio.pack(sound)}))
    assert made.shape == (EXAMPLE_SAMPLES,)
    heard = np.abs(np.fft.rfft(made)).argmax() * RATE_HZ / EXAMPLE_SAMPLES
    assert heard == pytest.approx(1000 * 2 ** (semitones / 12), abs=0.1)
    assert loudness(made[-RATE_HZ:]) > 0.34  # up to the end


def test_a_mix_balances_loudness_and_does_not_clip() -> None:
    time = np.arange(30 * RATE_HZ) / RATE_HZ
    loud, soft = 0.9 * np.sin(2 * np.pi * 300 * time), 0.01 * np.sin(2 * np.pi * 2000 * time)
    waveforms = {"a": PackedAudio.pack(loud.astype(np.float32)), "b": PackedAudio.pack(soft.astype(np.float32))}
    part = {"start_seconds": 0.0, "semitones": 0.0}
    recipe = {"parts": [{"song": "a", **part}, {"song": "b", **part, "level_db": -6.0}], "steps": []}
    made = to_float(make_example(recipe, waveforms))
    spectrum = np.abs(np.fft.rfft(made[: 20 * RATE_HZ]))
    assert 20 * np.log10(spectrum[2000 * 20] / spectrum[300 * 20]) == pytest.approx(-6.0, abs=0.05)
    assert np.abs(made).max() == pytest.approx(1.0, abs=1e-3)
    assert np.mean(np.abs(made) > 0.999) < 0.02  # each turn touches it, none stays there


@pytest.mark.parametrize(
    ("shape", "low_db", "high_db"),
    [("low_shelf", -9, 0), ("high_shelf", 0, -9), ("low_pass", 0, -60), ("high_pass", -60, 0)],
)
def test_filters_do_what_their_names_say(shape: str, low_db: float, high_db: float) -> None:
    _, response = sosfreqz(biquad(shape, 1000.0, -9.0), worN=[10.0, 1000.0, 7950.0], fs=RATE_HZ)
    low, corner, high = 20 * np.log10(np.abs(response))
    for found, wanted in ((low, low_db), (high, high_db)):
        assert found < -55 if wanted == -60 else found == pytest.approx(wanted, abs=0.1)
    assert corner == pytest.approx(-4.5 if "shelf" in shape else -3.01, abs=0.02)


def test_an_unknown_filter_or_step_is_refused() -> None:
    with pytest.raises(ConfigError, match="band_pass"):
        biquad("band_pass", 100.0)
    with pytest.raises(ConfigError, match="reverse"):
        apply_step(np.zeros(10, np.float32), {"kind": "reverse"})


@pytest.mark.parametrize("colour", ["white", "pink"])
def test_noise_has_its_level_and_colour(colour: str) -> None:
    sound = music(4.0, RATE_HZ)[0]
    step = {"kind": "noise", "colour": colour, "snr_db": 20.0, "seed": 1}
    noise = apply_step(sound, step) - sound
    assert 20 * np.log10(loudness(sound) / loudness(noise)) == pytest.approx(20.0, abs=0.05)
    np.testing.assert_array_equal(apply_step(sound, step) - sound, noise)
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves = power[4 * 250 : 4 * 500].sum() / power[4 * 2000 : 4 * 4000].sum()
    assert octaves == pytest.approx(1.0 if colour == "pink" else 1 / 8, rel=0.2)


@pytest.mark.parametrize(("container", "kbps"), [("mp3", 24), ("mp3", 64), ("ogg", 12), ("ogg", 32)])
def test_codecs_change_the_sound_but_not_its_place(container: str, kbps: int) -> None:
    sound = music(5.0, RATE_HZ)[0]
    heard = apply_step(sound, {"kind": "codec", "container": container, "kbps": kbps})
    assert heard.shape == sound.shape
    assert heard.dtype == np.float32
    envelopes = [np.abs(x).reshape(-1, 80).mean(axis=1) for x in (sound, heard)]
    assert np.corrcoef(*envelopes)[0, 1] > 0.9
    assert np.abs(heard - sound).max() > 1e-3


def test_drawn_steps_can_be_carried_out() -> None:
    rng = np.random.default_rng(0)
    drawn = [step for _ in range(60) for step in draw_steps(rng)]
    assert {step["kind"] for step in drawn} == {"filter", "noise", "gain", "codec"}
    sound = music(1.0, RATE_HZ)[0]
    for step in drawn:
        assert np.isfinite(apply_step(sound, step)).all()


def test_unchanged_sets_cover_whole_songs() -> None:
    songs = [Song(name, Path(name), "emotify", "test", 0.0) for name in ("short", "long")]
    recipes = plain_recipes(songs, {"short": 12.0, "long": 60.0})
    assert [(recipe["parts"][0]["song"], recipe["parts"][0]["start_seconds"]) for recipe in recipes] == [
        ("short", 0.0),
        ("long", 0.0),
        ("long", 30.9),
    ]


def test_a_set_can_be_stopped_and_gone_on_with(inputs: LabellingInputs, tmp_path: Path) -> None:
    shards = plan_shards(inputs, hours=0, seed=0)
    assert Counter(shard.set_name for shard in shards) == dict.fromkeys(unchanged_sets(inputs.songs), 1)
    made = label(shards, inputs, tmp_path, seed=0)
    first = next(made)
    assert not first.before
    made.close()
    written = {path.name: path.stat().st_mtime_ns for path in first.shard.folder(tmp_path).iterdir()}
    (tmp_path / "heldout" / ".00007.1.part").mkdir()  # of a process that was killed
    both = [done for part in ((1, 2), (2, 2)) for done in label(shards, inputs, tmp_path, 0, part)]
    assert [done.shard for done in both if done.before] == [first.shard]
    assert {path.name: path.stat().st_mtime_ns for path in first.shard.folder(tmp_path).iterdir()} == written
    labelled = LabelledSet.open(tmp_path / "validation")
    assert len(labelled) == 4
    assert len(LabelledSet.open(tmp_path / "heldout").shards) == 1
    teacher = inputs.teachers[0]
    outputs = teacher.predict(to_float(labelled.audio[0][2]))
    np.testing.assert_allclose(labelled.windows[2, 0], outputs, atol=1e-3)
    np.testing.assert_allclose(labelled.means[2, 0], outputs.mean(axis=0), atol=1e-3)
    assert labelled.songs()[2] == labelled.recipes[2]["parts"][0]["song"]
    assert labelled.audible.all()


def test_a_set_of_another_seed_is_refused(inputs: LabellingInputs, tmp_path: Path) -> None:
    examples = Examples(inputs.songs, inputs.seconds, seed=0)
    shards = [Shard("train", 0, tuple(examples.recipe(k) for k in range(2)))]
    assert len(list(label(shards, inputs, tmp_path, seed=0))) == 1
    with pytest.raises(DataError, match="begun with other seed"):
        list(label(shards, inputs, tmp_path, seed=1))
    with pytest.raises(ConfigError, match="part 3/2"):
        list(label(shards, inputs, tmp_path, 0, part=(3, 2)))


def test_what_is_no_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"set\.json"):
        LabelledSet.open(tmp_path)
    (tmp_path / "set.json").write_text('{"format": 99}')
    with pytest.raises(DataError, match="99"):
        LabelledSet.open(tmp_path)


def test_hours_are_rounded_up_to_whole_shards() -> None:
    assert [n_train_shards(hours) for hours in (0, 0.1, 64 * 29.1 / 3600, 64 * 29.1 / 3600 + 0.01)] == [0, 1, 1, 2]
    with pytest.raises(ConfigError, match="-1"):
        n_train_shards(-1)


def test_a_part_is_labelled_by_the_windows_in_it(inputs: LabellingInputs, tmp_path: Path) -> None:
    list(label(plan_shards(inputs, 0, 0), inputs, tmp_path, seed=0))
    labelled = LabelledSet.open(tmp_path / "validation")
    starts = inputs.teachers[0].starts
    size = inputs.teachers[0].model.card.input.window_samples
    np.testing.assert_allclose(
        labelled.part_means(starts[1], size, size)[:, 0],
        np.einsum("w,nwt->nt", (part := overlaps(starts, size, starts[1], size)) / part.sum(), labelled.windows[:, 0]),
        atol=1e-6,
    )
    assert overlaps(starts, size, starts[1], size)[1] == 1.0
    with pytest.raises(DataError, match="no window"):
        labelled.part_means(EXAMPLE_SAMPLES + size, size, size)


def test_a_table_of_tags_with_mistakes_is_refused_with_all_of_them() -> None:
    union = default_union()
    wrong = (replace(union.tags[0], sources={"mtat-50": ("rock", "guitar", "rok")}), *union.tags[1:-1])
    with pytest.raises(ConfigError) as caught:
        TagUnion((*wrong, UnionTag(Tag("nothing"), {}, ("nowhere",))), union.left_out, union.vocabularies)
    text = str(caught.value)
    assert "mtat-50 has no tag 'rok'" in text
    assert "'guitar' is placed 2 times" in text
    assert "mtat-50: 'quiet' is neither placed nor left out" in text
    assert "'nothing' comes from nowhere" in text
    assert "'nothing' has the parent 'nowhere', which is not in the table" in text


def test_parents_are_kept_in_the_documents_of_labelled_sets_and_may_be_absent() -> None:
    union = default_union()
    assert union.parents["heavy metal"] == ("metal",)
    assert TagUnion.from_document(json.loads(union.to_json())) == union
    document = union.to_document()
    for row in document["tags"]:
        row.pop("parents", None)
    assert TagUnion.from_document(document).parents == {}  # one from before there were parents


@pytest.mark.parametrize("table", ["tags.csv", "earmark_2/tags.csv"])
def test_the_trees_of_the_default_models_are_trees(table: str) -> None:
    parents = read_parents(ROOT / "tools" / "default_model" / table)
    names = [row.values["name"] for row in read_table(ROOT / "tools" / "default_model" / table).rows]
    assert default_constraints(names, parents).problems(names) == []
    assert parents["female vocals"] == ("vocals",)


def made_outputs(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3, 50) outputs of an MTAT, an MSD and another MTAT teacher who hear one hidden degree of "rock"."""
    rng = np.random.default_rng(seed)
    hidden = rng.standard_normal(n)
    outputs = rng.uniform(0.01, 0.2, (n, 3, 50))
    names = [load_vocabulary(name).names.index("rock") for name in ("mtat-50", "msd-50", "mtat-50")]
    for teacher, (level, spread, noise) in enumerate([(-3, 1.0, 0.5), (0, 2.0, 0.5), (-2, 0.5, 0.5)]):
        logit = level + spread * (hidden + noise * rng.standard_normal(n))
        outputs[:, teacher, names[teacher]] = 1 / (1 + np.exp(-logit))
    return outputs, hidden


MADE = ("mtat-50", "msd-50", "mtat-50")


def test_soft_labels_are_nearer_the_truth_than_any_teacher() -> None:
    outputs, hidden = made_outputs(2000)
    union = default_union()
    logits = union_logits(outputs, MADE, union)
    place = union.vocabulary.index("rock")
    known = np.flatnonzero(~np.isnan(logits[0]).all(axis=0))
    fusion = LabelFusion.fit(logits[:, :, known])
    merged = fusion.soft_labels(logits[:, :, known])
    assert merged.dtype == np.float32
    assert 0 < merged.min() < merged.max() < 1
    column = known.tolist().index(place)
    of_merged = spearmanr(merged[:, column], hidden).statistic
    assert of_merged > max(spearmanr(logits[:, k, place], hidden).statistic for k in range(3)) + 0.02
    merged_logit = np.log(merged[:, column] / (1 - merged[:, column]))
    assert merged_logit.mean() == pytest.approx((-3 + 0 - 2) / 3, abs=0.15)
    assert merged_logit.std() == pytest.approx(logits[:, :, place].std(axis=0).mean(), rel=0.01)
    # A part of the set is merged as it is in the whole.
    np.testing.assert_array_equal(fusion.soft_labels(logits[5:9][:, :, known]), merged[5:9])


def test_weights_choose_teachers() -> None:
    outputs, _ = made_outputs(200)
    union = default_union()
    place = [union.vocabulary.index("rock")]
    logits = union_logits(outputs, MADE, union)[:, :, place]
    alone = LabelFusion.fit(logits, [0, 1, 0]).soft_labels(logits)[:, 0]
    np.testing.assert_allclose(alone, 1 / (1 + np.exp(-logits[:, 1, 0])), atol=1e-5)
    with pytest.raises(ConfigError, match="above 0 for each tag"):
        LabelFusion.fit(logits, [0, 0, 0])
    with pytest.raises(ConfigError, match="at least 2"):
        LabelFusion.fit(logits[:1])


def test_synonyms_of_one_teacher_add_up() -> None:
    outputs = np.full((1, 1, 50), 0.001)
    names = load_vocabulary("mtat-50").names
    for name in ("no vocal", "no vocals", "no voice"):
        outputs[0, 0, names.index(name)] = 0.2
    union = default_union()
    logit = union_logits(outputs, ["mtat-50"], union)[0, 0, union.vocabulary.index("instrumental")]
    assert 1 / (1 + np.exp(-logit)) == pytest.approx(1 - 0.8**3)
    assert np.isnan(union_logits(outputs, ["mtat-50"], union)[0, 0, union.vocabulary.index("jazz")])


def test_agreement_tells_a_tag_from_noise() -> None:
    outputs, _ = made_outputs(400)
    union = default_union()
    found = teacher_agreement(union_logits(outputs, MADE, union), MADE)
    rock, harp, jazz = (union.vocabulary.index(name) for name in ("rock", "harp", "jazz"))
    assert found.within[rock] > 0.7
    assert found.across[rock] > 0.7
    assert abs(found.within[harp]) < 0.2
    assert np.isnan(found.within[jazz])  # one teacher alone knows it
    assert found.of_teacher[0, rock] == pytest.approx((found.within[rock] + found.across[rock]) / 2, abs=0.1)


def test_known_labels_are_measured_by_song(folders: tuple[Path, Path], tmp_path: Path) -> None:
    songs = [f"emotify-{100 * genre + number:03d}" for genre in range(4) for number in (1, 2, 3)]
    sets = LabelledSets.open(labelled_sets.write_tables(tmp_path, read_collections(*folders)))
    labels = sets.known_labels(songs)
    assert labels.sum(axis=0).tolist() == [3, 3, 3, 3]
    outputs, _ = made_outputs(len(songs))
    place = load_vocabulary("mtat-50").names.index("rock")
    outputs[:, 0, place] = 0.1 + 0.5 * labels[:, 1]
    union = default_union()
    teachers = ("fcn-mtat", "fcn-msd", "vgg-mtt")
    places = [union.vocabulary.index(tag) for tag in sets.known_tags]
    rows = known_label_rows(union_logits(outputs, MADE, union), labels, places, teachers, all_groups(teachers, MADE))
    by_title = {row.title: row for row in rows}
    assert by_title["fcn-mtat"].values[1] == 1.0
    assert np.isnan(by_title["fcn-msd"].values[0])  # Million Song tags have no classical
    assert {"all teachers", "all of mtat-50", "all fcn", "FCN and CRNN"} <= set(by_title)
    with pytest.raises(DataError, match="emotify-999"):
        sets.known_labels(["emotify-999"])


def write_set(folder: Path, songs: list[str], outputs: np.ndarray) -> None:
    """A labelled set of two examples a song, whose audio is short; the second example of each song is silent."""
    shard = folder / "00000"
    shard.mkdir(parents=True)
    teachers = [{"name": f"fcn-{k}", "vocabulary": name, "starts": [0]} for k, name in enumerate(MADE)]
    document = {"format": 1, "teachers": teachers, "teachers_by_window": []}
    (folder / "set.json").write_text(json.dumps(document))
    loud = 1000 * np.ones((len(songs), 1, 100), np.int16)
    np.save(shard / "audio.npy", np.concatenate([loud, np.zeros_like(loud)], axis=1).reshape(-1, 100))
    both = np.stack([outputs, np.random.default_rng(1).uniform(0, 1, outputs.shape)], axis=1)
    np.save(shard / "means.npy", both.reshape(-1, *outputs.shape[1:]).astype(np.float16))
    lines = [json.dumps({"parts": [{"song": song}]}) for song in songs for _ in range(2)]
    (shard / "recipes.jsonl").write_text("\n".join(lines))


def test_the_page_on_teachers_tells_a_good_one(folders: tuple[Path, Path], tmp_path: Path) -> None:
    songs = {
        "emotify": [f"emotify-{100 * genre + number:03d}" for genre in range(4) for number in (1, 2, 3)],
        "validation": [f"emotify-{100 * genre + 4:03d}" for genre in range(4)],
        "heldout": [f"c{k}" for k in range(5)],
    }
    place = load_vocabulary("mtat-50").names.index("rock")
    labelled_sets.write_tables(tmp_path, read_collections(*folders))
    sets = LabelledSets.open(tmp_path)
    for k, (name, members) in enumerate(songs.items()):
        outputs, _ = made_outputs(len(members), seed=k)
        if name != "heldout":
            outputs[:, 0, place] = 0.1 + 0.5 * sets.known_labels(members)[:, 1]
        write_set(tmp_path / name, members, outputs)
    arguments = ["distill", "teachers", str(tmp_path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    rows = [line.split(" | ") for line in result.output.splitlines() if line.startswith("| fcn-0 |")]
    assert [row[2] for row in rows if len(row) == 6] == ["1.000"] * 3  # both sets, and each of them
    assert "## Known labels: emotify and validation, 16 songs" in result.output
    assert "drawing groups of songs (16)" in result.output
    assert "## Agreement: heldout, 5 songs" in result.output
    names, logits = song_logits([LabelledSet.open(tmp_path / "validation")], default_union())
    assert names == songs["validation"]
    assert logits.shape == (4, 3, len(default_union().tags))


def test_greedy_order_takes_the_best_next() -> None:
    worth = {"a": 1.0, "b": 3.0, "c": 2.0}
    stages = greedy_order(lambda names: sum(worth[name] for name in names), list(worth))
    assert [members[-1] for members, _ in stages] == ["b", "c", "a"]
    assert [value for _, value in stages] == [3.0, 5.0, 6.0]


def test_a_missing_teacher_is_told_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match=r"mtat_fcn\.pth.*earmark models pull fcn-mtat"):
        prepare_teacher("fcn-mtat", tmp_path, tmp_path)


def test_at_32_khz_an_example_keeps_its_band_and_gets_a_mirror_image_that_falls_towards_16_khz() -> None:
    def spectrum(waveform: np.ndarray) -> np.ndarray:
        return np.abs(np.fft.rfft(waveform[RATE_HZ : 3 * RATE_HZ]))  # 1 s at 32 kHz: a bin is 1 Hz

    time = np.arange(2 * RATE_HZ) / RATE_HZ
    for hz, image_db in ((500, -63), (7000, -18)):
        tone = 0.5 * np.sin(2 * np.pi * hz * time).astype(np.float32)
        found = spectrum(resample_example(tone, 32000))
        assert found[hz] == pytest.approx(spectrum(audio.resample(tone, RATE_HZ, 32000))[hz], rel=1e-3)
        assert 20 * np.log10(found[16000 - hz] / found[hz]) == pytest.approx(image_db, abs=1)
    np.testing.assert_array_equal(resample_example(tone, RATE_HZ), tone)


@pytest.mark.parametrize("rate_hz", [32000, 22050])
def test_a_teacher_of_another_rate_gets_the_example_resampled(tmp_path: Path, rate_hz: int) -> None:
    torch.manual_seed(0)
    model = create_model(
        "efficientat_mn", 5, width=0.1, frontend={"sample_rate_hz": rate_hz, "f_max_hz": 8000.0}
    ).eval()
    card = make_card(model, name="other", vocabulary=Vocabulary.of(["a", "b", "c", "d", "e"]))
    export_onnx(model, card, tmp_path / "other.onnx", check_signals(card.input)[:1])
    teacher = load_teacher(tmp_path / "other.onnx", EXAMPLE_SAMPLES)
    document = teacher.to_document()
    assert document["starts"] == [0, 160_000, EXAMPLE_SAMPLES - 160_000]
    assert document["window_samples"] == 160_000
    samples = music(29.1, RATE_HZ, seed=1)[0].astype(np.float32)
    answers = teacher.predict(samples)
    assert answers.shape == (3, 5)
    resampled = resample_example(samples, rate_hz)
    first = round(29.1 * rate_hz) - model.window_samples
    np.testing.assert_allclose(answers[2:], teacher.model(resampled[None, first : first + model.window_samples]))
    with pytest.raises(ModelError, match="longer than examples"):
        load_teacher(tmp_path / "other.onnx", 9 * RATE_HZ)


def test_the_command_wants_a_part_that_is_one(tmp_path: Path) -> None:
    arguments = ["distill", "label", "--plan", "plan.yaml", "--songs", "songs.csv", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, [*arguments, "--part", "half"])
    assert isinstance(result.exception, ConfigError)
    assert "I/N" in str(result.exception)


@pytest.mark.slow
@pytest.mark.shared
def test_a_published_network_hears_an_example_as_a_user_would(
    shared_dir: Path, folders: tuple[Path, Path], inputs: LabellingInputs, tmp_path: Path
) -> None:
    path = prepare_teacher("vgg-mtt", tmp_path / "teachers", shared_dir / "data" / "peers")
    teacher: Teacher = load_teacher(path, EXAMPLE_SAMPLES)
    examples = Examples(inputs.songs, inputs.seconds, seed=0)
    samples = to_float(make_example(examples.recipe(5), inputs.waveforms))
    heard = teacher.predict(samples)
    assert heard.shape == (len(teacher.starts), 50) == (10, 50)
    tagger = Tagger(teacher.model)
    np.testing.assert_allclose(heard.mean(axis=0), tagger.tag_waveform(samples, RATE_HZ).scores, atol=1e-5)


def test_the_train_set_is_labelled_by_the_teachers_named_for_it_alone(inputs: LabellingInputs) -> None:
    other = dataclasses.replace(inputs.teachers[0], name="another")
    both = dataclasses.replace(inputs, teachers=(other, *inputs.teachers))
    assert both.teachers_of("train") == inputs.teachers
    assert both.teachers_of("heldout") == (other, *inputs.teachers)


def test_teachers_agree_with_all_as_far_as_they_are_all() -> None:
    rng = np.random.default_rng(0)
    mind, noise = rng.standard_normal((2, 60, 8))
    logits = np.stack([mind, mind + 0.01 * noise, mind - 0.01 * noise, noise], axis=1)  # three of one mind, one without
    assert agreement_with_all(logits, [0, 1, 2, 3]) == (pytest.approx(1.0), 5.0)
    of_one_mind, top = agreement_with_all(logits, [0, 1, 2])
    alone, top_alone = agreement_with_all(logits, [3])
    assert of_one_mind > 0.85
    assert alone < 0.6
    assert top > top_alone


def test_shares_favour_small_groups_and_weights_override_them() -> None:
    songs = [Song(f"large {k}", Path("l"), "large", "train", 20.0) for k in range(100)]
    songs += [Song("small", Path("s"), "small", "train", 20.0), Song("kept", Path("k"), "k", "test", 60.0)]
    found = {song.song_id: share for song, share in shares(songs)}
    assert sum(found.values()) == pytest.approx(1.0)
    assert found["small"] == pytest.approx(10 * found["large 3"])  # as many seconds by 100, their root by 10
    assert "kept" not in found
    weighted = [replace(song, weight=2.0 if song.song_id == "small" else 0.5) for song in songs]
    assert {share for song, share in shares(weighted) if song.group == "large"} == {0.5}
    with pytest.raises(DataError, match="1 of 101"):
        shares([*songs[:-2], weighted[-2]])
    with pytest.raises(DataError, match="duration_seconds is missing for large 0"):
        shares([replace(song, duration_seconds=0.0) for song in songs])
    with pytest.raises(DataError, match="no song to train on"):
        shares(songs[-1:])


def test_a_table_of_music_reads_back_the_same(folders: tuple[Path, Path], tmp_path: Path) -> None:
    songs = read_collections(*folders)
    (tmp_path / "songs.csv").write_text(songs_csv(songs))
    again = read_songs(tmp_path / "songs.csv")
    assert [replace(song, path=song.path.absolute()) for song in songs] == list(again)


def test_problems_of_a_table_of_music_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(
        "path,split,group,weight,unchanged_set,rock\na.flac,training,x,1,,\na.flac,test,,-1,more,2\n"
    )
    with pytest.raises(DataError) as caught:
        read_songs(tmp_path / "s.csv")
    text = str(caught.value)
    for part in (
        "split 'training'",
        "group is empty",
        "weight '-1'",
        "unchanged_set 'more'",
        "rock '2'",
        "more than once",
    ):
        assert part in text


def test_a_plan_with_problems_is_refused_with_all_of_them(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("teachers: [fcn-mta, mine/model.onnx]\ntrain_teachers: [vgg-msd]\nlables: x\n")
    with pytest.raises(ConfigError) as caught:
        read_plan(tmp_path / "plan.yaml")
    text = str(caught.value)
    for part in ("'lables'", "tags is missing", "'vgg-msd' is not among", "fcn-mtat"):
        assert part in text
    (tmp_path / "plan.yaml").write_text("teachers: [fcn-mtat, mine/model.onnx]\ntags: tags.csv\n")
    plan = read_plan(tmp_path / "plan.yaml")
    assert plan.teachers == plan.train_teachers == ("fcn-mtat", str(tmp_path / "mine" / "model.onnx"))
    assert (plan.tags, plan.left_out) == (tmp_path / "tags.csv", None)


@pytest.mark.slow
def test_own_music_is_labelled_by_an_own_teacher(tmp_path: Path) -> None:
    """A plan, two tables and one command: no dataset of earmark and no published network is needed."""
    shutil.copy(find_model(), tmp_path / "teacher.onnx")
    names = Tagger.from_file(tmp_path / "teacher.onnx").card.vocabulary.names
    own = Tagger.from_file(tmp_path / "teacher.onnx").card.name
    rows = [f"my {name},other,{name}" for name in names[:5]]
    (tmp_path / "tags.csv").write_text("\n".join([f"name,category,{own}", *rows]) + "\n")
    left_out = [f"{own},{name},not wanted" for name in names[5:]]
    (tmp_path / "left_out.csv").write_text("\n".join(["vocabulary,tag,reason", *left_out]) + "\n")
    (tmp_path / "plan.yaml").write_text("teachers: [teacher.onnx]\ntags: tags.csv\nleft_out: left_out.csv\n")
    lines = ["path,split,group,duration_seconds"]
    for k, split in enumerate(("train", "train", "validation", "heldout")):
        soundfile.write(tmp_path / f"{k}.flac", music(2.0, RATE_HZ, seed=k)[0], RATE_HZ)
        lines.append(f"{k}.flac,{split},artist {k},2.0")
    (tmp_path / "songs.csv").write_text("\n".join(lines) + "\n")
    arguments = ["distill", "label", "--plan", str(tmp_path / "plan.yaml"), "--songs", str(tmp_path / "songs.csv")]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "sets"), "--hours", "0.01"])
    assert result.exit_code == 0, result.output
    sets = LabelledSets.open(tmp_path / "sets")
    assert (sets.extra_sets, sets.known_tags, sets["heldout"].vocabularies) == ((), (), (own,))
    dataset = load_dataset("labelled_set", tmp_path / "sets", parts=3, hours=0.01)
    assert dataset.vocabulary.names == tuple(f"my {name}" for name in names[:5])
    assert set(dataset.counts) == {"train", "validation"}


def test_known_labels_must_be_of_tags_of_the_plan(folders: tuple[Path, Path], tmp_path: Path) -> None:
    songs = [replace(song, labels={"zydeco": 1.0}) for song in read_collections(*folders)]
    (tmp_path / "songs.csv").write_text(songs_csv(songs))
    shutil.copy(find_model(), tmp_path / "teacher.onnx")
    names = Tagger.from_file(tmp_path / "teacher.onnx").card.vocabulary.names
    own = Tagger.from_file(tmp_path / "teacher.onnx").card.name
    (tmp_path / "tags.csv").write_text("\n".join([f"name,category,{own}", *(f"{n},other,{n}" for n in names)]) + "\n")
    (tmp_path / "plan.yaml").write_text("teachers: [teacher.onnx]\ntags: tags.csv\n")
    with pytest.raises(ConfigError, match="zydeco"):
        load_inputs(read_plan(tmp_path / "plan.yaml"), tmp_path / "songs.csv", tmp_path / "out")


def partly_labelled(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, 4, 2) of teachers of one hidden degree: the last labelled a quarter, and nobody knows the second tag."""
    rng = np.random.default_rng(5)
    hidden = rng.standard_normal(n)
    logits = np.full((n, 4, 2), np.nan)
    for teacher, (level, spread) in enumerate([(-3, 1.0), (0, 2.0), (-2, 0.5), (1, 3.0)]):
        logits[:, teacher, 0] = level + spread * (hidden + 0.7 * rng.standard_normal(n))
    logits[n // 4 :, 3, 0] = np.nan
    return logits, hidden


def test_a_teacher_of_a_part_is_on_the_same_scale() -> None:
    logits, hidden = partly_labelled()
    fusion = LabelFusion.fit(logits)
    merged = fusion.soft_labels(logits)
    assert np.isnan(merged[:, 1]).all()
    logit = np.log(merged[:, 0] / (1 - merged[:, 0]))
    assert np.isfinite(logit).all()
    quarter = len(logits) // 4
    for part in (logit[:quarter], logit[quarter:]):
        assert part.mean() == pytest.approx((-3 + 0 - 2 + 1) / 4, abs=0.2)
        assert part.std() == pytest.approx(1.22 * (1 + 2 + 0.5 + 3) / 4, rel=0.06)  # whoever labelled
    assert (
        spearmanr(logit[:quarter], hidden[:quarter]).statistic > spearmanr(logit[quarter:], hidden[quarter:]).statistic
    )
    # Examples that no teacher labelled are masked; others stay as they were.
    logits[7] = np.nan
    again = fusion.soft_labels(logits)
    assert np.isnan(again[7]).all()
    np.testing.assert_array_equal(np.delete(again, 7, axis=0), np.delete(merged, 7, axis=0))


def test_weights_of_a_teacher_that_is_missing_go_to_the_others() -> None:
    logits, _ = partly_labelled()
    logits = logits[:, [0, 3], :1]
    only = LabelFusion.fit(logits, [0, 1]).soft_labels(logits)
    assert np.isnan(only[len(logits) // 4 :]).all()
    assert not np.isnan(only[: len(logits) // 4]).any()
    both = LabelFusion.fit(logits, [[1], [9]]).common_scale(logits)[len(logits) // 4 :, 0]
    assert spearmanr(both, logits[len(logits) // 4 :, 0, 0]).statistic == pytest.approx(1)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_a_share_of_the_shards_is_evenly_spread(share: float) -> None:
    chosen = [is_in_share("essentia-happy", number, share) for number in range(400)]
    for step in (1, 2, 3, 4):  # processes that divide the work
        assert np.mean(chosen[::step]) == pytest.approx(share, abs=0.04)
    assert chosen != [is_in_share("essentia-sad", number, share) for number in range(400)]


def test_a_slow_teacher_labels_a_share_and_another_is_added_later(inputs: LabellingInputs, tmp_path: Path) -> None:
    (teacher,) = inputs.teachers
    recipe = {"parts": [{"song": inputs.songs[0].song_id, "start_seconds": 0.0, "semitones": 0.0}], "steps": []}
    slow = replace(teacher, name="slow")
    shards = [Shard("train", number, (recipe,)) for number in range(4)]
    shared = replace(
        inputs, teachers=(teacher, slow), train_teachers=(teacher.name, "slow"), train_shares={"slow": 0.3}
    )
    labelled_by = [is_in_share("slow", number, 0.3) for number in range(4)]
    assert sorted(set(labelled_by)) == [False, True]
    list(label(shards, shared, tmp_path / "shared", seed=0))
    labelled = LabelledSet.open(tmp_path / "shared" / "train")
    assert [entry.get("share") for entry in labelled.document["teachers"]] == [None, 0.3]
    for means in (labelled.means, labelled.part_means(0, EXAMPLE_SAMPLES // 3)):
        assert (~np.isnan(means[:, 1, 0])).tolist() == labelled_by
        assert not np.isnan(means[:, 0]).any()
    # The same teacher, added when two shards are there already.
    alone = replace(inputs, teachers=(teacher,), train_teachers=(teacher.name,))
    list(label(shards[:2], alone, tmp_path / "added", seed=0))
    both = replace(shared, train_shares={})
    assert [done.before for done in label(shards, both, tmp_path / "added", seed=0)] == [True, True, False, False]
    added = LabelledSet.open(tmp_path / "added" / "train")
    assert added.teachers == (teacher.name, "slow")
    assert np.isnan(added.means[:, 1, 0]).tolist() == [True, True, False, False]
    assert np.isnan(added.part_means(0, EXAMPLE_SAMPLES // 3)[:, 1, 0]).tolist() == [True, True, False, False]
    first = replace(added, shards=added.shards[:2])
    assert np.isnan(first.part_means(0, EXAMPLE_SAMPLES // 3)[:, 1]).all()
    with pytest.raises(DataError, match="begun with other teachers"):
        list(label(shards, alone, tmp_path / "added", seed=0))


@pytest.mark.parametrize(
    ("shares", "problem"),
    [
        ("{fcn-msd: 0.5}", "'fcn-msd' is not among the teachers of the training set"),
        ("{fcn-mtat: 0}", "fcn-mtat 0: must be above 0"),
        ("{fcn-mtat: half}", "fcn-mtat 'half': must be above 0"),
        ("0.5", "train_shares 0.5: must map teachers to shares"),
    ],
)
def test_shares_that_make_no_sense_are_refused(shares: str, problem: str, tmp_path: Path) -> None:
    text = f"teachers: [fcn-mtat, fcn-msd]\ntrain_teachers: [fcn-mtat]\ntags: tags.csv\ntrain_shares: {shares}\n"
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_plan(tmp_path / "plan.yaml")
    assert problem in str(caught.value)
    (tmp_path / "plan.yaml").write_text(text.replace(shares, "{fcn-mtat: 0.25}"))
    assert read_plan(tmp_path / "plan.yaml").train_shares == {"fcn-mtat": 0.25}


def test_a_tag_may_come_from_known_labels_alone(tmp_path: Path) -> None:
    (tmp_path / "tags.csv").write_text("name,category,own\nrock,genre,rock\nnostalgic,mood,\n")
    with pytest.raises(ConfigError, match="'nostalgic' comes from nowhere"):
        read_tag_union(tmp_path / "tags.csv", None, {"own": ("rock",)})
    union = read_tag_union(tmp_path / "tags.csv", None, {"own": ("rock",)}, known=("nostalgic", "classical"))
    assert union.known == ("nostalgic",)
    assert TagUnion.from_document(json.loads(union.to_json())) == union
    assert "known" not in default_union().to_document()
    logits = union_logits(np.full((3, 1, 1), 0.5), ["own"], union)
    assert np.isnan(logits[..., 1]).all()
    assert np.isnan(teacher_agreement(logits, ["own"]).within).all()
    songs = [
        Song("a", Path("a"), "x", "train", 1.0, labels={"rock": 1.0, "nostalgic": 0.3}),
        Song("b", Path("b"), "x", "train", 1.0, labels={"rock": 0.0}),
        Song("c", Path("c"), "x", "train", 1.0),
    ]
    sets = LabelledSets(tmp_path, union, tuple(songs))
    assert sets.known_tags == ("rock",)  # degrees have no ROC-AUC
    np.testing.assert_array_equal(sets.known_labels(["a", "b", "c"]), [[1.0], [0.0], [np.nan]])
