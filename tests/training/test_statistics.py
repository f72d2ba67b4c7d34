"""Mean and deviation of the training clips' features, for networks that standardise by a dataset's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from earmark import audio
from earmark.core.errors import DataError
from earmark.core.input_spec import InputSpec
from earmark.models import create_model
from earmark.training.audio_store import PackedAudio
from earmark.training.statistics import MOST_CLIPS, standardise_by

RATE_HZ = 16_000


def waves(*levels: float, n: int = 16_000) -> list[PackedAudio]:
    rng = np.random.default_rng(0)
    return [PackedAudio.pack((level * rng.standard_normal(n)).astype(np.float32)) for level in levels]


def test_samples_are_standardised_by_those_of_all_clips() -> None:
    model = create_model("ensemble_model3", 2, window_seconds=0.5, width=0.1, standardise="dataset").eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    clips = waves(0.01, 0.1, 0.2)
    spec = InputSpec(RATE_HZ, model.window_samples, model.window_samples)
    mean, std = standardise_by(model, clips, spec)
    samples = np.concatenate([clip.read() for clip in clips])
    assert mean == pytest.approx(samples.mean(), abs=1e-6)
    assert std == pytest.approx(samples.std(), rel=1e-5)
    assert model.architecture_options["mean"] == mean
    assert model.architecture_options["std"] == std
    again = create_model("ensemble_model3", 2, **model.architecture_options).eval()
    again.load_state_dict(before)
    window = torch.from_numpy(clips[1].read(0, model.window_samples))[None]
    assert torch.equal(again(window), model(window)), "its options rebuild it, and its weights are as they were"


def test_spectrograms_have_mean_0_and_deviation_1_afterwards() -> None:
    model = create_model("ensemble_model1", 2, window_seconds=2.0, width=0.1, frontend={"standardise": "dataset"})
    clips = waves(0.05, 0.3, n=64_000)
    spec = InputSpec(RATE_HZ, model.window_samples, model.window_samples)
    standardise_by(model, clips, spec)
    features = torch.cat([model.features(torch.from_numpy(audio.cut(clip.read(), spec))) for clip in clips])
    assert features.mean().item() == pytest.approx(0, abs=1e-4)
    assert features.std().item() == pytest.approx(1, rel=1e-3)
    again = create_model("ensemble_model1", 2, **model.architecture_options)
    assert again.frontend is not None
    assert model.frontend is not None
    assert again.frontend.config == model.frontend.config


def test_clips_are_spread_over_the_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.training.statistics.MOST_CLIPS", 3)
    model = create_model("ensemble_model3", 2, window_seconds=0.5, width=0.1, standardise="dataset")
    spec = InputSpec(RATE_HZ, model.window_samples, model.window_samples)
    clips = waves(0.1, 0.0, 0.1, 0.0, 0.1)
    _, std = standardise_by(model, clips, spec)
    assert std == pytest.approx(0.1, rel=0.02), "the first, the middle and the last"
    assert MOST_CLIPS == 1000


def test_silence_cannot_be_standardised() -> None:
    model = create_model("ensemble_model3", 2, window_seconds=0.5, width=0.1, standardise="dataset")
    spec = InputSpec(RATE_HZ, model.window_samples, model.window_samples)
    with pytest.raises(DataError, match="the training clips are silent"):
        standardise_by(model, waves(0.0), spec)
