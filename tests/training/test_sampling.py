"""The examples of an epoch: all segments, subclips side by side; how members and validation clips are learned from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from earmark import audio
from earmark.core.errors import ConfigError, DataError
from earmark.core.input_spec import InputSpec
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets import Clip, Dataset, dataset_info
from earmark.datasets.subset import train_on_validation
from earmark.models.blocks import average_subclips
from earmark.training.audio_store import PackedAudio
from earmark.training.config import AugmentationSection, LossSection, TrainingSection
from earmark.training.data import TrainingWindows
from earmark.training.loss import TagLoss

SIZE = 50


def windows_of(
    lengths: list[int], spec: InputSpec, world_size: int = 1, rank: int = 0, **training: object
) -> TrainingWindows:
    """Clip i holds the numbers 1000 i + 1, 1000 i + 2, ...: a window tells where it was cut, zeros are filling."""
    waves = [PackedAudio((np.arange(n) + 1000 * i + 1).astype(np.int16), 1.0) for i, n in enumerate(lengths)]
    clips = [Clip(str(i), Path(), "train", np.array([i, i % 2], np.float32)) for i in range(len(lengths))]
    return TrainingWindows(
        clips,
        waves,
        spec=spec,
        training=TrainingSection(epochs=1, batch_size=4, seed=3, **training),  # type: ignore[arg-type]
        augmentation=AugmentationSection(),
        rank=rank,
        world_size=world_size,
    )


def epoch_of(windows: TrainingWindows, epoch: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    batches = [windows[epoch, i] for i in range(len(windows))]
    return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])


@pytest.mark.parametrize("hop", [SIZE, 20])
@pytest.mark.parametrize("last", ["overlap", "pad"])
def test_segments_are_all_windows_that_tagging_cuts_once_an_epoch(hop: int, last: str) -> None:
    lengths = [500, 30, 50, 51, 449, 1, 120]
    spec = InputSpec(1000, SIZE, hop, last)  # type: ignore[arg-type]
    windows = windows_of(lengths, spec, sampling="segments")
    expected = [
        (i, tuple(row)) for i, wave in enumerate(windows.waveforms) for row in audio.cut(wave.read(), spec).tolist()
    ]
    for epoch in (0, 5):
        examples, labels = epoch_of(windows, epoch)
        found = [(int(label[0]), tuple(row)) for label, row in zip(labels, examples.tolist(), strict=True)]
        assert sorted(found) == sorted(expected)
        assert torch.equal(labels[:, 1], labels[:, 0] % 2)
    assert not torch.equal(epoch_of(windows, 0)[0], epoch_of(windows, 1)[0]), "in another order"
    sizes = {len(windows[0, i][0]) for i in range(len(windows))}
    assert max(sizes) <= 4
    assert max(sizes) - min(sizes) <= 1


def test_subclips_lie_side_by_side_in_every_clip_once_an_epoch() -> None:
    lengths = [500, 130, 150, 151, 40, 333]
    windows = windows_of(lengths, InputSpec(1000, SIZE, SIZE), sampling="subclips", windows_per_clip=3)
    begins: dict[int, set[int]] = {i: set() for i in range(len(lengths))}
    for epoch in range(30):
        examples, labels = epoch_of(windows, epoch)
        assert examples.shape == (6, 3, SIZE)
        assert sorted(labels[:, 0].tolist()) == [0, 1, 2, 3, 4, 5]
        for clip, rows in zip(labels[:, 0].int().tolist(), examples, strict=True):
            run = rows.flatten()
            n = min(lengths[clip], 3 * SIZE)
            assert torch.equal(run[:n] - run[0], torch.arange(float(n))), "one stretch, without gaps"
            assert torch.equal(run[n:], torch.zeros(3 * SIZE - n)), "a clip that is too short is filled up"
            assert 1000 * clip < run[0] <= run[:n].max() <= 1000 * clip + lengths[clip]
            begins[clip].add(int(run[0]) - 1000 * clip - 1)
    assert [begins[clip] for clip in (1, 2, 4)] == [{0}] * 3
    assert begins[3] == {0, 1}
    assert len(begins[0]) > 15
    assert max(begins[0]) > 250


def test_the_loss_of_subclips_is_that_of_the_mean_prediction() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(SIZE, 2)
    vocabulary = Vocabulary((Tag("a"), Tag("b")))
    waveforms, labels = torch.randn(3, 4, SIZE), torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, math.nan]])
    logits = average_subclips(layer(waveforms.flatten(0, 1)).unflatten(0, (3, 4)))
    loss = TagLoss(vocabulary, LossSection())(logits, labels)
    by_hand = []
    for clip in range(3):
        mean = sum(torch.sigmoid(layer(waveforms[clip, s])) for s in range(4)) / 4
        by_hand += [F.binary_cross_entropy(mean[t], labels[clip, t]) for t in range(2) if not labels[clip, t].isnan()]
    assert loss.item() == pytest.approx(sum(by_hand).item() / 5, rel=1e-5)  # type: ignore[union-attr]


@pytest.mark.parametrize("sampling", ["random", "segments", "subclips"])
def test_devices_divide_the_batches_of_one(sampling: str) -> None:
    lengths, spec = [500, 30, 449, 120, 77, 300, 64], InputSpec(1000, SIZE, SIZE)
    one = windows_of(lengths, spec, sampling=sampling, windows_per_clip=2 if sampling == "subclips" else 1)
    parts = [
        windows_of(lengths, spec, 2, rank, sampling=sampling, windows_per_clip=one.training.windows_per_clip)
        for rank in range(2)
    ]
    for i in range(len(one)):
        whole, labels = one[1, i]
        for rank, part in enumerate(parts):
            assert torch.equal(part[1, i][0], whole[rank::2])
            assert torch.equal(part[1, i][1], labels[rank::2])
    with pytest.raises(ConfigError, match="cannot be divided among 9 devices"):
        windows_of(lengths, spec, 9, 0, sampling=sampling, windows_per_clip=one.training.windows_per_clip)


@pytest.mark.parametrize("weight", [2.0, "by_tags"])
def test_the_loss_of_a_divided_batch_is_the_mean_over_devices(weight: Any) -> None:
    """With unlike numbers of labels on each."""
    torch.manual_seed(0)
    vocabulary = Vocabulary((Tag("a"), Tag("b"), Tag("r", "regression")))
    loss = TagLoss(vocabulary, LossSection(regression_weight=weight))
    logits, labels = torch.randn(7, 3), torch.rand(7, 3).round()
    labels[0, 0] = labels[2, 1] = labels[2, 2] = labels[4, 2] = math.nan
    parts = [slice(0, None, 2), slice(1, None, 2)]
    known = sum(loss.n_known(labels[part]) for part in parts) / 2
    assert isinstance(known, torch.Tensor)
    assert known.tolist() == [6.0, 2.5]
    divided = sum(loss(logits[part], labels[part], known) for part in parts) / 2
    assert isinstance(divided, torch.Tensor)
    assert divided.item() == pytest.approx(loss(logits, labels).item(), rel=1e-6)


def dataset_of(artists: list[str | None]) -> Dataset:
    clips = [Clip(f"t{i}", Path(f"t{i}.wav"), "train", np.array([1], np.float32)) for i in range(3)]
    clips += [
        Clip(f"v{i}", Path(f"v{i}.wav"), "validation", np.array([i % 2], np.float32), artist=artist)
        for i, artist in enumerate(artists)
    ]
    clips.append(Clip("x", Path("x.wav"), "test", np.array([1], np.float32), artist="a"))
    return Dataset("made", "none", Vocabulary((Tag("a"),)), tuple(clips), dataset_info("manifest"))


@pytest.mark.parametrize("seed", range(4))
def test_train_on_validation_keeps_artists_apart(seed: int) -> None:
    dataset = dataset_of([f"artist {i % 7}" for i in range(30)])
    moved = train_on_validation(dataset, seed)
    train, validation = moved.split("train"), moved.split("validation")
    assert {c.artist for c in train}.isdisjoint({c.artist for c in validation})
    assert {c.clip_id for c in (*train, *validation)} == {f"v{i}" for i in range(30)}, "and no training clips"
    assert 10 <= len(validation) <= 14, "a third, and what the last artist brings along"
    assert [c.clip_id for c in moved.split("test")] == ["x"]
    again = train_on_validation(dataset, seed)
    assert [(c.clip_id, c.split) for c in again.clips] == [(c.clip_id, c.split) for c in moved.clips]


def test_train_on_validation_without_artists_and_of_a_single_one() -> None:
    moved = train_on_validation(dataset_of([None] * 9))
    assert (len(moved.split("train")), len(moved.split("validation"))) == (6, 3)
    two = train_on_validation(dataset_of(["a"] * 8 + ["b"]))
    assert {len(two.split("train")), len(two.split("validation"))} == {8, 1}
    with pytest.raises(DataError, match="the validation clips are all of one artist and cannot be divided"):
        train_on_validation(dataset_of(["only"] * 5))
