"""From a student to earmark-1: what is measured for its page, and the whole way."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tools.default_model.corpus import read_collections
from tools.default_model.measurements import licence_hours, mistakes, not_music
from tools.default_model.release import make_earmark_1
from tools.default_model.rules import card_rules, tables_of, update_rules

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.core.input_spec import InputSpec
from earmark.core.tag_constraints import TagConstraints
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets import load_dataset
from earmark.distillation.student_comparison import compare_students
from earmark.export.graph_edit import set_rules
from earmark.report.distillation_pages import student_page
from earmark.tagging.runtime import OnnxModel, find_model
from earmark.tagging.tagger import Tagger, load_tagger
from earmark.training.config import load_recipe
from earmark.training.run import train
from tests.distillation.test_calibration import TINY
from tests.distillation.test_student import write_set
from tests.helpers.emotify import write_emotify
from tests.helpers.labelled_sets import write_tables
from tests.helpers.made_library import card as made_card
from tests.helpers.onnx_files import tiny


def test_licences_of_the_corpus_are_put_together(tmp_path: Path) -> None:
    rows = [
        '1,a.opus,x,"CC BY-SA 4.0 / CC BY 3.0 (README)",t,3600',
        "2,b.opus,x,CC0-1.0 (LICENSE),t,1800",
        "3,c.opus,y,GPL-3.0,t,1800",
        "4,d.opus,y,CC BY-NC-ND (table),t,7200",
    ]
    (tmp_path / "tracks.csv").write_text("track_id,path,source,licence,label,duration_s\n" + "\n".join(rows) + "\n")
    assert licence_hours(tmp_path) == {"CC BY-NC-ND": 2, "CC BY-SA": 1, "public domain, CC0": 0.5, "GPL": 0.5}


def test_sounds_that_are_no_music_are_sounds() -> None:
    sounds = not_music(1.0)
    assert all(len(sound) == 16_000 and np.abs(sound).max() <= 1 for sound in sounds.values())
    assert sum(float(np.abs(sound).max()) == 0 for sound in sounds.values()) == 1


@pytest.mark.slow
def test_the_bundled_card_has_the_rules_of_the_tables_inside_and_beside_the_file(tmp_path: Path) -> None:
    bundled = find_model()
    beside = ModelCard.read(bundled.with_suffix(".json"))
    assert beside.rules == card_rules(beside.vocabulary, tables_of(beside.name))
    inside = OnnxModel(bundled).card
    assert inside.replace(weights_sha256="") == beside.replace(weights_sha256="")
    assert beside.weights_sha256 == hashlib.sha256(bundled.read_bytes()).hexdigest()
    # Made once more, it stays what it is; and with other tables only the rules change.
    for path in (bundled, bundled.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    copy = tmp_path / bundled.name
    assert update_rules(copy) == beside
    assert copy.read_bytes() == bundled.read_bytes()
    genres = [tag.name for tag in beside.vocabulary if tag.category == "genre"]
    child, *others = [name for name in genres if beside.rules.parents.get(name)]
    parent = next(name for name in genres if name != child and name not in beside.rules.parents[child])
    (tmp_path / "tags.csv").write_text(f"name,parents\n{parent},\n{child},{parent}\n")
    (tmp_path / "card.json").write_text('{"name": "x"}')
    card = update_rules(copy, tmp_path)
    assert others
    assert card.rules.parents[child] == (parent,)
    assert (card.rules.rivals, [name for name in others if name in card.rules.parents]) == ({}, [])
    assert card.replace(rules=beside.rules, weights_sha256="") == beside.replace(weights_sha256="")
    assert OnnxModel(copy).card.rules == card.rules
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * 16_000)
    np.testing.assert_array_equal(
        load_tagger(copy).tag_waveform(noise, 16_000).scores, load_tagger().tag_waveform(noise, 16_000).scores
    )
    with pytest.raises(ConfigError, match="no tag 'nowhere'"):
        set_rules(copy, copy, TagConstraints(rivals={"rock": ("nowhere",)}))


@pytest.mark.slow
def test_the_whole_way_to_a_model_and_its_page(tmp_path: Path) -> None:
    emotify = write_emotify(tmp_path / "emotify", seconds=1.0)
    corpus, notes, sets = tmp_path / "corpus", tmp_path / "notes", tmp_path / "sets"
    for folder, labels in ((corpus, ["t"] * 25), (notes, ["one-shot; instrument guitar; E4", "noise"])):
        folder.mkdir()
        rows = [f"{i},{i}.wav,source {i},CC BY 4.0,{label},10" for i, label in enumerate(labels)]
        (folder / "tracks.csv").write_text("track_id,path,source,licence,label,duration_s\n" + "\n".join(rows) + "\n")
        for i in range(len(labels)):
            soundfile.write(folder / f"{i}.wav", np.sin(np.arange(16_000) / 9), 16_000)
    ids = {
        split: [clip.clip_id for clip in load_dataset("emotify", emotify).split(split)]
        for split in ("train", "validation", "test")
    }
    write_set(sets / "train", 6, 0)
    write_set(sets / "heldout", 6, 1)
    for seed, (name, split) in enumerate(
        {"emotify": "train", "validation": "validation", "test": "test"}.items(), start=2
    ):
        # The first of a set is silent, so each song is there twice.
        write_set(sets / name, 1 + len(ids[split]), seed, songs=[ids[split][0], *ids[split]])
    write_tables(sets, read_collections(emotify, corpus))
    run = train(load_recipe("default/compact-1d", [*TINY, f"data.root={sets}"]), tmp_path / "run", device="cpu")
    printed = list(
        make_earmark_1(
            run.checkpoint, sets, emotify, corpus, tmp_path / "model", instruments=notes, least_correlation=-1.0
        )
    )
    assert printed[-1] == str(tmp_path / "model" / "earmark-1.md")
    tagger = load_tagger(tmp_path / "model" / "earmark-1.onnx")
    found = {(metric.name, metric.dataset, metric.tag) for metric in tagger.card.metrics}
    assert {("roc_auc", "emotify", None), ("roc_auc", "emotify", "rock"), ("top5_shared", "corpus", None)} <= found
    page = (tmp_path / "model" / "earmark-1.md").read_text(encoding="utf-8")
    assert f"| tags | {len(tagger.card.vocabulary)}: " in page
    assert "| CC BY | 0.07 |" in page  # 25 of ten seconds
    assert "| guitar | 1 |" in page
    assert "| digital silence |" in page
    for name in tagger.card.vocabulary.names:
        assert f"| {name} | " in page
    found = compare_students([run.checkpoint], sets)
    assert found.rows[0].architecture == "compact_1d"
    assert found.rows[0].n_windows == 3 * (5 + 12)
    assert "| run | `compact_1d` |" in student_page(found, "earmark distill compare")


def test_mistakes_are_of_genres_that_the_model_knows(tmp_path: Path) -> None:
    """A try on little music leaves out tags that it cannot tell from noise, genres among them."""
    emotify = write_emotify(tmp_path / "emotify")
    two = Vocabulary((Tag("pop", category="genre"), Tag("slow", category="tempo"), Tag("classical", category="genre")))
    spec = InputSpec(16_000, 8_000, 8_000)
    tagger = Tagger.from_file(tiny(tmp_path / "two.onnx", made_card(two, input=spec)))
    found, n_songs = mistakes(tagger, emotify)
    assert n_songs == 4  # of eight test songs
    assert 0 < len(found) < 4
    assert {one.genre for one in found} | {one.predicted for one in found} == {"pop", "classical"}
    assert all(one.scores[1] > one.scores[0] for one in found)
