"""Which parts of the audio are silent; what follows for tags is in tests/tagging/test_conditioning.py."""

import numpy as np
import pytest

from earmark import audio
from earmark.audio.chunker import SHORT_WINDOWS
from earmark.audio.silence import SilenceMeter, trim_silence
from earmark.core.input_spec import Conditioning, InputSpec

RATE_HZ = 16_000
SPEC = InputSpec(RATE_HZ, 16_000, 16_000, conditioning=Conditioning())


def noise(seconds: float) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


@pytest.mark.parametrize("block", [1, 700, 1600, 100_000])
def test_silence_is_measured_in_blocks_of_any_length(block: int) -> None:
    samples = np.concatenate([noise(2.0), np.zeros(RATE_HZ, np.float32), noise(1.05)])
    meter = SilenceMeter(SPEC)
    for i in range(0, len(samples), block):
        meter.add(samples[i : i + block])
    assert meter.silent_seconds() == pytest.approx(1.0)
    weights = meter.weights(audio.window_starts(len(samples), SPEC))
    assert weights is not None
    assert weights.tolist() == pytest.approx([1, 1, 0, 1, 0.05], abs=1e-6)  # the last window is moved back
    assert meter.warnings() == ["silent for 1.0 of 4.0 s, which do not count"]


def test_silence_does_not_depend_on_level_or_offset() -> None:
    samples = np.concatenate([noise(1.0), 0.0001 * noise(1.0), 0.01 * noise(1.0)])
    for gain in (0.01, 1.0, 4.0):
        for offset in (0.0, 0.1):
            meter = SilenceMeter(SPEC)
            meter.add((gain * samples + offset).astype(np.float32))
            assert meter.silent_seconds() == pytest.approx(1.0)


def test_what_is_all_silent() -> None:
    for samples in (np.zeros(20_000), np.full(20_000, 0.1), 1e-4 * noise(2.0)):
        meter = SilenceMeter(SPEC)
        meter.add(samples.astype(np.float32))
        assert not meter.audible().any()
        assert meter.warnings() == ["silent: nothing above -80 dBFS, so it has no tags"]


def test_silent_ends_are_trimmed() -> None:
    a = noise(0.5)
    padded = np.concatenate([np.zeros(400, np.float32), a, np.zeros(900, np.float32)])
    np.testing.assert_array_equal(trim_silence(padded, Conditioning()), a)
    assert len(trim_silence(np.zeros(5, np.float32), Conditioning())) == 5


def test_short_audio_is_repeated_and_only_with_conditioning() -> None:
    a = noise(0.4)
    cuts = audio.cut(a, SPEC)
    assert len(cuts) == len(audio.window_starts(len(a), SPEC)) == SHORT_WINDOWS
    np.testing.assert_array_equal(cuts[0], np.resize(a, 16_000))
    (padded,) = audio.cut(a, InputSpec(RATE_HZ, 16_000, 16_000))
    assert not padded[len(a) :].any()
