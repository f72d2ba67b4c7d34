"""Samples in memory."""

from fractions import Fraction

import numpy as np
import pytest

from earmark import audio
from earmark.audio.mixer import Mixer
from earmark.core.errors import AudioError
from earmark.core.input_spec import Conditioning
from tests.helpers import sounds


@pytest.mark.parametrize("rate", [44_100.0, np.float32(44_100), np.float64(44_100), np.int64(44_100), Fraction(44_100)])
@pytest.mark.parametrize("n_channels", [1, 2, 6])
def test_a_rate_is_a_whole_number_of_any_type(rate: int, n_channels: int) -> None:
    """librosa and torchaudio compute with rates: 44100.0 is what they give."""
    samples = sounds.music(0.5, 44_100, n_channels)
    expected = audio.resample(samples, 44_100, 16_000, Mixer(Conditioning()))
    np.testing.assert_array_equal(audio.resample(samples, rate, 16_000, Mixer(Conditioning())), expected)


@pytest.mark.parametrize("rate", [44_100.5, 0.5, float("nan"), float("inf"), -16_000, 2**31, "44100", None, 1 + 0j])
def test_other_rates_are_refused(rate: int) -> None:
    with pytest.raises(AudioError, match="must be whole numbers, 1 to 2147483647 Hz"):
        audio.resample(sounds.music(0.1, 16_000, 2), rate, 16_000)
    with pytest.raises(AudioError, match="must be whole numbers"):
        audio.resample(sounds.music(0.1, 16_000, 2), 16_000, rate)


@pytest.mark.parametrize("rate_hz", [384_000, 2**20, 2**30, 2**31 - 1])
@pytest.mark.parametrize("n_samples", [64, 600, 140_000, 300_000])
def test_channels_at_the_highest_rates(rate_hz: int, n_samples: int) -> None:
    """Of a few samples the spectrum has no bin below 8 kHz."""
    samples = np.random.default_rng(0).normal(0, 0.1, (2, n_samples))
    if n_samples * 16_000 >= rate_hz / 2:
        assert len(audio.resample(samples, rate_hz, 16_000, Mixer(Conditioning())))
    else:
        with pytest.raises(AudioError, match="holds less audio than one sample at 16000 Hz"):
            audio.resample(samples, rate_hz, 16_000, Mixer(Conditioning()))
