"""Nested subsets of the training split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets import Clip, Dataset, dataset_info
from earmark.datasets.subset import training_subset


def made(n_train: int) -> Dataset:
    clips = [
        Clip(f"{split}{i}", Path(f"{split}{i}.wav"), split, np.array([i % 2], np.float32))
        for i in range(max(n_train, 5))
        for split, n in (("train", n_train), ("validation", 4), ("test", 5))
        if i < n
    ]
    return Dataset(
        "made", "none", Vocabulary((Tag("a", "classification", "genre"),)), tuple(clips), dataset_info("manifest")
    )


def ids(dataset: Dataset, split: str = "train") -> list[str]:
    return [clip.clip_id for clip in dataset.split(split)]


def test_subsets_are_nested_and_keep_the_order_and_the_other_splits() -> None:
    whole = made(100)
    before: set[str] = set()
    for share, n in ((0.001, 1), (0.1, 10), (0.255, 26), (0.5, 50), (1.0, 100)):
        part = training_subset(whole, share, seed=3)
        chosen = ids(part)
        assert len(chosen) == n
        assert before <= set(chosen)
        assert chosen == [name for name in ids(whole) if name in set(chosen)]
        assert ids(part, "validation") == ids(whole, "validation")
        assert ids(part, "test") == ids(whole, "test")
        before = set(chosen)


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_the_clips() -> None:
    whole = made(100)
    turned = whole.replace(clips=whole.clips[::-1])
    assert set(ids(training_subset(whole, 0.3, 0))) == set(ids(training_subset(turned, 0.3, 0)))
    assert set(ids(training_subset(whole, 0.3, 0))) != set(ids(training_subset(whole, 0.3, 1)))


def test_a_subset_is_drawn_evenly() -> None:
    chosen = [int(name.removeprefix("train")) for name in ids(training_subset(made(1000), 0.5))]
    assert 440 < np.mean(chosen) < 560


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan"), float("inf")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        training_subset(made(10), share)


def test_no_training_clips_is_said() -> None:
    with pytest.raises(DataError, match="no clips in split 'train'"):
        training_subset(made(0), 0.5)
