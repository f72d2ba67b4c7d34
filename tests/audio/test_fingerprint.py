"""Fingerprints are alike for the same recording, whatever is done to its file, and for nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earmark.audio.fingerprint import FRAMES_PER_SECOND, agreement, fingerprint
from earmark.audio.source import AudioBytes
from earmark.core.errors import AudioError
from tests.helpers import sounds

RATE_HZ = 44_100
SECONDS = 12


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sounds.write(tmp_path_factory.mktemp("sounds") / "a.flac", sounds.music(SECONDS, RATE_HZ, 2), RATE_HZ)


def test_a_frame_is_32_bits_every_43_milliseconds(original: Path) -> None:
    bits = fingerprint(original)
    assert bits.dtype == np.uint32
    assert len(bits) == pytest.approx(SECONDS * FRAMES_PER_SECOND, abs=10)
    assert agreement(bits, bits, 0) == 1
    np.testing.assert_array_equal(bits, fingerprint(AudioBytes(original.read_bytes(), original.name)))


@pytest.mark.parametrize("suffix", [".mp3", ".m4a", ".ogg", ".opus", ".wma"])
@pytest.mark.parametrize(("gain", "trimmed_seconds"), [(1.0, 0.0), (0.05, 0.0), (0.5, 1.3)])
def test_other_encodings_levels_and_beginnings_agree(
    original: Path, tmp_path: Path, suffix: str, gain: float, trimmed_seconds: float
) -> None:
    rate_hz = 48_000  # the only one of these that Opus has
    samples = sounds.music(SECONDS, RATE_HZ, 2)
    other = np.stack(
        [np.interp(np.arange(SECONDS * rate_hz) / rate_hz, np.arange(len(x)) / RATE_HZ, x) for x in samples]
    )
    cut = other[:, round(trimmed_seconds * rate_hz) :] * gain
    bits = fingerprint(sounds.write(tmp_path / f"b{suffix}", cut, rate_hz))
    assert agreement(fingerprint(original), bits, 3) == 1
    assert agreement(bits, fingerprint(original), 3) == 1


def test_an_equaliser_and_one_channel_of_two_agree(original: Path, tmp_path: Path) -> None:
    samples = sounds.music(SECONDS, RATE_HZ, 2)
    treble = np.diff(samples, axis=1, append=0) * 3  # +6 dB an octave
    bits = fingerprint(original)
    assert agreement(bits, fingerprint(sounds.write(tmp_path / "b.flac", treble, RATE_HZ)), 3) == 1
    assert agreement(bits, fingerprint(sounds.write(tmp_path / "c.flac", samples[:1], RATE_HZ)), 3) >= 0.75


def test_other_music_and_the_same_music_beyond_the_offset_do_not_agree(original: Path, tmp_path: Path) -> None:
    bits = fingerprint(original)
    for seed in (1, 2, 3):
        other = sounds.write(tmp_path / f"{seed}.flac", sounds.music(SECONDS, RATE_HZ, 2, seed=seed), RATE_HZ)
        assert agreement(bits, fingerprint(other), 3) == 0
    late = sounds.music(SECONDS, RATE_HZ, 2)[:, 5 * RATE_HZ :]
    late_bits = fingerprint(sounds.write(tmp_path / "late.flac", late, RATE_HZ))
    assert agreement(bits, late_bits, 3) <= 0.5  # its notes are few
    assert agreement(bits, late_bits, 6) == 1


def test_half_of_another_piece_is_half_of_the_windows(original: Path, tmp_path: Path) -> None:
    half = SECONDS // 2 * RATE_HZ
    mixed = np.concatenate(
        [sounds.music(SECONDS, RATE_HZ, 2)[:, :half], sounds.music(SECONDS, RATE_HZ, 2, seed=9)[:, half:]], 1
    )
    share = agreement(fingerprint(original), fingerprint(sounds.write(tmp_path / "b.flac", mixed, RATE_HZ)), 3)
    assert 0.25 <= share <= 0.75


def test_silence_agrees_with_nothing_and_short_sounds_need_a_second(tmp_path: Path) -> None:
    silent = fingerprint(sounds.write(tmp_path / "silent.flac", np.zeros((1, 10 * RATE_HZ)), RATE_HZ))
    assert not silent.any()
    assert agreement(silent, silent, 3) == 0
    for seconds, expected in ((0.1, 0), (1.2, 0), (2.0, 1)):  # a frame itself has a third of a second
        path = sounds.write(tmp_path / "short.flac", sounds.music(seconds, RATE_HZ), RATE_HZ)
        assert agreement(fingerprint(path), fingerprint(path), 3) == expected


def test_a_truncated_file_has_the_fingerprint_of_what_is_there(original: Path, tmp_path: Path) -> None:
    cut = sounds.shorten(original, 0.7, tmp_path / "cut.flac")
    bits = fingerprint(cut)
    assert 0.5 * SECONDS < len(bits) / FRAMES_PER_SECOND < 0.9 * SECONDS
    assert agreement(fingerprint(original), bits, 3) == 1
    with pytest.raises(AudioError, match="no such file"):
        fingerprint(tmp_path / "none.flac")
