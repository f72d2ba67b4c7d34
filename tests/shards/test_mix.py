"""How channels are mixed: from shards, networks get the samples that they get from files, when training and when tagging."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import tarfile
from pathlib import Path

import numpy as np
import pytest

from earmark import audio
from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError, DataError
from earmark.core.input_spec import Conditioning, InputSpec
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets import Clip, Dataset, load_dataset
from earmark.shards import ShardAudio, flac16, prepare
from earmark.shards.layout import HEADER, INDEX
from earmark.tagging.tagger import Tagger
from earmark.training.config import recipe_from
from earmark.training.data_setup import load_training_data
from tests.helpers import sounds

RATE_HZ = 8000
CONDITIONED = InputSpec(RATE_HZ, 4000, 4000, conditioning=Conditioning())
PLAIN = dataclasses.replace(CONDITIONED, conditioning=None)
KINDS = ("mono", "stereo", "inverted", "delayed", "surround", "quiet", "loud", "short")
DIFFER = {"inverted", "delayed", "surround"}
VOCABULARY = Vocabulary((Tag("a", "classification"),))


def sound(kind: str) -> np.ndarray:
    """(n_channels, n_samples)."""
    left, right = sounds.music(3.0, 22_050, 2, seed=KINDS.index(kind))
    if kind == "mono":
        return left[np.newaxis]
    if kind == "inverted":
        return np.stack([left, -left])
    if kind == "delayed":
        return np.stack([left[200:], left[:-200]])
    if kind == "surround":
        return np.stack([0.1 * left, 0.1 * right, left, left, right, right])
    if kind == "short":
        return np.stack([left, right])[:, :6000]
    return {"quiet": 0.02, "loud": 2.5}.get(kind, 1.0) * np.stack([left, right])


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mix")
    lines = ["path,split,artist,tags"]
    for i, kind in enumerate(KINDS):
        write = sounds.write_float_wav if kind == "loud" else sounds.write
        write(folder / f"{kind}.wav", sound(kind), 22_050)
        lines.append(f"{kind}.wav,{'validation' if i % 2 else 'train'},{i},a")
    (folder / "music.csv").write_text("\n".join(lines) + "\n")
    report = prepare(load_dataset("manifest", folder / "music.csv"), folder / "flac", sample_rate_hz=RATE_HZ)
    assert not report.failures
    assert report.header.cancelled_share == Conditioning().cancelled_share
    prepare(load_dataset("manifest", folder / "music.csv"), folder / "original", audio="original", sample_rate_hz=None)
    return folder


class Listener:
    """Takes the place of a network, and keeps the windows that it gets."""

    def __init__(self, spec: InputSpec) -> None:
        self.card = ModelCard("listener", "none", spec, VOCABULARY)
        self.windows: list[np.ndarray] = []

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        self.windows += list(batch.copy())
        return np.zeros((len(batch), 1), np.float32)


def read_by_tagger(path: Path, spec: InputSpec) -> np.ndarray:
    listener = Listener(spec)
    Tagger(listener).tag(path)
    return np.stack(listener.windows)


@pytest.mark.slow
@pytest.mark.parametrize("spec", [CONDITIONED, PLAIN], ids=["conditioned", "plain"])
@pytest.mark.parametrize("source", ["files", "kept", "flac", "original", "windows of flac"])
def test_training_gets_what_tagging_gets(music: Path, tmp_path: Path, spec: InputSpec, source: str) -> None:
    """Within the rounding to 16 bits; validation cuts all windows of a clip."""
    dataset = load_dataset("manifest", music / "music.csv")
    recipe = recipe_from(
        {
            "name": "small",
            "data": {"dataset": "manifest", "root": str(music / "music.csv")},
            "model": {"name": "dieleman2014_raw"},
            "training": {"epochs": 1, "batch_size": 2},
        },
        "small",
    )
    shards = {"flac": music / "flac", "original": music / "original", "windows of flac": music / "flac"}.get(source)
    data = load_training_data(
        recipe,
        dataset,
        spec,
        shards=shards,
        keep_audio=tmp_path if source == "kept" else None,
        workers=0 if source == "windows of flac" else None,
        measured=range(len(dataset.split("train"))),
    )
    clips = (*dataset.split("validation"), *dataset.split("train"))
    assert len(clips) == len(KINDS)
    for i, clip in enumerate(clips):
        expected = read_by_tagger(clip.path, spec)
        windows = data.validation[i][0].numpy()
        if clip.path.stem in DIFFER:
            assert not np.allclose(expected, read_by_tagger(clip.path, PLAIN if spec is CONDITIONED else CONDITIONED))
        peak = max(1.0, float(np.abs(sound(clip.path.stem)).max()))
        np.testing.assert_allclose(windows, expected, atol=0.51 * peak / 32767, err_msg=clip.clip_id)


@pytest.mark.slow
def test_without_conditioning_it_is_to_the_bit_what_it_was(music: Path) -> None:
    shards = ShardAudio(music / "flac")
    for clip in load_dataset("manifest", music / "music.csv").clips:
        for conditioning in (None, Conditioning()):
            values, gain = flac16.quantise(audio.load(clip.path, RATE_HZ, conditioning))
            packed, scale = shards.packed(clip.clip_id, RATE_HZ, conditioning)
            assert np.array_equal(packed, values)
            assert scale == flac16.scale_of(gain)
            window = shards.load_window(clip.clip_id, 700, 900, RATE_HZ, conditioning)
            assert np.array_equal(window, shards.load(clip.clip_id, RATE_HZ, conditioning)[700:1600])
            lower = shards.waveform(clip.clip_id, 4000, conditioning).read()
            assert np.array_equal(lower, audio.resample(values * np.float32(scale), RATE_HZ, 4000))


@pytest.mark.slow
def test_the_mean_is_stored_only_where_it_differs(music: Path) -> None:
    with tarfile.open(music / "flac" / "shard-000000.tar") as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    names = {name.removesuffix(".json"): json.loads(text) for name, text in members.items() if name.endswith(".json")}
    with_mean = {
        document["source_name"].removesuffix(".wav") for key, document in names.items() if f"{key}.mean.flac" in members
    }
    assert with_mean == DIFFER
    (key,) = (key for key, document in names.items() if document["source_name"] == "inverted.wav")
    assert not flac16.decode(io.BytesIO(members[f"{key}.mean.flac"])).any()
    assert flac16.decode(io.BytesIO(members[f"{key}.flac"])).any()


@pytest.mark.slow
def test_shards_are_written_again_with_both(music: Path, tmp_path: Path) -> None:
    """A shard that lacks a clip is made again, and its other clips are copied."""
    good = [
        Clip(kind, music / f"{kind}.wav", "train", np.ones(1, np.float32)) for kind in ("inverted", "mono", "surround")
    ]
    dataset = Dataset(
        "small",
        "own",
        VOCABULARY,
        (*good, dataclasses.replace(good[0], clip_id="late", path=tmp_path / "late.wav")),
        load_dataset("manifest", music / "music.csv").info,
    )
    assert len(prepare(dataset, tmp_path / "shards", sample_rate_hz=RATE_HZ, clips_per_shard=4).failures) == 1
    (tmp_path / "late.wav").write_bytes((music / "delayed.wav").read_bytes())
    assert not prepare(
        dataset, tmp_path / "shards", sample_rate_hz=RATE_HZ, clips_per_shard=4, retry_failed=True
    ).failures
    prepare(dataset, tmp_path / "at-once", sample_rate_hz=RATE_HZ, clips_per_shard=4)
    for name in (HEADER, INDEX, "shard-000000.tar"):
        assert (tmp_path / "shards" / name).read_bytes() == (tmp_path / "at-once" / name).read_bytes()


@pytest.mark.slow
def test_shards_of_an_earlier_version(music: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They are continued in their way, read as they are, and distinguished."""
    dataset = load_dataset("manifest", music / "music.csv")
    document = json.loads((music / "flac" / HEADER).read_text())
    del document["cancelled_share"]
    (tmp_path / HEADER).write_text(json.dumps({**document, "version": 1, "complete": False}))
    report = prepare(dataset, tmp_path, sample_rate_hz=RATE_HZ)
    assert report.header.cancelled_share is None
    assert "holds only the plain mean" in caplog.text
    caplog.clear()
    index = [json.loads(line) for line in (tmp_path / INDEX).read_text().splitlines()]
    assert all(entry.pop("mean") is None for entry in index)
    (tmp_path / INDEX).write_text("".join(json.dumps(entry) + "\n" for entry in index))
    shards = ShardAudio(tmp_path)
    assert shards.mean_only
    assert not ShardAudio(music / "flac").mean_only
    assert not ShardAudio(music / "original").mean_only
    for clip in dataset.clips:
        values, gain = flac16.quantise(audio.load(clip.path, RATE_HZ))
        for conditioning in (None, Conditioning()):
            packed, scale = shards.packed(clip.clip_id, RATE_HZ, conditioning)
            assert np.array_equal(packed, values)
            assert scale == flac16.scale_of(gain)
    with caplog.at_level(logging.WARNING):
        shards.require(shards.clips, RATE_HZ)
        ShardAudio(music / "flac").require(shards.clips, RATE_HZ, Conditioning())
        assert not caplog.records
        shards.require(shards.clips, RATE_HZ, Conditioning())
    assert "holds only the plain mean" in caplog.text


def test_another_mix_than_that_of_the_shards_is_refused(music: Path) -> None:
    shards, other = ShardAudio(music / "flac"), Conditioning(cancelled_share=0.5)
    clip_id = shards.clips[0]
    for call in (
        lambda: shards.require([clip_id], RATE_HZ, other),
        lambda: shards.load(clip_id, RATE_HZ, other),
        lambda: shards.packed(clip_id, RATE_HZ, other),
        lambda: shards.load_window(clip_id, 0, 10, RATE_HZ, other),
        lambda: shards.waveform(clip_id, RATE_HZ, other),
    ):
        with pytest.raises(ConfigError, match=r"cancelled_share 0.2, and 0.5 is wanted; .*--audio original"):
            call()
    assert ShardAudio(music / "original").load(clip_id, RATE_HZ, other).any()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("offset", [-1, 2**70, "1", None, 1.5]),
        ("size", [-1, 2**40, 2**70, "1", None]),
        ("shard", [-1, 7, "0", None]),
        ("gain", [0, -1, float("nan"), float("inf"), "1", None]),
        ("n_samples", [-1, 2**70, "1", 0.5]),
        ("duration_seconds", [float("nan"), float("inf"), 1e300, "1", None]),
        ("clip_id", [[], {}, None]),
        ("key", [1]),
        ("mean", [[], 1, [1, 2, 3], [0, 2**70, 0, 1], [0, 1, 0, 0], {"a": 1}]),
        ("more", [1]),
    ],
)
def test_damaged_index(music: Path, tmp_path: Path, name: str, values: list[object]) -> None:
    for file in (HEADER, "shard-000000.tar"):
        (tmp_path / file).write_bytes((music / "flac" / file).read_bytes())
    first, *rest = (music / "flac" / INDEX).read_text().splitlines()
    for value in values:
        (tmp_path / INDEX).write_text("\n".join([json.dumps({**json.loads(first), name: value}), *rest]) + "\n")
        with pytest.raises(DataError, match=INDEX):
            ShardAudio(tmp_path)


@pytest.mark.parametrize(
    "text", ["[]", "1", "null", "[" * 100_000, "{"], ids=["list", "number", "null", "deep", "open"]
)
def test_index_lines_that_are_no_entries(music: Path, tmp_path: Path, text: str) -> None:
    for file in (HEADER, "shard-000000.tar"):
        (tmp_path / file).write_bytes((music / "flac" / file).read_bytes())
    (tmp_path / INDEX).write_text(text + "\n")
    with pytest.raises(DataError, match=INDEX):
        ShardAudio(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clips_per_shard", 0),
        ("clips_per_shard", "4"),
        ("n_clips", -1),
        ("sizes", ["1"]),
        ("sample_rate_hz", 0),
        ("sample_rate_hz", None),
        ("audio", "mp3"),
        ("cancelled_share", 7),
        ("cancelled_share", "0.35"),
        pytest.param("version", "[" * 100_000, id="deep"),
    ],
)
def test_damaged_header(music: Path, tmp_path: Path, name: str, value: object) -> None:
    document = json.loads((music / "flac" / HEADER).read_text()) | {name: value}
    text = json.dumps(document)
    if name == "version":
        text = text.replace(f'"{value}"', str(value))  # nested too deep for Python's reader
    (tmp_path / HEADER).write_text(text)
    with pytest.raises(DataError, match=HEADER):
        ShardAudio(tmp_path)
