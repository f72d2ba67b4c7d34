"""`earmark models list`: models that are installed, and architectures."""

from __future__ import annotations

import json

from click.testing import CliRunner

from earmark.cli.main import app
from earmark.core.published_weights import find_published, published_names
from earmark.core.tag_lists import load_vocabulary
from earmark.models import summary
from earmark.tagging.runtime import DEFAULT_MODEL
from tests.helpers.command import earmark_here, terminal


def test_the_list_has_what_is_installed_and_what_can_be_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_MODELS", str(tmp_path))
    done = earmark_here("models", "list")
    assert done.returncode == 0
    assert "earmark models pull NAME" in done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == ["name", f"{DEFAULT_MODEL} (default)", *published_names()]
    assert {row[1] for row in rows[2:]} == {"no"}
    assert {len(row) for row in rows} == {7}
    records = [json.loads(line) for line in earmark_here("models", "list", "--format", "json").stdout.splitlines()]
    assert [record["name"] for record in records if record["installed"]] == [DEFAULT_MODEL]
    for record in records[1:]:
        published = find_published(record["name"])
        assert (record["size_bytes"], record["licence"]) == (published.total_bytes, published.licence)
        assert record["n_tags"] == len(load_vocabulary(published.vocabulary))
        assert record["path"] is None
    assert {frozenset(record) for record in records} == {frozenset(records[0])}
    listed = json.loads(earmark_here("models", "list", "--json").stdout)
    assert [record["name"] for record in listed] == [DEFAULT_MODEL]  # as it was, for programs that tag with all of them


def test_a_damaged_model_does_not_hide_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_MODELS", str(tmp_path))
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    done = earmark_here("models", "list")
    assert done.returncode == 1
    assert DEFAULT_MODEL in done.stdout
    assert "broken.onnx: not a model that ONNX Runtime can load" in done.stderr


def test_architectures_are_listed(monkeypatch):
    runner, few = CliRunner(), ["dieleman2014_raw", "samplecnn_basic"]
    monkeypatch.setattr(summary, "list_models", lambda: few)
    monkeypatch.setenv("COLUMNS", "200")
    done = runner.invoke(app, ["models", "list", "--architectures", "--json"])
    assert done.exit_code == 0
    figures = {row["name"]: row for row in json.loads(done.stdout)}
    assert list(figures) == few
    assert figures["samplecnn_basic"]["window_samples"] == 59049
    assert figures["samplecnn_basic"]["weights_total"] == 2_690_354
    done = runner.invoke(app, ["models", "list", "--architectures"])
    assert "samplecnn_basic" in done.stdout
    assert "2,690,354" in done.stdout
    assert "MACs: multiplications" in done.stderr
    narrow = runner.invoke(app, ["models", "list", "--architectures"], env=terminal(80)).stdout
    assert "window 59,049 (2.68 s)" in " ".join(narrow.split())
    assert max(map(len, narrow.splitlines())) <= 80
