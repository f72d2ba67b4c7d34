"""Batches come to the trainer in groups, made ahead in a thread: neither may change what is in them."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.core.input_spec import InputSpec
from earmark.datasets import Clip
from earmark.training.audio_store import PackedAudio
from earmark.training.data import TrainingWindows
from earmark.training.loading import Groups
from earmark.training.sections import AugmentationSection, TrainingSection


def make_windows(window_samples: int = 50, n_clips: int = 30, world_size: int = 1) -> TrainingWindows:
    rng = np.random.default_rng(0)
    waves = [PackedAudio.pack(rng.standard_normal(window_samples * 2).astype(np.float32)) for _ in range(n_clips)]
    return TrainingWindows(
        [Clip(str(i), Path(), "train", np.array([i], np.float32)) for i in range(n_clips)],
        waves,
        spec=InputSpec(1000, window_samples, window_samples),
        training=TrainingSection(epochs=1, batch_size=4, windows_per_clip=5, seed=3),
        augmentation=AugmentationSection(gain_db=3.0, mixup_alpha=0.5),
        world_size=world_size,
    )


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_every_batch_of_its_epoch_in_order(workers: int) -> None:
    windows = make_windows()
    loader = windows.loader(workers)
    for epoch in (0, 3):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        groups = list(loader)
        assert [first for first, _ in groups] == [0, 16, 32]
        batches = [batch for _, of_group in groups for batch in of_group]
        assert len(batches) == len(windows) == 38
        for index, (waveforms, labels) in enumerate(batches):
            expected, their_labels = windows[epoch, index]
            assert torch.equal(waveforms, expected)
            assert torch.equal(labels, their_labels)


@pytest.mark.slow
def test_large_batches_and_several_devices_come_one_by_one() -> None:
    assert Groups(make_windows()).n_in_group == 16
    assert Groups(make_windows(window_samples=200_000, n_clips=4)).n_in_group == 5  # 3.2 MB each
    assert Groups(make_windows(window_samples=2_000_000, n_clips=4)).n_in_group == 1
    assert Groups(make_windows(world_size=2)).n_in_group == 1


def test_an_error_while_reading_ahead_reaches_the_trainer_and_the_thread_ends() -> None:
    windows = make_windows()

    class Broken(PackedAudio):
        def read_into(self, out: np.ndarray, start: int) -> None:
            raise OSError("the disk is gone")

    loader = windows.loader()
    next(iter(loader))  # left in the middle of an epoch
    windows.waveforms = [Broken(wave.values, wave.scale) for wave in windows.waveforms]  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="the disk is gone"):
        list(loader)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("earmark-batch")]
