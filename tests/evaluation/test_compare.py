"""Comparing two models: verdicts that are known, runs that scatter, tables that do not belong together."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from earmark import metrics
from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.evaluation import ScoreTable, compare
from tests.helpers.score_tables import score_table

TAGS = Vocabulary((Tag("rock"), Tag("calm", "regression", "mood"), Tag("all"), Tag("piano")))


def table(skill: float = 0.5, seed: int = 0, n_clips: int = 80, **changes: Any) -> ScoreTable:
    """Labels and clips are the same for every skill and seed; tag "all" holds everywhere."""
    fixed, rng = np.random.default_rng(7), np.random.default_rng(seed)
    labels = (fixed.random((n_clips, 4)) < 0.4).astype(np.float32)
    labels[:, 1] = fixed.random(n_clips)
    labels[:, 2] = 1
    labels[4, 0] = np.nan
    scores = (skill * np.nan_to_num(labels) + (1 - skill) * rng.random(labels.shape)).astype(np.float32)
    return score_table(labels, scores, TAGS, clips_per_artist=3, **{"model": f"net {skill}", **changes})


def shuffled(made: ScoreTable, seed: int = 1) -> ScoreTable:
    rng = np.random.default_rng(seed)
    clips, tags = rng.permutation(len(made.clips)), rng.permutation(len(made.vocabulary))
    return dataclasses.replace(
        made,
        vocabulary=Vocabulary(tuple(made.vocabulary.tags[i] for i in tags)),
        clips=tuple(made.clips[i] for i in clips),
        artists=tuple(made.artists[i] for i in clips),
        songs=tuple(made.songs[i] for i in clips),
        labels=made.labels[np.ix_(clips, tags)],
        scores=made.scores[np.ix_(clips, tags)],
    )


def test_the_better_model_is_named_with_its_lead() -> None:
    weak, strong = table(0.1), table(0.7, seed=3)
    found = compare([weak], [strong], n_resamples=300)
    for name in ("roc_auc", "pr_auc", "rmse"):
        gap = found.find(name)
        assert gap.better == "b"
        measure = getattr(metrics, name)
        places = [1] if name == "rmse" else [0, 3]
        b, a = (measure(t.labels[:, places], t.scores[:, places]).mean() for t in (strong, weak))
        assert gap.difference == pytest.approx(b - a)
        assert gap.low < gap.difference < gap.high
    assert found.find("rmse").difference < 0, "less error is better"
    assert found.sentence("rmse").startswith("net 0.7 is better by 0.")
    back = compare([strong], [weak], n_resamples=300)
    assert back.sentence("roc_auc") == found.sentence("roc_auc")
    assert (found.resampled, found.n_groups, found.n_clips) == ("artist", 27, 80)


def test_equals_do_not_differ() -> None:
    found = compare([table(0.4, seed=1)], [table(0.4, seed=2)], n_resamples=300)
    assert found.find("roc_auc").better is None
    assert found.sentence("roc_auc").startswith("cannot be told apart: ")
    assert (found.a, found.b) == ("net 0.4 (A)", "net 0.4 (B)")
    assert compare([table()], [table()], names=("x", "y"), n_resamples=20).find("rmse").difference == 0


def test_one_lucky_run_does_not_make_a_better_model() -> None:
    """Trainings that scatter by more than the clips do: the best of b against the worst of a is a clear win, the
    models cannot be told apart."""
    a = [table(skill, seed=i) for i, skill in enumerate((0.1, 0.5, 0.3))]
    b = [table(skill, seed=i + 5) for i, skill in enumerate((0.12, 0.5, 0.32))]
    assert compare(a[:1], b[1:2], n_resamples=200).find("roc_auc").better == "b"
    found = compare(a, b, n_resamples=200)
    assert found.find("roc_auc").better is None
    assert (found.n_runs_a, found.n_runs_b) == (3, 3)
    means = [
        np.mean([metrics.roc_auc(t.labels[:, [0, 3]], t.scores[:, [0, 3]]).mean() for t in side]) for side in (a, b)
    ]
    assert found.find("roc_auc").difference == pytest.approx(means[1] - means[0])


def test_order_of_clips_and_tags_does_not_matter() -> None:
    a, b = table(0.2), table(0.4, seed=1)
    found, again = (compare([x], [y], n_resamples=100) for x, y in ((a, b), (a, shuffled(b))))
    assert found == again


def test_undefined_tags_are_listed_and_json_is_whole() -> None:
    found = compare([table(0.2)], [table(0.4, seed=1)], n_resamples=50)
    assert found.undefined == {"roc_auc": ("all",), "pr_auc": ("all",), "rmse": ()}
    assert found.sentence("roc_auc", "all") == "undefined"
    document = json.loads(found.to_json())
    assert document["format"] == 1
    (gap,) = [g for g in document["gaps"] if (g["metric"], g["tag"]) == ("roc_auc", None)]
    assert gap["difference"] == found.find("roc_auc").difference
    assert gap["better"] in ("b", None)
    with pytest.raises(KeyError):
        found.find("rmse", "rock")


def test_a_tag_without_any_defined_is_left_out_not_fatal() -> None:
    labels = table().labels.copy()
    labels[:, [0, 3]] = 0
    found = compare([table(labels=labels)], [table(seed=2, labels=labels)], n_resamples=20)
    assert found.undefined["roc_auc"] == ("rock", "all", "piano")
    assert {gap.metric for gap in found.gaps} == {"rmse"}


def test_tables_that_do_not_belong_together_are_refused_with_all_differences() -> None:
    a = table()
    fewer = table(n_clips=78, protocol="random", dataset="theirs", split="validation")
    with pytest.raises(DataError) as caught:
        compare([a], [fewer])
    said = str(caught.value)
    for piece in (
        "dataset: ",
        "protocol: ",
        "'random'",
        "split: ",
        "2 of 80 in net 0.5 (A) are not in net 0.5 (B)",
        "'clip 78'",
    ):
        assert piece in said
    other = Vocabulary((Tag("rock"), Tag("calm"), Tag("all"), Tag("piano")))
    with pytest.raises(DataError, match=r"'calm \[regression\]'"):
        compare([a], [table(vocabulary=other)])
    labels = a.labels.copy()
    labels[7, 3] = 1 - labels[7, 3]
    with pytest.raises(DataError, match=r"labels: 1 differ between .* clip 'clip 7', tag 'piano'"):
        compare([a], [shuffled(table(labels=labels))])
    with pytest.raises(DataError, match=r"run 1 and .* run 2 have the very same scores"):
        compare([a, shuffled(a)], [table(seed=4)])
    with pytest.raises(ConfigError, match="each side needs at least one"):
        compare([], [a])
    one = table(artists=("x",) * 80), table(seed=1, artists=("x",) * 80)
    with pytest.raises(DataError, match="all clips are of one artist"):
        compare([one[0]], [one[1]])
    assert compare([one[0]], [one[1]], groups="clip", n_resamples=10).resampled == "clip"
