"""Scores files and reports: what is measured, what is undefined, what is said to the reader."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from earmark.core.errors import ConfigError, DataError, ModelError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets.manifest import load_manifest
from earmark.datasets.subset import trimmed
from earmark.evaluation import ScoreTable, evaluate, load_model, read_scores, score_dataset
from earmark.evaluation.report import best_thresholds, make_report
from earmark.evaluation.report_page import to_markdown
from earmark.evaluation.torch_model import TorchModel
from earmark.models import create_model
from earmark.models.checkpoint import make_card, save_checkpoint
from earmark.tagging.tagger import Tagger
from tests.helpers.score_tables import score_table

TAGS = Vocabulary((Tag("rock", category="genre"), Tag("calm", "regression", "mood"), Tag("all"), Tag("rare")))


def table(n_clips: int = 40, **changes: Any) -> ScoreTable:
    """Tag "all" holds everywhere; "rare" once."""
    rng = np.random.default_rng(0)
    labels = np.ones((n_clips, 4), np.float32)
    labels[:, 0] = rng.random(n_clips) < 0.5
    labels[:, 1] = rng.random(n_clips)
    labels[:, 3] = np.arange(n_clips) == 3
    labels[5, 0] = math.nan
    scores = np.clip(0.4 * np.nan_to_num(labels) + 0.6 * rng.random((n_clips, 4)), 0, 1).astype(np.float32)
    return score_table(labels, scores, TAGS, clips_per_artist=4, **changes)


def test_scores_are_written_and_read_back(tmp_path: Path) -> None:
    made = table()
    made.write(tmp_path / "scores.parquet")
    read = read_scores(tmp_path / "scores.parquet")
    for field in dataclasses.fields(ScoreTable):
        a, b = getattr(made, field.name), getattr(read, field.name)
        if isinstance(a, np.ndarray):
            assert np.array_equal(a, b, equal_nan=True)
        else:
            assert a == b
    raw = pq.read_table(tmp_path / "scores.parquet")
    assert len(raw) == 160
    assert raw["label"].null_count == 1


def test_other_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("no")
    with pytest.raises(DataError, match="not a scores file that can be read"):
        read_scores(tmp_path / "a.parquet")
    table().write(tmp_path / "scores.parquet")
    raw = pq.read_table(tmp_path / "scores.parquet")
    pq.write_table(raw.drop_columns(["score", "tag"]), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="columns missing: tag, score"):
        read_scores(tmp_path / "b.parquet")
    pq.write_table(raw.slice(0, 7), tmp_path / "c.parquet")
    with pytest.raises(DataError, match="every clip must have the same tags"):
        read_scores(tmp_path / "c.parquet")


def test_metrics_are_scikit_learns() -> None:
    made = table()
    report = make_report(made, n_resamples=100)
    known = ~np.isnan(made.labels[:, 0])
    truth, score = made.labels[known, 0], made.scores[known, 0]
    assert report.find("roc_auc", "rock").value == pytest.approx(roc_auc_score(truth, score), abs=1e-6)
    assert report.find("pr_auc", "rock").value == pytest.approx(average_precision_score(truth, score), abs=1e-6)
    calm = report.find("rmse", "calm")
    expected = float(np.sqrt(np.mean((made.labels[:, 1] - made.scores[:, 1]) ** 2)))
    assert calm.value == pytest.approx(expected, abs=1e-6)
    assert calm.low < calm.value < calm.high
    assert (calm.dataset, calm.protocol, calm.split, calm.resampled) == ("mine", "by-artist", "test", "artist")
    rare = report.find("roc_auc", "rare").value
    assert report.find("roc_auc").value == pytest.approx((report.find("roc_auc", "rock").value + rare) / 2, abs=1e-6)
    with pytest.raises(KeyError):
        report.find("rmse", "rock")


def test_undefined_and_thin_tags_are_listed() -> None:
    report = make_report(table(), n_resamples=300)
    assert report.undefined == {"roc_auc": ("all",), "pr_auc": ("all",), "rmse": ()}
    assert report.find("roc_auc", "all").value is None
    assert report.find("roc_auc", "all").low is None
    assert 0.2 < report.thin["rare"] / 300 < 0.5, "one artist of ten has it: about a third of the draws miss it"
    assert "rock" not in report.thin
    assert report.counts["rock"] == {"clips": 39, "positives": int(np.nansum(table().labels[:, 0]))}
    page = to_markdown(report)
    assert "ROC-AUC is undefined, and in no mean, for: all." in page
    assert "| rare* | 1 of 40 |" in page
    assert "| all | 40 of 40 | undefined |" in page
    assert json.loads(report.to_json())["undefined"]["roc_auc"] == ["all"]


def test_baselines_know_nothing() -> None:
    made = table()
    train = np.array([[0, 0.2, 1, 0], [1, 0.4, 1, 0]], np.float32)
    report = make_report(made, train_labels=train, n_resamples=50)
    assert report.baselines["roc_auc"]["rock"] == 0.5
    assert report.baselines["pr_auc"]["rare"] == pytest.approx(1 / 40)
    expected = float(np.sqrt(np.mean((made.labels[:, 1] - 0.3) ** 2)))
    assert report.baselines["rmse"] == {
        "": pytest.approx(expected, abs=1e-6),
        "calm": pytest.approx(expected, abs=1e-6),
    }
    assert make_report(made, n_resamples=50).baselines["rmse"] == {}


def test_what_is_resampled() -> None:
    assert table().groups()[0] == "artist"
    partly = (None, *table().artists[1:])
    songs = tuple(f"song {i // 2}" for i in range(40))
    assert table(artists=partly).groups() == ("clip", table().clips)
    assert table(artists=partly, songs=songs).groups() == ("song", songs)
    one = make_report(table(artists=("a",) * 40), n_resamples=50)
    assert one.resampled is None
    assert all(metric.low is None for metric in one.metrics)
    assert "No intervals" in to_markdown(one)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of eight clips of noise, and a checkpoint with weights that nobody trained."""
    folder = tmp_path_factory.mktemp("music")
    rng = np.random.default_rng(1)
    lines = ["path,split,artist,rock,calm [regression],other"]
    for i in range(8):
        soundfile.write(folder / f"{i}.wav", 0.1 * rng.standard_normal(8000 + 1000 * i), 8000)
        lines.append(f"{i}.wav,{'train' if i < 2 else 'test'},artist {i // 2},{i % 2},{i / 10},{i % 2}")
    (folder / "music.csv").write_text("\n".join(lines) + "\n")
    torch.manual_seed(0)
    frontend = {"sample_rate_hz": 8000, "n_fft": 256, "hop_samples": 128, "n_mels": 16}
    model = create_model("ensemble_model1", 3, window_seconds=0.5, width=0.03, frontend=frontend)
    tags = Vocabulary((Tag("calm", "regression"), Tag("rock"), Tag("jazz")))
    trained = {"dataset": "music", "protocol": "other split"}
    save_checkpoint(folder / "checkpoint", model, make_card(model, name="net", vocabulary=tags, training=trained))
    return folder


@pytest.mark.slow
def test_tags_are_matched_by_name_and_the_rest_is_said(music: Path) -> None:
    tagger = load_model(music / "checkpoint")
    dataset = load_manifest(music / "music.csv")
    done: list[tuple[int, int]] = []
    made = score_dataset(tagger, dataset, on_done=lambda i, n: done.append((i, n)))
    assert done == [(i, 6) for i in range(1, 7)]
    assert made.vocabulary.names == ("calm", "rock")
    assert made.labels.tolist() == [[pytest.approx(i / 10), i % 2] for i in range(2, 8)]
    for clip, scores in zip(dataset.split("test"), made.scores, strict=True):
        assert np.array_equal(scores, tagger.tag(clip.path).scores[:2]), "the score is the one a user gets"

    report = evaluate(tagger, dataset, music / "out", n_resamples=50)
    assert report.about["tags_only_in_model"] == ["jazz"]
    assert report.about["tags_only_in_dataset"] == ["other"]
    assert any("not measured: other" in warning for warning in report.warnings)
    assert any("another protocol of this dataset (other split)" in warning for warning in report.warnings)
    assert {path.name for path in (music / "out").iterdir()} == {"scores.parquet", "report.json", "report.md"}
    assert np.array_equal(read_scores(music / "out" / "scores.parquet").scores, made.scores)
    assert report.n_groups == 3


def test_nothing_in_common_and_files_that_cannot_be_read(music: Path, tmp_path: Path) -> None:
    tagger = load_model(music / "checkpoint")
    (tmp_path / "bad.wav").write_text("not audio")
    other = tmp_path / "other.csv"
    other.write_text("path,split,calm,techno\nbad.wav,test,1,1\n")  # calm is of another kind here
    with pytest.raises(DataError, match="share no tag of the same name and kind"):
        evaluate(tagger, load_manifest(other), tmp_path / "out")
    other.write_text(f"path,split,rock\nbad.wav,test,1\n{music / '3.wav'},test,0\n")
    with pytest.raises(DataError) as caught:
        evaluate(tagger, load_manifest(other), tmp_path / "out")
    assert "1 of 2 files cannot be read" in str(caught.value)
    assert "bad.wav" in str(caught.value)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ModelError, match="no model named 'nett'"):
        load_model("nett")


def test_silence_is_measured_but_said(music: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(8000), 8000)
    path = tmp_path / "m.csv"
    path.write_text(f"path,split,rock\nsilence.wav,test,1\n{music / '3.wav'},test,0\n")
    report = evaluate(load_model(music / "checkpoint"), load_manifest(path), tmp_path / "out", n_resamples=20)
    assert any("silence.wav: silent" in warning for warning in report.warnings)
    assert any("Artists are not known for all clips" in warning for warning in report.warnings)


@pytest.fixture(scope="module")
def overlapping(music: Path) -> Path:
    """The same network with windows that overlap: window and hop are the card's."""
    torch.manual_seed(0)
    frontend = {"sample_rate_hz": 8000, "n_fft": 256, "hop_samples": 128, "n_mels": 16}
    model = create_model("ensemble_model1", 3, window_seconds=0.5, width=0.03, frontend=frontend)
    tags = Vocabulary((Tag("calm", "regression"), Tag("rock"), Tag("jazz")))
    save_checkpoint(music / "overlapping", model, make_card(model, name="net", vocabulary=tags, hop_samples=1000))
    return music / "overlapping"


@pytest.mark.slow
def test_scores_do_not_depend_on_batches_workers_or_order(music: Path, overlapping: Path) -> None:
    dataset = load_manifest(music / "music.csv")
    clips = list(dataset.clips)
    np.random.default_rng(3).shuffle(clips)  # type: ignore[arg-type]
    model = TorchModel(overlapping)
    whole = score_dataset(Tagger(model, batch_windows=4), dataset, jobs=1)
    assert whole.scores.std(axis=0).min() > 1e-4, "the clips differ at all"
    for batch_windows in (1, 4, 16):
        for jobs in (1, 4):
            for data in (dataset, dataset.replace(clips=tuple(clips))):
                again = score_dataset(Tagger(model, batch_windows=batch_windows), data, jobs=jobs)
                places = [again.clips.index(clip) for clip in whole.clips]
                assert (places != sorted(places)) == (data is not dataset)
                np.testing.assert_allclose(again.scores[places], whole.scores, atol=1e-6)
                assert np.array_equal(again.labels[places], whole.labels, equal_nan=True)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 3])
def test_of_trimmed_clips_only_the_beginning_is_measured(music: Path, overlapping: Path, jobs: int) -> None:
    dataset = load_manifest(music / "music.csv")
    tagger = Tagger(TorchModel(overlapping))
    made = score_dataset(tagger, trimmed(dataset, 0.75), jobs=jobs)
    assert made.clips == score_dataset(tagger, dataset).clips
    for clip, scores in zip(made.clips, made.scores, strict=True):
        samples, rate_hz = soundfile.read(music / clip, dtype="float32")
        np.testing.assert_allclose(scores, tagger.tag_waveform(samples[:6000], rate_hz).scores[:2], atol=1e-6)
    broken = dataset.replace(
        clips=(*dataset.clips[:-1], dataclasses.replace(dataset.clips[-1], path=music / "music.csv"))
    )
    with pytest.raises(DataError, match="1 of 6 files cannot be read"):
        score_dataset(tagger, trimmed(broken, 0.75), jobs=jobs)


@pytest.mark.slow
def test_a_clips_score_is_the_mean_over_the_cards_windows(music: Path, overlapping: Path) -> None:
    """Cut by hand: 4000 samples, a start every 1000, and one window moved back to end with the file."""
    model = TorchModel(overlapping)
    made = score_dataset(Tagger(model), load_manifest(music / "music.csv"))
    for clip, scores in zip(made.clips, made.scores, strict=True):
        samples, _ = soundfile.read(music / clip, dtype="float32")
        starts = [*range(0, len(samples) - 4000 + 1, 1000)]
        if starts[-1] + 4000 < len(samples):
            starts.append(len(samples) - 4000)
        windows = np.stack([samples[start : start + 4000] for start in starts])
        assert len(windows) > 4
        np.testing.assert_allclose(scores, model(windows).mean(axis=0)[:2], atol=1e-6)
    report = evaluate(Tagger(model), load_manifest(music / "music.csv"), music / "hops", n_resamples=5)
    assert (report.about["window_seconds"], report.about["hop_seconds"]) == (0.5, 0.125)
    assert "mean over windows of 0.5 s, 0.125 s apart." in (music / "hops" / "report.md").read_text()


def test_means_are_scikit_learns_and_have_intervals() -> None:
    made = table()
    keep = [0, 3]
    labels, scores = made.labels[:, keep], made.scores[:, keep]
    labels = np.nan_to_num(labels)
    made = dataclasses.replace(
        made, labels=labels, scores=scores, vocabulary=Vocabulary(tuple(TAGS.tags[i] for i in keep))
    )
    report = make_report(made, n_resamples=200)
    for name, other in (("roc_auc", roc_auc_score), ("pr_auc", average_precision_score)):
        for average in ("macro", "micro", "weighted"):
            interval = report.averages[name][average]
            assert interval.value == pytest.approx(other(labels, scores, average=average))
            assert interval.low < interval.value < interval.high
    one_class = (labels.sum(axis=1) == 0) | (labels.sum(axis=1) == 2)
    expected = roc_auc_score(labels[~one_class], scores[~one_class], average="samples")
    assert report.averages["roc_auc"]["clip"].value == pytest.approx(expected)
    clips = report.clips["roc_auc"]
    assert clips.n_clips == int((~one_class).sum())
    assert len(clips.best) == len(clips.worst) == min(10, (clips.n_clips + 1) // 2)
    assert [value for _, value in clips.best] == sorted((value for _, value in clips.best), reverse=True)
    assert clips.worst[0][1] == 0.0
    assert clips.worst[0][0] in to_markdown(report)
    assert "ROC-AUC, micro" in to_markdown(report)


def test_f1_at_thresholds_says_whose_they_are() -> None:
    made = table()
    report = make_report(made, thresholds={"rock": 0.5, "all": 0.5, "polka": 0.1}, n_resamples=100)
    known = ~np.isnan(made.labels[:, 0])
    truth, said = made.labels[known, 0], made.scores[known, 0] >= 0.5
    assert report.find("f1", "rock").value == pytest.approx(f1_score(truth, said))
    assert report.find("precision", "rock").value == pytest.approx(precision_score(truth, said))
    assert report.find("recall", "rock").value == pytest.approx(recall_score(truth, said))
    assert report.find("f1").low < report.find("f1").value < report.find("f1").high
    assert set(report.averages["f1"]) == {"macro", "micro", "weighted"}
    assert report.thresholds == {"rock": 0.5, "all": 0.5}
    page = to_markdown(report)
    assert "from its threshold on: the model's card; none, and so left out: rare." in page
    assert "| rock | 0.500 |" in page
    with pytest.raises(KeyError):
        report.find("f1", "rare")
    best = best_thresholds(made)
    assert set(best) == {"rock", "rare"}
    reached = make_report(made, thresholds=best, thresholds_from="these very clips", n_resamples=0)
    assert reached.find("f1", "rock").value >= report.find("f1", "rock").value
    assert "these very clips" in to_markdown(reached)


def test_no_resamples_no_intervals() -> None:
    report = make_report(table(), n_resamples=0)
    assert report.resampled is None
    assert report.averages["roc_auc"]["macro"].low is None
    assert "No intervals: none were wanted." in to_markdown(report)
    assert make_report(table(), groups=("band", ["x", "y"] * 20), n_resamples=5).resampled == "band"


def test_groups_that_are_not_known_are_said_before_anything_is_read(music: Path, tmp_path: Path) -> None:
    dataset = load_manifest(music / "music.csv")
    reported: list[int] = []
    for groups in ("song", "label"):
        with pytest.raises((DataError, ConfigError), match=groups):
            evaluate(music / "checkpoint", dataset, tmp_path, groups=groups, on_done=lambda i, n: reported.append(i))
    assert reported == []
