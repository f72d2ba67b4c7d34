"""docs/embeddings.md: its code runs as it stands, and its commands and keys exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from earmark.tagging.runtime import find_model
from earmark.tagging.tagger import load_tagger
from tests.conftest import ROOT
from tests.helpers import sounds

PAGE = (ROOT / "docs" / "embeddings.md").read_text(encoding="utf-8")
IN_EARMARK, IN_ONNX_RUNTIME = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def run(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_example_in_earmark(tmp_path: Path) -> None:
    clips = ROOT / "examples" / "clips"
    for name in ("song.mp3", "a.mp3"):
        shutil.copy(clips / "03-rock.mp3", tmp_path / name)
    shutil.copy(clips / "01-piano.flac", tmp_path / "b.flac")
    assert run(f"{IN_EARMARK}\nprint(embedding.shape, -1 < similarity < 1)", tmp_path) == "(768,) True\n"


@pytest.mark.slow
def test_ten_lines_of_onnx_runtime_give_earmarks_scores(tmp_path: Path) -> None:
    tagger = load_tagger()
    spec = tagger.card.input
    shutil.copy(find_model(), tmp_path / "model.onnx")
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * spec.window_samples)
    song = sounds.write_int_wav(tmp_path / "song.wav", noise.clip(-1, 1), spec.sample_rate_hz)
    printed = run(IN_ONNX_RUNTIME, tmp_path)
    assert "earmark" not in IN_ONNX_RUNTIME.replace("earmark_card", "")
    found = tagger.tag(song)
    uncalibrated = found.uncalibrated[:, : len(found.tags)].mean(axis=0)
    best = np.argsort(-uncalibrated)[:5]
    lines = [line.split("  ") for line in printed.splitlines()]
    assert [tag for _, tag in lines] == [found.tags[i] for i in best]
    np.testing.assert_allclose([float(score) for score, _ in lines], uncalibrated[best], atol=1e-3)
