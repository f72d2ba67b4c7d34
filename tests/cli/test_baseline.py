"""`earmark baseline` as a user runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earmark.evaluation import read_scores
from tests.helpers.command import earmark_here as earmark
from tests.helpers.sounds import write


@pytest.mark.slow
def test_a_manifest_is_measured_and_a_broken_file_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["path,split,noisy"]
    for i in range(24):
        tone = 0.3 * np.sin(rng.uniform(0.1, 0.5) * np.arange(3000))
        write(tmp_path / f"{i}.wav", rng.normal(0, 0.1, 3000) if i % 2 else tone, 8000)
        rows.append(f"{i}.wav,{('train', 'train', 'validation', 'test')[i // 2 % 4]},{i % 2}")
    table = tmp_path / "clips.csv"
    table.write_text("\n".join(rows) + "\n")
    given = ("baseline", "--dataset", "manifest", "--root", table, "--resamples", 20)

    done = earmark(*given, "--out", tmp_path / "out", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "clips (manifest, test): 6 clips, learned from 12"
    assert "macro ROC-AUC" in done.stdout
    assert "Artists are not known" in done.stderr
    assert read_scores(tmp_path / "out" / "scores.parquet").clips == tuple(f"{i}.wav" for i in (6, 7, 14, 15, 22, 23))
    assert len(list((tmp_path / "out" / "features").iterdir())) == 24

    kept = ("--features-cache", tmp_path / "out" / "features", "--train-share", 0.5, "--quiet", "--jobs", 1)
    done = earmark(*given, "--out", tmp_path / "half", *kept)
    assert done.returncode == 0, done.stderr
    assert "learned from 6" in done.stdout
    assert done.stderr == ""
    assert not (tmp_path / "half" / "features").exists()

    (tmp_path / "3.wav").write_text("broken")
    done = earmark(*given, "--out", tmp_path / "broken", *kept[:2], "--jobs", 1)
    assert done.returncode == 1
    assert "1 of 24 files cannot be read" in done.stderr
    assert "3.wav" in done.stderr
    assert "Traceback" not in done.stderr
    assert earmark(*given, "--out", tmp_path / "x", "--train-share", 2).returncode == 2
