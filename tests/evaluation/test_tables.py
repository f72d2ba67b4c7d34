"""Tables of others: wide and long, text and Parquet, matched by clip and tag."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from earmark import metrics
from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError, DataError
from earmark.core.input_spec import InputSpec
from earmark.core.vocabulary import Vocabulary
from earmark.evaluation.report import make_report
from earmark.evaluation.tables import match, read_groups, read_matrix, read_score_table
from earmark.evaluation.thresholds import read_thresholds

SCORES = "path,rock,jazz\n001.mp3,0.9,0.1\n002.mp3,0.4,0.8\n3 é.mp3,0.2,0.3\n"
LABELS = "path,jazz,rock\n3 é.mp3,0,0\n001.mp3,0,1\n002.mp3,1,\n"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_wide_tables_are_matched_by_clip_and_tag(tmp_path: Path) -> None:
    scores = read_matrix(write(tmp_path, "s.csv", SCORES), "score")
    labels = read_matrix(write(tmp_path, "l.tsv", "\ufeff" + LABELS.replace(",", "\t")), "label")
    table, notes = match(scores, labels)
    assert notes == []
    assert table.clips == ("001.mp3", "002.mp3", "3 é.mp3")
    assert table.vocabulary.names == ("rock", "jazz")
    assert np.array_equal(table.labels, [[1, 0], [np.nan, 1], [0, 0]], equal_nan=True)
    assert table.scores.tolist() == [[0.9, 0.1], [0.4, 0.8], [0.2, 0.3]]
    assert (table.model, table.dataset) == ("s", "l")


def test_long_tables_and_parquet_say_the_same(tmp_path: Path) -> None:
    wide, _ = match(
        *(read_matrix(write(tmp_path, f"{w}.csv", t), w) for w, t in (("score", SCORES), ("label", LABELS)))
    )
    lines = ["tag,clip,score,label,artist"]
    for i, clip in enumerate(wide.clips):
        for j, tag in enumerate(wide.vocabulary.names):
            label = wide.labels[i, j]
            lines.insert(1, f"{tag},{clip},{wide.scores[i, j]},{'' if np.isnan(label) else label},a{i}")
    path = write(tmp_path, "long.csv", "\n".join(lines) + "\n")
    table, _ = match(read_matrix(path, "score"), read_matrix(path, "label"))
    alone = read_score_table(path)
    for long in (table, alone):
        assert long.artists == ("a2", "a1", "a0")
        rows = [long.clips.index(clip) for clip in wide.clips]
        columns = [long.vocabulary.index(tag) for tag in wide.vocabulary.names]
        assert np.array_equal(long.scores[np.ix_(rows, columns)], wide.scores)
        assert np.array_equal(long.labels[np.ix_(rows, columns)], wide.labels, equal_nan=True)
    columns = {"id": list(wide.clips), "rock": wide.scores[:, 0], "jazz": wide.scores[:, 1], "artist": ["x", "y", "y"]}
    pq.write_table(pa.table(columns), tmp_path / "wide.parquet")
    read = read_matrix(tmp_path / "wide.parquet", "score")
    assert np.array_equal(read.values, wide.scores)
    assert read.tags == ("rock", "jazz")
    assert read.artists == ("x", "y", "y")


def test_degrees_are_declared_in_the_header(tmp_path: Path) -> None:
    scores = read_matrix(write(tmp_path, "s.csv", "id,calm,rock\na,0.3,0.1\nb,0.6,0.2\n"), "score")
    labels = read_matrix(write(tmp_path, "l.csv", "id,calm [regression],rock,#notes\na,0.5,0,x\nb,0.6,1,y\n"), "label")
    table, _ = match(scores, labels)
    assert [tag.kind for tag in table.vocabulary] == ["regression", "classification"]
    report = make_report(table, n_resamples=0)
    assert report.find("rmse", "calm").value == pytest.approx(np.sqrt(0.02))
    assert report.averages["rmse"]["micro"].value == pytest.approx(np.sqrt(0.02))
    with pytest.raises(DataError, match=r"tag 'calm': 1 labels that are not 0 or 1, e.g. 0.5 of clip 'a'"):
        match(scores, read_matrix(write(tmp_path, "m.csv", "id,calm,rock\na,0.5,0\nb,1,1\n"), "label"))
    high = read_matrix(write(tmp_path, "h.csv", "id,calm,rock\na,1.3,0.1\nb,0.6,0.2\n"), "score")
    with pytest.raises(DataError, match=r"scores outside 0..1, which a regression tag needs, e.g. 1.3"):
        match(high, labels)


def test_clips_and_tags_on_one_side_are_refused_or_left_out_with_a_note(tmp_path: Path) -> None:
    scores = read_matrix(write(tmp_path, "s.csv", SCORES + "only.mp3,0.5,0.5\n"), "score")
    labels = read_matrix(write(tmp_path, "l.csv", LABELS.replace("jazz", "blues")), "label")
    with pytest.raises(DataError) as caught:
        match(scores, labels)
    said = str(caught.value)
    assert "clips: 1 of 4" in said
    assert "'only.mp3'" in said
    assert "tags: 1 of 2" in said
    assert "'blues'" in said
    table, notes = match(scores, labels, allow_missing=True)
    assert len(notes) == 3
    assert table.vocabulary.names == ("rock",)
    assert len(table.clips) == 3
    other = read_matrix(write(tmp_path, "o.csv", "id,rock\nx,1\n"), "label")
    with pytest.raises(DataError, match="no clip in common"):
        match(scores, other, allow_missing=True)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "", "empty; the first line must name"),
        ("a.csv", "id,rock\n", "no rows"),
        ("a.csv", "id,rock\na,1\na,0\n", "clip 'a' is there 2 times"),
        ("a.csv", "id,rock,rock\na,1,0\n", "column 'rock' is there 2 times"),
        ("a.csv", "id,rock,rock [regression]\na,1,0\n", "tag 'rock' is there 2 times"),
        ("a.csv", "id,rock\na,loud\n", "line 2, column 'rock': 'loud' is no number"),
        ("a.csv", "id,rock\na,1,2\n", "line 2: Expected 2 columns, got 3"),
        ("a.csv", "id,rock\n,1\n", "1 rows name no clip"),
        ("a.csv", "id,artist\na,b\n", "no tags"),
        ("a.csv", "id,,rock\na,b,1\n", "column 2 has no name"),
        ("a.csv", "clip,tag,label\na,b,1\n", "column 'score' is missing; it has clip, tag, label"),
        ("a.csv", "clip,tag,score\na,b,1\na,b,0\n", "1 clip-tag pair is there more than once"),
        ("a.txt", "id,rock\na,1\n", "must end in .csv, .tsv, .parquet"),
        ("a.parquet", "id,rock\na,1\n", "cannot be read"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read_matrix(write(tmp_path, name, text), "score")


def test_other_broken_tables(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_matrix(tmp_path / "none.csv", "score")
    (tmp_path / "latin.csv").write_bytes("id,rock\n\u00e9,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin.csv"):
        read_matrix(tmp_path / "latin.csv", "score")
    pq.write_table(pa.table({"rock": [0.1, 0.2], "jazz": [0.1, 0.3]}), tmp_path / "p.parquet")
    with pytest.raises(DataError, match="the first column must name the clips, 'rock' holds numbers"):
        read_matrix(tmp_path / "p.parquet", "score")
    pq.write_table(pa.table({"id": ["a", "b"], "jazz": ["x", "y"]}), tmp_path / "q.parquet")
    with pytest.raises(DataError, match="column 'jazz' must be numbers, is string; name it #jazz"):
        read_matrix(tmp_path / "q.parquet", "score")
    with pytest.raises(DataError, match=r"columns missing: clip, tag, label, score; .* a table of labels beside it"):
        read_score_table(write(tmp_path, "s.csv", SCORES))


def test_groups_come_from_a_table_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path, "g.csv", "id,title,artist\nb,x,B\na,y,A\nc,z,\n")
    assert read_groups(path, ("a", "b")) == ("artist", ("A", "B"))
    with pytest.raises(DataError, match="clip 'c' has no artist"):
        read_groups(path, ("a", "c"))
    with pytest.raises(DataError, match="clip 'd' has no artist"):
        read_groups(path, ("d",))
    assert read_groups(write(tmp_path, "h.tsv", "id\tband\na\tX\n"), ("a",)) == ("band", ("X",))
    with pytest.raises(DataError, match="needs a column artist or song beside 'id'; it has x, y"):
        read_groups(write(tmp_path, "i.csv", "id,x,y\na,1,2\n"), ("a",))
    with pytest.raises(DataError, match="clip 'a' is there 2 times"):
        read_groups(write(tmp_path, "j.csv", "id,band\na,1\na,2\n"), ("a",))


def test_thresholds_come_from_a_number_a_card_or_other_clips(tmp_path: Path) -> None:
    tags = Vocabulary.of(["rock", "jazz"])
    assert read_thresholds("0.3", tags) == ({"rock": 0.3, "jazz": 0.3}, "0.3 for every tag")
    card = ModelCard("m", "fcn", InputSpec(8000, 8000, 8000), tags, thresholds={"jazz": 0.25})
    path = write(tmp_path, "card.json", card.to_json())
    assert read_thresholds(str(path), tags) == ({"jazz": 0.25}, f"the card {path}")
    rows = [("a", "rock", 1, 0.9), ("b", "rock", 0, 0.5), ("a", "jazz", 0, 0.2), ("b", "jazz", 0, 0.1)]
    text = "clip,tag,label,score,split\n" + "".join(",".join(map(str, (*row, "validation"))) + "\n" for row in rows)
    path = write(tmp_path, "v.csv", text)
    assert read_thresholds(str(path), tags) == ({"rock": pytest.approx(0.7)}, f"highest F1 on {path} (validation)")
    with pytest.raises(DataError, match="no threshold for any of these tags: blues"):
        read_thresholds(str(path), Vocabulary.of(["blues"]))
    for wrong in ("high", "nan", "inf"):
        with pytest.raises(ConfigError, match=f"threshold '{wrong}': must be a number"):
            read_thresholds(wrong, tags)


@pytest.mark.slow
@pytest.mark.shared
def test_published_scores_give_the_published_metrics(shared_dir: Path) -> None:
    folder = shared_dir / "data" / "mtat"
    files = (folder / "published_scores.csv", "score"), (folder / "published_labels.csv", "label")
    table, notes = match(*(read_matrix(path, what) for path, what in files))  # type: ignore[arg-type]
    assert (notes, table.scores.shape) == ([], (4332, 50))
    found = make_report(table, n_resamples=0).averages["roc_auc"]
    assert found["macro"].value == pytest.approx(0.910897708562001, abs=1e-9)
    assert found["micro"].value == pytest.approx(0.9357250743645564, abs=1e-9)
    assert found["weighted"].value == pytest.approx(0.9134569741332418, abs=1e-9)
    some = [roc_auc_score(y, s) for y, s in zip(table.labels[:200], table.scores[:200], strict=True)]
    assert metrics.per_clip("roc_auc", table.labels[:200], table.scores[:200]) == pytest.approx(some)
