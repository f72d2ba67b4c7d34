"""Sparse reading: windows found by seeking are those of the full reading, or the file is read in full and says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from earmark import audio
from earmark.audio import seeking
from earmark.audio.seeking import CannotSeekError
from earmark.audio.source import AudioBytes
from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError, TruncatedAudioError
from earmark.core.input_spec import InputSpec
from earmark.core.vocabulary import Vocabulary
from earmark.library.index.rows import ModelRow
from earmark.library.index.track_index import Index
from earmark.library.scan.lazy_tagger import LazyTagger
from earmark.library.scan.scan import scan
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger, load_tagger
from earmark.tagging.taggram import draw_taggram
from tests.helpers import sounds
from tests.helpers.onnx_files import tiny

SPEC = InputSpec(16_000, 32_000, 32_000)
SECONDS = 24
QUICK = {"libmp3lame": sounds.QUICK[".mp3"], "aac": sounds.QUICK[".m4a"]}


@lru_cache
def song(rate_hz: int, n_channels: int = 2) -> np.ndarray:
    """Two gliding tones and some noise: no two moments of it are alike."""
    t = np.arange(SECONDS * rate_hz) / rate_hz
    tones = np.sin(2 * np.pi * (200 + 60 * t) * t) + np.sin(2 * np.pi * (3_000 - 40 * t) * t)
    noise = np.random.default_rng(0).normal(0, 0.02, (n_channels, len(t)))
    return (0.2 * tones + noise).astype(np.float32)


def encode(path: Path, codec: str, rate_hz: int, muxer: dict | None = None, bit_rate: int = 0, **options: str) -> Path:
    """As sounds.write, for the settings that it does not have."""
    samples = song(rate_hz)
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=rate_hz, layout="stereo", options={**QUICK.get(codec, {}), **options})
        if bit_rate:
            stream.bit_rate = bit_rate
        for start in range(0, samples.shape[1], 4096):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:, start : start + 4096]), format="fltp", layout="stereo"
            )
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sparse")
    made = {
        name: sounds.write(folder / f"plain.{name}", song(rate), rate)
        for name, rate in (("flac", 44_100), ("wav", 48_000), ("aiff", 16_000), ("ogg", 44_100), ("opus", 48_000))
    }
    made["mp3"] = encode(folder / "constant.mp3", "libmp3lame", 44_100, bit_rate=128_000)
    made["mp3 vbr"] = encode(folder / "variable.mp3", "libmp3lame", 48_000, flags="+qscale", global_quality="500")
    made["mp3 low"] = encode(folder / "low.mp3", "libmp3lame", 22_050, bit_rate=16_000)  # a long bit reservoir
    made["mp3 bare"] = encode(folder / "bare.mp3", "libmp3lame", 44_100, {"write_xing": "0"}, bit_rate=128_000)
    # With noise substitution, the decoder itself draws the noise: no two readings of a stretch are then alike.
    made["m4a"] = encode(folder / "plain.m4a", "aac", 44_100, bit_rate=128_000, aac_pns="0")
    made["m4a noise"] = encode(folder / "noise.m4a", "aac", 44_100, bit_rate=128_000)
    made["flac in ogg"] = encode(folder / "flac.oga", "flac", 16_000, {"page_duration": "1000000"})
    made["mka"] = sounds.write(folder / "coarse.mka", song(44_100, 1), 44_100)
    made["aac"] = sounds.write(folder / "stream.aac", song(44_100, 1), 44_100)
    return made


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with windows of two seconds."""
    card = ModelCard("tiny", "none", SPEC, Vocabulary.of(["a", "b", "c"]))
    return tiny(tmp_path_factory.mktemp("model") / "tiny.onnx", card)


EXACT = ["flac", "wav", "aiff", "ogg", "opus", "mp3", "mp3 vbr", "mp3 low", "m4a"]


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize(
    ("spec", "n"),
    [
        (SPEC, 3),
        (SPEC, 11),  # nearly all of them, the first one included
        (InputSpec(12_000, 36_000, 9_000, "pad", 256), 4),  # overlapping windows, and a mirrored beginning
        (InputSpec(11_025, 11_000, 11_000), 2),
    ],
)
def test_a_sparse_window_is_that_of_a_full_read(files: dict[str, Path], name: str, spec: InputSpec, n: int) -> None:
    whole = audio.load(files[name], spec.sample_rate_hz)
    stream = audio.stream(files[name], spec.sample_rate_hz)
    every = list(audio.windows(stream, spec))
    starts = audio.window_starts(len(whole), spec)
    found = audio.sparse_windows(files[name], spec, n)
    assert found is not None
    assert len(found.starts) == len(found.samples) == n
    for start, samples in zip(found.starts, found.samples, strict=True):
        np.testing.assert_allclose(samples, every[int(np.flatnonzero(starts == start)[0])], atol=2e-6)
    assert found.duration_seconds == pytest.approx(stream.duration_seconds, abs=1e-6)
    assert found.warnings == tuple(stream.warnings)


@pytest.mark.slow
def test_aac_with_noise_substitution_is_at_the_right_place(files: dict[str, Path]) -> None:
    whole = audio.load(files["m4a noise"], 16_000)
    found = audio.sparse_windows(files["m4a noise"], SPEC, 4)
    assert found is not None
    for start, samples in zip(found.starts, found.samples, strict=True):
        there = whole[start : start + len(samples)]
        assert float(np.square(samples - there).mean() / np.square(there).mean()) < 0.03
        shifted = whole[start + 8 : start + 8 + len(samples)]
        assert float(np.square(samples - shifted).mean()) > 2 * float(np.square(samples - there).mean())


@pytest.mark.slow
def test_seeking_in_memory_gives_the_same(files: dict[str, Path]) -> None:
    on_disk = audio.sparse_windows(files["mp3"], SPEC, 3)
    in_memory = audio.sparse_windows(AudioBytes.read(files["mp3"]), SPEC, 3)
    assert on_disk is not None
    assert in_memory is not None
    np.testing.assert_array_equal(on_disk.samples, in_memory.samples)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flac", "mp3", "m4a", "opus", "ogg"])
def test_only_the_ends_of_a_file_on_disk_are_decoded_packet_by_packet(
    files: dict[str, Path], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts are decoded without Python's lock; but no graph takes a name that is not UTF-8."""
    n_samples = []

    def counted(*arguments: Any) -> Iterator[av.AudioFrame]:
        for frame in frames_of(*arguments):
            n_samples.append(frame.samples)
            yield frame

    frames_of = seeking._frames_of
    monkeypatch.setattr(seeking, "_frames_of", counted)
    found = audio.sparse_windows(files[name], SPEC, 4)
    at_the_ends = sum(n_samples)
    assert at_the_ends < 4 * 48_000
    odd = tmp_path / os.fsdecode(b"\xff\xfe" + files[name].suffix.encode())
    odd.write_bytes(files[name].read_bytes())
    again = audio.sparse_windows(odd, SPEC, 4)
    assert sum(n_samples) > 3 * at_the_ends
    assert found is not None
    assert again is not None
    assert again.starts == found.starts
    for part, same in zip(again.samples, found.samples, strict=True):
        np.testing.assert_allclose(part, same, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "why"),
    [("mp3 bare", "declare its length"), ("mka", "not exact"), ("aac", "not exact"), ("flac in ogg", "are guessed")],
)
def test_files_without_exact_seeking_are_read_in_full_with_a_warning(
    files: dict[str, Path], name: str, why: str, model: Path
) -> None:
    with pytest.raises(CannotSeekError, match=why):
        audio.sparse_windows(files[name], SPEC, 3)
    full, sparse = load_tagger(model).tag(files[name]), load_tagger(model, windows=3).tag(files[name])
    assert not sparse.sparse
    assert "read in full" in sparse.warnings[0]
    np.testing.assert_array_equal(sparse.taggram, full.taggram)
    assert sparse.to_record()["heard_seconds"] == full.to_record()["duration_seconds"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flac", "wav", "aiff", "mp3", "mp3 vbr", "m4a"])
@pytest.mark.parametrize("share", [0.5, 0.96])
def test_cut_files_are_refused_as_by_a_full_read(
    files: dict[str, Path], name: str, share: float, tmp_path: Path, model: Path
) -> None:
    cut = sounds.shorten(files[name], share, tmp_path / files[name].name)
    (full,) = load_tagger(model).tag_many([cut], errors="return")
    (sparse,) = load_tagger(model, windows=2).tag_many([cut], errors="return")
    assert isinstance(full, Exception)
    assert str(sparse) == str(full)
    if isinstance(full, TruncatedAudioError):
        result = load_tagger(model, windows=2, damaged="tag").tag(cut)
        assert not result.sparse
        assert result.warnings[0].startswith("read in full")


def test_an_ogg_file_without_its_end_gives_a_warning(files: dict[str, Path], tmp_path: Path, model: Path) -> None:
    cut = sounds.shorten(files["opus"], 0.7, tmp_path / "cut.opus")
    result = load_tagger(model, windows=3).tag(cut)
    assert result.sparse
    assert "perhaps cut off" in result.warnings[0]


def test_an_mp3_that_is_longer_than_it_declares_is_read_in_full(
    files: dict[str, Path], tmp_path: Path, model: Path
) -> None:
    joined = tmp_path / "joined.mp3"
    joined.write_bytes(files["mp3"].read_bytes() * 2)
    with pytest.raises(CannotSeekError):
        audio.sparse_windows(joined, SPEC, 3)
    assert load_tagger(model, windows=3).tag(joined).heard_seconds == pytest.approx(2 * SECONDS, abs=0.2)


def test_scores_are_those_of_these_windows(files: dict[str, Path], model: Path) -> None:
    full, sparse = load_tagger(model).tag(files["mp3"]), load_tagger(model, windows=4).tag(files["mp3"])
    assert sparse.sparse
    assert sparse.taggram.shape[0] == 4
    at = [int(np.argmin(np.abs(full.window_starts_seconds - start))) for start in sparse.window_starts_seconds]
    np.testing.assert_allclose(full.window_starts_seconds[at], sparse.window_starts_seconds)
    np.testing.assert_allclose(sparse.taggram, full.taggram[at], atol=1e-4)
    np.testing.assert_allclose(sparse.scores, full.taggram[at].mean(axis=0), atol=1e-4)
    record = sparse.to_record()
    assert (record["windows"], record["heard_seconds"]) == (4, 8.0)
    assert record["duration_seconds"] == full.to_record()["duration_seconds"]
    in_memory = load_tagger(model, windows=4).tag_waveform(audio.load(files["mp3"], 16_000), 16_000)
    np.testing.assert_allclose(in_memory.scores, sparse.scores, atol=1e-4)


def test_short_files_are_read_in_full_without_a_warning(files: dict[str, Path], model: Path) -> None:
    result = load_tagger(model, windows=12).tag(files["flac"])
    assert not result.sparse
    assert result.warnings == ()
    assert len(result.taggram) == 12


def test_silence_in_the_windows_gives_a_warning(tmp_path: Path, model: Path) -> None:
    silent = sounds.write(tmp_path / "silent.flac", np.zeros(16_000 * 20), 16_000)
    assert "in the windows that were read" in load_tagger(model, windows=3).tag(silent).warnings[0]


@pytest.mark.parametrize("n_samples", [1, 31_999, 32_000, 64_000, 300_001, 5_000_000])
@pytest.mark.parametrize("n", [1, 2, 7, 16])
def test_windows_are_spread_evenly(n_samples: int, n: int) -> None:
    starts = audio.sparse_starts(n_samples, SPEC, n)
    if n_samples // SPEC.window_samples <= n:
        assert len(starts) == 0
        return
    assert len(np.unique(starts)) == n
    middles = (starts + SPEC.window_samples / 2) / n_samples
    assert np.abs(middles - (np.arange(n) + 0.5) / n).max() <= 1.5 * SPEC.window_samples / n_samples
    assert set(starts) <= set(audio.window_starts(n_samples, SPEC))


@pytest.mark.slow
def test_many_files_with_others_between_them_come_in_order(files: dict[str, Path], tmp_path: Path, model: Path) -> None:
    paths = [files[name] for name in ("flac", "mka", "opus", "mp3", "aac", "wav")]
    result = list(load_tagger(model, windows=3).tag_many(paths, jobs=3))
    assert [item.path for item in result if isinstance(item, TagScores)] == paths
    assert [item.sparse for item in result if isinstance(item, TagScores)] == [True, False, True, True, False, True]


@pytest.mark.parametrize("windows", [0, -1, 65])
def test_invalid_numbers_are_refused(windows: int, model: Path) -> None:
    with pytest.raises(ConfigError, match=f"windows {windows}"):
        load_tagger(model, windows=windows)


@pytest.mark.slow
def test_the_taggram_shows_windows_where_they_are_and_grey_between(
    files: dict[str, Path], tmp_path: Path, model: Path
) -> None:
    from matplotlib.image import imread

    scores = load_tagger(model, windows=3).tag(files["flac"])
    draw_taggram(scores, tmp_path / "t.png")
    picture = imread(tmp_path / "t.png")[..., :3]
    grey = np.isclose(picture, 0.8, atol=0.01).all(axis=-1)
    row = grey[picture.shape[0] // 2]
    begins, ends = np.flatnonzero(np.diff(np.concatenate([[0], row, [0]]))).reshape(-1, 2).T
    begins, ends = begins[ends - begins > 10], ends[ends - begins > 10]
    middles = (ends[:-1] + begins[1:]) / 2  # between two grey stretches lies a window
    seconds = (middles - begins[0]) / (ends[-1] - begins[0]) * SECONDS
    np.testing.assert_allclose(seconds, scores.window_starts_seconds + 1, atol=0.2)


@pytest.mark.slow
def test_scans_keep_sparse_results_apart(files: dict[str, Path], tmp_path: Path, model: Path) -> None:
    path = tmp_path / "index.sqlite"
    song = files["flac"]
    for windows, new in ((3, 1), (3, 0), (None, 1), (4, 1), (3, 0)):
        with Index.open(path, write=True) as index:
            assert scan(index, [song], LazyTagger(model, windows=windows)).tagged == new
            row: ModelRow = index.current_model()
            assert row.windows == windows
            (track,) = index.tracks()
            expected = Tagger.from_file(model, windows=windows).tag(song)
            assert track.scores is not None
            np.testing.assert_allclose(track.scores, expected.scores, atol=1e-5)


@pytest.mark.slow
def test_the_command(files: dict[str, Path], model: Path) -> None:
    command = [sys.executable, "-m", "earmark.cli.main", "tag", "--model", str(model), "--windows"]
    done = subprocess.run(
        [*command, "3", "--format", "jsonl", str(files["mp3"]), str(files["mka"])], capture_output=True, text=True
    )
    assert done.returncode == 0
    sparse, full = map(json.loads, done.stdout.splitlines())
    assert (sparse["windows"], sparse["heard_seconds"], full["windows"]) == (3, 6.0, 12)
    assert "read in full" in done.stderr
    refused = subprocess.run([*command, "65", str(files["mp3"])], capture_output=True, text=True)
    assert refused.returncode == 2
    assert "65 is not a whole number from 1 to 64" in refused.stderr
