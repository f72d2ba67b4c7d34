"""The bundled model says the same of the same music, whatever the file: kinds of shared/cases, on the example clips."""

from pathlib import Path

import numpy as np
import pytest

from earmark import Tagger, audio, load_tagger
from tests.helpers import sounds
from tests.helpers.ogg import ogg_checksum

CLIPS = Path(__file__).parents[2] / "examples" / "clips"
RATE_HZ = 16_000


@pytest.fixture(
    scope="module",
    params=["03-rock.mp3", *(pytest.param(name, marks=pytest.mark.slow) for name in ("01-piano.flac", "06-folk.mp3"))],
)
def song(request: pytest.FixtureRequest) -> np.ndarray:
    return audio.load(CLIPS / request.param, RATE_HZ)


def largest_change(tagger: Tagger, a: np.ndarray | Path, b: np.ndarray | Path) -> float:
    first, second = (tagger.tag(x) if isinstance(x, Path) else tagger.tag_waveform(x, RATE_HZ) for x in (a, b))
    return float(np.abs(first.scores - second.scores).max())


@pytest.mark.parametrize("gain_db", [-40, -30, -18, -8, 6, 12])
def test_gain(tagger: Tagger, song: np.ndarray, gain_db: float) -> None:
    assert largest_change(tagger, song, song * np.float32(10 ** (gain_db / 20))) < 0.005


@pytest.mark.slow
@pytest.mark.parametrize("gain_db", [-30, -18])
def test_quiet_files(tagger: Tagger, song: np.ndarray, gain_db: float, tmp_path: Path) -> None:
    """In 16 bits: what is left of the softest parts is the rounding."""
    loud = sounds.write(tmp_path / "loud.flac", song, RATE_HZ)
    soft = sounds.write(tmp_path / "soft.flac", song * 10 ** (gain_db / 20), RATE_HZ)
    assert largest_change(tagger, loud, soft) < (0.02 if gain_db > -20 else 0.1)


@pytest.mark.parametrize("offset", [-0.1, 0.02, 0.05, 0.1])
def test_offset(tagger: Tagger, song: np.ndarray, offset: float) -> None:
    assert largest_change(tagger, song, song + np.float32(offset)) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.03, 0.08, 0.3, 5])
def test_offset_of_silence_around_the_music(tagger: Tagger, song: np.ndarray, seconds: float) -> None:
    """At 44.1 kHz: resampling makes a click of the offset, at both ends."""
    zeros = np.zeros(round(seconds * 44_100), np.float32)
    music = audio.resample(song, RATE_HZ, 44_100)
    plain, offset = (
        tagger.tag_waveform(np.concatenate([zeros, music, zeros]) + np.float32(level), 44_100) for level in (0, 0.1)
    )
    assert np.abs(plain.scores - offset.scores).max() < 0.04
    assert offset.window_starts_seconds == pytest.approx(plain.window_starts_seconds, abs=0.002)


@pytest.mark.parametrize("hz", [0.3, 2, 5, 10, 15])
def test_rumble(tagger: Tagger, song: np.ndarray, hz: float) -> None:
    rumble = 0.14 * np.sin(2 * np.pi * hz / RATE_HZ * np.arange(len(song)), dtype=np.float32)
    assert largest_change(tagger, song, song + rumble) < (0.03 if hz < 15 else 0.06)  # of 15 Hz the network gets some


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.02, 1.3, 12])
def test_rumble_in_silence(tagger: Tagger, song: np.ndarray, seconds: float) -> None:
    """Windows are cut where they are without."""
    silence, half = np.zeros(round(seconds * RATE_HZ), np.float32), len(song) // 2
    samples = np.concatenate([silence, song[:half], silence, song[half:], silence])
    rumble = 0.14 * np.sin(2 * np.pi * 7 / RATE_HZ * np.arange(len(samples)), dtype=np.float32)
    plain, rumbling = (tagger.tag_waveform(x, RATE_HZ) for x in (samples, samples + rumble))
    assert np.abs(plain.scores - rumbling.scores).max() < 0.03
    assert rumbling.window_starts_seconds == pytest.approx(plain.window_starts_seconds, abs=0.001)
    assert rumbling.silent_seconds == pytest.approx(plain.silent_seconds, abs=0.15)


def test_polarity(tagger: Tagger, song: np.ndarray) -> None:
    assert largest_change(tagger, song, -song) < 0.001


@pytest.mark.slow
@pytest.mark.parametrize("factor", [-1.0, -0.97, 0.0])
def test_channels_that_cancel_and_silent_ones(tagger: Tagger, song: np.ndarray, factor: float, tmp_path: Path) -> None:
    one = sounds.write(tmp_path / "one.wav", song, RATE_HZ)
    both = sounds.write(tmp_path / "two.wav", np.stack([song, factor * song]), RATE_HZ)
    assert largest_change(tagger, one, both) < 0.01
    assert any("cancel" in note or "1 of 2 channels" in note for note in tagger.tag(both).warnings)


def test_a_late_channel(tagger: Tagger, song: np.ndarray) -> None:
    late = np.stack([song[48:], song[:-48]])  # 3 ms
    assert largest_change(tagger, song[48:], late) < 0.06  # where it goes over from the mix to one channel, they differ


@pytest.mark.slow
@pytest.mark.parametrize("live", [0, 2, 4])
def test_one_live_channel_of_six(tagger: Tagger, song: np.ndarray, live: int, tmp_path: Path) -> None:
    channels = np.zeros((6, len(song)), np.float32)
    channels[live] = song
    one = sounds.write(tmp_path / "one.wav", song, RATE_HZ)
    assert largest_change(tagger, one, sounds.write(tmp_path / "six.wav", channels, RATE_HZ)) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1, 10, 60])
def test_silence_around_and_within_the_music(tagger: Tagger, song: np.ndarray, seconds: int) -> None:
    silence, half = np.zeros(seconds * RATE_HZ, np.float32), len(song) // 2
    whole = tagger.tag_waveform(song, RATE_HZ)
    forms = {
        "before": (np.concatenate([silence, song]), 0.01),
        "after": (np.concatenate([song, silence]), 0.01),
        "within": (np.concatenate([song[:half], silence, song[half:]]), 0.05),
    }
    for name, (samples, close) in forms.items():
        result = tagger.tag_waveform(samples, RATE_HZ)
        assert np.abs(whole.scores - result.scores).max() < close, name
        assert result.n_windows == whole.n_windows
        assert result.silent_seconds == pytest.approx(whole.silent_seconds + seconds, abs=0.2)
        assert result.to_record()["silent_seconds"] == pytest.approx(result.silent_seconds, abs=0.001)
        assert any(note.startswith("silent for") for note in result.warnings) == (seconds >= 10)
        later = np.where(
            whole.window_starts_seconds >= {"before": 0, "within": half / RATE_HZ, "after": 99}[name], seconds, 0
        )
        np.testing.assert_allclose(result.window_starts_seconds, whole.window_starts_seconds + later, atol=0.1)
        edges = result.row_edges_seconds()
        assert (edges[0], edges[-1]) == (0, result.duration_seconds)
        assert (np.diff(edges) > 0).all()


def test_a_hidden_track(tagger: Tagger, song: np.ndarray) -> None:
    hidden = np.concatenate([song, np.zeros(97 * RATE_HZ, np.float32), song])
    whole, twice = (tagger.tag_waveform(samples, RATE_HZ).scores for samples in (song, hidden))
    assert np.abs(whole - twice).max() < 0.15


@pytest.mark.slow
def test_what_is_all_silent_has_no_tags(tagger: Tagger, tmp_path: Path) -> None:
    silence = sounds.write(tmp_path / "silence.flac", np.zeros(20 * RATE_HZ), RATE_HZ)
    result = tagger.tag(silence)
    assert result.silent
    assert not result.scores.any()
    assert not result.top(0)
    record = result.to_record()
    assert (record["abstained"], record["tags"], record["silent_seconds"]) == (True, [], 20.0)
    assert result.warnings == ("silent: nothing above -80 dBFS, so it has no tags",)
    for windows in (1, 2):
        assert load_tagger(windows=windows).tag_waveform(np.zeros(60 * RATE_HZ), RATE_HZ).silent
    offset = tagger.tag(sounds.write(tmp_path / "offset.wav", np.full(20 * 44_100, 0.5), 44_100))
    assert offset.silent
    assert offset.silent_seconds == 20.0


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.5, 1, 2, 6, 9.7, 11, 15])
@pytest.mark.parametrize("later_ms", [1, 25, 200])
def test_a_short_clip_later(tagger: Tagger, song: np.ndarray, seconds: float, later_ms: int) -> None:
    clip = song[5 * RATE_HZ :][: round(seconds * RATE_HZ)]
    later = np.concatenate([np.zeros(later_ms * RATE_HZ // 1000, np.float32), clip])
    assert largest_change(tagger, clip, later) < 0.05
    notes = tagger.tag_waveform(later, RATE_HZ).warnings
    assert any(note.startswith("short: ") for note in notes) == (seconds < 9)


@pytest.mark.slow
def test_a_clip_says_the_same_three_times(tagger: Tagger, song: np.ndarray) -> None:
    clip = song[: 3 * RATE_HZ]
    assert largest_change(tagger, clip, np.tile(clip, 3)) < 0.05


@pytest.mark.slow
def test_few_windows_are_those_of_a_full_read(song: np.ndarray, tmp_path: Path) -> None:
    """Silence and channels are treated alike where only some windows are read."""
    stereo = np.stack([np.tile(song, 4), -np.tile(song, 4)])
    file = sounds.write(tmp_path / "a.flac", stereo, RATE_HZ)
    few = load_tagger(windows=2).tag(file)
    full = load_tagger().tag(file)
    assert few.sparse
    places = np.searchsorted(full.window_starts_seconds, few.window_starts_seconds)
    np.testing.assert_allclose(few.taggram, full.taggram[places], atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("windows", [1, 4])
@pytest.mark.parametrize("seconds", [(0, 30, 0), (0, 0, 60), (0.5, 90, 3)])
def test_few_windows_that_fall_into_silence(
    tagger: Tagger, windows: int, seconds: tuple[float, float, float], tmp_path: Path
) -> None:
    """A hidden track, or a long end: what has no sound in the middle has tags all the same."""
    song = audio.load(CLIPS / "03-rock.mp3", RATE_HZ)
    before, within, after = (np.zeros(round(n * RATE_HZ), np.float32) for n in seconds)
    whole = np.concatenate([before, song, within, song, after]) + np.float32(0.05)
    file = sounds.write_float_wav(tmp_path / "a.wav", whole[None], RATE_HZ)
    full, few = tagger.tag(file), load_tagger(windows=windows)
    of_file, of_waveform = few.tag(file), few.tag_waveform(whole, RATE_HZ)
    np.testing.assert_allclose(of_file.scores, of_waveform.scores, atol=1e-4)
    assert (of_file.warnings, of_file.silent) == (of_waveform.warnings, False)
    if of_file.sparse:
        assert of_file.silent_seconds < 0.1 * windows * of_file.window_seconds
    else:
        np.testing.assert_allclose(of_file.scores, full.scores, atol=1e-4)
        assert of_file.warnings == ("read in full: it is silent in parts", *full.warnings)
        assert of_file.silent_seconds == full.silent_seconds


@pytest.mark.slow
@pytest.mark.parametrize("gain_db", [-18, -30, 6])
def test_gain_in_the_header_of_opus(tagger: Tagger, song: np.ndarray, gain_db: float, tmp_path: Path) -> None:
    """RFC 7845, section 5.1: decoders apply it."""
    one = sounds.write(tmp_path / "one.opus", audio.resample(song, RATE_HZ, 48_000), 48_000)
    content = bytearray(one.read_bytes())
    size = 27 + content[26] + content[27]
    content[44:46] = round(gain_db * 256).to_bytes(2, "little", signed=True)
    content[22:26] = bytes(4)
    content[22:26] = ogg_checksum(content[:size]).to_bytes(4, "little")
    other = tmp_path / "other.opus"
    other.write_bytes(content)
    levels = [np.abs(audio.load(path, RATE_HZ)).mean() for path in (one, other)]
    assert 20 * np.log10(levels[1] / levels[0]) == pytest.approx(gain_db, abs=0.2)
    assert largest_change(tagger, one, other) < 0.005
