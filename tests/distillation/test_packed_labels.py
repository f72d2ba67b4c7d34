"""Labelled sets without audio: packed, and made again."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from earmark.cli.main import app
from earmark.core.errors import ConfigError, DataError
from earmark.core.input_spec import Conditioning
from earmark.datasets import load_dataset
from earmark.datasets.labelled_set import LabelledSets
from earmark.datasets.labelled_set.shards import RATE_HZ
from earmark.distillation.packed_labels import PackedSet, continue_training, pack
from earmark.tagging.runtime import DEFAULT_MODEL, find_model
from earmark.tagging.tagger import Tagger
from tests.helpers.sounds import music

pytestmark = pytest.mark.slow
HOURS = "0.01"
CANCELS = 5  # the song whose channels are each other's negative


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six songs labelled by one network; sets, songs.csv and plan.yaml."""
    folder = tmp_path_factory.mktemp("labelled")
    shutil.copy(find_model(), folder / "teacher.onnx")
    card = Tagger.from_file(folder / "teacher.onnx").card
    names = card.vocabulary.names[:5]
    lines = [f"name,category,{card.name}", *(f"my {name},genre,{name}" for name in names)]
    (folder / "tags.csv").write_text("\n".join(lines) + "\n")
    (folder / "left_out.csv").write_text(f"vocabulary,tag,reason\n{card.name},*,not wanted\n")
    (folder / "plan.yaml").write_text("teachers: [teacher.onnx]\ntags: tags.csv\nleft_out: left_out.csv\n")
    rows = ["path,split,group,duration_seconds"]
    for k, split in enumerate(("train", "train", "train", "validation", "heldout", "heldout")):
        sound = music(2.0 + k, RATE_HZ, seed=k)[0]
        soundfile.write(folder / f"{k}.flac", np.stack([sound, -sound], axis=1) if k == CANCELS else sound, RATE_HZ)
        rows.append(f"{k}.flac,{split},artist {k},{2.0 + k}")
    (folder / "songs.csv").write_text("\n".join(rows) + "\n")
    earmark("label", *tables(folder), "--out", folder / "sets", "--hours", HOURS)
    return folder


def earmark(*words: str | Path) -> str:
    result = CliRunner().invoke(app, ["distill", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def tables(folder: Path) -> tuple[str, str, str, str]:
    return "--plan", str(folder / "plan.yaml"), "--songs", str(folder / "songs.csv")


def test_a_packed_set_is_made_again(labelled: Path, tmp_path: Path) -> None:
    earmark("pack", labelled / "sets", "--out", tmp_path / "packed")
    assert {path.name for path in (tmp_path / "packed").iterdir()} == {"train.npz", "validation.npz", "heldout.npz"}
    unpack = ("unpack", tmp_path / "packed", *tables(labelled), "--out", tmp_path / "sets")
    assert "not exactly" not in earmark(*unpack)
    before, after = (LabelledSets.open(folder / "sets") for folder in (labelled, tmp_path))
    for name in ("train", "validation", "heldout"):
        assert before[name].recipes == after[name].recipes
        assert before[name].networks == after[name].networks
        for a, b in zip(before[name].audio, after[name].audio, strict=True):
            np.testing.assert_array_equal(a, b)
    # With one teacher its own answers remain.
    clips = [load_dataset("labelled_set", folder / "sets", parts=3).clips for folder in (labelled, tmp_path)]
    assert [clip.clip_id for clip in clips[0]] == [clip.clip_id for clip in clips[1]]
    labels = [np.stack([clip.labels for clip in part]) for part in clips]
    assert labels[0].shape[1] == 5
    assert np.abs(labels[0] - labels[1]).max() < 0.02


def test_songs_are_mixed_as_in_tagging_and_older_sets_as_they_were(labelled: Path, tmp_path: Path) -> None:
    def levels(sets: Path) -> list[bool]:
        heldout = LabelledSets.open(sets)["heldout"]
        return [bool(heldout.audio[0][heldout.songs().index(f"{k}.flac")].any()) for k in (4, CANCELS)]

    assert levels(labelled / "sets") == [True, True]
    shutil.copytree(labelled / "sets", tmp_path / "sets")
    for path in (tmp_path / "sets").glob("*/set.json"):
        document = json.loads(path.read_text())
        assert document.pop("cancelled_share") == Conditioning().cancelled_share
        path.write_text(json.dumps(document))
    shutil.rmtree(tmp_path / "sets" / "heldout" / "00000")
    earmark("label", *tables(labelled), "--out", tmp_path / "sets", "--hours", HOURS)
    assert levels(tmp_path / "sets") == [True, False]
    assert "cancelled_share" not in (tmp_path / "sets" / "heldout" / "set.json").read_text()
    (tmp_path / "sets" / "heldout" / "set.json").write_text('{"cancelled_share": 9}')
    with pytest.raises(DataError, match=r"set\.json: cannot be read"):
        earmark("label", *tables(labelled), "--out", tmp_path / "sets", "--hours", HOURS)


def test_unpacking_goes_on_and_says_what_differs(labelled: Path, tmp_path: Path) -> None:
    earmark("pack", labelled / "sets", "--out", tmp_path)
    packed = PackedSet.read(tmp_path / "train.npz")
    packed.checksums[3] += 1
    packed.write(tmp_path / "train.npz")
    unpack = ("unpack", tmp_path, *tables(labelled), "--out", tmp_path / "sets")
    assert "train: 64 examples; 1 of them not exactly what was labelled" in earmark(*unpack, "--part", "1/2")
    (shard,) = LabelledSets.open(tmp_path / "sets")["train"].shards
    changed = (shard / "audio.npy").stat().st_mtime_ns
    assert "not exactly" not in earmark(*unpack)
    assert (shard / "audio.npy").stat().st_mtime_ns == changed

    # Labelling into them would take away the tables that they are read with.
    before = (tmp_path / "sets" / "tags.json").read_bytes()
    with pytest.raises(DataError, match="was made by `earmark distill unpack`; label into another folder"):
        earmark("label", *tables(labelled), "--out", tmp_path / "sets", "--hours", HOURS)
    assert (tmp_path / "sets" / "tags.json").read_bytes() == before


def test_what_cannot_be_unpacked_is_refused(labelled: Path, tmp_path: Path) -> None:
    unpack = ("unpack", tmp_path, *tables(labelled), "--out", tmp_path / "sets")
    with pytest.raises(DataError, match=r"no SET\.npz there"):
        earmark(*unpack)
    (tmp_path / "train.npz").write_bytes(b"no zip")
    with pytest.raises(DataError, match="no packed labels"):
        earmark(*unpack)
    earmark("pack", labelled / "sets", "--out", tmp_path)
    songs = [line for line in (labelled / "songs.csv").read_text().splitlines() if not line.startswith("4.flac")]
    (labelled / "fewer.csv").write_text("\n".join(songs) + "\n")
    with pytest.raises(DataError, match=r"heldout: the song '4\.flac' is not in the table"):
        earmark("unpack", tmp_path, *tables(labelled)[:3], labelled / "fewer.csv", "--out", tmp_path / "sets")
    earmark(*unpack[:-1], tmp_path / "others")
    document = tmp_path / "others" / "train" / "set.json"
    document.write_text(document.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(DataError, match="begun with other labels"):
        earmark(*unpack[:-1], tmp_path / "others")


def test_hours_that_are_labelled_later_continue_a_packed_set(labelled: Path, tmp_path: Path) -> None:
    more = ("label", *tables(labelled), "--hours", "0.6")
    earmark(*more, "--out", tmp_path / "whole")
    earmark(*more, "--after-hours", HOURS, "--out", tmp_path / "rest")
    assert [path.name for path in sorted((tmp_path / "rest" / "train").glob("0*"))] == ["00001"]
    earmark("pack", labelled / "sets", "--out", tmp_path / "first")
    earmark("pack", tmp_path / "whole", "--out", tmp_path / "expected")
    earmark("pack", tmp_path / "rest", "--onto", tmp_path / "first", "--out", tmp_path / "both")
    both, expected = (PackedSet.read(tmp_path / name / "train.npz") for name in ("both", "expected"))
    assert both.recipes == expected.recipes
    assert (both.checksums == expected.checksums).all()
    assert np.abs(both.labels.astype(float) - expected.labels).max() < 2e-3
    assert both.document["continued"][0]["first_example"] == 64
    earmark("unpack", tmp_path / "both", *tables(labelled), "--out", tmp_path / "sets")
    train = LabelledSets.open(tmp_path / "sets")["train"]
    assert len(train) == 128
    assert train.shares() == {DEFAULT_MODEL: 1.0}
    (teacher,) = train.document["teachers"]
    teacher["mean_of"][0]["share"] = 0.25
    assert train.shares() == {DEFAULT_MODEL: 0.625}
    train.document["continued"][0]["teachers"] = []
    assert train.shares() == {DEFAULT_MODEL: 0.125}


def test_tags_of_the_teachers_of_the_first_hours_may_be_in_the_table(labelled: Path, tmp_path: Path) -> None:
    plan = labelled / "later.yaml"
    (labelled / "more.csv").write_text((labelled / "tags.csv").read_text() + "from elsewhere,genre,\n")
    plan.write_text((labelled / "plan.yaml").read_text().replace("tags.csv", "more.csv"))
    label = ("label", "--plan", plan, *tables(labelled)[2:], "--out", tmp_path, "--hours", HOURS)
    with pytest.raises(ConfigError, match="'from elsewhere' comes from nowhere"):
        earmark(*label)
    earmark(*label, "--after-hours", HOURS)
    assert (tmp_path / "heldout" / "00000").is_dir()
    assert not list((tmp_path / "train").glob("0*"))
    with pytest.raises(ConfigError, match=r"after_hours 2: must be at most hours \(0.01\)"):
        earmark(*label, "--after-hours", "2")


def test_later_labels_get_the_scale_of_the_first(labelled: Path) -> None:
    sets = LabelledSets.open(labelled / "sets")
    before = {name: pack(sets, name) for name in ("train", "validation", "heldout")}
    after = {name: dataclasses.replace(one, labels=shifted(one.labels)) for name, one in before.items()}
    with pytest.raises(DataError, match="64 examples are in both"):
        continue_training(before, after)
    later = [{**recipe, "seed": [9, k]} for k, recipe in enumerate(after["train"].recipes)]
    after["train"] = dataclasses.replace(after["train"], recipes=later)
    joined = continue_training(before, after)
    old, new = joined.labels[:64].astype(float), joined.labels[64:].astype(float)
    assert np.abs(after["train"].labels / old - 1).max() > 0.2
    assert np.abs(new - old).max() < 5e-3


def shifted(labels: np.ndarray) -> np.ndarray:
    """As a teacher that says less of everything, and is less sure."""
    p = labels.astype(float).clip(1e-4, 1 - 1e-4)
    return (1 / (1 + np.exp(-(0.7 * np.log(p / (1 - p)) - 1)))).astype(np.float16)


def test_labels_that_do_not_continue_others_are_refused(labelled: Path) -> None:
    sets = LabelledSets.open(labelled / "sets")
    before = {name: pack(sets, name) for name in ("train", "validation", "heldout")}
    with pytest.raises(DataError, match="the second labels have no set 'heldout'"):
        continue_training(before, {name: before[name] for name in ("train", "validation")})
    other = dataclasses.replace(before["train"], document={**before["train"].document, "seed": 5})
    with pytest.raises(DataError, match="train: another seed"):
        continue_training(before, {**before, "train": other})
    fewer = dataclasses.replace(before["validation"], recipes=before["validation"].recipes[:-1])
    with pytest.raises(DataError, match="validation: other examples"):
        continue_training(before, {**before, "validation": fewer})
