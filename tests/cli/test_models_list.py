"""`earmark models list`: models that are installed, and architectures."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from earmark.cli.main import app
from earmark.models import summary
from earmark.tagging.runtime import DEFAULT_MODEL
from tests.helpers.command import earmark_here, terminal


def test_a_damaged_model_does_not_hide_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_MODELS", str(tmp_path))
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    done = earmark_here("models", "list")
    assert done.returncode == 1
    assert DEFAULT_MODEL in done.stdout
    assert "broken.onnx: not a model that ONNX Runtime can load" in done.stderr


@pytest.mark.slow
def test_architectures_are_listed(monkeypatch):
    runner, few = CliRunner(), ["dieleman2014_raw", "samplecnn_basic"]
    monkeypatch.setattr(summary, "list_models", lambda: few)
    monkeypatch.setenv("COLUMNS", "200")
    done = runner.invoke(app, ["models", "list", "--architectures", "--json"])
    assert done.exit_code == 0
    summaries = {row["name"]: row for row in json.loads(done.stdout)}
    assert list(summaries) == few
    assert summaries["samplecnn_basic"]["window_samples"] == 59049
    assert summaries["samplecnn_basic"]["weights_total"] == 2_690_354
    done = runner.invoke(app, ["models", "list", "--architectures"])
    assert "samplecnn_basic" in done.stdout
    assert "2,690,354" in done.stdout
    assert "MACs: multiplications" in done.stderr
    narrow = runner.invoke(app, ["models", "list", "--architectures"], env=terminal(80)).stdout
    assert "window 59,049 (2.68 s)" in " ".join(narrow.split())
    assert max(map(len, narrow.splitlines())) <= 80
