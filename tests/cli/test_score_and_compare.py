"""`earmark score` and `earmark compare` as a person runs them: right answers, plain words, wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from earmark.evaluation import read_scores
from tests.evaluation.test_compare import table
from tests.helpers.command import earmark as earmark_process
from tests.helpers.command import earmark_here as earmark

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide tables of 40 clips and two tags, and scores files of a weak and a strong model, two trainings each."""
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    labels = (rng.random((40, 2)) < 0.4).astype(int)
    scores = 0.4 * labels + 0.6 * rng.random((40, 2))
    lines = {"labels.csv": ["clip_name,rock,jazz"], "scores.csv": ["clip_name,rock,jazz"], "artists.csv": ["id,artist"]}
    for i in range(40):
        lines["labels.csv"].append(f"{i:03}.mp3,{labels[i, 0]},{labels[i, 1]}")
        lines["scores.csv"].insert(
            1, f"{i:03}.mp3,{float(scores[i, 0])!r},{float(scores[i, 1])!r}"
        )  # the other way round
        lines["artists.csv"].append(f"{i:03}.mp3,artist {i // 4}")
    for name, text in lines.items():
        (folder / name).write_text("\n".join(text) + "\n")
    np.savez(folder / "truth.npz", labels=labels, scores=scores)
    for name, skill, seed in (("weak", 0.1, 0), ("weak2", 0.12, 1), ("strong", 0.7, 2), ("strong2", 0.72, 3)):
        table(skill, seed).write(folder / f"{name}.parquet")
    table(0.5, 9, protocol="random", n_clips=78).write(folder / "other.parquet")
    return folder


def test_score_as_text_and_json(folder: Path) -> None:
    files = folder / "scores.csv", folder / "labels.csv"
    done = earmark_process("score", *files, "--resamples", "50", "--per-tag", "--threshold", "0.5")
    assert (done.returncode, done.stderr) == (0, "")
    truth = np.load(folder / "truth.npz")
    expected = roc_auc_score(truth["labels"], truth["scores"])
    assert f"macro ROC-AUC        {expected:.4f}  (" in done.stdout
    assert "scores on labels: 40 clips, 2 tags" in done.stdout
    assert "bootstrap over 40 clips (50 resamples, seed 0)" in done.stdout
    assert "0.5 for every tag" in done.stdout
    (rock,) = [line for line in done.stdout.splitlines() if line.startswith("rock")]
    assert rock.endswith(f"{truth['labels'][:, 0].sum()} of 40")

    done = earmark("score", *files, "--resamples", "50", "--groups", folder / "artists.csv", "--format", "json")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["averages"]["roc_auc"]["macro"]["value"] == pytest.approx(expected, abs=1e-12)
    assert (document["resampled"], document["n_groups"]) == ("artist", 10)
    assert {m["tag"] for m in document["metrics"]} == {None, "rock", "jazz"}


def test_score_writes_a_report_and_reads_its_own_scores_file(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = earmark("score", folder / "scores.csv", folder / "labels.csv", "--resamples", "20", "--out", out)
    assert done.returncode == 0
    assert {path.name for path in out.iterdir()} == {"scores.parquet", "report.json", "report.md"}
    assert read_scores(out / "scores.parquet").scores.shape == (40, 2)
    again = earmark("score", out / "scores.parquet", "--resamples", "20", "--format", "json")
    assert again.returncode == 0
    first = json.loads((out / "report.json").read_text())
    assert json.loads(again.stdout)["averages"]["roc_auc"]["macro"] == first["averages"]["roc_auc"]["macro"]
    best = earmark("score", folder / "strong.parquet", "--resamples", "0", "--threshold", folder / "weak.parquet")
    assert best.returncode == 0
    assert f"highest F1 on {folder / 'weak.parquet'} (test); none, and so left out: all" in best.stdout
    assert "macro RMSE" in best.stdout
    assert "undefined ROC-AUC: all" in best.stdout


def test_missing_clips_are_an_error_until_they_are_allowed(folder: Path, tmp_path: Path) -> None:
    lines = (folder / "labels.csv").read_text().splitlines()
    (tmp_path / "fewer.csv").write_text("\n".join(lines[:-3]) + "\n")
    command = "score", folder / "scores.csv", tmp_path / "fewer.csv", "--resamples", "0"
    done = earmark(*command)
    assert done.returncode == 1
    assert "clips: 3 of 40" in done.stderr
    assert "allow-missing" in done.stderr
    assert done.stdout == ""
    done = earmark(*command, "--allow-missing")
    assert done.returncode == 0
    assert "37 clips" in done.stdout
    assert "note: Left out: clips: 3 of 40" in done.stderr


@pytest.mark.parametrize(
    ("scores", "labels", "code", "says"),
    [
        ("id,rock\na,0.1\nb,\n", "id,rock\na,1\nb,0\n", 1, "1 scores that are no finite numbers, e.g. nan of clip 'b'"),
        ("id,rock\na,0.1\na,0.2\n", "id,rock\na,1\nb,0\n", 1, "clip 'a' is there 2 times"),
        ("id,rock\na,0.1\nb,0.2\n", "id,rock\na,1\nb,0.5\n", 1, "1 labels that are not 0 or 1, e.g. 0.5 of clip 'b'"),
        ("id,rock\n", "id,rock\na,1\n", 1, "no rows"),
        ("clip,tag,value\na,rock,1\n", "id,rock\na,1\n", 1, "column 'score' is missing; it has clip, tag, value"),
        ("id,rock\na,0.1\nb,7\n", "id,rock [regression]\na,1\nb,0\n", 1, "scores outside 0..1, which a regression tag"),
    ],
)
def test_wrong_tables_are_refused_in_a_line(tmp_path: Path, scores: str, labels: str, code: int, says: str) -> None:
    (tmp_path / "s.csv").write_text(scores)
    (tmp_path / "l.csv").write_text(labels)
    done = earmark("score", tmp_path / "s.csv", tmp_path / "l.csv")
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_scores_beyond_0_and_1_are_ranked_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,rock\na,-3\nb,7\n")
    (tmp_path / "l.csv").write_text("id,rock\na,0\nb,1\n")
    done = earmark("score", tmp_path / "s.csv", tmp_path / "l.csv", "--resamples", "10")
    assert done.returncode == 0
    assert "macro ROC-AUC        1.0000" in done.stdout
    assert "per clip" not in done.stdout, "of one tag nothing can be ranked within a clip"


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--format", "xml"], 2, "Invalid value for '--format': 'xml' is not one of 'text', 'json', 'jsonl'"),
        (["--threshold", "high"], 2, "threshold 'high': must be a number, a card (.json) or a scores file"),
        (["--groups", "song"], 1, "the song of 40 of 40 clips is not known"),
    ],
)
def test_wrong_options_of_score(folder: Path, options: list[str], code: int, says: str) -> None:
    done = earmark("score", folder / "scores.csv", folder / "labels.csv", *options)
    assert done.returncode == code, done.stderr
    assert says in done.stderr


def test_score_without_labels_says_what_is_missing(folder: Path) -> None:
    done = earmark_process("score", folder / "scores.csv")
    assert done.returncode == 1
    assert "columns missing: clip, tag, label, score" in done.stderr
    assert "a table of labels beside it" in done.stderr


def test_compare_says_which_is_better(folder: Path) -> None:
    done = earmark_process("compare", folder / "weak.parquet", folder / "strong.parquet", "--resamples", "200")
    assert done.returncode == 0, done.stderr
    assert "net 0.1 (A) and net 0.7 (B) on mine, by-artist, test, 80 clips" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if "ROC-AUC, macro" in line]
    assert "net 0.7 is better by 0." in line
    assert "undefined ROC-AUC: all" in done.stdout
    assert "bootstrap over 27 artists (200 resamples)" in done.stdout
    assert "rock" not in done.stdout
    same = earmark("compare", folder / "weak.parquet", folder / "weak2.parquet", "--per-tag", "--resamples", "200")
    assert "cannot be told apart: " in same.stdout
    assert "ROC-AUC, rock" in same.stdout


def test_compare_several_models_and_trainings_as_json(folder: Path) -> None:
    weak = f"{folder / 'weak.parquet'},{folder / 'weak2.parquet'}"
    strong = f"{folder / 'strong.parquet'},{folder / 'strong2.parquet'}"
    done = earmark("compare", weak, strong, folder / "strong.parquet", "--resamples", "50", "--format", "json")
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)["comparisons"]
    assert (first["n_runs_a"], first["n_runs_b"], second["n_runs_b"]) == (2, 2, 1)
    for one in (first, second):
        (macro,) = [gap for gap in one["gaps"] if gap["metric"] == "roc_auc" and gap["tag"] is None]
        assert macro["better"] == "b"
        assert macro["low"] < macro["difference"] < macro["high"]
        assert macro["difference"] == pytest.approx(macro["b"] - macro["a"])
    words = earmark("compare", weak, strong, "--resamples", "50")
    assert "(2 and 2 trainings)" in words.stdout
    assert "27 artists and over trainings" in words.stdout


def test_compare_refuses_what_does_not_belong_together(folder: Path) -> None:
    done = earmark("compare", folder / "weak.parquet", folder / "other.parquet")
    assert done.returncode == 1
    assert "protocol: net 0.1 is of 'by-artist', net 0.5 of 'random'" in done.stderr
    assert "clips: 2 of 80 in net 0.1 are not in net 0.5" in done.stderr
    one = earmark("compare", folder / "weak.parquet")
    assert one.returncode == 2
    assert "at least two models" in one.stderr
    twice = f"{folder / 'weak.parquet'},{folder / 'weak.parquet'}"
    done = earmark("compare", twice, folder / "strong.parquet")
    assert done.returncode == 1
    assert "have the very same scores: name each run once" in done.stderr
    done = earmark("compare", folder / "scores.csv", folder / "none.parquet")
    assert done.returncode == 1
    assert "columns missing: clip, tag, label, score" in done.stderr
    for empty in (",", ""):
        done = earmark("compare", folder / "weak.parquet", empty)
        assert done.returncode == 2, done.stderr
        assert "names no scores file" in done.stderr


@pytest.mark.shared
def test_the_published_metrics_from_the_command_line(shared_dir: Path) -> None:
    folder = shared_dir / "data" / "mtat"
    files = folder / "published_scores.csv", folder / "published_labels.csv"
    done = earmark("score", *files, "--format", "json", "--resamples", "20")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["averages"]["roc_auc"]
    published = {"macro": 0.910897708562001, "micro": 0.9357250743645564, "weighted": 0.9134569741332418}
    for average, value in published.items():
        assert found[average]["value"] == pytest.approx(value, abs=1e-9)
        assert found[average]["low"] < value < found[average]["high"]
