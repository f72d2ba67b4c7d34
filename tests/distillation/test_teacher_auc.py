"""ROC-AUC of teachers on known labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tools.default_model.corpus import read_collections

from earmark.core.errors import DataError
from earmark.core.tag_lists import load_vocabulary
from earmark.datasets.labelled_set import LabelledSets, union_logits
from earmark.distillation.teacher_auc import greedy_order, known_label_rows
from earmark.distillation.teacher_comparison import all_groups
from tests.helpers import labelled_sets
from tests.helpers.labelled_sets import MADE, default_union, made_outputs


@pytest.mark.slow
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


def test_greedy_order_takes_the_best_next() -> None:
    worth = {"a": 1.0, "b": 3.0, "c": 2.0}
    stages = greedy_order(lambda names: sum(worth[name] for name in names), list(worth))
    assert [members[-1] for members, _ in stages] == ["b", "c", "a"]
    assert [value for _, value in stages] == [3.0, 5.0, 6.0]
