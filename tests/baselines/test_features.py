"""Hand-made features: right on signals whose truth is known, finite on all, kept, and computed once."""

from __future__ import annotations

import functools
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from earmark.baselines import FEATURES, files_features, waveform_features
from earmark.baselines import features as features_module
from earmark.baselines.descriptors import PITCHES
from earmark.baselines.features import EXCERPT_SECONDS, MAX_EXCERPTS, _excerpts, file_features
from earmark.core.errors import AudioError, DataError
from tests.helpers.sounds import music, write, write_float_wav

RATE = 22_050
NAMES = [feature.name for feature in FEATURES]


def named(samples: np.ndarray, rate_hz: int = RATE) -> dict[str, float]:
    vector = waveform_features(samples.astype(np.float32), rate_hz)
    assert vector.shape == (len(FEATURES),)
    assert vector.dtype == np.float32
    assert np.isfinite(vector).all()
    return dict(zip(NAMES, vector.tolist(), strict=True))


def sine(frequency_hz: float, seconds: float = 3, rate_hz: int = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def clicks(bpm: float, seconds: float = 20) -> np.ndarray:
    rng = np.random.default_rng(0)
    samples = 1e-4 * rng.standard_normal(round(seconds * RATE))
    burst = rng.standard_normal(400) * np.exp(-np.arange(400) / 80)
    for at in np.arange(0.1, seconds - 0.1, 60 / bpm):
        start = round(at * RATE)
        samples[start : start + 400] += 0.5 * burst
    return samples


def test_names_are_unique_and_have_groups() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert {feature.group for feature in FEATURES} == {"timbre", "loudness", "rhythm", "harmony"}


@pytest.mark.slow
@pytest.mark.parametrize("bpm", [75, 100, 128])
def test_tempo_of_a_click_track(bpm: float) -> None:
    found = named(clicks(bpm))
    assert found["tempo_bpm"] == pytest.approx(bpm, rel=0.04)
    assert found["beat_rate_hz"] == pytest.approx(bpm / 60, rel=0.06)
    assert found["onset_rate_hz"] == pytest.approx(bpm / 60, rel=0.06)
    assert found["beat_spread"] < 0.05
    assert found["beat_contrast"] > 3
    assert found["tempo_strength"] > 0.5
    assert found["percussive_share.mean"] > 0.5


@pytest.mark.slow
def test_timbre_and_loudness_of_a_sine_and_of_noise() -> None:
    low, high = named(sine(1000)), named(sine(4000))
    assert low["centroid_hz.p90"] == pytest.approx(1000, rel=0.02)
    assert high["centroid_hz.p90"] == pytest.approx(4000, rel=0.02)
    assert low["rolloff_hz.p90"] == pytest.approx(1000, rel=0.03)
    assert low["zero_crossings.p90"] == pytest.approx(2 * 1000 / RATE, rel=0.02)
    assert low["rms_db.p90"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.1)
    assert low["percussive_share.p10"] < 0.05
    noise = named(0.1 * np.random.default_rng(0).standard_normal(3 * RATE))
    assert noise["flatness_db.mean"] > low["flatness_db.mean"] + 30
    assert noise["bandwidth_hz.mean"] > 5 * low["bandwidth_hz.p10"]
    assert noise["centroid_hz.mean"] == pytest.approx(RATE / 4, rel=0.03)


@pytest.mark.slow
def test_harmony_of_tones() -> None:
    a = named(sine(440))
    chroma = {pitch: a[f"chroma_{pitch}.mean"] for pitch in PITCHES}
    assert max(chroma, key=chroma.__getitem__) == "a"
    assert sorted(chroma.values())[-2] < 0.3
    assert abs(a["tuning_cents.mean"]) < 5
    assert named(sine(440 * 2 ** (0.3 / 12)))["tuning_cents.mean"] == pytest.approx(30, abs=5)

    def scale(tonic_hz: float, steps: tuple[int, ...]) -> dict[str, float]:
        weights = [{0: 4, steps[2]: 3, 7: 3}.get(step, 1) for step in steps]
        tones = [w * sine(tonic_hz * 2 ** (s / 12)) for s, w in zip(steps, weights, strict=True)]
        return named(sum(tones) / 10)

    major, minor = scale(261.63, (0, 2, 4, 5, 7, 9, 11)), scale(311.13, (0, 2, 3, 5, 7, 8, 10))
    assert major["key_major"] > max(0.8, major["key_minor"] + 0.05)
    assert minor["key_minor"] > max(0.8, minor["key_major"] + 0.05)
    for found in (major, minor):
        tonic = [found[f"key_pitch_{step:02d}"] for step in range(12)]
        assert tonic[0] > 0.5
        assert tonic[7] > 0.5
        assert tonic[1] < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("n_samples", [1, 2, 700, 2048, 9000])
@pytest.mark.parametrize("kind", ["silence", "constant", "noise"])
def test_finite_on_silence_and_on_very_short_sounds(kind: str, n_samples: int) -> None:
    made = {"silence": 0.0, "constant": 0.5, "noise": 0.3 * np.random.default_rng(0).standard_normal(n_samples)}
    found = named(np.zeros(n_samples) + made[kind])
    if kind == "silence":
        assert found["silent_share"] == 1
        assert found["tempo_bpm"] == 0
        assert found["chroma_a.mean"] == 0


def test_what_is_no_sound_is_refused() -> None:
    with pytest.raises(AudioError, match="no audio samples"):
        waveform_features(np.empty(0, np.float32), RATE)
    with pytest.raises(AudioError, match="NaN"):
        waveform_features(np.array([0.1, np.nan], np.float32), RATE)


@pytest.mark.slow
def test_long_files_are_read_evenly_and_in_bounded_memory() -> None:
    excerpt = EXCERPT_SECONDS * RATE

    def kept_excerpts(n_excerpts: float) -> list[int]:
        """The numbers of the excerpts that are kept; each is written into its samples."""
        total = round(n_excerpts * excerpt)
        blocks = (
            (np.arange(start, min(start + 65_536, total)) // excerpt).astype(np.float32)
            for start in range(0, total, 65_536)
        )
        kept = _excerpts(blocks)
        assert all(len(part) <= excerpt + RATE for part in kept)
        return [int(part[0]) for part in kept]

    assert kept_excerpts(0.5) == [0]
    assert kept_excerpts(2.5) == [0, 1, 2]
    assert kept_excerpts(2.01) == [0, 1], "0.3 s are added to the excerpt before"
    assert kept_excerpts(MAX_EXCERPTS) == list(range(16))
    assert kept_excerpts(17) == list(range(0, 17, 2))
    assert kept_excerpts(40) == list(range(0, 40, 4))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / f"{i}.flac", music(1.5, 16_000, seed=i), 16_000) for i in range(3)]


def test_a_file_and_its_waveform_agree_at_any_rate(files: list[Path], tmp_path: Path) -> None:
    wave = music(3, 44_100, n_channels=2)
    path = write_float_wav(tmp_path / "x.wav", wave, 44_100)
    vector, warnings = file_features(path)
    assert warnings == ()
    expected = waveform_features(wave, 44_100)
    assert np.abs(vector - expected).max() < 0.05 * np.abs(expected).max()
    assert np.median(np.abs(vector - expected) / (np.abs(expected) + 1e-3)) < 1e-3


@pytest.mark.slow
def test_kept_features_are_not_computed_again(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "deep" / "kept"
    silent = write(tmp_path / "silent.wav", np.zeros(16_000), 16_000)
    done: list[tuple[int, int]] = []
    first, warnings = files_features([*files, silent], cache=cache, jobs=1, on_done=lambda *n: done.append(n))
    assert done == [(i, 4) for i in range(5)]
    assert [len(lines) for lines in warnings] == [0, 0, 0, 1]
    moved = tmp_path / "moved.flac"
    files[0].rename(moved)

    with monkeypatch.context() as patch:  # a hit must not open the sound
        patch.setattr("earmark.baselines.cache.file_features", None)
        again, warned = files_features([moved, *files[1:], silent, moved], cache=cache, jobs=1)
    assert np.array_equal(again, [*first, first[0]])
    assert warned[3] == warnings[3]

    kept = sorted(cache.iterdir())
    kept[0].write_bytes(kept[0].read_bytes()[:100])  # half a file, as after a crash of the machine
    repaired, _ = files_features([moved, *files[1:], silent], cache=cache, jobs=1)
    assert np.array_equal(repaired, first)

    monkeypatch.setattr(features_module, "REVISION", features_module.REVISION + 1)
    files_features([moved], cache=cache, jobs=1)
    assert len(list(cache.iterdir())) == 5, "another revision, another vector"


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_broken_files_are_all_named_and_the_others_kept(files: list[Path], tmp_path: Path, jobs: int) -> None:
    (tmp_path / "text.mp3").write_text("no music")
    bad = [
        tmp_path / "text.mp3",
        write_float_wav(tmp_path / "nan.wav", np.array([0.1, np.nan]), 8000),
        tmp_path / "missing.wav",
    ]
    with pytest.raises(DataError) as caught:
        files_features([files[0], *bad, files[1]], cache=tmp_path / "kept", jobs=jobs)
    message = str(caught.value)
    assert "3 of 5 files cannot be read" in message
    for path in bad:
        assert str(path) in message
    assert len(list((tmp_path / "kept").iterdir())) == 2
    kept, _ = files_features(files[:2], cache=tmp_path / "kept")
    here, _ = files_features(files[1::-1], jobs=1)
    assert np.array_equal(kept, here[::-1]), "processes and this process agree, and the order is that of the paths"
    assert not np.array_equal(kept[0], kept[1])


@pytest.mark.slow
def test_a_worker_that_is_killed_is_said(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.baselines.cache._begin_worker", _die)
    with pytest.raises(DataError, match="ended from outside"):
        files_features(files, jobs=2)


def _die() -> None:
    os._exit(9)


@pytest.mark.slow
def test_librosa_is_compiled_by_one_process_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Numba's cache of two processes that compile at once crashes whoever loads it.
    monkeypatch.setattr(features_module, "compile_lock_path", lambda: tmp_path / "new" / "librosa.lock")
    monkeypatch.setattr(
        features_module, "compile_librosa", functools.cache(features_module.compile_librosa.__wrapped__)
    )
    samples = np.random.default_rng(0).uniform(-0.1, 0.1, 44100).astype(np.float32)
    computed = threading.Event()
    worker = threading.Thread(target=lambda: (waveform_features(samples, RATE), computed.set()))
    (tmp_path / "new").mkdir()
    with FileLock(tmp_path / "new" / "librosa.lock"):
        worker.start()
        assert not computed.wait(1.5)
    worker.join(60)
    assert computed.is_set()
