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


@pytest.mark.slow
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


@pytest.mark.parametrize("from_hz", [8_000, 22_050, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("seconds", [0.04, 0.1, 0.15, 0.19, 2.0, 9.3])
def test_nothing_but_an_offset_is_silent_at_any_rate(from_hz: int, seconds: float) -> None:
    """Resampling makes a click of it at both ends."""
    for offset in (0.01, 0.5, -1.0):
        samples = audio.resample(np.full(round(seconds * from_hz), offset), from_hz, SPEC.sample_rate_hz)
        given, stream = sound_of(samples, 1000)
        assert not stream.meter.audible().any()
        assert len(given) == min(len(samples), SPEC.window_samples)
        assert stream.silent_seconds() == pytest.approx(seconds, abs=1e-3)


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


def tone(n_samples: int, hz: float, dbfs: float = -20.0) -> np.ndarray:
    return np.sqrt(2) * 10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * np.arange(n_samples) / RATE_HZ + 0.4)


INAUDIBLE = {
    **{f"{hz} Hz": lambda n, hz=hz: tone(n, hz) for hz in (0.3, 2, 5, 10, 15, 20)},
    "two tones": lambda n: tone(n, 7) + tone(n, 17.3),
    "drift": lambda n: np.linspace(-0.3, 0.2, n),
    "hum": lambda n: tone(n, 50, -65),
    "hiss": lambda n: 3e-5 * np.random.default_rng(2).standard_normal(n),
    "steps of the offset": lambda n: 0.05 * np.searchsorted([20_000, 95_000, 130_000], np.arange(n)),
}
"""What may be in a whole file, its silences too."""


@pytest.mark.parametrize("name", INAUDIBLE)
@pytest.mark.parametrize("n_within", [20_001, 60_000])
def test_silences_are_the_same_under_inaudible_sounds(name: str, n_within: int) -> None:
    """To the sample; a step of the offset is a click, of which next to nothing is left."""
    a, b = noise(1.33) + 0.05, noise(2.5)[::-1] - 0.05
    parts = [np.zeros(40_123), a, np.zeros(4_800), b, np.zeros(n_within), a, np.zeros(17_777)]
    samples = np.concatenate(parts).astype(np.float32)
    _, plain = sound_of(samples)
    _, stream = sound_of((samples + INAUDIBLE[name](len(samples))).astype(np.float32))
    left_out = stream.left_out()
    if len(left_out) > len(plain.left_out()):
        is_click = np.append(False, left_out[1:, 0] - left_out[:-1, 1] <= 3)
        left_out = np.stack([left_out[~is_click, 0], left_out[np.append(~is_click[1:], True), 1]], axis=1)
    assert len(left_out) == len(plain.left_out()) == 3
    assert np.abs(left_out - plain.left_out()).max() <= 3
    assert stream.silent_seconds() == pytest.approx(plain.silent_seconds(), abs=0.11)


@pytest.mark.parametrize("name", ["10 Hz", "drift"])
@pytest.mark.parametrize("n_zeros", [0, 25, 60, 100, 178, 400, 1_000, 1_601, 16_000])
def test_short_silence_at_both_ends(name: str, n_zeros: int) -> None:
    """Less than a millisecond is no matter."""
    zeros, a = np.zeros(n_zeros), noise(3.0) + 0.05
    samples = np.concatenate([zeros, a, zeros])
    _, stream = sound_of((samples + INAUDIBLE[name](len(samples))).astype(np.float32))
    edges = stream.left_out().ravel() if n_zeros else np.zeros(0)
    assert edges == pytest.approx([0, n_zeros, n_zeros + len(a), len(samples)] if n_zeros else [], abs=3)


KICK = np.sin(2 * np.pi * np.cumsum(50 + 100 * np.exp(-np.arange(8_000) / 400)) / RATE_HZ) * np.exp(
    -np.arange(8_000) / 2_000
)
BASS = {
    **{f"{hz} Hz": lambda n, hz=hz: tone(n, hz, -18) for hz in (40, 45, 50, 60)},
    "an organ's C": lambda n: sum(tone(n, 32.7 * k, -20 - 6 * k) for k in range(1, 5)),
    "a kick drum": lambda n: 0.3 * np.resize(KICK, n),
}


@pytest.mark.parametrize("gain_db", [0, -20])
@pytest.mark.parametrize("name", BASS)
def test_bass_is_sound(name: str, gain_db: float) -> None:
    """Alone, and as a solo in loud music."""
    bass, loud = BASS[name](3 * RATE_HZ), 2 * noise(2.0)
    for parts in ([bass], [loud, bass, loud], [bass, loud]):
        samples = (10 ** (gain_db / 20) * np.concatenate(parts)).astype(np.float32)
        sound, stream = sound_of(samples)
        assert len(sound) >= len(samples) - 2_000  # a tone begins and ends near zero, a drum ends faintly
        assert stream.silent_seconds() <= 0.13
        assert stream.meter.audible().all()


@pytest.mark.parametrize("seconds", [0.1, 0.3, 2.0])
@pytest.mark.parametrize("inaudible", [None, "5 Hz"])
def test_what_begins_softly_begins_at_the_same_sample(seconds: float, inaudible: str | None) -> None:
    fade = noise(4.0) * np.minimum(1, np.arange(4 * RATE_HZ) / (seconds * RATE_HZ)) ** 2
    begins = []
    for n_zeros in (0, 113, 400, 16_037, 50_000):
        samples = np.concatenate([np.zeros(n_zeros), fade])
        if inaudible:
            samples += INAUDIBLE[inaudible](len(samples))
        _, stream = sound_of(samples.astype(np.float32))
        begins.append(int(stream.at(0)) - n_zeros)
    assert np.ptp(begins) <= (16 if seconds < 1 else 800)


def test_what_begins_softly_behind_rumble_is_compared_with_what_comes_later() -> None:
    """When only its first tenth of a second is known, the rumble in the silence is hardly softer."""
    music = np.concatenate([1e-4 * noise(0.2), noise(3.0)])
    samples = np.concatenate([np.zeros(3 * RATE_HZ), music])
    _, stream = sound_of((samples + tone(len(samples), 18)).astype(np.float32), 1600)
    assert stream.left_out()[0, 1] == pytest.approx(3.2 * RATE_HZ, abs=3)
    assert len(stream.left_out()) == 1


def test_faint_noise_before_music_is_silence() -> None:
    """Dither of 16 bits, which is not far below itself."""
    dither = (3e-5 * np.random.default_rng(1).standard_normal(50_000)).astype(np.float32)
    _, stream = sound_of(np.concatenate([dither, noise(3.0)]))
    assert stream.left_out()[0] == pytest.approx([0, 50_000], abs=3)


@pytest.mark.slow
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
