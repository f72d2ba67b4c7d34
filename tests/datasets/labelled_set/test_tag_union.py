"""The table of tags of a student, and which tags of its teachers they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark.core.default_constraints import default_constraints
from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Tag
from earmark.datasets.labelled_set import LabelledSets, Song, TagUnion, UnionTag, read_tag_union, union_logits
from earmark.datasets.labelled_set.tag_union import read_parents
from earmark.datasets.table import read_table
from earmark.distillation.teacher_agreement import teacher_agreement
from tests.conftest import ROOT
from tests.helpers.labelled_sets import default_union


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
