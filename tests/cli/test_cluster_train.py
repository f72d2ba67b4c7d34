"""Shards and training on a Ray cluster of several nodes, of which workers and whole nodes are lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from earmark.cli.main import app
from earmark.cluster.prepare import prepare as prepare_on_cluster
from earmark.cluster.train import ClusterTrainingResult
from earmark.cluster.train import train as train_on_cluster
from earmark.core.errors import ConfigError, DataError
from earmark.core.storage import Store
from earmark.datasets.manifest import load_manifest
from earmark.shards import ShardAudio, prepare
from earmark.shards.sample import Sources
from earmark.training.callbacks import LogRow
from earmark.training.run import train
from tests.cli.test_train_devices import PLAIN
from tests.helpers.object_store import object_store
from tests.helpers.ray_clusters import Nodes, cluster
from tests.helpers.training_runs import RATE, log_of, recipe, start_ranks, tones

EPOCHS = 36

pytestmark = [
    pytest.mark.ray,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore"),  # Ray, boto and moto leave sockets open and use what is deprecated
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tones(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The URI of an empty bucket of a store on this machine, whose keys are in the environment."""
    with object_store("music") as uri:
        yield uri


@pytest.fixture(scope="module")
def nodes(bucket: str) -> Iterator[Nodes]:
    """A node without cores, where this process is, and two with one each; all know the store."""
    with cluster(0, 1, 1) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def shards(root: Path, nodes: Nodes, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Shards in the store, made by the cluster of audio in the store; the same bytes as those of one machine."""
    dataset = load_manifest(root)
    alone = tmp_path_factory.mktemp("shards") / "alone"
    prepare(dataset, alone, sample_rate_hz=RATE, clips_per_shard=8)
    for path in root.parent.glob("*.wav"):
        Store(f"{bucket}/audio").put(path.name, path)
    sources = Sources(root.parent, f"{bucket}/audio")
    out = f"{bucket}/shards"
    report = prepare_on_cluster(dataset, out, sample_rate_hz=RATE, clips_per_shard=8, sources=sources)
    assert report.n_shards_made == 4
    assert contents(Store(out)) == contents(Store(alone))
    return out


def contents(store: Any) -> dict[str, bytes]:
    names = [*store.sizes(), *(f"records/{name}" for name in store.sizes("records"))]
    return {name: store.read(name) for name in names if name != ".lock"}


def test_only_what_is_missing_is_made(root: Path, shards: str) -> None:
    store, dataset = Store(shards), load_manifest(root)
    whole = contents(store)
    store.delete("shard-000001.tar")
    store.delete("index.jsonl")
    store.write("records/shard-000003.json", b"{")
    with pytest.raises(DataError, match="missing"):
        ShardAudio(shards)
    sources = Sources(root.parent, shards.replace("/shards", "/audio"))
    report = prepare_on_cluster(dataset, shards, sample_rate_hz=RATE, sources=sources)
    assert report.n_shards_made == 2
    assert contents(store) == whole
    assert prepare_on_cluster(dataset, shards, sample_rate_hz=RATE, sources=sources).n_shards_made == 0
    with pytest.raises(ConfigError, match=r"sample rate in Hz: 8000 there, 4000 wanted"):
        prepare_on_cluster(dataset, shards, sample_rate_hz=4000, sources=sources)


class Trouble:
    """A watcher that does something once, behind an epoch."""

    def __init__(self, **what: Any) -> None:
        self.what = {int(name.removeprefix("after_")): do for name, do in what.items()}
        self.epochs: list[int] = []

    def decoding(self, done: int, total: int) -> None: ...

    def batch(self, epoch: int, done: int, total: int, loss: float, windows_per_second: float) -> None: ...

    def epoch(self, row: LogRow) -> None:
        self.epochs.append(int(row["epoch"] or 0))
        due = [epoch for epoch in self.what if epoch <= self.epochs[-1]]
        for epoch in due:
            self.what.pop(epoch)()


def fetched(out: str, folder: Path) -> Path:
    """The run's folder, from the store."""
    store = Store(out)
    for name in (*store.sizes(), *(f"checkpoint/{name}" for name in store.sizes("checkpoint"))):
        Store(folder).write(name, store.read(name))
    return folder


def test_a_worker_killed_and_a_node_lost(root: Path, nodes: Nodes, bucket: str, shards: str, tmp_path: Path) -> None:
    """Two workers until one is killed; two again until a node is lost; then one: the losses are those of one process."""
    plain = recipe(PLAIN, root, training={"epochs": EPOCHS}, optimiser={"learning_rate": 0.005})
    prepare(load_manifest(root), tmp_path / "shards", sample_rate_hz=RATE)
    train(plain, tmp_path / "alone", device="cpu", shards=tmp_path / "shards")
    (tmp_path / "plain.yaml").write_text(plain.to_yaml())
    ranks = start_ranks(
        2, tmp_path / "said", "train", tmp_path / "plain.yaml", "--out", tmp_path / "together",
        "--shards", tmp_path / "shards", "--device", "cpu", "--devices", "2",
    )  # fmt: skip
    for process in ranks:
        process.join(400)

    def kill() -> None:
        os.kill(nodes.workers()[-1], signal.SIGKILL)

    epochs_with_two = 0

    def lose() -> None:
        nonlocal epochs_with_two
        epochs_with_two = trouble.epochs[-1]
        nodes.lose(nodes.nodes[-1])

    trouble = Trouble(after_3=kill, after_12=lose)
    out = f"{bucket}/runs/plain"
    result = train_on_cluster(plain, out, workers=2, min_workers=1, device="cpu", shards=shards, progress=trouble)
    assert isinstance(result, ClusterTrainingResult)
    assert result.checkpoint == f"{out}/checkpoint"
    assert result.resumed_after >= epochs_with_two >= 12
    assert [row["epoch"] for row in result.history] == list(range(1, EPOCHS + 1))
    assert len(set(range(1, EPOCHS + 1)) - set(trouble.epochs)) <= 2, (
        "a worker may be lost before it tells of its last epoch"
    )
    run = fetched(out, tmp_path / "run")
    log, alone, together = (log_of(folder) for folder in (run, tmp_path / "alone", tmp_path / "together"))
    assert log[:epochs_with_two] == together[:epochs_with_two], "not to rounding: the same"
    # From then on one worker, as one process alone; but rounding grows with the epochs, and so do its effects.
    for one, other in zip(log[: result.resumed_after + 2], alone, strict=False):
        for key in ("step", "learning_rate", "train_loss", "validation_loss"):
            assert float(one[key]) == pytest.approx(float(other[key]), abs=1e-3), (one["epoch"], key)
    with pytest.raises(ConfigError, match="a run is already there"):
        train_on_cluster(plain, out, device="cpu", shards=shards)


def test_errors_that_no_new_start_mends(root: Path, nodes: Nodes, tmp_path: Path) -> None:
    wild = recipe(PLAIN, root, optimiser={"learning_rate": 1e30, "momentum": 0})
    began = time.monotonic()
    with pytest.raises(ConfigError, match=r"lower optimiser\.learning_rate"):
        train_on_cluster(wild, tmp_path / "wild", device="cpu")
    assert time.monotonic() - began < 200
    with pytest.raises(ConfigError) as caught:
        train_on_cluster(wild, tmp_path / "w", workers=2, min_workers=3, device="mps", max_failures=-1)
    assert len(caught.value.problems) == 3


def test_the_commands(root: Path, nodes: Nodes, tmp_path: Path) -> None:
    shards, out, yaml = tmp_path / "shards", tmp_path / "run", tmp_path / "plain.yaml"
    prepare_command = ["cluster", "prepare", "manifest", "--root", str(root), "--out", str(shards), "--rate", str(RATE)]
    done = CliRunner().invoke(app, prepare_command)
    assert done.exit_code == 0, done.output
    assert "30 of 30 clips" in done.output
    yaml.write_text(recipe(PLAIN, root, training={"epochs": 2}).to_yaml())
    command = ["cluster", "train", str(yaml), "--shards", str(shards), "--out", str(out), "--device", "cpu"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert f"{out}/checkpoint" in done.output
    assert [row["epoch"] for row in log_of(out)] == ["1", "2"]
    with pytest.raises(ConfigError, match="a run is already there"):
        CliRunner().invoke(app, command, catch_exceptions=False)
