"""Which teachers label what, and tables that do not fit together."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tools.default_model.corpus import read_collections

from earmark.core.errors import ConfigError
from earmark.datasets.labelled_set.songs import songs_csv
from earmark.distillation.labelling_inputs import LabellingInputs, is_in_share, load_inputs
from earmark.distillation.plan import read_plan
from earmark.tagging.runtime import find_model
from earmark.tagging.tagger import Tagger


@pytest.mark.slow
def test_the_train_set_is_labelled_by_the_teachers_named_for_it_alone(inputs: LabellingInputs) -> None:
    other = dataclasses.replace(inputs.teachers[0], name="another")
    both = dataclasses.replace(inputs, teachers=(other, *inputs.teachers))
    assert both.teachers_of("train") == inputs.teachers
    assert both.teachers_of("heldout") == (other, *inputs.teachers)


@pytest.mark.slow
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


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_a_share_of_the_shards_is_evenly_spread(share: float) -> None:
    chosen = [is_in_share("essentia-happy", number, share) for number in range(400)]
    for step in (1, 2, 3, 4):  # processes that divide the work
        assert np.mean(chosen[::step]) == pytest.approx(share, abs=0.04)
    assert chosen != [is_in_share("essentia-sad", number, share) for number in range(400)]
