"""EfficientAT's MN: sizes as published, and its spectrogram against SciPy's window and Kaldi's mel bands."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig, hann_window, hz_to_mel, log_mel, mel_filterbank, mel_to_hz
from earmark.models import create_model
from earmark.models.blocks import samples_for_frames
from earmark.models.efficientat import PAPER_FRONTEND
from earmark.models.frontend import LogMel

KALDI_BANDS = {  # band: first bin and the weights of its bins; torchaudio 2.11.1, compliance.kaldi.get_mel_banks
    0: (1, [0.1886]),
    20: (14, [0.13625, 0.7397]),
    64: (83, [0.23182, 0.62346, 0.98856, 0.60417, 0.22333]),
    100: (228, [0.11968, 0.28499, 0.44963, 0.61364, 0.77698, 0.93969, 0.89823, 0.73679]),
    127: (457, [0.05645, 0.14287, 0.22912, 0.31518, 0.40107, 0.48677, 0.57232, 0.65766]),
}


def sound(seconds: float = 2.0) -> np.ndarray:
    """Two waveforms (2, n_samples): decaying tones with noise, and the same quietly and backwards."""
    time_s = np.arange(round(seconds * 32000)) / 32000
    tones = sum(np.sin(2 * np.pi * hz * time_s) for hz in (196.0, 1760.0, 9000.0)) * 0.2 * np.exp(-2 * (time_s % 0.7))
    noisy = tones + 0.003 * np.random.default_rng(0).standard_normal(time_s.size)
    return np.stack([noisy, noisy[::-1] * 0.01]).astype(np.float32)


def expected_spectrogram(waveform: np.ndarray) -> np.ndarray:
    """As its authors describe it, in double precision: (B, 128, T)."""
    emphasised = waveform[:, 1:].astype(np.float64) - 0.97 * waveform[:, :-1]
    window = np.pad(scipy.signal.windows.hann(800, sym=True), 112)
    padded = np.pad(emphasised, ((0, 0), (512, 512)), mode="reflect")
    frames = np.stack([padded[:, at : at + 1024] for at in range(0, emphasised.shape[1] + 1, 320)], axis=1)
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    return (np.log(power @ mel_filterbank(PAPER_FRONTEND).T + 1e-5).swapaxes(1, 2) + 4.5) / 5


@pytest.mark.parametrize(
    ("width", "n_parameters", "hidden"), [(0.1, 123_783, 128), (0.4, 983_599, 512), (1.0, 4_876_831, 1280)]
)
def test_sizes_are_those_of_its_authors(width, n_parameters, hidden):
    model = create_model("efficientat_mn", 527, width=width)
    assert model.n_parameters == n_parameters
    assert model.window_samples == 320_000
    assert model.features(torch.zeros(1, 320_000)).shape == (1, 128, 1000)
    assert model.last.in_features == hidden


@pytest.mark.parametrize(
    "ours", [lambda waveform: LogMel(PAPER_FRONTEND)(torch.from_numpy(waveform)).numpy(), lambda waveform: log_mel(waveform, PAPER_FRONTEND)],
    ids=["torch", "numpy"],
)  # fmt: skip
def test_spectrogram(ours):
    np.testing.assert_allclose(ours(sound()), expected_spectrogram(sound()), rtol=0, atol=1e-4)


def test_mel_bands_are_kaldis():
    bands = mel_filterbank(PAPER_FRONTEND)
    for band, (first, weights) in KALDI_BANDS.items():
        assert np.flatnonzero(bands[band])[0] == first
        np.testing.assert_allclose(bands[band, first : first + len(weights)], weights, atol=3e-5)
    assert not bands[:, -1].any()
    hz = np.array([0.0, 440.0, 15000.0])
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz, "kaldi"), "kaldi"), hz, atol=1e-9)


def test_a_window_that_is_not_periodic_is_symmetric_about_the_middle_of_the_frame():
    window = hann_window(PAPER_FRONTEND)
    np.testing.assert_allclose(window, window[::-1], atol=1e-12)
    np.testing.assert_allclose(window[112:912], scipy.signal.windows.hann(800, sym=True), atol=1e-12)


@pytest.mark.parametrize("changes", [{}, {"centred": False}, {"periodic_window": True}, {"pre_emphasis": 0.0}])
def test_every_length_gives_the_frames_it_should(changes):
    config = LogMelConfig.from_dict({**PAPER_FRONTEND.to_dict(), **changes})
    module = LogMel(config)
    for n_samples in range(config.min_samples, config.min_samples + 660, 109):
        waveform = np.random.default_rng(n_samples).standard_normal((1, n_samples)).astype(np.float32) * 0.1
        mel = module(torch.from_numpy(waveform)).numpy()
        assert mel.shape == (1, 128, config.n_frames(n_samples))
        np.testing.assert_allclose(mel, log_mel(waveform, config), rtol=1e-4, atol=1e-4)
    least = samples_for_frames(config, 7)
    assert (config.n_frames(least), config.n_frames(least - 1)) == (7, 6)
    with pytest.raises(ConfigError, match=f"needs at least {config.min_samples}"):
        config.n_frames(config.min_samples - 1)


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ConfigError, match="width 0"):
        create_model("efficientat_mn", 5, width=0)
    with pytest.raises(ConfigError, match=r"pre_emphasis 1\.5: must be 0 to 1"):
        create_model("efficientat_mn", 5, frontend={"pre_emphasis": 1.5})
    with pytest.raises(ConfigError, match="must be None with mel_scale 'kaldi'"):
        create_model("efficientat_mn", 5, frontend={"norm": "slaney"})
