"""Which parts of the audio are silent; what follows for tags is in tests/tagging/test_conditioning.py."""

import tracemalloc

import numpy as np
import pytest

from earmark import audio
from earmark.audio.chunker import SHORT_WINDOWS
from earmark.audio.silence import SilenceMeter
from earmark.audio.sound import SoundStream
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


def sound_of(samples: np.ndarray, block: int = 100_000) -> tuple[np.ndarray, SoundStream]:
    stream = SoundStream((samples[i : i + block] for i in range(0, len(samples), block)), SPEC)
    return np.concatenate(list(stream)), stream


@pytest.mark.parametrize("block", [1000, 1600, 100_000])
@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_silences_are_left_out_to_the_sample(block: int, offset: float) -> None:
    a, b, pause = noise(1.33) + 0.05, noise(2.5)[::-1] - 0.05, np.zeros(4_800, np.float32)
    n_samples = {"before": 40_123, "within": 20_001, "behind": 17_777}
    zeros = {name: np.zeros(n, np.float32) for name, n in n_samples.items()}
    parts = [zeros["before"], a, pause, b, zeros["within"], a, zeros["behind"]]
    samples = np.concatenate(parts) + np.float32(offset)
    sound, stream = sound_of(samples, block)
    edges = np.cumsum([0, *map(len, parts)])
    assert np.abs(stream.left_out() - [edges[0:2], edges[4:6], edges[6:8]]).max() <= 3  # noise may begin near zero
    kept = np.ones(len(samples), bool)
    for begin, end in stream.left_out():
        kept[begin:end] = False
    np.testing.assert_array_equal(sound, samples[kept])
    places = np.arange(0, len(sound), 977)
    np.testing.assert_array_equal(sound[places], samples[stream.at(places)])
    assert stream.silent_seconds() == pytest.approx((sum(n_samples.values()) + 4_800) / RATE_HZ, abs=0.1)
    assert len(stream.silences_seconds()) == 3


def test_faint_noise_before_music_is_silence() -> None:
    """Dither of 16 bits, which is not far below itself."""
    dither = (3e-5 * np.random.default_rng(1).standard_normal(50_000)).astype(np.float32)
    _, stream = sound_of(np.concatenate([dither, noise(3.0)]))
    assert stream.left_out()[0] == pytest.approx([0, 50_000], abs=3)


def test_memory_does_not_grow_with_silence() -> None:
    blocks = (np.zeros(16_000, np.float32) for _ in range(3_000))
    tracemalloc.start()
    assert sum(map(len, SoundStream(blocks, SPEC))) == SPEC.window_samples
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_short_audio_is_repeated_and_only_with_conditioning() -> None:
    for seconds in (0.4, 1.0, 1.2):
        a = noise(seconds)
        cuts = audio.cut(a, SPEC)
        assert len(cuts) == len(audio.window_starts(len(a), SPEC)) == SHORT_WINDOWS
        np.testing.assert_array_equal(cuts[0], np.resize(a, 16_000))
        meter = SilenceMeter(SPEC)
        meter.add(a)
        weights = meter.weights(audio.window_starts(len(a), SPEC))
        assert weights is not None
        assert len(set(weights.tolist())) == 1
    assert len(audio.cut(noise(1.3), SPEC)) == 2
    (padded,) = audio.cut(noise(0.4), InputSpec(RATE_HZ, 16_000, 16_000))
    assert not padded[6400:].any()
