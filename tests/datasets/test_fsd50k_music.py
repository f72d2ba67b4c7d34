"""FSD50K's music: what is taken of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from earmark.core.errors import DataError
from earmark.datasets import load_dataset
from tests.helpers.dataset_folders import write_fsd50k


def test_music_alone_with_its_instruments(tmp_path: Path) -> None:
    dataset = load_dataset("fsd50k_music", write_fsd50k(tmp_path))
    assert [clip.clip_id for clip in dataset.clips] == ["64760", "16399", "345111", "345112", "37199", "41"]
    names = dataset.vocabulary.names
    has = [{name for name, label in zip(names, clip.labels, strict=True) if label} for clip in dataset.clips]
    assert has[0] == {"electric guitar", "guitar", "plucked string instrument"}
    assert has[1] == {"trumpet", "brass instrument"}
    assert has[4] == has[0], "applause is no music"
    assert [clip.split for clip in dataset.clips] == ["train", "train", "validation", "validation", "test", "test"]
    assert dataset.clips[0].artist == "user dev 64760"
    assert dataset.clips[4].path == tmp_path / "FSD50K.eval_audio" / "37199.wav"


def test_uploaders_may_be_unknown(tmp_path: Path) -> None:
    root = write_fsd50k(tmp_path)
    (root / "FSD50K.metadata" / "dev_clips_info_FSD50K.json").unlink()
    assert load_dataset("fsd50k_music", root).clips[0].artist is None
    (root / "FSD50K.metadata" / "eval_clips_info_FSD50K.json").write_text('{"41": {}}')
    with pytest.raises(DataError, match="not the published information on sounds"):
        load_dataset("fsd50k_music", root)


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    path = write_fsd50k(tmp_path) / "FSD50K.ground_truth" / "dev.csv"
    path.write_text(path.read_text().replace(",val", ",later"))
    with pytest.raises(DataError, match="split 'later' must be train or val"):
        load_dataset("fsd50k_music", tmp_path)
