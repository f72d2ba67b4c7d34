"""Labelling: shards that are either whole or absent, and `earmark distill label`."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from earmark.cli.main import app
from earmark.core.errors import ConfigError, DataError
from earmark.datasets import load_dataset
from earmark.datasets.labelled_set import LabelledSet, LabelledSets
from earmark.datasets.labelled_set.shards import EXAMPLE_SAMPLES, RATE_HZ, overlaps
from earmark.distillation.label import Shard, label, plan_shards, unchanged_sets
from earmark.distillation.labelling_inputs import LabellingInputs, is_in_share
from earmark.distillation.windows import Examples, to_float
from earmark.tagging.runtime import find_model
from earmark.tagging.tagger import Tagger
from tests.helpers.sounds import music


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_set_of_another_seed_is_refused(inputs: LabellingInputs, tmp_path: Path) -> None:
    examples = Examples(inputs.songs, inputs.seconds, seed=0)
    shards = [Shard("train", 0, tuple(examples.recipe(k) for k in range(2)))]
    assert len(list(label(shards, inputs, tmp_path, seed=0))) == 1
    with pytest.raises(DataError, match="begun with other seed"):
        list(label(shards, inputs, tmp_path, seed=1))
    with pytest.raises(ConfigError, match="part 3/2"):
        list(label(shards, inputs, tmp_path, 0, part=(3, 2)))


@pytest.mark.slow
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


def test_the_command_wants_a_part_that_is_one(tmp_path: Path) -> None:
    arguments = ["distill", "label", "--plan", "plan.yaml", "--songs", "songs.csv", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, [*arguments, "--part", "half"])
    assert isinstance(result.exception, ConfigError)
    assert "I/N" in str(result.exception)


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


@pytest.mark.slow
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
