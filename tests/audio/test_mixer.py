"""Mixing of channels; what follows for tags is in tests/tagging/test_conditioning.py."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark import audio
from earmark.audio import mixer as mixer_module
from earmark.audio.mixer import Mixer, downmix_shares, usual_channels
from earmark.audio.phase_loss import lost_share
from earmark.core.input_spec import Conditioning
from tests.helpers import sounds

RATE_HZ = 16_000
HALF = np.array([0.5, 0.5], np.float32)


def noise(seconds: float = 4.0, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


def mixed(*channels: np.ndarray, names: tuple[str, ...] = ()) -> tuple[np.ndarray, list[str]]:
    mixer = Mixer(Conditioning())
    return mixer.mix(np.stack(channels), 1.0, RATE_HZ, names), mixer.warnings()


def test_channels_that_do_not_cancel_are_averaged() -> None:
    a, b = noise(), noise(seed=1)
    for left, right in ((a, a), (a, b), (a, 0.2 * a), (a, a + b)):
        mono, warnings = mixed(left, right)
        np.testing.assert_allclose(mono, (left + right) / 2, atol=1e-7)
        assert not warnings


@pytest.mark.parametrize("factor", [-1.0, -0.97, -0.7])
@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_of_channels_that_cancel_the_louder_is_used(factor: float, offset: float) -> None:
    a = noise()
    mono, warnings = mixed(a + np.float32(offset), np.float32(factor) * a + np.float32(offset))
    sign = np.sign(np.corrcoef(mono, a)[0, 1]) if factor == -1.0 else 1  # neither is louder
    np.testing.assert_array_equal(mono, np.float32(sign) * a + np.float32(offset))
    assert warnings == ["channels cancel each other when mixed to mono: one channel was used for 4 s"]


@pytest.mark.parametrize("milliseconds", [1, 3, 10])
def test_a_delayed_channel_is_not_mixed_in(milliseconds: int) -> None:
    a = noise(6.0)
    n = milliseconds * RATE_HZ // 1000
    mono, warnings = mixed(a[n:], a[:-n])
    assert np.array_equal(mono, a[n:]) or np.array_equal(mono, a[:-n])
    assert warnings


def test_a_silent_channel_is_reported_and_does_no_harm() -> None:
    a = noise()
    mono, warnings = mixed(np.zeros_like(a), a)
    np.testing.assert_allclose(mono, a / 2, atol=1e-7)
    assert warnings == ["1 of 2 channels is silent"]


@pytest.mark.parametrize("live", range(6))
def test_any_one_channel_of_surround_sound_is_enough(live: int) -> None:
    channels = np.zeros((6, 4 * RATE_HZ), np.float32)
    channels[live] = noise()
    mono, warnings = mixed(*channels, names=("FL", "FR", "FC", "LFE", "BL", "BR"))
    assert np.corrcoef(mono, channels[live])[0, 1] > 0.9999
    assert "5 of 6 channels are silent" in warnings
    assert not any("cancel" in warning for warning in warnings)
    only_lfe = "nothing but the channel of low-frequency effects for 4 s: it was used there"
    assert (only_lfe in warnings) == (live == 3)


@pytest.mark.parametrize("level", [0.5, 1.0, 1.5, 20.0])
@pytest.mark.parametrize(
    "names", [("FL", "FR", "FC", "LFE", "BL", "BR"), ("FL", "FR", "LFE"), ("FL", "LFE", "LFE2", "SR")]
)
def test_low_frequency_effects_do_not_replace_music_that_cancels(names: tuple[str, ...], level: float) -> None:
    a = noise()
    bass = np.convolve(noise(seed=1), np.hanning(400), "same").astype(np.float32)
    bass *= np.float32(level) * a.std() / bass.std()
    channels = np.stack([bass if name.startswith("LFE") else np.zeros_like(a) for name in names])
    first, second = [i for i, name in enumerate(names) if not name.startswith("LFE")][:2]
    channels[first], channels[second] = a, -0.9 * a
    mixer = Mixer(Conditioning())
    mixer.mix(np.where(np.arange(len(names))[:, None] == names.index("LFE"), channels, 0), 1.0, RATE_HZ, names)
    assert mixer.only_lfe_seconds == 4  # the bass alone, and then the music
    np.testing.assert_array_equal(mixer.mix(channels, 1.0, RATE_HZ, names)[1024:], a[1024:])
    assert mixer.cancelled_seconds == 4


@pytest.mark.parametrize("rate_hz", [1_000, 1_250, 1_600, 2_000, 8_000, 11_127, 384_000, 2_822_400])
@pytest.mark.parametrize("n_samples", [64, 513, 9_000, 65_536])
def test_channels_cancel_at_any_rate(rate_hz: int, n_samples: int) -> None:
    mono = Mixer(Conditioning()).mix(np.stack([noise()[:n_samples], -0.9 * noise()[:n_samples]]), 1.0, rate_hz)
    if n_samples > 10_000:
        np.testing.assert_array_equal(mono, noise()[:n_samples])


@pytest.mark.parametrize("n_channels", [2, 3, 4, 6, 8, 16])
@pytest.mark.parametrize("seconds", [0.1, 1.0, 4.0])
def test_channels_without_anything_in_common_are_averaged(n_channels: int, seconds: float) -> None:
    channels = np.stack([noise(seconds, seed) for seed in range(n_channels)])
    shares = downmix_shares(n_channels)
    assert lost_share(channels, shares, RATE_HZ) < 0.1
    rhythm = np.abs(np.sin(np.arange(channels.shape[1]) * 5 / RATE_HZ)).astype(np.float32) ** 8  # all louder together
    assert lost_share(channels * rhythm, shares, RATE_HZ) < (0.3 if seconds < 1 else 0.1)  # 0.1 s: one note
    mono, warnings = mixed(*channels)
    np.testing.assert_allclose(mono, channels.mean(axis=0), atol=1e-6)
    assert not warnings


@pytest.mark.parametrize("milliseconds", [3, 10])
def test_a_late_channel_is_found_where_the_music_begins(milliseconds: int) -> None:
    """The first frame holds a few soft notes at its end, of which nothing can be said; the next one is all music."""
    late = milliseconds * RATE_HZ // 1000
    a = noise(6.0)
    a[: round(1.95 * RATE_HZ)] = 0
    mixer = Mixer(Conditioning())
    channels = np.stack([a[late:], a[:-late]])
    for start in range(0, channels.shape[1], 2 * RATE_HZ):
        mixer.mix(channels[:, start : start + 2 * RATE_HZ], 1.0, RATE_HZ)
    assert mixer.cancelled_seconds >= 3


@pytest.mark.parametrize("names", [(), ("FL", "LFE")])
@pytest.mark.parametrize("rest", [0.0, 1e-5])
def test_silence_is_not_counted(names: tuple[str, ...], rest: float) -> None:
    """Before, between and behind the music, to whose channel it goes on with."""
    a = noise(2.0)
    music = np.stack([0 * a, a]) if names else np.stack([a, -a])
    mixer = Mixer(Conditioning())
    for frame in (rest * music, music, rest * music, np.zeros_like(music), music, rest * music):
        mixer.mix(frame, 1.0, RATE_HZ, names)
    counted = (mixer.cancelled_seconds, mixer.only_lfe_seconds)
    if rest:  # what comes first is compared with itself
        assert counted == ((0, 6) if names else (6, 0))
    else:
        assert counted == ((0, 4) if names else (4, 0))


def test_one_channel_with_infinite_samples_is_left_to_others() -> None:
    """Warnings of NumPy are errors here."""
    with np.errstate(all="warn"):
        assert np.isinf(Mixer(Conditioning()).mix(np.full((1, 9), 3e38, np.float32), 10.0, RATE_HZ)).all()


def test_shares_of_a_downmix() -> None:
    shares = downmix_shares(6, ["FL", "FR", "FC", "LFE", "BL", "BR"])
    assert shares.sum() == pytest.approx(1)
    # ITU-R BS.775-3: left and right are 1 FL/FR + 0.707 FC + 0.707 BL/BR
    np.testing.assert_allclose(shares / shares[0], [1, 1, 2**0.5, 0, 0.5**0.5, 0.5**0.5], rtol=1e-6)
    assert downmix_shares(3).tolist() == downmix_shares(3, ["LFE", "LFE", "LFE"]).tolist()


def test_channels_of_unknown_place_are_the_usual_ones_in_their_order() -> None:
    """As FFmpeg reads a FLAC file of so many channels."""
    assert [len(usual_channels(n)) for n in range(10)] == [0, 0, 0, 3, 4, 5, 6, 7, 8, 0]
    channels = np.stack([noise(1.0, seed) for seed in range(6)])
    waveform = audio.resample(channels, RATE_HZ, RATE_HZ, Mixer(Conditioning()))
    np.testing.assert_allclose(waveform, downmix_shares(6, usual_channels(6)) @ channels, atol=1e-6)


@pytest.mark.parametrize("n_channels", [3, 4, 5, 6, 7, 8])
def test_a_waveform_is_mixed_as_a_file_of_the_same_samples(n_channels: int, tmp_path: Path) -> None:
    channels = np.stack([noise(1.0, seed) for seed in range(n_channels)])
    path = tmp_path / "a.flac"
    soundfile.write(path, channels.T, RATE_HZ, subtype="PCM_24")
    file = audio.load(path, RATE_HZ, Conditioning())
    np.testing.assert_allclose(audio.resample(channels, RATE_HZ, RATE_HZ, Mixer(Conditioning())), file, atol=1e-5)


def bass_and_treble() -> np.ndarray:
    """Noise that loses 9 dB an octave, as music does at most."""
    spectrum = np.fft.rfft(noise())
    spectrum[1:] *= np.arange(1, len(spectrum)) ** -1.5
    sound = np.fft.irfft(spectrum).astype(np.float32)
    return 0.3 * sound / np.abs(sound).max()


@pytest.mark.parametrize("late", [2, 3, 5, 11, 16, 32, 80, 160, 320])
@pytest.mark.parametrize("level", [1.0, 0.7])
def test_a_late_channel_is_left_out(late: int, level: float) -> None:
    """By an eighth to twenty milliseconds. Of an eighth the bass loses nothing, and the treble all."""
    a = bass_and_treble()
    channels = a[late:], np.float32(level) * a[:-late]
    mono, warnings = mixed(*channels)
    assert any(np.array_equal(mono, channel) for channel in channels)
    assert warnings == ["channels cancel each other when mixed to mono: one channel was used for 4 s"]


@pytest.mark.parametrize("late", [16, 80])
def test_one_frame_in_phase_does_not_bring_back_the_mix(late: int) -> None:
    """Something else that is in phase, just where the loss is measured again, after ten seconds."""
    conditioning = Conditioning()
    a = noise(14.0)
    channels = np.stack([a[late:], a[:-late]])
    there = slice(10 * RATE_HZ, 11 * RATE_HZ)
    channels[:, there] += 0.9 * noise(14.0, seed=1)[there]
    assert lost_share(channels[:, there], HALF, RATE_HZ) < conditioning.cancelled_share / 2
    mixer = Mixer(conditioning)
    for start in range(0, 13 * RATE_HZ, RATE_HZ):
        mixer.mix(channels[:, start : start + RATE_HZ], 1.0, RATE_HZ)
    assert mixer.cancelled_seconds == pytest.approx(13)


@pytest.mark.parametrize("level", [0.9, 0.5, 0.1])
def test_what_is_panned_by_level_stays_in_the_mix(level: float) -> None:
    """Two sounds, each in both channels, louder in one of them."""
    a, b = bass_and_treble(), noise(seed=1)
    channels = np.stack([a + level * b, level * a + b])
    mono, warnings = mixed(*channels)
    np.testing.assert_allclose(mono, channels.mean(axis=0), atol=1e-6)
    assert not warnings


@pytest.mark.parametrize("full_scale", [2.0**-30, 1.0, 2.0**31])
def test_lost_share(full_scale: float) -> None:
    """Integers are at their own scale here."""
    a, b = np.float32(full_scale) * noise(), np.float32(full_scale) * noise(seed=1)
    assert lost_share(np.stack([a, a]), HALF, RATE_HZ) == pytest.approx(0, abs=1e-6)
    assert lost_share(np.stack([a, -a]), HALF, RATE_HZ) == pytest.approx(1, abs=1e-5)
    assert lost_share(np.stack([a[48:], a[:-48]]), HALF, RATE_HZ) == pytest.approx(0.5, abs=0.1)
    assert lost_share(np.stack([a, b]), HALF, RATE_HZ) < 0.02


def test_a_change_of_channel_is_faded() -> None:
    a = np.full((1, 8_000), 0.1, np.float32) * np.sin(np.arange(8_000) / 20, dtype=np.float32)
    mixer = Mixer(Conditioning())
    first = mixer.mix(np.concatenate([a, a]), 1.0, RATE_HZ)
    second = mixer.mix(np.concatenate([a, -a]), 1.0, RATE_HZ)
    assert abs(second[0] - first[0]) < 1e-3  # not a jump to another sign or size
    np.testing.assert_array_equal(second[1024:], a[0, 1024:])


def test_without_conditioning_channels_are_averaged(tmp_path) -> None:
    a = noise()
    path = sounds.write_float_wav(tmp_path / "a.wav", np.stack([a, -a]), RATE_HZ)
    assert not audio.load(path, RATE_HZ).any()
    np.testing.assert_allclose(audio.load(path, RATE_HZ, Conditioning()), a, atol=1e-6)


@pytest.mark.parametrize("first", ["inverted", "independent"])
def test_what_a_mix_loses_is_measured_again_where_it_changes(first: str) -> None:
    """Half a minute of one kind, then of the other: in the very next frame the other way is taken."""
    rng = np.random.default_rng(0)
    seconds, frame = 30, RATE_HZ
    left, right = 0.1 * rng.standard_normal((2, seconds * RATE_HZ)).astype(np.float32)
    kinds = {"inverted": np.stack([left, -left]), "independent": np.stack([left, right])}
    second = next(kind for kind in kinds if kind != first)
    mixer = Mixer(Conditioning())
    used = []
    for kind in (first, second):
        for start in range(0, seconds * RATE_HZ, frame):
            before = mixer.cancelled_seconds
            mixer.mix(kinds[kind][:, start : start + frame], 1.0, RATE_HZ)
            used.append(mixer.cancelled_seconds > before)
    expected = [kind == "inverted" for kind in (first, second) for _ in range(seconds)]
    assert used == expected


@pytest.mark.parametrize("late_samples", [0, 40, 160])
def test_what_a_mix_loses_is_measured_seldom(late_samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An inverted or a late channel for two minutes: it costs the most where it is compared in every frame."""
    rng = np.random.default_rng(1)
    left = 0.1 * rng.standard_normal(RATE_HZ * 120).astype(np.float32)
    both = np.stack([left, -np.roll(left, late_samples)])
    calls = []
    monkeypatch.setattr(mixer_module, "lost_share", lambda *given: calls.append(1) or lost_share(*given))
    mixer = Mixer(Conditioning())
    for start in range(0, both.shape[1], RATE_HZ):
        mixer.mix(both[:, start : start + RATE_HZ], 1.0, RATE_HZ)
    assert mixer.cancelled_seconds == pytest.approx(120)
    assert 1 <= len(calls) <= 8
