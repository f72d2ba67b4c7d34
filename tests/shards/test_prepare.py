"""Preparing shards: the same bytes whatever happens on the way, files that fail listed, other shards refused."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets import Clip, Dataset
from earmark.datasets.manifest import INFO
from earmark.shards import PrepareProgress, ShardAudio, prepare
from earmark.shards.plan import plan_clips
from tests.helpers import sounds

VOCABULARY = Vocabulary((Tag("guitar", "classification", "instrument"),))
N_CLIPS = 14


def clip_of(path: Path, label: float = 0.0, split: str = "train", clip_id: str | None = None) -> Clip:
    return Clip(clip_id or path.stem, path, split, np.array([label], np.float32), "someone")


def dataset_of(*clips: Clip, protocol: str = "own") -> Dataset:
    return Dataset("small", protocol, VOCABULARY, clips, INFO)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("audio")
    paths = [sounds.write(folder / f"c{i}.flac", sounds.music(2, 22_050, 2, seed=i), 22_050) for i in range(N_CLIPS)]
    return dataset_of(*(clip_of(path, i % 2) for i, path in enumerate(paths)))


@pytest.fixture(scope="module")
def whole(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an uninterrupted run leaves."""
    folder = tmp_path_factory.mktemp("whole")
    prepare(dataset, folder, clips_per_shard=3, jobs=1)
    return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_same_bytes_with_any_number_of_threads_and_any_order(
    dataset: Dataset, whole: dict[str, bytes], tmp_path: Path
) -> None:
    assert len([name for name in whole if name.endswith(".tar")]) == 5
    prepare(dataset.replace(clips=dataset.clips[::-1]), tmp_path, clips_per_shard=3, jobs=4)
    assert contents(tmp_path) == whole


@pytest.mark.slow
def test_finished_shards_are_kept(dataset: Dataset, whole: dict[str, bytes], tmp_path: Path) -> None:
    prepare(dataset, tmp_path, clips_per_shard=3)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")}
    seen: list[PrepareProgress] = []
    report = prepare(dataset, tmp_path, on_done=seen.append)  # sizes are those of what lies there
    assert report.n_shards_made == 0
    assert seen[-1].n_kept == seen[-1].n_done == N_CLIPS
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")} == times
    (tmp_path / "shard-000002.tar").write_bytes(b"damaged")
    (tmp_path / "records" / "shard-000004.json").write_text("{")
    (tmp_path / "index.jsonl").unlink()
    report = prepare(dataset, tmp_path)
    assert report.n_shards_made == 2
    assert contents(tmp_path) == whole


@pytest.mark.slow
def test_progress_and_estimate(dataset: Dataset, tmp_path: Path) -> None:
    seen: list[PrepareProgress] = []
    report = prepare(dataset, tmp_path, clips_per_shard=3, jobs=2, on_done=seen.append)
    assert sorted({progress.n_done for progress in seen}) == list(range(N_CLIPS + 1))
    assert seen[-1].audio_seconds == pytest.approx(2 * N_CLIPS, abs=0.1)
    assert seen[2].estimated_bytes is None
    first = next(progress.estimated_bytes for progress in seen if progress.estimated_bytes)
    assert first == pytest.approx(report.header.n_bytes, rel=0.15)
    assert seen[-1].n_bytes == seen[-1].estimated_bytes == report.header.n_bytes
    assert sum(path.stat().st_size for path in tmp_path.glob("*.tar")) == report.header.n_bytes


@pytest.mark.slow
def test_size_of_shards(dataset: Dataset, tmp_path: Path) -> None:
    report = prepare(dataset, tmp_path, shard_megabytes=0.2)
    sizes = report.header.sizes[:-1]
    assert sizes
    assert all(0.15e6 < size < 0.25e6 for size in sizes)


CHILD = """
import sys
from pathlib import Path
import numpy as np
from earmark.shards import prepare
from tests.shards.test_prepare import clip_of, dataset_of

paths = sorted(Path(sys.argv[1]).glob("*.flac"), key=lambda path: int(path.stem[1:]))
dataset = dataset_of(*(clip_of(path, i % 2) for i, path in enumerate(paths)))
print("ready", flush=True)
prepare(dataset, sys.argv[2], clips_per_shard=3, jobs=2, on_done=lambda progress: print(progress.n_done, flush=True))
"""


def child(dataset: Dataset, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(dataset.clips[0].path.parent), str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=root)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_killed_at_any_moment_it_ends_as_if_it_had_not_been(
    dataset: Dataset, whole: dict[str, bytes], tmp_path: Path
) -> None:
    moments = random.Random(0)
    n_killed = 0
    for n_lines in (1, 3, 4, 5, 7):  # each run goes on where the last one was killed
        with child(dataset, tmp_path) as process:
            assert process.stdout is not None
            for _, line in zip(range(n_lines), process.stdout, strict=False):
                assert line
            time.sleep(moments.uniform(0, 0.015))
            process.send_signal(signal.SIGKILL)
            n_killed += process.wait() == -signal.SIGKILL
        left = contents(tmp_path)
        if left.keys() - whole.keys():  # a shard was being written: under a name of its own
            assert all(name.endswith(".part") for name in left.keys() - whole.keys())
        assert all(content == whole[name] for name, content in left.items() if name.endswith(".tar"))
    assert n_killed >= 2
    with child(dataset, tmp_path) as process:
        process.communicate()
    assert process.returncode == 0
    assert contents(tmp_path) == whole


DISK_FULL = (
    """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop()), resource.RLIM_INFINITY))
"""
    + CHILD.replace("prepare(dataset", "from earmark.core.errors import DataError\ntry:\n    prepare(dataset")
    + ("except DataError as error:\n    print(error)\n    sys.exit(1)\n")
)


@pytest.mark.slow
def test_a_full_disk_stops_it_and_loses_nothing(dataset: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("resource")
    audio, out, uninterrupted = (tmp_path / name for name in ("audio", "out", "uninterrupted"))
    audio.mkdir()
    for clip in dataset.clips:
        (audio / clip.path.name).symlink_to(clip.path)
    last = plan_clips([dataset])[-1].clip.path.name  # only the last shard does not fit
    (audio / last).unlink()
    sounds.write(audio / last, sounds.music(20, 22_050), 22_050)
    moved = dataset.replace(clips=tuple(clip_of(audio / clip.path.name, clip.labels[0]) for clip in dataset.clips))
    prepare(moved, uninterrupted, clips_per_shard=3)
    run = subprocess.run(
        [sys.executable, "-c", DISK_FULL, str(audio), str(out), "300000"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.returncode == 1, run.stderr
    assert "cannot be written (File too large); finished shards are kept" in run.stdout
    assert sorted(path.name for path in out.glob("*.tar")) == [f"shard-{i:06d}.tar" for i in range(4)]
    assert not list(out.rglob("*.part"))
    with pytest.raises(DataError, match="not finished"):
        ShardAudio(out)
    assert prepare(moved, out).n_shards_made == 1
    assert contents(out) == contents(uninterrupted)


def broken(folder: Path) -> list[Clip]:
    """Files that cannot be read, each for another reason."""
    whole = sounds.write(folder / "whole.mp3", sounds.music(3, 22_050), 22_050)
    sounds.write_float_wav(folder / "nan.wav", np.array([0, np.nan, 0.5]), 22_050)
    (folder / "empty.mp3").touch()
    (folder / "text.flac").write_text("this is no music\n" * 50)
    (folder / "folder.mp3").mkdir()
    sounds.shorten(whole, 0.63, folder / 'cut, "short".mp3')
    names = ("nan.wav", "empty.mp3", "text.flac", "folder.mp3", 'cut, "short".mp3', "gone.mp3")
    return [clip_of(folder / name, clip_id=name) for name in names]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flac", "original"])
def test_broken_files_are_listed_and_the_rest_goes_on(dataset: Dataset, kind: str, tmp_path: Path) -> None:
    bad = broken(tmp_path)
    mixed = dataset.replace(clips=(*dataset.clips, *bad))
    rate_hz = 16_000 if kind == "flac" else None
    out = tmp_path / "out"
    report = prepare(mixed, out, audio=kind, sample_rate_hz=rate_hz, clips_per_shard=2, jobs=2)
    assert report.header.n_failed == len(bad)
    with (out / "failed.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["clip_id"]: row for row in csv.DictReader(file)}
    assert set(rows) == {clip.clip_id for clip in bad}
    assert rows["empty.mp3"]["reason"] == "the file is empty (0 bytes)"
    assert rows["gone.mp3"]["reason"] == "no such file"
    assert rows["nan.wav"]["reason"].startswith("holds NaN")
    assert rows['cut, "short".mp3']["reason"].startswith("truncated")
    assert rows["text.flac"]["path"] == str(tmp_path / "text.flac")
    shards = ShardAudio(out)
    assert set(shards.clips) == {clip.clip_id for clip in dataset.clips}
    with pytest.raises(DataError, match=r"6 of 20 clips are not in these shards \(failed.csv"):
        shards.require([clip.clip_id for clip in mixed.clips], 16_000)

    again = prepare(mixed, out, audio=kind, sample_rate_hz=rate_hz)
    assert again.n_shards_made == 0
    assert again.failures == report.failures
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.tar")}
    sounds.write(tmp_path / "gone.mp3", sounds.music(2, 22_050), 22_050)
    files = {clip.path: clip.path.read_bytes() for clip in dataset.clips}
    try:
        for path in files:
            path.unlink()  # what is in the shards is taken over from there
        retried = prepare(mixed, out, audio=kind, sample_rate_hz=rate_hz, retry_failed=True)
    finally:
        for path, content in files.items():
            path.write_bytes(content)
    assert {failed.clip_id for failed in retried.failures} == {clip.clip_id for clip in bad} - {"gone.mp3"}
    assert set(ShardAudio(out).clips) == {clip.clip_id for clip in dataset.clips} | {"gone.mp3"}
    made = {path.name for path in out.glob("*.tar") if path.stat().st_mtime_ns != before[path.name]}
    assert len(made) == retried.n_shards_made < retried.header.n_shards
    anew = tmp_path / "anew"
    prepare(mixed, anew, audio=kind, sample_rate_hz=rate_hz, clips_per_shard=2)
    assert contents(out) == contents(anew)


def test_failed_list_goes_away_with_the_last_failure(tmp_path: Path) -> None:
    good = sounds.write(tmp_path / "good.flac", sounds.music(1, 16_000), 16_000)
    late = tmp_path / "late.flac"
    dataset = dataset_of(clip_of(good), clip_of(late))
    prepare(dataset, tmp_path / "out")
    assert (tmp_path / "out" / "failed.csv").is_file()
    late.write_bytes(good.read_bytes())
    assert not prepare(dataset, tmp_path / "out", retry_failed=True).failures
    assert not (tmp_path / "out" / "failed.csv").exists()


def test_no_file_at_all_is_a_wrong_root(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not one of 2 audio files is there, e.g. .*[ab]\.mp3"):
        prepare(dataset_of(clip_of(tmp_path / "a.mp3"), clip_of(tmp_path / "b.mp3")), tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.json"))


def test_several_protocols_make_one_set_of_shards(dataset: Dataset, tmp_path: Path) -> None:
    first = dataset.replace(clips=dataset.clips[:4], protocol="first")
    second = dataset_of(*(clip_of(c.path, 1 - c.labels[0], "test") for c in dataset.clips[2:6]), protocol="second")
    report = prepare([first, second], tmp_path)
    assert report.header.protocols == ("first", "second")
    assert set(ShardAudio(tmp_path).clips) == {clip.clip_id for clip in dataset.clips[:6]}
    facts = {item.clip.clip_id: item.metadata for item in plan_clips([first, second])}
    assert facts["c0"]["splits"] == {"first": "train"}
    assert facts["c2"]["splits"] == {"first": "train", "second": "test"}
    assert (facts["c2"]["labels_protocol"], facts["c2"]["labels"]) == ("first", {"guitar": 0})
    assert (facts["c5"]["labels_protocol"], facts["c5"]["labels"]) == ("second", {"guitar": 0})
    with pytest.raises(ConfigError, match="protocols: first and second there, first wanted"):
        prepare(first, tmp_path)
    with pytest.raises(ConfigError, match="one is there more than once"):
        plan_clips([first, first])
    with pytest.raises(ConfigError, match="one dataset goes into a folder of shards, here are 2: other, small"):
        plan_clips([first, second.replace(name="other")])
    moved = dataset_of(clip_of(tmp_path / "c2.flac"), protocol="moved")
    with pytest.raises(ConfigError, match="1 clips have other files under another protocol"):
        plan_clips([first, moved])


def test_other_shards_in_the_folder_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    prepare(dataset, tmp_path, clips_per_shard=3)
    before = contents(tmp_path)
    relabelled = dataset.replace(clips=(clip_of(dataset.clips[0].path, 1), *dataset.clips[1:]))
    renamed = dataset.replace(clips=(clip_of(dataset.clips[0].path, clip_id="x"), *dataset.clips[1:]))
    for other, options, difference in (
        (dataset, {"sample_rate_hz": 22_050}, "sample rate in Hz: 16000 there, 22050 wanted"),
        (dataset, {"audio": "original", "sample_rate_hz": None}, "audio: flac there, original wanted"),
        (dataset, {"clips_per_shard": 4}, "clips in a shard: 3 there, 4 wanted"),
        (dataset, {"shard_megabytes": 5}, "size of a shard: 3 clips there, 5 MB wanted"),
        (dataset.replace(clips=dataset.clips[1:]), {}, "number of clips: 14 there, 13 wanted"),
        (dataset.replace(name="large"), {}, "dataset: small there, large wanted"),
        (relabelled, {}, "labels, splits, artists or songs of the dataset have changed since"),
        (renamed, {}, "the clips differ"),
    ):
        with pytest.raises(ConfigError) as caught:
            prepare(other, tmp_path, **options)
        assert f"{tmp_path} holds other shards" in str(caught.value)
        assert difference in str(caught.value)
    assert contents(tmp_path) == before


def test_wrong_options_are_reported_together(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(dataset, tmp_path / "out", audio="mp3", shard_megabytes=-1, clips_per_shard=0)  # type: ignore[arg-type]
    assert len(caught.value.problems) == 4
    for options, reason in (
        ({"audio": "original"}, "original files keep their own"),
        ({"sample_rate_hz": None}, "must be in 1,000..192,000"),
        ({"sample_rate_hz": 0}, "must be in 1,000..192,000"),
    ):
        with pytest.raises(ConfigError, match=reason):
            prepare(dataset, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_two_runs_into_one_folder(dataset: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("fcntl")

    def second(_: PrepareProgress) -> None:
        with pytest.raises(DataError, match="another `earmark data prepare` is at work there"):
            prepare(dataset, tmp_path)

    prepare(dataset, tmp_path, on_done=second)


def test_a_folder_that_cannot_be_written(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        prepare(dataset, tmp_path / "file")
