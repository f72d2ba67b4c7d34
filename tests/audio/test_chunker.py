"""Decoding against other decoders, resampling, and that every sample is in a window."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from earmark import audio
from earmark.audio.mixer import Mixer
from earmark.core.errors import AudioError, TruncatedAudioError
from earmark.core.input_spec import Conditioning, InputSpec
from tests.helpers import sounds

RATE_HZ = 16_000


def test_lossless_formats_decode_exactly_as_libsndfile_does(tmp_path: Path) -> None:
    samples = sounds.music(3, 44_100, 2)
    for suffix in (".wav", ".flac", ".aiff"):
        path = sounds.write(tmp_path / f"a{suffix}", samples, 44_100)
        expected, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        ours = audio.load(path, rate_hz)
        np.testing.assert_allclose(ours, expected.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("suffix", [".mp3", ".ogg"])
def test_lossy_formats_decode_as_libsndfile_does(tmp_path: Path, suffix: str) -> None:
    path = sounds.write(tmp_path / f"a{suffix}", sounds.music(3, 44_100, 2), 44_100)
    expected, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    ours = audio.load(path, rate_hz)
    n = min(len(ours), len(expected))
    assert abs(len(ours) - len(expected)) <= 1200  # decoders differ in how much padding they trim at the end
    np.testing.assert_allclose(ours[:n], expected.mean(axis=1)[:n], atol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", sounds.SUFFIXES)
def test_every_format_gives_the_music_back(tmp_path: Path, suffix: str) -> None:
    original = sounds.music(4, 48_000, 2)
    path = sounds.write(tmp_path / f"a{suffix}", original, 48_000)
    ours = audio.load(path, RATE_HZ)
    assert ours.dtype == np.float32
    assert len(ours) / RATE_HZ == pytest.approx(4, abs=0.1)
    wanted = librosa.resample(original.mean(axis=0), orig_sr=48_000, target_sr=RATE_HZ)
    # Encoders put silence in front: correlate at every lag.
    n = 2 ** int(np.ceil(np.log2(len(ours) + len(wanted))))
    correlation = np.fft.irfft(np.fft.rfft(ours, n) * np.fft.rfft(wanted, n).conj())
    best = correlation.max() / (np.linalg.norm(ours) * np.linalg.norm(wanted))
    assert best > 0.9


def test_streamed_resampling_equals_resampling_at_once(tmp_path: Path) -> None:
    samples = sounds.music(7.3, 44_100)
    path = sounds.write(tmp_path / "a.flac", samples, 44_100)
    whole = audio.resample(audio.load(path, 44_100), 44_100, RATE_HZ)
    streamed = audio.load(path, RATE_HZ)
    assert len(whole) == len(streamed)
    np.testing.assert_allclose(streamed, whole, atol=1e-5)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 96_000, 192_000])
def test_any_rate_keeps_pitch_and_level(tmp_path: Path, rate_hz: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(rate_hz * 2) / rate_hz)
    ours = audio.load(sounds.write(tmp_path / "a.flac", tone, rate_hz), RATE_HZ)
    spectrum = np.abs(np.fft.rfft(ours[:RATE_HZ]))
    assert int(spectrum.argmax()) == 1000
    assert float(np.abs(ours[2000:20_000]).max()) == pytest.approx(0.5, abs=0.01)


def test_channels_are_averaged(tmp_path: Path) -> None:
    samples = np.zeros((8, 16_000), np.float32)
    samples[3] = 0.8
    ours = audio.load(sounds.write_float_wav(tmp_path / "a.wav", samples, RATE_HZ), RATE_HZ)
    np.testing.assert_allclose(ours, 0.1, atol=1e-6)


def test_integer_widths_share_one_scale(tmp_path: Path) -> None:
    ramp = np.linspace(-0.9, 0.9, 16_000)
    for subtype, step in (
        ("PCM_U8", 2**-7),
        ("PCM_16", 2**-15),
        ("PCM_24", 2**-23),
        ("PCM_32", 2**-30),
        ("DOUBLE", 1e-7),
    ):
        soundfile.write(tmp_path / "a.wav", ramp, RATE_HZ, subtype=subtype)
        np.testing.assert_allclose(audio.load(tmp_path / "a.wav", RATE_HZ), ramp, atol=max(step, 1e-7), err_msg=subtype)


@pytest.mark.slow
def test_a_stream_that_changes_its_format_continues(tmp_path: Path) -> None:
    first = sounds.write(tmp_path / "1.mp3", sounds.music(2, 44_100), 44_100).read_bytes()
    second = sounds.write(tmp_path / "2.mp3", sounds.music(3, 48_000, 2), 48_000).read_bytes()
    (tmp_path / "both.mp3").write_bytes(first + second)
    assert len(audio.load(tmp_path / "both.mp3", RATE_HZ)) / RATE_HZ == pytest.approx(5, abs=0.15)


BAD = {
    "missing": "no such file",
    "empty": "empty (0 bytes)",
    "text": "not audio",
    "noise": "not audio",
    "folder": "is a folder",
    "pipe": "not a regular file",
    "no samples": "no audio samples",
    "nan": "NaN or infinite samples, the first at 0.50 s",
    "infinite": "NaN or infinite samples, the first at 0.50 s",
    "playlist": "not audio",
    "slow": "not audio: a sample rate of 1 Hz",
}


def bad_file(tmp_path: Path, what: str) -> Path:
    path = tmp_path / ("a.wav" if what in ("no samples", "nan", "infinite", "slow") else "a.mp3")
    if what == "empty":
        path.touch()
    elif what == "text":
        path.write_text("this is a letter to a friend, not a song\n" * 50)
    elif what == "noise":
        path.write_bytes(np.random.default_rng(1).bytes(50_000))
    elif what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "no samples":
        sounds.write_float_wav(path, np.zeros((1, 0)), RATE_HZ)
    elif what in ("nan", "infinite"):
        samples = sounds.music(1, RATE_HZ)
        samples[0, 8000] = np.nan if what == "nan" else np.inf
        sounds.write_float_wav(path, samples, RATE_HZ)
    elif what == "slow":
        sounds.write_float_wav(path, sounds.music(5, RATE_HZ), 1)
    elif what == "playlist":
        path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/a.aac\n")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("what", sorted(BAD))
def test_errors_of_bad_files_give_the_reason(tmp_path: Path, what: str) -> None:
    path = bad_file(tmp_path, what)
    with pytest.raises(AudioError) as caught:
        audio.load(path, RATE_HZ)
    if what == "noise":  # what random bytes look like to a decoder is not ours to say
        assert "audio" in caught.value.reason
    else:
        assert BAD[what] in caught.value.reason
    assert caught.value.path == path
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".wav", ".aiff", ".aac", ".wma", ".m4a", ".mka"])
@pytest.mark.parametrize("share", [0.5, 0.93])
def test_truncated_files_are_noticed(tmp_path: Path, suffix: str, share: float) -> None:
    path = sounds.write(tmp_path / f"whole{suffix}", sounds.music(12, 44_100, 2), 44_100)
    assert len(audio.load(path, RATE_HZ)) / RATE_HZ == pytest.approx(12, abs=0.1)
    cut = sounds.shorten(path, share, tmp_path / f"cut{suffix}")
    with pytest.raises(AudioError) as caught:
        audio.load(cut, RATE_HZ)
    if suffix != ".m4a":  # whose index is at its end: nothing at all can be decoded
        assert isinstance(caught.value, TruncatedAudioError)


def test_the_rest_of_a_truncated_file_is_given_first(tmp_path: Path) -> None:
    path = sounds.write(tmp_path / "whole.flac", sounds.music(12, 44_100), 44_100)
    stream = audio.stream(sounds.shorten(path, 0.5, tmp_path / "cut.flac"), RATE_HZ)
    n_samples = 0
    with pytest.raises(TruncatedAudioError):
        for block in stream:
            n_samples += len(block)
    assert 4 < n_samples / RATE_HZ < 8


def test_mp3_with_trailing_tags_is_whole(tmp_path: Path) -> None:
    path = sounds.write(tmp_path / "a.mp3", sounds.music(3, 44_100), 44_100)
    path.write_bytes(path.read_bytes() + b"TAG" + b"title".ljust(125, b"\0"))
    assert len(audio.load(path, RATE_HZ)) > 0


def test_a_cut_ogg_gives_a_warning(tmp_path: Path) -> None:
    path = sounds.write(tmp_path / "a.ogg", sounds.music(12, 44_100), 44_100)
    for file, expected in ((path, False), (sounds.shorten(path, 0.5, tmp_path / "cut.ogg"), True)):
        stream = audio.stream(file, RATE_HZ)
        assert sum(map(len, stream)) > 0
        assert any("cut off" in warning for warning in stream.warnings) is expected


def test_silence_gives_a_warning(tmp_path: Path) -> None:
    stream = audio.stream(sounds.write(tmp_path / "a.wav", np.zeros((2, 32_000)), RATE_HZ), RATE_HZ)
    assert sum(map(len, stream)) == 32_000
    assert stream.warnings == [audio.SILENT]


def test_no_permission_is_reported(tmp_path: Path) -> None:
    path = sounds.write(tmp_path / "a.wav", sounds.music(1, RATE_HZ), RATE_HZ)
    path.chmod(0)
    as_root = os.geteuid() == 0
    if as_root:  # root may read everything: be somebody else for a moment
        tmp_path.chmod(0o755)
        for parent in tmp_path.parents[:3]:
            parent.chmod(parent.stat().st_mode | 0o055)
        os.seteuid(65_534)
    try:
        with pytest.raises(AudioError, match="no permission"):
            audio.load(path, RATE_HZ)
    finally:
        if as_root:
            os.seteuid(0)


@pytest.mark.parametrize(
    "name",
    [
        'it\'s a "song" $1 & more.wav',
        "песня 曲 🎵.wav",
        "http:song.wav",
        "-x.wav",
        "a\nb.wav",
        os.fsdecode(b"caf\xe9\xff.wav"),
    ],
)
def test_odd_names(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sounds.write_int_wav(tmp_path / "plain.wav", sounds.music(0.5, RATE_HZ)[0], RATE_HZ).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(audio.load(name, RATE_HZ)) == 8000


@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    def peak_bytes(seconds: float) -> int:
        path = tmp_path / f"{seconds}.flac"
        sounds.write(path, np.tile(sounds.music(10, RATE_HZ), round(seconds / 10)), RATE_HZ)
        spec = InputSpec(RATE_HZ, 160_000, 160_000)
        tracemalloc.start()
        for _ in audio.windows(audio.stream(path, RATE_HZ), spec):
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    assert peak_bytes(600) < 1.3 * peak_bytes(60)


@pytest.mark.slow
@given(
    n=st.integers(0, 400),
    size=st.integers(1, 60),
    hop_back=st.integers(0, 59),
    last=st.sampled_from(["pad", "overlap", "drop"]),
    lead=st.integers(0, 59),
    blocks=st.lists(st.integers(0, 90), max_size=12),
)
def test_every_sample_is_in_a_window_or_dropped_at_the_end(
    n: int, size: int, hop_back: int, last: str, lead: int, blocks: list[int]
) -> None:
    spec = InputSpec(100, size, max(1, size - hop_back), last, min(lead, size - 1))
    samples = np.arange(1, n + 1, dtype=np.float32)
    parts, at = [], 0
    for length in blocks:
        parts.append(samples[at : at + length])
        at += length
    parts.append(samples[at:])
    cuts = list(audio.windows(parts, spec))
    starts = audio.window_starts(n, spec)
    assert len(cuts) == len(starts)
    lead = spec.lead_samples
    led = np.pad(samples, (lead, 0), mode="reflect" if n > 1 else "edge") if n else samples
    for start, window in zip(starts + lead, cuts, strict=True):
        assert window.shape == (size,)
        padded = np.pad(led[start : start + size], (0, size - len(led[start : start + size])))
        np.testing.assert_array_equal(window, padded)
    given = set(np.concatenate(cuts).tolist()) - {0.0} if cuts else set()
    if last == "drop" and n + lead >= size:
        end = int(starts[-1]) + lead + size
        assert n + lead - end < spec.hop_samples, "only what does not fill a window is dropped"
        assert given == set(led[:end].tolist())
    else:
        assert given == set(samples.tolist())
    if last == "overlap" and n + lead >= size:
        assert all(0 not in window for window in cuts)
    np.testing.assert_array_equal(audio.cut(samples, spec), np.array(cuts, np.float32).reshape(-1, size))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(100, np.int16), "divide by 32768"),
        (np.zeros((48_000, 2)), "transpose"),
        (np.zeros((2, 2, 2)), "shape"),
        (np.zeros(0), "no audio samples"),
        (np.array([0.0, np.nan]), "NaN or infinite samples, the first at 0.00 s"),
        (
            np.array([[0.0] * 96_000, [0.0] * 48_000 + [np.inf] * 48_000]),
            "NaN or infinite samples, the first at 1.00 s",
        ),
        (np.array([[0.0] * 9, [-np.inf] * 9]), "NaN or infinite samples"),
        (np.full(9, 1e300), r"samples up to 1e\+300: .* divide by the peak"),
    ],
)
def test_waveforms_that_are_refused(samples: np.ndarray, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        audio.resample(samples, 48_000, RATE_HZ)
    with pytest.raises(AudioError, match=message):
        audio.resample(samples, 48_000, RATE_HZ, Mixer(Conditioning()))


@pytest.mark.slow
@given(
    n=st.integers(0, 600),
    size=st.integers(1, 60),
    hop_back=st.integers(0, 59),
    last=st.sampled_from(["pad", "overlap", "drop"]),
    lead=st.integers(0, 59),
    n_windows=st.integers(1, 10),
)
def test_sparse_windows_are_some_of_all(n: int, size: int, hop_back: int, last: str, lead: int, n_windows: int) -> None:
    spec = InputSpec(8000, size, max(1, size - hop_back), last, min(lead, size - 1))  # type: ignore[arg-type]
    starts = audio.window_starts(n, spec)
    on_grid = (starts + spec.lead_samples) % spec.hop_samples == 0
    whole = starts[on_grid & (starts >= 0) & (starts + size <= n)]
    wanted = whole[(2 * np.arange(n_windows) + 1) * len(whole) // (2 * n_windows)] if len(whole) > n_windows else []
    assert audio.sparse_starts(n, spec, n_windows).tolist() == list(wanted)


def test_sparse_windows_of_a_file_of_years() -> None:
    starts = audio.sparse_starts(2**60, InputSpec(16_000, 48_000, 48_000), 3)
    assert (np.diff(starts) > 2**58).all()


@pytest.mark.parametrize("rate_hz", [2**31, 2**50, 2**70, 0, -1])
def test_rates_out_of_range(rate_hz: int) -> None:
    """soxr takes for ever at 2^50 Hz."""
    with pytest.raises(AudioError, match="sample rates"):
        audio.resample(np.ones(2_000), rate_hz, 16_000)


def test_less_than_a_sample() -> None:
    with pytest.raises(AudioError, match="less audio than one sample"):
        audio.resample(np.ones(2_000), 2**31 - 1, 16_000)
