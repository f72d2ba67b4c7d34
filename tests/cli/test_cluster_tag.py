"""`earmark cluster tag` on a Ray cluster of several nodes, which loses a worker and a node on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from earmark.cli.main import app
from earmark.cluster.plan import STALE, WORK, is_shard
from earmark.cluster.tagging import TaggingProgress, TagJob, Tally, tag_manifest
from earmark.cluster.worker import Report
from earmark.core.errors import ConfigError
from earmark.core.storage import Store
from tests.helpers import sounds
from tests.helpers.cluster_results import read_shard
from tests.helpers.object_store import object_store
from tests.helpers.ray_clusters import Nodes, cluster

pytestmark = [pytest.mark.ray, pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")]

N_SONGS, N_ROWS, SECONDS = 6, 90, 60
WORKER = "ray::MapWorker"


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with object_store("tracks") as uri:
        yield uri


@pytest.fixture(scope="module")
def nodes(bucket: str) -> Iterator[Nodes]:
    with cluster(1, 1, 1) as found:
        yield found


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Songs, one that is cut off, and one that is not there."""
    folder = tmp_path_factory.mktemp("songs")
    paths = [
        sounds.write(folder / f"{k}.flac", np.tile(sounds.music(SECONDS / 6, 16_000, seed=k), 6), 16_000)
        for k in range(N_SONGS)
    ]
    return [*paths, sounds.shorten(paths[0], 0.5, folder / "cut.flac"), folder / "missing.flac"]


@pytest.fixture(scope="module")
def wanted(songs: list[Path]) -> dict[str, dict[str, Any]]:
    """What one machine says of each song."""
    command = [sys.executable, "-m", "earmark.cli.main", "tag", *map(str, songs), "--format", "jsonl"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    return {Path(record["path"]).name: record for record in map(json.loads, done.stdout.splitlines())}


def manifest_of(songs: list[Path], bucket: str, out: Path, n_rows: int = N_ROWS) -> str:
    """Rows of a table; half of the songs are taken from the object store."""
    lines = [
        json.dumps({"id": f"row {k}", "uri": f"{bucket}/songs/{path.name}" if k // len(songs) % 2 else str(path)})
        for k in range(n_rows)
        for path in [songs[k % len(songs)]]
    ]
    out.write_text("\n".join(lines))
    return str(out)


def table_of(place: str) -> dict[str, dict[str, Any]]:
    """All rows of all shards, by their id; none is there twice."""
    store = Store(place)
    rows = [row for name in store.sizes() if is_shard(name) for row in read_shard(store, name).to_pylist()]
    found = {row["id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def check(rows: dict[str, dict[str, Any]], wanted: dict[str, dict[str, Any]], n_rows: int) -> None:
    """Row for row as one machine says."""
    assert set(rows) == {f"row {k}" for k in range(n_rows)}
    for row in rows.values():
        record = wanted[Path(row["uri"]).name]
        for name in (
            "status",
            "error",
            "duration_seconds",
            "windows",
            "heard_seconds",
            "silent_seconds",
            "model",
            "warnings",
        ):
            assert row[name] == record[name], (row["uri"], name)
        for tag in record["tags"]:
            assert row[tag["tag"]] == pytest.approx(tag["score"], abs=6e-5)
        assert (row["embedding"] is None) == (row["status"] == "error")


class Losing(TaggingProgress):
    """Kills a worker after the second shard, and a node after the sixth."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.n = self.n_killed = 0
        self.notes: list[str] = []

    def shard(self, report: Report, tally: Tally) -> None:
        self.n += 1
        if self.n == 2:
            for pid in self.nodes.workers(WORKER)[:1]:
                os.kill(pid, signal.SIGKILL)
                self.n_killed += 1
        if self.n == 6:
            self.nodes.lose(self.nodes.nodes[-1])

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_all_is_there_though_a_worker_and_a_node_are_lost(
    tmp_path: Path, nodes: Nodes, bucket: str, songs: list[Path], wanted: dict[str, dict[str, Any]]
) -> None:
    for path in songs:
        if path.exists():
            Store(f"{bucket}/songs").put(path.name, path)
    manifest = manifest_of(songs, bucket, tmp_path / "m.jsonl")
    job = TagJob(manifest, f"{bucket}/tags", shard_rows=4)
    watcher = Losing(nodes)
    tally = tag_manifest(job, watcher)
    assert watcher.n_killed == 1
    assert len(nodes.nodes) == 2
    assert (tally.n_rows, tally.n_rows_done) == (N_ROWS, N_ROWS)
    assert tally.n_shards_done == tally.n_shards > 15
    assert tally.core_hours_estimated == pytest.approx(tally.core_hours)
    check(table_of(job.out), wanted, N_ROWS)
    store = Store(job.out)
    assert not store.sizes(f"{WORK}")

    before = store.sizes()
    again = tag_manifest(job)  # connects to nothing: nothing is to be done
    assert (again.n_rows_kept, again.n_rows_done, again.n_failed_kept) == (N_ROWS, 0, tally.n_failed)
    lines = Path(manifest).read_text().splitlines()
    lines[40] = json.dumps({"id": "row 40", "uri": str(songs[1])})
    Path(manifest).write_text("\n".join(lines))
    changed = tag_manifest(job)
    assert changed.n_shards_done <= 2
    assert changed.n_stale >= 1
    assert len(store.sizes(STALE)) == changed.n_stale
    check(table_of(job.out), wanted, N_ROWS)
    assert len(set(before) - set(store.sizes())) == changed.n_stale


def test_the_command(
    tmp_path: Path, nodes: Nodes, bucket: str, songs: list[Path], wanted: dict[str, dict[str, Any]]
) -> None:
    manifest = manifest_of(songs, bucket, tmp_path / "m.jsonl", 16)
    command = ["cluster", "tag", manifest, "--out", str(tmp_path / "tags"), "--shard-rows", "5"]
    done = CliRunner().invoke(app, [*command, "--address", nodes.address])
    assert done.exit_code == 1, done.output
    assert "12 tracks tagged, 4 failed" in done.stdout
    assert "core-hours" in done.stdout
    assert "missing.flac: no such file" in done.stderr
    check(table_of(str(tmp_path / "tags")), wanted, 16)
    shutil.copy(songs[0], songs[-1])
    try:
        done = CliRunner().invoke(app, [*command, "--address", nodes.address, "--retry-failed"])
    finally:
        songs[-1].unlink()
    assert done.exit_code == 1
    assert "13 tracks tagged, 3 failed" in done.stdout
    rows = table_of(str(tmp_path / "tags"))
    assert [row["status"] for row in rows.values() if Path(row["uri"]).name == "missing.flac"].count("ok") == 1
    with pytest.raises(ConfigError, match="another run"):
        CliRunner().invoke(app, [*command, "--windows", "3"], catch_exceptions=False)


def test_wrong_usage_is_reported_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("uri\nhttps://me:secret@example.org/a.mp3\n")
    command = [sys.executable, "-m", "earmark.cli.main", "cluster", "tag", str(tmp_path / "m.csv"), "--out"]
    done = subprocess.run([*command, str(tmp_path / "out")], capture_output=True, text=True)
    assert done.returncode == 2
    assert "hold a user name or password" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr
    done = subprocess.run([*command, "s3://me:secret@b/out"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "secret" not in done.stderr


def test_a_cluster_without_gpus_is_no_place_for_cuda(nodes: Nodes, songs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(f"uri\n{songs[0]}\n")
    with pytest.raises(ConfigError, match="the cluster has no GPU"):
        tag_manifest(TagJob(str(tmp_path / "m.csv"), str(tmp_path / "out"), address=nodes.address, device="cuda"))
    assert not [*(tmp_path / "out").rglob("part-*")]
