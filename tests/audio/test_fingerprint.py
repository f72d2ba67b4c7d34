"""Fingerprints agree for the same master of a recording, whatever its file is encoded with, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soxr
from scipy.ndimage import uniform_filter1d

from earmark.audio.fingerprint import FRAME, FRAMES_PER_SECOND, Fingerprint, agreement, fingerprint
from earmark.audio.source import AudioBytes
from earmark.core.errors import AudioError
from tests.helpers import sounds

CLIPS = Path(__file__).parents[2] / "examples" / "clips"
RATE_HZ = 44_100
SECONDS = 12
SAME = 0.8


def stereo(path: Path) -> np.ndarray:
    """``(2, n)`` the first seconds of a clip."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "stereo", RATE_HZ)
        blocks = [block.to_ndarray() for frame in container.decode(audio=0) for block in resampler.resample(frame)]
    samples = np.concatenate(blocks, axis=1)[:, : 15 * RATE_HZ]
    return samples * (0.5 / np.abs(samples).max())


def resampled(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    return soxr.resample(samples.T, RATE_HZ, rate_hz).T


@pytest.fixture(scope="module")
def songs() -> dict[str, np.ndarray]:
    """True stereo, of three kinds."""
    return {name: stereo(next(CLIPS.glob(f"*{name}*"))) for name in ("strings", "rock", "dance")}


@pytest.fixture(scope="module")
def prints(songs: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Fingerprint]:
    folder = tmp_path_factory.mktemp("songs")
    return {name: fingerprint(sounds.write(folder / "a.flac", x, RATE_HZ)) for name, x in songs.items()}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sounds.write(tmp_path_factory.mktemp("sounds") / "a.flac", sounds.music(SECONDS, RATE_HZ, 2), RATE_HZ)


@pytest.mark.slow
def test_a_frame_is_32_bits_and_four_levels_every_43_milliseconds(original: Path, tmp_path: Path) -> None:
    frames = fingerprint(original)
    assert frames.dtype == FRAME
    assert len(frames) == pytest.approx(SECONDS * FRAMES_PER_SECOND, abs=10)
    assert agreement(frames, frames, 0) == 1
    np.testing.assert_array_equal(frames, fingerprint(AudioBytes(original.read_bytes(), original.name)))
    quiet = fingerprint(sounds.write_float_wav(tmp_path / "q.wav", sounds.music(SECONDS, RATE_HZ, 2) * 0.1, RATE_HZ))
    fall = np.median(frames["levels"].astype(int) - quiet["levels"])
    assert fall == 40  # half decibels


@pytest.mark.slow
def test_long_files_are_read_in_blocks_that_leave_no_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sounds.write(tmp_path / "a.flac", sounds.music(70, 8000), 8000)
    in_blocks = fingerprint(path)
    monkeypatch.setattr("earmark.audio.fingerprint._BLOCK_SAMPLES", 10**9)
    np.testing.assert_array_equal(in_blocks, fingerprint(path))


# The same ------------------------------------------------------------------------------------------------

ENCODINGS = {
    "mp3 64": (".mp3", RATE_HZ, 64),
    "mp3 320": (".mp3", RATE_HZ, 320),
    "mp3 32, 22 kHz": (".mp3", 22_050, 32),
    "opus 48": (".opus", 48_000, 48),
    "aac 128": (".m4a", RATE_HZ, 128),
    "ogg": (".ogg", RATE_HZ, 0),
    "wma": (".wma", RATE_HZ, 96),
    "flac, 96 kHz": (".flac", 96_000, 0),
    "flac, 16 kHz": (".flac", 16_000, 0),
}


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_agree(
    songs: dict[str, np.ndarray], prints: dict[str, Fingerprint], encoding: str, tmp_path: Path
) -> None:
    suffix, rate_hz, kbps = ENCODINGS[encoding]
    for song, samples in songs.items():
        path = sounds.write(tmp_path / f"{song}{suffix}", resampled(samples, rate_hz), rate_hz, kbps)
        assert agreement(prints[song], fingerprint(path), 3) >= SAME, song


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".opus"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda x: x * 10 ** (-12 / 20), id="-12 dB"),
        pytest.param(lambda x: x * 0.01, id="-40 dB"),
        pytest.param(lambda x: (x * 4).clip(-1, 1), id="+12 dB, clipped"),
        pytest.param(lambda x: x[:, round(0.98 * 48_000) :], id="beginning cut off"),
        pytest.param(lambda x: x[:, : -2 * 48_000], id="end cut off"),
        pytest.param(lambda x: np.pad(x, [(0, 0), (2 * 48_000, 48_000)]), id="silence around it"),
        pytest.param(lambda x: x.mean(axis=0), id="mono"),
    ],
)
def test_levels_beginnings_and_mono_agree(
    songs: dict[str, np.ndarray],
    prints: dict[str, Fingerprint],
    suffix: str,
    change: Callable[[np.ndarray], np.ndarray],
    tmp_path: Path,
) -> None:
    path = sounds.write(tmp_path / f"other{suffix}", change(resampled(songs["rock"], 48_000)), 48_000)
    other = fingerprint(path)
    assert agreement(prints["rock"], other, 3) >= SAME
    assert agreement(other, prints["rock"], 3) >= SAME


# Not the same --------------------------------------------------------------------------------------------


def equalised(samples: np.ndarray) -> np.ndarray:
    return samples + 0.5 * uniform_filter1d(samples, 150)


def compressed(samples: np.ndarray) -> np.ndarray:
    """2:1, over 0.2 s."""
    power = uniform_filter1d((samples**2).mean(axis=0), RATE_HZ // 5)
    return samples * (power + 1e-6) ** -0.25


OTHERS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "equalised": lambda x, _: equalised(x),
    "compressed": lambda x, _: compressed(x),
    "a voice on top": lambda x, another: x + another * x.std() / another.std() * 10 ** (-6 / 20),
    "faster": lambda x, _: soxr.resample(x.T, 101, 100).T,
    "another song": lambda _, another: another,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", OTHERS)
def test_other_masters_takes_and_songs_do_not_agree(
    songs: dict[str, np.ndarray], prints: dict[str, Fingerprint], kind: str, tmp_path: Path
) -> None:
    for song, another in zip(songs, [*songs][1:] + [*songs][:1], strict=True):
        made = OTHERS[kind](songs[song], songs[another])
        path = sounds.write(tmp_path / f"{song}.flac", made / np.abs(made).max(), RATE_HZ)
        assert agreement(prints[song], fingerprint(path), 3) < SAME, song


@pytest.mark.slow
def test_one_that_begins_later_than_allowed_does_not_agree(
    songs: dict[str, np.ndarray], prints: dict[str, Fingerprint], tmp_path: Path
) -> None:
    later = fingerprint(sounds.write(tmp_path / "later.flac", songs["rock"][:, 5 * RATE_HZ :], RATE_HZ))
    assert agreement(prints["rock"], later, 3) < SAME
    assert agreement(prints["rock"], later, 6) == 1


def test_the_same_steady_noise_agrees_and_other_noise_of_the_same_levels_does_not(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    noise = [draw.normal(scale=0.1, size=(1, SECONDS * RATE_HZ)) for _ in range(2)]
    one, other = (fingerprint(sounds.write(tmp_path / "a.flac", samples, RATE_HZ)) for samples in noise)
    assert agreement(one, one, 3) == 1
    assert agreement(one, other, 3) == 0


@pytest.mark.slow
def test_half_of_another_piece_is_half_of_the_windows(original: Path, tmp_path: Path) -> None:
    half = SECONDS // 2 * RATE_HZ
    mixed = np.concatenate(
        [sounds.music(SECONDS, RATE_HZ, 2)[:, :half], sounds.music(SECONDS, RATE_HZ, 2, seed=9)[:, half:]], 1
    )
    share = agreement(fingerprint(original), fingerprint(sounds.write(tmp_path / "b.flac", mixed, RATE_HZ)), 3)
    assert 0.25 <= share <= 0.75


# Little, nothing, damage ---------------------------------------------------------------------------------


def test_silence_agrees_with_nothing_and_short_sounds_need_a_second(tmp_path: Path) -> None:
    for level in (0, 1e-9):
        noise = np.random.default_rng(1).normal(scale=level, size=(1, 10 * RATE_HZ))
        silent = fingerprint(sounds.write_float_wav(tmp_path / "silent.wav", noise, RATE_HZ))
        assert agreement(silent, silent, 3) == 0
    for seconds, expected in ((0.01, 0), (0.1, 0), (1.2, 0), (2.0, 1)):  # a frame itself has a third of a second
        path = sounds.write(tmp_path / "short.flac", sounds.music(seconds, RATE_HZ), RATE_HZ)
        assert agreement(fingerprint(path), fingerprint(path), 3) == expected


def test_a_truncated_file_has_the_fingerprint_of_what_is_there(original: Path, tmp_path: Path) -> None:
    cut = sounds.shorten(original, 0.7, tmp_path / "cut.flac")
    frames = fingerprint(cut)
    assert 0.5 * SECONDS < len(frames) / FRAMES_PER_SECOND < 0.9 * SECONDS
    assert agreement(fingerprint(original), frames, 3) == 1
    with pytest.raises(AudioError, match="no such file"):
        fingerprint(tmp_path / "none.flac")


@pytest.mark.slow
def test_a_file_whose_damage_is_short_agrees(
    songs: dict[str, np.ndarray], prints: dict[str, Fingerprint], tmp_path: Path
) -> None:
    path = sounds.write(tmp_path / "a.mp3", songs["rock"], RATE_HZ)
    content = bytearray(path.read_bytes())
    at = len(content) * 95 // 100  # frames that are lost move all that is after them
    content[at : at + 900] = bytes(900)
    path.write_bytes(content)
    assert SAME <= agreement(prints["rock"], fingerprint(path), 3) <= 1
