"""The front-end layer against librosa, against the NumPy log-mel, and against a published program's spectrograms."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig, log_mel
from earmark.core.vocabulary import Vocabulary
from earmark.export import export_onnx
from earmark.models import create_model
from earmark.models.checkpoint import load_checkpoint, make_card, save_checkpoint
from earmark.models.frontend import LogMel

RATE_HZ = 16000
CONFIGS = {
    "musicnn": LogMelConfig(RATE_HZ, 512, 256, 96, pad_mode="constant"),
    "torchaudio": LogMelConfig(RATE_HZ, 512, 256, 96, mel_scale="htk", norm=None, compression="db"),
    "dieleman2014": LogMelConfig(RATE_HZ, 1024, 1024, 128, power=1.0, compression="log1p", centred=False),
    "dieleman2014 overlapping": LogMelConfig(RATE_HZ, 512, 256, 128, compression="log1p", centred=False),
    "ensemble": LogMelConfig(RATE_HZ, 1024, 787, 128),
    "short window": LogMelConfig(RATE_HZ, 512, 160, 40, window_samples=400, f_min_hz=60, f_max_hz=7600),
    "hop above window": LogMelConfig(RATE_HZ, 256, 400, 32, centred=False),
}


def sound(seconds: float = 3.0) -> np.ndarray:
    """A chord that dies away, clicks and a little noise: (n_samples,) float32."""
    rng = np.random.default_rng(1)
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    chord = sum(np.sin(2 * np.pi * hz * time_s) for hz in (110.0, 277.18, 1318.5)) * 0.25 * np.exp(-3 * (time_s % 1))
    clicks = (rng.random(time_s.size) < 1e-4) * 0.8
    return (chord + clicks + 0.01 * rng.standard_normal(time_s.size)).astype(np.float32)


def librosa_mel(waveform: np.ndarray, config: LogMelConfig) -> np.ndarray:
    """(n_mels, T), before compression."""
    return librosa.feature.melspectrogram(
        y=waveform,
        sr=config.sample_rate_hz,
        n_fft=config.n_fft,
        hop_length=config.hop_samples,
        win_length=config.window_samples,
        n_mels=config.n_mels,
        fmin=config.f_min_hz,
        fmax=config.f_max_hz,
        htk=config.mel_scale == "htk",
        norm=config.norm,
        power=config.power,
        center=config.centred,
        pad_mode=config.pad_mode,
    )


def compressed(mel: np.ndarray, config: LogMelConfig) -> np.ndarray:
    return {
        "log1p": lambda: np.log(1 + config.compression_c * mel),
        "log10p": lambda: np.log10(1 + config.compression_c * mel),
        "db": lambda: 10 * np.log10(np.maximum(mel, 1e-10)),
    }[config.compression]()


def layer(config: LogMelConfig, waveform: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return LogMel(config)(torch.from_numpy(waveform[None])).numpy()[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(
    "ours", [layer, lambda config, waveform: log_mel(waveform[None], config)[0]], ids=["torch", "numpy"]
)
def test_equals_librosa(name, ours):
    config = CONFIGS[name]
    theirs = librosa_mel(sound(), config)
    linear = LogMelConfig(**{**config.to_dict(), "compression": "none"})
    mel = ours(linear, sound())
    assert mel.shape == theirs.shape
    # Relative, down to 70 dB (power) below the loudest: there float32 itself ends, librosa's too.
    np.testing.assert_allclose(mel, theirs, rtol=1e-4, atol=1e-7 * theirs.max())
    np.testing.assert_allclose(ours(config, sound()), compressed(theirs, config), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("standardise", [{"standardise": "clip"}, {"standardise": "dataset", "mean": 0.7, "std": 1.3}])
def test_torch_equals_numpy(name, standardise):
    config = LogMelConfig(**{**CONFIGS[name].to_dict(), **standardise})
    waveforms = np.stack([sound(), sound()[::-1] * 0.01])
    with torch.inference_mode():
        mel = LogMel(config)(torch.from_numpy(waveforms)).numpy()
    np.testing.assert_allclose(mel, log_mel(waveforms, config), rtol=1e-4, atol=1e-4)


@pytest.mark.shared
@pytest.mark.parametrize("clip", ["joram", "fishin", "sugarplum"])
def test_equals_the_spectrograms_of_musicnns_own_program(shared_dir, clip):
    with np.load(shared_dir / "data/peers/musicnn_reference.npz") as reference:
        audio, theirs = reference[f"{clip}_audio"], reference[f"{clip}_logmel"]  # (frames, 96)
    np.testing.assert_allclose(layer(CONFIGS["musicnn"], audio).T, theirs, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_length_gives_the_frames_it_should(name):
    config = CONFIGS[name]
    module = LogMel(config)
    for n_samples in range(config.min_samples, config.min_samples + 2 * config.hop_samples + 3, 101):
        waveform = np.random.default_rng(n_samples).standard_normal((1, n_samples)).astype(np.float32) * 0.1
        mel = module(torch.from_numpy(waveform)).numpy()
        assert mel.shape == (1, config.n_mels, config.n_frames(n_samples))
        np.testing.assert_allclose(mel, log_mel(waveform, config), rtol=1e-4, atol=1e-4)


def test_too_short_and_misshapen_waveforms_are_refused():
    module = LogMel(CONFIGS["ensemble"])
    with pytest.raises(ConfigError, match="needs at least 513"):
        module(torch.zeros(1, 512))
    with pytest.raises(ConfigError, match=r"\(batch, samples\)"):
        module(torch.zeros(16000))


def test_nothing_of_it_is_stored_in_checkpoints():
    assert not LogMel(CONFIGS["musicnn"]).state_dict()


def test_half_precision_around_it_does_not_reach_it():
    module = LogMel(CONFIGS["musicnn"])
    waveform = torch.from_numpy(sound()[None])
    expected = module(waveform)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(module(waveform), expected)


@pytest.mark.slow
def test_batch_norm_learns_each_band_and_is_kept_and_exported(tmp_path):
    options = {
        "window_seconds": 2.0,
        "width": 0.1,
        "frontend": {"n_fft": 512, "n_mels": 32, "standardise": "batch_norm"},
    }
    torch.manual_seed(0)
    model = create_model("ensemble_model1", 3, **options)
    loud = 0.3 * torch.randn(8, model.window_samples)
    for _ in range(200):
        model.frontend(loud)
    bands = model.eval().frontend(loud)
    torch.testing.assert_close(bands.mean(dim=(0, 2)), torch.zeros(32), rtol=0, atol=1e-3)
    torch.testing.assert_close(bands.std(dim=(0, 2)), torch.ones(32), rtol=0, atol=1e-2)
    card = make_card(model, name="test", vocabulary=Vocabulary.of(["a", "b", "c"]))
    save_checkpoint(tmp_path / "run", model, card)
    again, _ = load_checkpoint(tmp_path / "run")
    torch.testing.assert_close(again.frontend(loud), bands)
    report = export_onnx(again, card, tmp_path / "test.onnx", loud.numpy())
    assert report.max_abs_difference < 1e-4
    with pytest.raises(ConfigError, match="trained weights"):
        log_mel(loud.numpy(), model.frontend.config)
