"""`earmark data prepare` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from earmark.shards import ShardAudio
from tests.helpers import sounds
from tests.helpers.command import earmark_here as earmark


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = ["path,split,artist,guitar"]
    for i, name in enumerate(("a.mp3", "Bjørk – Jóga.mp3", "gone.mp3")):
        if name != "gone.mp3":
            sounds.write(tmp_path / name, sounds.music(2, 22_050, seed=i), 22_050)
        rows.append(f"{name},{'train' if i else 'test'},artist {i},{i % 2}")
    path = tmp_path / "my music.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.slow
def test_prepare_again_and_after_repair(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    first = earmark("data", "prepare", "manifest", "--root", table, "--out", out, "--shard-mb", "0.00001")
    assert first.returncode == 1, first.stderr
    assert "FLAC, 16,000 Hz mono, 16 bits" in first.stdout
    assert "2 of 3 clips, 0:0" in first.stdout
    assert "in 3 shards" in first.stdout
    assert f"1 of 3 clips failed, and why: {out / 'failed.csv'}" in first.stdout
    assert "to come" in first.stderr  # the estimate behind the first shard
    assert "Bjørk – Jóga.mp3" in {Path(clip).name for clip in ShardAudio(out).clips}

    again = earmark("data", "prepare", "manifest", "--root", table, "--out", out, "--quiet")
    assert again.returncode == 1
    assert "there already, and whole: 3 shards" in again.stdout
    assert again.stderr == ""

    sounds.write(tmp_path / "gone.mp3", sounds.music(2, 22_050), 22_050)
    repaired = earmark("data", "prepare", "manifest", "--root", table, "--out", out, "--retry-failed")
    assert repaired.returncode == 0, repaired.stderr
    assert "3 of 3 clips" in repaired.stdout
    assert "failed" not in repaired.stdout
    assert len(ShardAudio(out)) == 3


def test_originals(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    run = earmark("data", "prepare", "manifest", "--root", table, "--out", out, "--audio", "original", "--jobs", 1)
    assert "original files" in run.stdout
    shards = ShardAudio(out)
    for clip_id in shards.clips:
        assert shards.read_bytes(clip_id) == (tmp_path / Path(clip_id).name).read_bytes()
    assert json.loads((out / "shards.json").read_text())["sample_rate_hz"] is None


def test_wrong_usage(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    for arguments, said in (
        (["--audio", "original", "--rate", "16000"], "original files keep their own"),
        (["--rate", "0"], "sample rate 0 Hz: must be in 1,000..192,000"),
        (["--shard-mb", "0"], "shards of 0 MB: must be above 0"),
        (["--audio", "mp3"], "is not one of 'flac', 'original'"),
        (["--protocol", "nonsense"], "has no protocol 'nonsense'"),
    ):
        run = earmark("data", "prepare", "manifest", "--root", table, "--out", out, *arguments)
        assert run.returncode == 2, run.stderr
        assert said in run.stderr
        assert not out.exists()
    earmark("data", "prepare", "manifest", "--root", table, "--out", out)
    other = earmark("data", "prepare", "manifest", "--root", table, "--out", out, "--rate", "22050")
    assert other.returncode == 2
    assert "sample rate in Hz: 16000 there, 22050 wanted" in other.stderr
    nowhere = earmark("data", "prepare", "manifest", "--root", tmp_path / "none.csv", "--out", out)
    assert nowhere.returncode == 1
    assert "none.csv" in nowhere.stderr
