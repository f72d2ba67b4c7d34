"""Reports, comparisons and scores files of classes that exclude each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earmark import metrics
from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError, DataError
from earmark.core.input_spec import InputSpec
from earmark.core.vocabulary import Tag
from earmark.evaluation import read_scores
from earmark.evaluation.compare import compare
from earmark.evaluation.platt import calibrated_card
from earmark.evaluation.report import make_report, read_report
from earmark.evaluation.report_page import to_lines, to_markdown
from earmark.evaluation.run import write_results
from earmark.evaluation.scores import ScoreTable
from earmark.evaluation.tables import read_score_table
from tests.helpers.score_tables import score_table

TAGS = (Tag("rock"), Tag("jazz"), Tag("folk"), Tag("live"))
CLASSES = ("rock", "jazz", "folk")


def classes(noise: float = 0.6, seed: int = 0) -> ScoreTable:
    """60 clips of three classes, and a tag that does not exclude anything."""
    rng = np.random.default_rng(7)
    labels = np.column_stack([np.eye(3)[rng.integers(0, 3, 60)], rng.integers(0, 2, 60)]).astype(np.float32)
    scores = np.random.default_rng(seed).normal(labels, noise)
    scores = 1 / (1 + np.exp(-2 * (scores - 0.5)))
    return score_table(
        labels, scores.astype(np.float32), TAGS, clips_per_artist=2, exclusive=CLASSES, model=f"net {seed}"
    )


def test_a_report_has_accuracy_and_the_f1_of_the_class_that_scores_highest() -> None:
    table = classes()
    train = np.eye(3, 4, dtype=np.float32)[[0, 0, 1]]
    report = make_report(table, train_labels=train, thresholds={"rock": 0.9, "live": 0.5}, n_resamples=50)
    labels, scores = table.labels[:, :3], table.scores[:, :3]
    found = report.find("accuracy")
    assert found.value == pytest.approx(float(metrics.accuracy(labels, scores)[0]))
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert report.baselines["accuracy"][""] == pytest.approx(labels[:, 0].mean())
    assert report.classes == CLASSES
    assert report.thresholds == {"live": 0.5}
    f1 = metrics.f1(labels, metrics.decide_class(scores))
    assert [report.find("f1", tag).value for tag in CLASSES] == pytest.approx(f1)
    assert report.find("f1", "live").value == pytest.approx(
        float(metrics.f1(table.labels[:, 3:], metrics.decide(table.scores[:, 3:], 0.5))[0])
    )
    assert "f1" in make_report(table, n_resamples=0).averages, "classes need no thresholds"
    with pytest.raises(KeyError):
        report.find("accuracy", "rock")


def test_pages_and_lines_show_it(tmp_path: Path) -> None:
    table = classes()
    report = make_report(table, n_resamples=50)
    page = to_markdown(report)
    value = f"{report.find('accuracy').value:.3f}"
    assert f"| accuracy | {value} |" in page
    assert "Of the 3 classes, which exclude each other, the one that scores highest is predicted." in page
    assert "| rock | highest |" in page
    assert any(line.startswith("accuracy  ") for line in to_lines(report))
    both = to_markdown(make_report(table, thresholds={"live": 0.5}, n_resamples=0))
    assert "| live | 0.500 |" in both
    write_results(table, report, tmp_path)
    assert read_report(tmp_path / "report.json") == report


def test_reports_without_classes_are_as_before() -> None:
    table = classes()
    plain = make_report(score_table(table.labels, table.scores, TAGS), n_resamples=0)
    assert plain.classes == ()
    assert "accuracy" not in plain.averages
    assert "accuracy" not in to_markdown(plain)


def test_scores_files_keep_which_tags_exclude_each_other(tmp_path: Path) -> None:
    table = classes()
    table.write(tmp_path / "scores.parquet")
    again = read_scores(tmp_path / "scores.parquet")
    assert again.exclusive == CLASSES
    score_table(table.labels, table.scores, TAGS).write(tmp_path / "plain.parquet")
    assert read_scores(tmp_path / "plain.parquet").exclusive == ()
    lines = ["clip,tag,label,score,exclusive"]
    lines += [f"{clip},{tag},{float(tag == has)},0.5,true" for clip, has in (("a", "x"), ("b", "y")) for tag in "xy"]
    (tmp_path / "scores.csv").write_text("\n".join(lines))
    assert read_score_table(tmp_path / "scores.csv").exclusive == ("x", "y")
    (tmp_path / "scores.csv").write_text("\n".join(lines).replace("a,x,1.0", "a,x,0.0"))
    with pytest.raises(DataError, match="1 clips are not labelled with exactly one of x, y"):
        read_score_table(tmp_path / "scores.csv")


def test_models_are_compared_by_accuracy() -> None:
    worse, better = classes(1.5, 1), classes(0.2, 2)
    found = compare([worse], [better], n_resamples=100)
    gap = found.find("accuracy")
    assert gap.better == "b"
    assert gap.difference == pytest.approx(
        float(metrics.accuracy(better.labels[:, :3], better.scores[:, :3])[0])
        - float(metrics.accuracy(worse.labels[:, :3], worse.scores[:, :3])[0])
    )
    assert found.undefined["accuracy"] == ()
    assert [one.tag for one in found.gaps if one.metric == "accuracy"] == [None]


def test_classes_of_a_softmax_are_not_calibrated() -> None:
    table = classes()
    card = ModelCard("net", "none", InputSpec(8000, 8000, 8000), table.vocabulary, softmax=CLASSES)
    card = card.replace(thresholds={**dict.fromkeys(CLASSES, 0.0), "live": 0.5})
    found, _ = calibrated_card(card, table, refit_thresholds=True)
    assert set(found.calibration) == {"live"}
    assert [found.thresholds[tag] for tag in CLASSES] == [0, 0, 0]
    assert ModelCard.from_json(found.to_json()) == found


@pytest.mark.parametrize("softmax", [("rock",), ("rock", "rock"), ("rock", "opera")])
def test_cards_with_impossible_classes_are_refused(softmax: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="softmax"):
        ModelCard("net", "none", InputSpec(8000, 8000, 8000), classes().vocabulary, softmax=softmax)
