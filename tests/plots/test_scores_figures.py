"""Figures of scores, labels and logs: what stands behind them, on cases with a known answer."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from earmark.cli.analyze.reproduced import points_of
from earmark.cli.main import app
from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError, DataError
from earmark.core.input_spec import InputSpec
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets import Clip, Dataset, DatasetInfo, load_dataset
from earmark.evaluation import ScoreTable, evaluate
from earmark.papers.results import write_results
from earmark.papers.statistics import Results, RowStatistics, Statistics
from earmark.papers.tables import load_tables
from earmark.plots.clip_auc import clip_aucs, draw_clip_aucs
from earmark.plots.epochs import draw_epochs, epoch_table, read_log, read_point
from earmark.plots.exclusive import draw_exclusive, exclusive_table, find_pairs
from earmark.plots.label_placement import name_points
from earmark.plots.style import new_figure
from earmark.plots.tag_auc import draw_tag_aucs, tag_aucs
from earmark.plots.tag_auc_bars import draw_tag_auc_bars
from earmark.plots.tag_counts import tag_counts
from earmark.plots.top_tags import Answer, answer_of, draw_top_tags, top_tags
from earmark.plots.training_size import draw_training_size, size_tables
from earmark.training.run import train
from tests.helpers.score_tables import score_table
from tests.helpers.training_runs import KIM, recipe, tones

INFO = DatasetInfo("made", "Made", "", "", "", "", ())


def scores(values, labels, tags=None, *, clips=None, model="model", kinds=None) -> ScoreTable:
    """A table of scores; one artist per clip."""
    values, labels = np.asarray(values, np.float32), np.asarray(labels, np.float32)
    tags = tags or [f"tag {i}" for i in range(values.shape[1])]
    kinds = kinds or ["classification"] * len(tags)
    clips = tuple(clips or (f"clip {i}" for i in range(len(values))))
    vocabulary = Vocabulary(tuple(Tag(tag, kind) for tag, kind in zip(tags, kinds, strict=True)))
    artists = tuple(f"artist of {clip}" for clip in clips)
    return score_table(
        labels, values, vocabulary, clips=clips, artists=artists, dataset="made", protocol="by-hand", model=model
    )


def ranked(aucs, n=10):
    """Scores of tags with these AUCs: five clips have the tag, five have not, in an order made for it."""
    labels = np.array([1] * 5 + [0] * 5, float)
    columns = []
    for auc in aucs:
        beaten = round(auc * 25)
        whole, rest = divmod(beaten, 5)
        # Positives that beat all five negatives, one that beats ``rest`` of them, and others that beat none.
        positives = [0.9] * whole + ([0.1 * rest + 0.05] if whole < 5 else []) + [0.01] * (4 - whole)
        columns.append([*positives[:5], 0.1, 0.2, 0.3, 0.4, 0.5])
    return np.array(columns).T, np.tile(labels[:, None], len(aucs))


def of_roc(table: pd.DataFrame) -> pd.DataFrame:
    return table[table.metric == "roc_auc"]


def test_clips_per_tag_and_split():
    vocabulary = Vocabulary((Tag("rock"), Tag("calm", "regression"), Tag("rare")))
    rows = [("train", (1, 0.6, 0)), ("train", (1, 0.4, 0)), ("test", (0, 0.5, 1)), ("test", (np.nan, 1, 0))]
    clips = tuple(Clip(f"{i}", Path("x"), split, np.array(y, np.float32)) for i, (split, y) in enumerate(rows))
    table = tag_counts(Dataset("made", "by-hand", vocabulary, clips, INFO))
    assert table.columns.tolist() == ["tag", "kind", "train", "test", "total"]
    assert table[["tag", "train", "test", "total"]].values.tolist() == [
        ["calm", 1, 2, 3],
        ["rock", 2, 0, 2],
        ["rare", 0, 1, 1],
    ]


def test_tags_come_worst_first_with_their_clips_and_names():
    values, labels = ranked([0.8, 0.2, 1.0, 0.6])
    table = scores(values, labels, ["good", "bad", "best", "fair"])
    found = tag_aucs(table, n_resamples=20)
    assert found.tag.tolist() == ["bad", "fair", "good", "best"]
    assert found.auc.tolist() == pytest.approx([0.2, 0.6, 0.8, 1.0])
    assert (found.clips == 5).all()
    assert ((found.low <= found.auc) & (found.auc <= found.high)).all()
    counted = tag_aucs(table, counts={"bad": 7, "best": 900}, n_resamples=5)
    assert dict(zip(counted.tag, counted.clips, strict=True)) == {"bad": 7, "best": 900, "good": 0, "fair": 0}
    drawing = draw_tag_aucs(counted, "model", counted="training", named=1)
    written = [text.get_text() for axes in drawing.figure.axes for text in axes.texts]
    assert "bad 0.20" in written
    assert "best 1.00" in written
    assert drawing.figure.axes[0].get_xlabel() == "training clips with the tag"


def test_bars_name_every_tag_with_the_most_clips_first():
    values, labels = ranked([0.8, 0.2, 1.0, 0.6])
    labels[:, 3] = 0
    found = tag_aucs(
        scores(values, labels, ["good", "bad", "best", "never"]), counts={"bad": 7, "best": 900}, n_resamples=20
    )
    drawing = draw_tag_auc_bars(found, "model", counted="training")
    bars, points = drawing.figure.axes
    assert [label.get_text() for label in bars.get_yticklabels()] == ["best", "bad", "good", "never"]
    assert [patch.get_width() for patch in bars.patches] == [900, 7, 0, 0]
    (dots, _mean) = points.lines
    assert dots.get_xdata()[:3].tolist() == pytest.approx([1.0, 0.2, 0.8])
    assert math.isnan(dots.get_xdata()[3]), "an undefined AUC has no point"
    assert bars.get_xlabel() == "training clips with the tag"
    assert drawing.hints["tags"][0] == "best: 1.000, 900 clips"


def test_an_undefined_tag_comes_last_and_is_not_drawn():
    values, labels = ranked([0.8, 0.6])
    labels[:, 1] = 0
    found = tag_aucs(scores(values, labels), n_resamples=5)
    assert math.isnan(found.auc.iloc[-1])
    draw_tag_aucs(found, "model")
    with pytest.raises(DataError, match="no tag has a defined AUC"):
        draw_tag_aucs(found[found.auc.isna()], "model")


def test_best_and_worst_clips_with_what_they_are_and_what_was_found():
    table = scores(
        [[0.9, 0.5, 0.1], [0.9, 0.5, 0.1], [0.9, 0.5, 0.1], [0.9, 0.5, 0.1]],
        [[1, 0, 0], [0, 0, 1], [1, 1, 0], [0, 0, 0]],
        ["rock", "pop", "folk"],
        clips=["right", "wrong", "both right", "nothing"],
    )
    found = clip_aucs(table, top=2)
    assert found["clip"].tolist() == [
        "wrong",
        "right",
        "both right",
        "nothing",
    ]  # of two with 1.0 that with more tags is last
    assert found.auc.tolist()[:3] == [0, 1, 1]
    assert math.isnan(found.auc.iloc[3])
    assert (found["labels"].iloc[2], found.found.iloc[2]) == ("rock; pop", "rock; pop")
    drawing = draw_clip_aucs(found, "model", named=1)
    written = [text.get_text() for axes in drawing.figure.axes for text in axes.texts]
    assert "worst 1 of 3" in written
    assert "best 1; 2 clips have 1.00" in written
    assert {"wrong", "both right", "is: rock, pop"} <= set(written)


@pytest.fixture
def run(tmp_path):
    """A run of four epochs that validates in every second one and keeps the second."""
    rows = [(1, 0.7, None, None, 0), (2, 0.6, 0.65, 0.71, 1), (3, 0.5, None, None, 0), (4, 0.4, 0.7, 0.69, 0)]
    columns = ["epoch", "train_loss", "validation_loss", "roc_auc", "best"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "log.csv", index=False)
    (tmp_path / "test").mkdir()
    metric = {"name": "roc_auc", "tag": None, "value": 0.68, "low": 0.6, "high": 0.75}
    (tmp_path / "test/report.json").write_text(json.dumps({"metrics": [{**metric, "tag": "rock", "value": 1}, metric]}))
    return tmp_path


@pytest.mark.slow
def test_epochs_have_what_was_measured_and_the_test_stands_at_the_kept_one(run, tmp_path):
    log = read_log(run, "run")
    assert log.kept_epoch == 2
    point = read_point(run / "test/report.json", "roc_auc")
    assert (point.value, point.low, point.high) == (0.68, 0.6, 0.75)
    assert read_point(run / "test/report.json", "rmse") is None
    result = CliRunner().invoke(app, ["analyze", "epochs", str(run), "--out", str(tmp_path)], catch_exceptions=False)
    assert result.exit_code == 0
    table = pd.read_csv(tmp_path / "epochs.csv")
    rows = {(row.split, row.quantity, row.epoch): row.value for row in table.itertuples()}
    assert rows == {
        **{("train", "loss", epoch): loss for epoch, loss in enumerate((0.7, 0.6, 0.5, 0.4), start=1)},
        ("validation", "loss", 2): 0.65,
        ("validation", "loss", 4): 0.7,
        ("validation", "roc_auc", 2): 0.71,
        ("validation", "roc_auc", 4): 0.69,
        ("test", "roc_auc", 2): 0.68,
    }


@pytest.mark.slow
def test_the_kept_checkpoint_is_measured_on_its_training_clips(tmp_path):
    root = tones(tmp_path / "tones", 16)
    trained = train(recipe(KIM, root, training={"epochs": 2}), tmp_path / "run", device="cpu")
    assert trained is not None
    command = ["analyze", "epochs", str(tmp_path / "run"), "--on-training", "--out", str(tmp_path)]
    assert CliRunner().invoke(app, command, catch_exceptions=False).exit_code == 0
    table = pd.read_csv(tmp_path / "epochs.csv")
    (measured,) = table[(table.split == "train") & (table.quantity == "roc_auc")].value
    dataset = load_dataset("manifest", root)
    evaluate(tmp_path / "run/checkpoint", dataset, tmp_path / "train", split="train", n_resamples=1)
    assert measured == pytest.approx(read_point(tmp_path / "train/report.json", "roc_auc").value, rel=1e-4)


def test_a_log_without_the_metric_or_no_log_at_all(run):
    with pytest.raises(DataError, match="no run has a RMSE"):
        epoch_table([read_log(run, "run")], "rmse")
    with pytest.raises(DataError, match="not the log of a training run"):
        read_log(run / "test", "run")
    (run / "test/log.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="columns missing: epoch"):
        read_log(run / "test", "run")
    with pytest.raises(DataError, match="no report"):
        read_point(run / "log.csv", "roc_auc")
    assert draw_epochs([read_log(run, "run")], "roc_auc", "").name == "epochs"


@pytest.mark.slow
def test_sizes_and_the_difference_of_two_series(tmp_path):
    labels = ranked([0.5])[1]
    aucs = {("mel", 100): 0.8, ("mel", 1000): 1.0, ("raw", 100): 0.6, ("raw", 1000): 0.88, ("trees", 1000): 0.72}
    points = {key: [scores(ranked([auc])[0], labels)] for key, auc in aucs.items()}
    found = size_tables(points, n_resamples=20)
    assert {(p.series, p.training_clips): round(p.value, 6) for p in of_roc(found.points).itertuples()} == aucs
    assert of_roc(found.gaps)[["training_clips", "a", "b"]].values.tolist() == [
        [100, "mel", "raw"],
        [1000, "mel", "raw"],
    ]
    assert of_roc(found.gaps).difference.tolist() == pytest.approx([-0.2, -0.12])
    assert "raw - mel" in set(found.table.series)
    turned = size_tables(points, ("raw", "mel"), n_resamples=20)
    assert of_roc(turned.gaps).difference.tolist() == pytest.approx([0.2, 0.12])
    assert draw_training_size(found).table.equals(found.table)
    with pytest.raises(ConfigError, match="no series 'wave'"):
        size_tables(points, ("wave", "mel"))
    # Several runs: the mean over them.
    points["mel", 100].append(scores(ranked([0.6])[0], labels))
    several = of_roc(size_tables(points, n_resamples=20).points)
    row = several[(several.series == "mel") & (several.training_clips == 100)].iloc[0]
    assert (row.value, row.n_runs) == (pytest.approx(0.7), 2)
    # From files.
    points["mel", 100][0].write(tmp_path / "a.parquet")
    read = points_of([f"mel@100={tmp_path / 'a.parquet'}", f"mel@100={tmp_path / 'a.parquet'}"])
    assert {key: len(runs) for key, runs in read.items()} == {("mel", 100): 2}
    with pytest.raises(ConfigError, match="SERIES@CLIPS=SCORES"):
        points_of(["mel"])


def test_points_of_a_paper_are_read_from_its_results_and_runs(tmp_path):
    labels = ranked([0.5])[1]
    aucs = {"waveform-100k": 0.6, "spectrogram-100k": 0.8, "spectrogram-1m": 0.92, "gbt": 0.72}
    sizes = {"waveform-100k": 16, "spectrogram-100k": 16, "spectrogram-1m": 159}
    for row, auc in aucs.items():
        folder = tmp_path / row / "seed-0"
        (folder / "test").mkdir(parents=True)
        scores(ranked([auc])[0], labels, model=row).write(folder / "test/scores.parquet")
        (folder / "done.json").write_text("{}")
        if row in sizes:
            vocabulary, spec = Vocabulary.of(["tag 0"]), InputSpec(8000, 100, 100)
            card = ModelCard(row, "x", spec, vocabulary, training={"clips": {"train": sizes[row]}})
            (folder / "checkpoint").mkdir()
            (folder / "checkpoint/card.json").write_text(card.to_json())
    (tmp_path / "waveform-100k/seed-1").mkdir()  # not done yet
    rows = {row: RowStatistics({}, {}) for row in aucs}
    statistics = Statistics(rows, (), "artist", 10, 10, 100)
    runs = {row: [{"cpu_seconds": 1.0}] for row in aucs}
    write_results([Results(load_tables("pons2017"), "made", "by-hand", statistics, runs, "x")], tmp_path)
    points = points_of([str(tmp_path / "results.json")])
    assert {key: len(of_key) for key, of_key in points.items()} == {
        ("waveform", 16): 1,
        ("spectrogram", 16): 1,
        ("spectrogram", 159): 1,
        ("gbt", 159): 1,  # trees have no card: they learned from all
    }
    found = of_roc(size_tables(points, n_resamples=5).gaps)
    assert found[["training_clips", "a", "b"]].values.tolist() == [[16, "waveform", "spectrogram"]]
    assert found.difference.iloc[0] == pytest.approx(0.2)


def test_runs_of_one_point_must_be_of_the_same_clips():
    values, labels = ranked([0.8])
    other = scores(values, labels, clips=[f"other {i}" for i in range(10)])
    with pytest.raises(DataError, match="same clips and tags"):
        size_tables({("mel", 100): [scores(values, labels), other]}, n_resamples=5)


def test_top_tags_beside_labels():
    table = scores([[0.2, 0.9, 0.5, 0.3]], [[1, 0, 0, 0.4]], ["rock", "pop", "folk", "calm"], clips=["a song"])
    answer, labels = answer_of(table, "song")
    assert labels == {"rock": 1.0, "pop": 0.0, "folk": 0.0, "calm": 0.4}
    found = top_tags([answer, Answer("other", ("pop", "metal"), (0.1, 0.2))], labels, n=2)
    rows = [tuple(row) for row in found[found.model == "model"][["rank", "tag", "labelled", "shown"]].values]
    assert rows == [(1, "pop", False, True), (2, "folk", False, True), (4, "rock", True, False)]
    other = found[found.model == "other"]
    assert other.tag.tolist() == ["metal", "pop", "rock"]
    assert pd.isna(other["rank"].iloc[-1])
    written = [text.get_text() for axes in draw_top_tags(found, "a song").figure.axes for text in axes.texts]
    assert "lower, with rank: rock (4)" in written
    assert "not its tags: rock" in written
    with pytest.raises(DataError, match="no clip 'b'"):
        answer_of(table, "b")


def test_opposite_tags_that_fire_together():
    assert find_pairs(["beat", "slow", "no beat", "female vocal", "fast", "male vocal", "loud"]) == (
        ("beat", "no beat"),
        ("fast", "slow"),
        ("male vocal", "female vocal"),
    )
    assert find_pairs(["rock", "pop"]) == ()
    values = [[0.9, 0.8], [0.6, 0.1], [0.1, 0.7], [0.05, 0.02]]
    table = scores(values, [[1, 0], [1, 0], [0, 1], [0, 0]], ["fast", "slow"])
    found = exclusive_table(table, [("fast", "slow")], thresholds=[0.01, 0.5, 0.85, 0.95])
    assert found.both.tolist()[:4] == [4, 1, 0, 0]
    assert found.either.tolist()[:4] == [4, 3, 1, 0]
    assert found.share_of_either.tolist()[:3] == pytest.approx([1, 1 / 3, 0])
    assert math.isnan(found.share_of_either[3])
    last = found.iloc[-1]  # best F1: fast from 0.35 on, slow from 0.36 (0.8 is wrong, and below it 0.7 is right)
    assert (last.thresholds_of, last.a_fires, last.b_fires, last.both) == ("best F1", 2, 2, 1)
    assert (found.labelled_both == 0).all()
    drawing = draw_exclusive(found, "model")
    assert drawing.figure.legends[0].get_texts()[0].get_text() == "fast / slow (1 of 3)"
    with pytest.raises(ConfigError, match="must be two tags"):
        exclusive_table(table, [("fast", "fast")])
    with pytest.raises(ConfigError, match="no pairs"):
        exclusive_table(table, [])
    with pytest.raises(ConfigError, match="did you mean fast"):
        exclusive_table(table, [("fasts", "slow")])


@pytest.mark.slow
def test_commands_read_tables_of_others(tmp_path):
    values, labels = ranked([0.8, 0.2, 0.6])
    values[:, 2], labels[:, 2] = 1 - values[:, 2], 1 - labels[:, 2]  # the same AUC, and no clip with all tags
    tags, clips = ["fast", "slow", "rock"], [f"clip {i}" for i in range(10)]
    for name, numbers in (("scores", values), ("labels", labels)):
        pd.DataFrame(numbers, index=pd.Index(clips, name="clip"), columns=tags).to_csv(tmp_path / f"{name}.csv")
    files = [str(tmp_path / "scores.csv"), "--labels", str(tmp_path / "labels.csv"), "--out", str(tmp_path / "out")]
    runner = CliRunner()
    for command in (["tag-auc", *files, "--resamples", "5"], ["clip-auc", *files], ["exclusive", *files]):
        result = runner.invoke(app, ["analyze", *command], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    top = ["analyze", "top-tags", "--scores", files[0], *files[1:], "--clip", "clip 3"]
    assert runner.invoke(app, top, catch_exceptions=False).exit_code == 0
    assert {path.stem for path in (tmp_path / "out").iterdir()} == {
        "tag-auc",
        "tag-auc-bars",
        "clip-auc",
        "exclusive-tags",
        "top-tags",
    }
    assert pd.read_csv(tmp_path / "out/tag-auc.csv").tag.tolist() == ["slow", "rock", "fast"]
    for command, message in (
        (["tag-auc", *files, "--metric", "rmse"], "--metric 'rmse'"),
        (["exclusive", *files, "--pair", "fast"], "must be two tags"),
        (["top-tags", "--clip", "x", "--out", "y"], "either --audio and --model"),
        (["training-size", "x", "--out", "y"], "SERIES@CLIPS"),
    ):
        with pytest.raises(ConfigError, match=message):
            runner.invoke(app, ["analyze", *command], catch_exceptions=False)


@pytest.mark.slow
def test_names_hide_neither_each_other_nor_points():
    figure = new_figure("Names", height_inches=3)
    axes = figure.add_subplot()
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 12)) * 0.05 + 0.5  # a crowd
    axes.plot(x, y, "o")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    name_points(axes, x, y, [f"name {i}" for i in range(12)])
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 12
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    points = axes.transData.transform(np.column_stack([x, y]))
    assert not any(box.contains(*point) for box in boxes for point in points)
    frame = axes.get_window_extent()
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
