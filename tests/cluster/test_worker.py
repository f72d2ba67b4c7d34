"""One worker, without Ray: tracks from disks, S3 and HTTP; the same results as `earmark tag`; nothing twice."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from earmark import __version__
from earmark.cluster.manifest import read_manifest
from earmark.cluster.plan import WORK, Plan, Settings, make_plan
from earmark.cluster.worker import JOB, Job, Report, ShardWorker
from earmark.core.storage import Store
from earmark.tagging.runtime import find_model
from earmark.tagging.tagger import load_tagger
from tests.helpers import sounds
from tests.helpers.cluster_results import read_shard
from tests.helpers.object_store import object_store


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with object_store("music") as uri:
        yield uri


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def planned(manifest: str, store: Store, device: str = "cpu", **settings: object) -> tuple[Plan, ShardWorker]:
    """What the driver does before it asks the cluster."""
    model = find_model()
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    card = load_tagger().card
    chosen = Settings(
        card.name, digest, **{"windows": None, "damaged": "error", "embeddings": True, "shard_rows": 4, **settings}
    )
    plan = make_plan(read_manifest(manifest), chosen, store, "run", frozenset())
    job = Job(chosen, card.vocabulary.names, f"{WORK}/run/model.onnx", 1, 60.0, __version__, device)
    store.write(job.model_file, model.read_bytes())
    store.write(f"{WORK}/run/{JOB}", job.to_json().encode())
    return plan, ShardWorker(str(store), "run")


def ask(worker: ShardWorker, plan: Plan) -> list[Report]:
    """As Ray Data asks it."""
    todo = [json.dumps(vars(one)) for one in plan.todo]
    return [Report(**json.loads(text)) for text in worker({"todo": todo})["report"]]


@pytest.mark.slow
def test_tracks_from_everywhere_come_out_as_from_one_machine(tmp_path: Path, web: str, bucket: str) -> None:
    here = [
        sounds.write(tmp_path / f"{k}{end}", sounds.music(5, 44_100, seed=k), 44_100)
        for k, end in enumerate([".mp3", ".flac", ".wav"])
    ]
    sounds.shorten(here[0], 0.5, tmp_path / "cut.mp3")
    music = Store(f"{bucket}/songs")
    for path in (*here, tmp_path / "cut.mp3"):
        music.put(path.name, path)
    uris = {
        "0.mp3": here[0],
        str(here[1]): here[1],
        f"file://{here[2]}": here[2],
        f"{bucket}/songs/0.mp3": here[0],
        f"{web}/1.flac?signature=x": here[1],
        f"{bucket}/songs/2.wav": here[2],
        f"{bucket}/songs/cut.mp3": tmp_path / "cut.mp3",
        f"{bucket}/songs/none.mp3": tmp_path / "none.mp3",
        f"{web}/none.mp3": tmp_path / "none.mp3",
        "gopher://x/none.mp3": None,
    }
    (tmp_path / "m.jsonl").write_text("".join(json.dumps({"uri": uri, "id": k}) + "\n" for k, uri in enumerate(uris)))
    store = Store(f"{bucket}/tags")
    plan, worker = planned(str(tmp_path / "m.jsonl"), store)
    reports = ask(worker, plan)
    assert [report.fatal for report in reports] == [None] * len(plan.todo)
    assert sum(report.n_rows for report in reports) == 10
    assert sum(report.n_failed for report in reports) == 4
    assert sum(report.bytes_read for report in reports) > 1e5
    rows = [row for one in plan.todo for row in read_shard(store, one.name).to_pylist()]
    assert [row["uri"] for row in rows] == list(uris)
    assert [row["id"] for row in rows] == [str(k) for k in range(10)]
    tagger = load_tagger(embeddings=True)
    for row, path in zip(rows, uris.values(), strict=True):
        if path is None:
            assert row["error"].startswith("an address that begins with gopher://")
            continue
        (wanted,) = tagger.tag_many([path], errors="return")
        if hasattr(wanted, "reason"):
            assert (row["status"], row["error"]) == ("error", wanted.reason)
            assert row["embedding"] is row[tagger.card.vocabulary.names[0]] is None
            continue
        np.testing.assert_allclose([row[tag] for tag in wanted.tags], wanted.scores, atol=1e-6)
        np.testing.assert_allclose(row["embedding"], wanted.embedding, atol=1e-4)
        record = wanted.to_record()
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
            assert row[name] == record[name], name
    scratch = worker._scratch
    assert scratch is not None
    assert [path.name for path in scratch.iterdir()] == ["model.onnx"]
    again = ask(worker, plan)
    assert [report.kept for report in again] == [True] * len(plan.todo)
    assert sum(report.n_failed for report in again) == 4
    worker.close()
    assert not scratch.exists()


@pytest.mark.slow
def test_a_store_is_asked_once_a_track_and_a_few_times_a_shard(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What docs/scale.md says of requests, which stores let one pay for."""
    from s3fs import S3FileSystem

    song = sounds.write(tmp_path / "a.flac", np.random.default_rng(0).uniform(-1, 1, (2, 44_100 * 40)), 44_100)
    assert song.stat().st_size > 5e6  # more than s3fs asks for at a time when it reads piece by piece
    music, store = Store(f"{bucket}/many"), Store(f"{bucket}/of-many")
    uris = [f"{bucket}/many/{k}.flac" for k in range(12)]
    for uri in uris:
        music.put(Path(uri).name, song)
    (tmp_path / "m.csv").write_text("uri\n" + "\n".join(uris) + "\n")
    plan, worker = planned(str(tmp_path / "m.csv"), store)
    n_shards = len(plan.todo)
    asked: Counter[tuple[str, bool]] = Counter()
    call = S3FileSystem._call_s3

    async def counted(self: S3FileSystem, method: str, *args: object, **options: object) -> object:
        asked[method, str(options.get("Key", "")).startswith("many/")] += 1
        return await call(self, method, *args, **options)

    monkeypatch.setattr(S3FileSystem, "_call_s3", counted)
    reports = ask(worker, plan)
    worker.close()
    assert sum(report.n_failed for report in reports) == 0
    of_tracks = {method: n for (method, track), n in asked.items() if track}
    of_shards = sum(n for (_, track), n in asked.items() if not track)
    assert of_tracks == {"get_object": 12}
    assert sum(report.bytes_read for report in reports) == 12 * song.stat().st_size
    assert n_shards > 1
    assert n_shards < of_shards <= 6 * n_shards + 4  # 4: job, model


@pytest.mark.slow
def test_tagged_sparsely_and_without_embeddings(tmp_path: Path) -> None:
    song = sounds.write(tmp_path / "long.flac", sounds.music(40, 16_000), 16_000)
    (tmp_path / "m.csv").write_text("uri\nlong.flac\n")
    store = Store(tmp_path / "out")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    leftover = Path(tempfile.mkdtemp(prefix=f"earmark-cluster-{ended.pid}-"))
    plan, worker = planned(str(tmp_path / "m.csv"), store, windows=3, embeddings=False)
    (report,) = ask(worker, plan)
    worker.close()
    table = read_shard(store, report.name)
    wanted = load_tagger(windows=3).tag(song)
    assert not leftover.exists()
    assert "embedding" not in table.column_names
    assert table["windows"].to_pylist() == [3]
    np.testing.assert_allclose([table[tag][0].as_py() for tag in wanted.tags], wanted.scores, atol=1e-6)


def test_a_machine_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("uri\na.wav\n")
    plan, _ = planned(str(tmp_path / "m.csv"), Store(tmp_path / "out"))
    (report,) = ask(ShardWorker(str(tmp_path / "elsewhere"), "run"), plan)
    assert report.fatal is not None
    assert "a folder that all machines share, or an object store" in report.fatal


@pytest.mark.skipif("CUDAExecutionProvider" in ort.get_available_providers(), reason="CUDA is installed here")
def test_a_machine_without_the_device_says_so(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("uri\na.wav\n")
    plan, worker = planned(str(tmp_path / "m.csv"), Store(tmp_path / "out"), device="cuda")
    (report,) = ask(worker, plan)
    worker.close()
    assert report.fatal is not None
    assert "device 'cuda': " in report.fatal
    assert "onnxruntime-gpu" in report.fatal
