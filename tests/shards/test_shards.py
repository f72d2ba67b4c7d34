"""Shards hold what went in: bit by bit, for our reader and for WebDataset's, in threads and processes, whole and in part."""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark import audio
from earmark.core.errors import AudioError, ConfigError, DataError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets import Clip, Dataset
from earmark.datasets.manifest import INFO
from earmark.shards import ShardAudio, flac16, prepare
from tests.helpers import sounds

RATE_HZ = 16_000
VOCABULARY = Vocabulary((Tag("guitar", "classification", "instrument"), Tag("calm", "regression", "mood")))
IDS = ("plain", "Bjørk/Jóga.mp3", "日本 の 歌", "../up", "a\udcffb", "loud", "tiny")


def make_dataset(folder: Path, n_more: int = 0) -> Dataset:
    """Seven strange clips and some more, of all kinds of formats and rates."""
    folder.mkdir()
    clips = []
    for i, clip_id in enumerate([*IDS, *(f"more-{i}" for i in range(n_more))]):
        samples = sounds.music(1 + 0.37 * i % 3, 22_050, 1 + i % 2, seed=i)
        if clip_id == "loud":
            samples *= 3.1
        if clip_id == "tiny":
            samples = samples[:, :40]
        suffix = (".flac", ".mp3", ".wav", ".ogg")[i % 4] if clip_id not in ("loud", "tiny") else ".wav"
        path = folder / f"{i}{suffix}"
        if clip_id == "loud":
            sounds.write_float_wav(path, samples, 22_050)
        else:
            sounds.write(path, samples, 22_050)
        labels = np.array([i % 2, np.nan if i == 0 else 0.1 * (i % 10)], np.float32)
        clips.append(Clip(clip_id, path, ("train", "validation", "test")[i % 3], labels, f"artist {i}", None))
    return Dataset("small", "own", VOCABULARY, tuple(clips), INFO)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("shards") / "audio", n_more=6)


@pytest.fixture(scope="module")
def flac_folder(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards") / "flac"
    report = prepare(dataset, folder, sample_rate_hz=RATE_HZ, clips_per_shard=4, jobs=2)
    assert not report.failures
    assert report.header.n_shards == 4
    return folder


@pytest.fixture(scope="module")
def original_folder(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards") / "original"
    prepare(dataset, folder, audio="original", sample_rate_hz=None, shard_megabytes=0.1, jobs=2)
    return folder


@pytest.mark.parametrize("n_samples", [1, 15, 4095, 4096, 4097, 8192, 100_000])
def test_flac_is_exact_whole_and_in_part(n_samples: int) -> None:
    rng = np.random.default_rng(n_samples)
    for values in (
        rng.integers(-32768, 32768, n_samples).astype(np.int16),
        np.zeros(n_samples, np.int16),
        rng.normal(0, 3000, n_samples).astype(np.int16),
    ):
        content = flac16.encode(values, RATE_HZ)
        assert content == flac16.encode(values, RATE_HZ)
        assert np.array_equal(flac16.decode(io.BytesIO(content)), values)
        other, rate_hz = soundfile.read(io.BytesIO(content), dtype="int16")
        assert rate_hz == RATE_HZ
        assert np.array_equal(other, values)
        for start in rng.integers(0, n_samples, 15):
            length = int(rng.integers(1, n_samples - start + 1))
            part = flac16.decode(io.BytesIO(content), int(start), length)
            assert np.array_equal(part, values[start : start + length])


def test_sixteen_bit_audio_is_not_changed_and_peaks_are_not_clipped() -> None:
    values = np.random.default_rng(0).integers(-32768, 32768, 1000).astype(np.int16)
    again, gain = flac16.quantise(values.astype(np.float32) / 32768)
    assert gain == 1
    assert np.array_equal(again, values)
    loud = sounds.music(1, RATE_HZ)[0] * 5
    packed, gain = flac16.quantise(loud)
    assert 0.3 < gain < 0.5
    assert abs(packed.astype(int)).max() == 32767
    assert np.abs(packed * np.float32(flac16.scale_of(gain)) - loud).max() <= 0.51 * flac16.scale_of(gain)
    for sample in (1.0, -1.0, np.nextafter(np.float32(1), np.float32(0)), 32767.4 / 32768):
        packed, gain = flac16.quantise(np.array([sample], np.float32))
        assert packed[0] * flac16.scale_of(gain) == pytest.approx(sample, abs=2**-16)


@pytest.mark.slow
def test_reader_gives_the_audio_of_every_clip(dataset: Dataset, flac_folder: Path) -> None:
    shards = ShardAudio(flac_folder)
    assert set(shards.clips) == {clip.clip_id for clip in dataset.clips}
    assert shards.sample_rate_hz == RATE_HZ
    for clip in dataset.clips:
        direct = audio.load(clip.path, RATE_HZ)
        values, gain = flac16.quantise(direct)
        packed, scale = shards.packed(clip.clip_id, RATE_HZ)
        assert np.array_equal(packed, values)
        assert scale == flac16.scale_of(gain)
        samples = shards.load(clip.clip_id, RATE_HZ)
        assert samples.dtype == np.float32
        assert np.array_equal(samples, values.astype(np.float32) * np.float32(scale))
        assert np.abs(samples - direct).max() <= 0.51 * scale
        assert shards.duration_seconds(clip.clip_id) == pytest.approx(len(direct) / RATE_HZ, abs=1e-3)
    assert (flac16.scale_of(1) == np.array([shards.packed(c, RATE_HZ)[1] for c in shards.clips])).sum() == len(IDS) + 5


@pytest.mark.slow
def test_windows_are_parts_of_the_whole(flac_folder: Path, original_folder: Path) -> None:
    rng = np.random.default_rng(0)
    for shards in (ShardAudio(flac_folder), ShardAudio(original_folder)):
        for clip_id in shards.clips:
            for rate_hz in (RATE_HZ, 12_000):
                whole = shards.load(clip_id, rate_hz)
                waveform = shards.waveform(clip_id, rate_hz)
                assert abs(len(waveform) - len(whole)) <= (0 if shards.kind == "flac" and rate_hz == RATE_HZ else 2)
                assert np.array_equal(waveform.read(), whole)
                for start in (0, int(rng.integers(0, len(whole))), len(whole), len(whole) + 5):
                    part = waveform.read(start, 3000)
                    there = whole[start : start + 3000]
                    assert np.array_equal(part, np.pad(there, (0, 3000 - len(there))))


@pytest.mark.slow
def test_threads_and_processes(flac_folder: Path) -> None:
    shards = ShardAudio(flac_folder)
    expected = [shards.load(clip_id, RATE_HZ) for clip_id in shards.clips]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for got, want in zip(pool.map(lambda c: shards.load(c, RATE_HZ), shards.clips), expected, strict=True):
                assert np.array_equal(got, want)
    rates = [RATE_HZ] * len(shards)
    for method in ("fork", "spawn"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads: what is tested here
            with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as processes:
                loaded = list(processes.map(shards.load, shards.clips, rates))
        assert all(np.array_equal(got, want) for got, want in zip(loaded, expected, strict=True))


@pytest.mark.slow
def test_originals_are_the_files(dataset: Dataset, original_folder: Path) -> None:
    shards = ShardAudio(original_folder)
    assert shards.sample_rate_hz is None
    assert shards.header.n_shards > 1
    for clip in dataset.clips:
        assert shards.read_bytes(clip.clip_id) == clip.path.read_bytes()
        for rate_hz in (RATE_HZ, 44_100):
            assert np.array_equal(shards.load(clip.clip_id, rate_hz), audio.load(clip.path, rate_hz))
        values, scale = shards.packed(clip.clip_id, RATE_HZ)
        assert np.abs(values * np.float32(scale) - audio.load(clip.path, RATE_HZ)).max() <= 0.51 * scale


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # webdataset leaves its files open
@pytest.mark.parametrize("kind", ["flac", "original"])
def test_webdataset_reads_them(dataset: Dataset, kind: str, request: pytest.FixtureRequest) -> None:
    import webdataset

    folder: Path = request.getfixturevalue(f"{kind}_folder")
    shards = ShardAudio(folder)
    urls = [str(path) for path in sorted(folder.glob("shard-*.tar"))]
    by_id = {clip.clip_id: clip for clip in dataset.clips}
    seen = []
    for sample in webdataset.WebDataset(urls, shardshuffle=False, nodesplitter=None):
        facts = json.loads(sample["json"])
        clip = by_id[facts["clip_id"]]
        seen.append(clip.clip_id)
        calm = clip.labels[1]
        assert facts["labels"] == {"guitar": int(clip.labels[0]), "calm": None if np.isnan(calm) else float(str(calm))}
        assert facts["splits"] == {"own": clip.split}
        assert (facts["artist"], facts["song"]) == (clip.artist, None)
        assert facts["source_sha256"] == hashlib.sha256(clip.path.read_bytes()).hexdigest()
        if kind == "flac":
            values, rate_hz = soundfile.read(io.BytesIO(sample["flac"]), dtype="int16")
            assert rate_hz == facts["sample_rate_hz"] == RATE_HZ
            assert np.array_equal(values, shards.packed(clip.clip_id, RATE_HZ)[0])
            assert len(values) == facts["n_samples"]
            assert flac16.scale_of(facts["gain"]) == shards.packed(clip.clip_id, RATE_HZ)[1]
        else:
            assert sample[clip.path.suffix[1:]] == clip.path.read_bytes()
    assert seen == list(shards.clips)


def test_rates_that_shards_cannot_give(flac_folder: Path) -> None:
    shards = ShardAudio(flac_folder)
    for read in (shards.load, shards.packed, shards.waveform):
        with pytest.raises(ConfigError, match=r"hold 16000 Hz and 22050 Hz is wanted; prepare .* --rate 22050"):
            read("plain", 22_050)
    with pytest.raises(ConfigError, match="hold 16000 Hz"):
        shards.require(["plain"], 22_050)
    with pytest.raises(ConfigError, match="at least 0"):
        shards.load_window("plain", -1, 5, RATE_HZ)


def test_clips_that_are_not_there(flac_folder: Path) -> None:
    shards = ShardAudio(flac_folder)
    shards.require(IDS, RATE_HZ)
    with pytest.raises(DataError, match=r"2 of 3 clips are not in these shards[\s\S]*'nobody'[\s\S]*'nothing'"):
        shards.require(["nobody", "plain", "nothing"], RATE_HZ)
    with pytest.raises(DataError, match="no clip 'nobody'"):
        shards.load("nobody", RATE_HZ)


def test_damage_is_reported(dataset: Dataset, tmp_path: Path) -> None:
    small = dataset.replace(clips=dataset.clips[:2])
    prepare(small, tmp_path, clips_per_shard=1, jobs=1)
    shards = ShardAudio(tmp_path)
    first = tmp_path / "shard-000000.tar"
    sound = first.read_bytes()
    broken = bytearray(sound)
    broken[len(shards.read_bytes(shards.clips[0])) // 2 + 512] ^= 255
    first.write_bytes(broken)
    with pytest.raises(DataError, match="is damaged; run `earmark data prepare` again"):
        shards.load(shards.clips[0], RATE_HZ)
    first.write_bytes(sound[:-1])
    (tmp_path / "shard-000001.tar").unlink()
    with pytest.raises(DataError, match=r"shard-000000.tar: \d+ bytes, must be[\s\S]*shard-000001.tar: missing"):
        ShardAudio(tmp_path)
    prepare(small, tmp_path, jobs=1)
    assert first.read_bytes() == sound
    ShardAudio(tmp_path)


def test_folders_that_are_no_shards(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no shards here"):
        ShardAudio(tmp_path)
    header = tmp_path / "shards.json"
    for content, reason in (
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"format": "other"}', "not written by earmark"),
        ('{"format": "earmark-shards", "version": 99}', "version 99; this earmark reads version 1"),
        ('{"format": "earmark-shards", "version": 1, "n_shards": 1}', "damaged"),
    ):
        header.write_text(content)
        with pytest.raises(DataError, match=reason):
            ShardAudio(tmp_path)
    with pytest.raises(AudioError, match="not a FLAC file"):
        flac16.decode(io.BytesIO(b"no sound" * 100))
