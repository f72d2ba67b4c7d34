"""Spectrogram settings, mel bands and the NumPy log-mel, against librosa."""

from __future__ import annotations

import json
import math

import librosa
import numpy as np
import pytest

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig, hann_window, log_mel, mel_filterbank

RATE_HZ = 16000


def config(**changes):
    return LogMelConfig(**{"sample_rate_hz": RATE_HZ, "n_fft": 512, "hop_samples": 256, "n_mels": 96, **changes})


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("norm", ["slaney", None])
@pytest.mark.parametrize("ends_hz", [(0.0, None), (60.0, 7600.0)])
def test_mel_filterbank_is_librosas(scale, norm, ends_hz):
    ours = mel_filterbank(config(mel_scale=scale, norm=norm, f_min_hz=ends_hz[0], f_max_hz=ends_hz[1]))
    theirs = librosa.filters.mel(
        sr=RATE_HZ, n_fft=512, n_mels=96, fmin=ends_hz[0], fmax=ends_hz[1], htk=scale == "htk", norm=norm, dtype=float
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("n_fft", "window_samples"), [(512, None), (512, 400), (512, 510)])
def test_hann_window_is_librosas_and_symmetric(n_fft, window_samples):
    ours = hann_window(config(n_fft=n_fft, window_samples=window_samples))
    theirs = librosa.util.pad_center(librosa.filters.get_window("hann", window_samples or n_fft), size=n_fft)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    np.testing.assert_allclose(ours[1:], ours[:0:-1], atol=1e-12)  # what the folding of the front-end rests on


def test_ensemble_papers_spectrogram_has_592_frames():
    ensemble = config(n_fft=1024, hop_samples=787, n_mels=128)
    assert ensemble.n_frames(round(29.1 * RATE_HZ)) == 592


@pytest.mark.parametrize("centred", [True, False])
def test_n_frames_is_what_log_mel_gives(centred):
    settings = config(centred=centred)
    for n_samples in (settings.min_samples, 511 + 2, 767, 768, 769, 5000):
        assert log_mel(np.zeros((1, n_samples), np.float32), settings).shape == (1, 96, settings.n_frames(n_samples))


def test_config_goes_through_json_and_back():
    settings = config(standardise="dataset", mean=1.5, std=0.25, mel_scale="htk", norm=None)
    assert LogMelConfig.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_fields_added_later_are_written_only_where_they_differ_so_that_earlier_cards_stay_equal():
    assert not {"periodic_window", "pre_emphasis"} & config().to_dict().keys()
    settings = config(mel_scale="kaldi", norm=None, compression="log", periodic_window=False, pre_emphasis=0.97)
    assert settings.to_dict()["pre_emphasis"] == 0.97
    assert LogMelConfig.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_config_reports_every_problem_at_once():
    with pytest.raises(ConfigError) as caught:
        config(n_fft=511, hop_samples=0, mel_scale="bark", f_max_hz=9000, std=math.nan)
    text = str(caught.value)
    for name in ("n_fft 511", "hop_samples 0", "'bark'", "9000", "std nan"):
        assert name in text


def test_mean_without_dataset_standardisation_is_refused():
    with pytest.raises(ConfigError, match="only with standardise 'dataset'"):
        config(mean=1.0)


def test_from_dict_refuses_unknown_and_missing_keys():
    values = config().to_dict()
    del values["n_mels"]
    with pytest.raises(ConfigError) as caught:
        LogMelConfig.from_dict({**values, "hop": 256})
    assert len(caught.value.problems) == 2


def test_too_short_and_misshapen_waveforms_are_refused():
    with pytest.raises(ConfigError, match="needs at least 257"):
        log_mel(np.zeros((1, 256), np.float32), config())
    with pytest.raises(ConfigError, match=r"\(batch, samples\)"):
        log_mel(np.zeros(1000, np.float32), config())


@pytest.mark.parametrize("compression", ["log1p", "log10p", "log", "db", "none"])
@pytest.mark.parametrize("standardise", ["clip", None])
def test_silence_is_finite(compression, standardise):
    mel = log_mel(np.zeros((2, 4000), np.float32), config(compression=compression, standardise=standardise))
    assert np.isfinite(mel).all()
    assert np.ptp(mel) == 0


def test_clip_standardisation_gives_zero_mean_and_unit_variance_to_each_waveform():
    noise = np.random.default_rng(0).standard_normal((3, 8000)).astype(np.float32) * [[0.001], [0.1], [1.0]]
    mel = log_mel(noise.astype(np.float32), config(standardise="clip"))
    np.testing.assert_allclose(mel.mean(axis=(1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(mel.std(axis=(1, 2)), 1, atol=1e-3)
