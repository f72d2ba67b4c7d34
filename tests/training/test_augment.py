"""Augmentations: filters, noise, codecs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import sosfreqz

from earmark.core.errors import ConfigError
from earmark.datasets.labelled_set.shards import RATE_HZ, loudness
from earmark.training.augment import apply_step, biquad, draw_steps
from tests.helpers.sounds import music


@pytest.mark.parametrize(
    ("shape", "low_db", "high_db"),
    [("low_shelf", -9, 0), ("high_shelf", 0, -9), ("low_pass", 0, -60), ("high_pass", -60, 0)],
)
def test_filters_do_what_their_names_say(shape: str, low_db: float, high_db: float) -> None:
    _, response = sosfreqz(biquad(shape, 1000.0, -9.0, rate_hz=RATE_HZ), worN=[10.0, 1000.0, 7950.0], fs=RATE_HZ)
    low, corner, high = 20 * np.log10(np.abs(response))
    for found, wanted in ((low, low_db), (high, high_db)):
        assert found < -55 if wanted == -60 else found == pytest.approx(wanted, abs=0.1)
    assert corner == pytest.approx(-4.5 if "shelf" in shape else -3.01, abs=0.02)


def test_an_unknown_filter_or_step_is_refused() -> None:
    with pytest.raises(ConfigError, match="band_pass"):
        biquad("band_pass", 100.0, rate_hz=RATE_HZ)
    with pytest.raises(ConfigError, match="reverse"):
        apply_step(np.zeros(10, np.float32), {"kind": "reverse"}, RATE_HZ)


@pytest.mark.parametrize("colour", ["white", "pink"])
def test_noise_has_its_level_and_colour(colour: str) -> None:
    sound = music(4.0, RATE_HZ)[0]
    step = {"kind": "noise", "colour": colour, "snr_db": 20.0, "seed": 1}
    noise = apply_step(sound, step, RATE_HZ) - sound
    assert 20 * np.log10(loudness(sound) / loudness(noise)) == pytest.approx(20.0, abs=0.05)
    np.testing.assert_array_equal(apply_step(sound, step, RATE_HZ) - sound, noise)
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves = power[4 * 250 : 4 * 500].sum() / power[4 * 2000 : 4 * 4000].sum()
    assert octaves == pytest.approx(1.0 if colour == "pink" else 1 / 8, rel=0.2)


@pytest.mark.parametrize(("container", "kbps"), [("mp3", 24), ("mp3", 64), ("ogg", 12), ("ogg", 32)])
def test_codecs_change_the_sound_but_not_its_place(container: str, kbps: int) -> None:
    sound = music(5.0, RATE_HZ)[0]
    heard = apply_step(sound, {"kind": "codec", "container": container, "kbps": kbps}, RATE_HZ)
    assert heard.shape == sound.shape
    assert heard.dtype == np.float32
    envelopes = [np.abs(x).reshape(-1, 80).mean(axis=1) for x in (sound, heard)]
    assert np.corrcoef(*envelopes)[0, 1] > 0.9
    assert np.abs(heard - sound).max() > 1e-3


def test_drawn_steps_can_be_carried_out() -> None:
    rng = np.random.default_rng(0)
    drawn = [step for _ in range(60) for step in draw_steps(rng)]
    assert {step["kind"] for step in drawn} == {"filter", "noise", "gain", "codec"}
    sound = music(1.0, RATE_HZ)[0]
    for step in drawn:
        assert np.isfinite(apply_step(sound, step, RATE_HZ)).all()
