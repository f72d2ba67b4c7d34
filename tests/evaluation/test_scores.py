"""The scores file: rows in any order, what may be missing, what is refused, and how long it takes."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.evaluation import ScoreTable, read_scores
from earmark.evaluation.report import make_report
from earmark.evaluation.scores import score_table
from tests.evaluation.test_compare import shuffled, table


def arrow(made: ScoreTable, folder: Path) -> Any:
    made.write(folder / "scores.parquet")
    return pq.read_table(folder / "scores.parquet")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return arrow(table(n_clips=9), tmp_path_factory.mktemp("rows"))


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_rows_may_be_in_any_order(rows: Any, random: Any) -> None:
    order = list(range(len(rows)))
    random.shuffle(order)
    read, whole = score_table(rows.take(order), "x"), score_table(rows, "x")
    assert sorted(read.clips) == sorted(whole.clips)
    for clip, artist, labels, scores in zip(read.clips, read.artists, read.labels, read.scores, strict=True):
        i = whole.clips.index(clip)
        columns = [whole.vocabulary.index(name) for name in read.vocabulary.names]
        assert artist == whole.artists[i]
        assert np.array_equal(labels, whole.labels[i, columns], equal_nan=True)
        assert np.array_equal(scores, whole.scores[i, columns])


def test_the_order_of_clips_and_tags_changes_no_metric() -> None:
    one, other = (make_report(made, n_resamples=50) for made in (table(), shuffled(table())))
    for metric in one.metrics:
        again = other.find(metric.name, metric.tag)
        for field in ("value", "low", "high"):
            assert getattr(again, field) == pytest.approx(getattr(metric, field), abs=1e-9), metric
    for name, averages in one.averages.items():
        for key, interval in averages.items():
            mine, theirs = dataclasses.astuple(interval), dataclasses.astuple(other.averages[name][key])
            assert theirs == pytest.approx(mine, abs=1e-9), (name, key)


def test_what_a_foreign_file_may_lack(rows: Any) -> None:
    keep = rows.filter(pa.compute.not_equal(rows["tag"], "calm"))
    read = score_table(keep.select(["score", "tag", "label", "clip"]), "x")
    assert {(tag.kind, tag.category) for tag in read.vocabulary} == {("classification", "other")}
    assert read.artists == read.songs == (None,) * 9
    assert (read.model, read.protocol) == ("", "")
    assert read.groups()[0] == "clip"
    as_words = keep.set_column(0, "clip", keep["clip"].dictionary_encode())
    assert score_table(as_words, "x").clips == read.clips
    numbers = keep.set_column(0, "clip", pa.array(np.repeat(np.arange(9), 3)))
    assert score_table(numbers, "x").clips == tuple("012345678")


def test_what_is_refused(rows: Any) -> None:
    def changed(column: str, values: Any) -> Any:
        return rows.set_column(rows.column_names.index(column), column, pa.array(values))

    scores, labels = rows["score"].to_pylist(), rows["label"].to_pylist()
    for bad, says in [
        (pa.concat_tables([rows, rows.slice(5, 2)]), r"2 clip-tag pairs are there more than once, e.g. clip 'clip 1', tag 'calm'"),
        (rows.slice(1), r"every clip must have the same tags, each in a row: 1 row is missing, e.g. clip 'clip 0', tag 'rock'"),
        (changed("score", [np.nan, *scores[1:]]), r"tag 'rock': 1 scores that are no finite numbers, e.g. nan of clip 'clip 0'"),
        (changed("score", [None, *scores[1:]]), "no finite numbers"),
        (changed("label", [0.5, *labels[1:]]), r"tag 'rock': 1 labels that are not 0 or 1, e.g. 0.5"),
        (changed("score", [scores[0], 1.5, *scores[2:]]), r"tag 'calm': 1 scores outside 0..1, which a regression tag needs"),
        (changed("label", [labels[0], -1.0, *labels[2:]]), r"tag 'calm': 1 labels outside 0..1"),
        (changed("score", ["high"] * len(scores)), "column 'score' must be numbers, is string"),
        (changed("clip", [None, *rows["clip"].to_pylist()[1:]]), "x: clip: 1 rows have none"),
        (changed("kind", ["ordinal"] * len(scores)), "kind 'ordinal' is not one of"),
        (changed("artist", [str(i) for i in range(len(scores))]), "column 'artist': 9 clips with more than one"),
        (changed("split", ["test", "train"] * 18), "column 'split' must be the same in all rows, is 'test', 'train'"),
        (rows.slice(0, 0), "no rows"),
    ]:  # fmt: skip
        with pytest.raises(DataError, match=says):
            score_table(bad, "x")
    several = changed("split", ["test", "train"] * 18)
    several = several.set_column(1, "song", pa.array([str(i) for i in range(36)]))
    with pytest.raises(DataError, match=r"(?s)'split'.*'song'"):
        score_table(several, "x")


def test_scores_outside_0_to_1_are_fine_where_only_order_counts(rows: Any) -> None:
    keep = rows.filter(pa.compute.not_equal(rows["tag"], "calm"))
    logits = keep.set_column(7, "score", pa.compute.multiply(pa.compute.subtract(keep["score"], 0.5), 20.0))
    assert keep.column_names[7] == "score"
    one, other = (make_report(score_table(t, "x"), n_resamples=0) for t in (keep, logits))
    assert one.find("roc_auc").value == pytest.approx(other.find("roc_auc").value)


def test_groups_are_what_is_asked_for() -> None:
    made = table()
    assert made.groups("clip") == ("clip", made.clips)
    with pytest.raises(DataError, match="the song of 80 of 80 clips is not known"):
        made.groups("song")
    with pytest.raises(ConfigError, match="groups 'album': must be artist, song or clip"):
        made.groups("album")


@pytest.mark.slow
def test_a_large_file_is_read_in_two_seconds(tmp_path: Path) -> None:
    """28,000 clips by 50 tags, the size of the largest published test split."""
    n_clips, n_tags = 28_000, 50
    rng = np.random.default_rng(0)
    made = ScoreTable(
        Vocabulary(tuple(Tag(f"tag {i}") for i in range(n_tags))),
        tuple(f"a/path/of/some/length/{i}.mp3" for i in range(n_clips)),
        tuple(f"artist {i // 9}" for i in range(n_clips)),
        tuple(f"song {i // 3}" for i in range(n_clips)),
        (rng.random((n_clips, n_tags)) < 0.1).astype(np.float32),
        rng.random((n_clips, n_tags), dtype=np.float32),
        "large",
        "published",
        "test",
        "net",
    )
    made.write(tmp_path / "scores.parquet")
    best = np.inf
    for _ in range(3):  # a busy machine may be slow once
        start = time.perf_counter()
        read = read_scores(tmp_path / "scores.parquet")
        best = min(best, time.perf_counter() - start)
        if best < 2:
            break
    assert best < 2
    assert np.array_equal(read.scores, made.scores)
