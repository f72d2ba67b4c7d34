"""A process that crashes, hangs or is killed while it tags: one track fails, all others have their scores."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest

from earmark.cluster.supervisor import WorkerSupervisor
from earmark.core.errors import AudioError, DataError, ModelError
from earmark.tagging.runtime import find_model
from earmark.tagging.tagger import load_tagger
from tests.conftest import ROOT
from tests.helpers import sounds

NAMES = ["a.wav", "missing.wav", "crashes.wav", "b.wav", "hangs.wav", "c.wav", "slow.wav", "together.wav", "d.wav"]


class Folder:
    """Files of a folder, one of which is not fetched at first."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder, self.names = folder, names
        self.asked = self.dropped = 0

    def ready(self, number: int) -> Path | AudioError | None:
        self.asked += 1
        return None if self.asked == 1 else self.folder / self.names[number]

    def drop(self, number: int) -> None:
        self.dropped += 1


def supervisor(tmp_path: Path, module: str = "tests.helpers.poisoned_worker", **options: object) -> WorkerSupervisor:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    arguments = {"n_threads": 2, "timeout_seconds": 1.0, "scratch": scratch, "module": module, **options}
    return WorkerSupervisor(find_model(), {"embeddings": True}, **arguments)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process finds the tests' own module."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))


@pytest.mark.slow
def test_every_harm_is_one_tracks_own(tmp_path: Path) -> None:
    for k, name in enumerate(NAMES):
        if name != "missing.wav":
            sounds.write(tmp_path / name, sounds.music(30 if name == "slow.wav" else 4, 16_000, seed=k), 16_000)
    files = Folder(tmp_path, NAMES)
    one = supervisor(tmp_path, grace_seconds=1.0)
    (tmp_path / "scratch" / "fetched.mp3").touch()
    results = one.tag(files, len(NAMES))
    assert (tmp_path / "scratch" / "fetched.mp3").exists(), "the process that was ended is not the last"
    again = one.tag(Folder(tmp_path, ["a.wav"]), 1)  # the process is used again
    one.close()
    errors = {name: found.error for name, found in zip(NAMES, results, strict=True) if found.error}
    assert errors == {
        "missing.wav": "no such file",
        "crashes.wav": "crashed the decoder (SIGSEGV), twice",
        "hangs.wav": "took longer than 1 s: cut off",
        "slow.wav": "took longer than 1 s: cut off",
    }
    tagger = load_tagger(embeddings=True)
    for name, found in [*zip(NAMES, results, strict=True), ("a.wav", again[0])]:
        if name not in errors:
            wanted = tagger.tag(tmp_path / name)
            np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-6)
            np.testing.assert_allclose(found.embedding, wanted.embedding, atol=1e-4)
            assert (found.duration_seconds, found.windows) == (wanted.duration_seconds, len(wanted.taggram))
    assert files.dropped == len(NAMES)
    assert one.cpu_seconds > 0


@pytest.mark.slow
def test_it_ends_with_whoever_asked_and_takes_what_was_fetched_with_it(tmp_path: Path) -> None:
    one = supervisor(tmp_path, "earmark.cluster.worker_process")
    assert one.tag(Folder(tmp_path, ["missing.wav"]), 1)[0].error == "no such file"
    (tmp_path / "scratch" / "0.mp3").touch()
    process = one._process
    assert process is not None
    loaded = {Path(found.path).name for found in psutil.Process(process.pid).memory_maps()}
    assert not [name for name in loaded if "torch" in name or "arrow" in name or "_raylet" in name]
    assert one._connection is not None
    one._connection.close()  # as the system does for a process that was killed
    process.wait(10)
    assert not (tmp_path / "scratch").exists()


@pytest.mark.slow
def test_killed_from_outside_all_is_tagged_all_the_same(tmp_path: Path) -> None:
    names = [f"{k}.wav" for k in range(12)]
    for k, name in enumerate(names):
        sounds.write(tmp_path / name, sounds.music(4, 16_000, seed=k), 16_000)
    one = supervisor(tmp_path, timeout_seconds=60.0)

    class KilledMidway(Folder):
        def drop(self, number: int) -> None:
            super().drop(number)
            if number == 3 and one._process is not None:
                os.kill(one._process.pid, signal.SIGKILL)

    results = one.tag(KilledMidway(tmp_path, names), len(names))
    one.close()
    assert [found.error for found in results] == [None] * len(names)
    assert all(found.scores is not None for found in results)


@pytest.mark.slow
def test_what_cannot_start_says_so(tmp_path: Path) -> None:
    one = supervisor(tmp_path, "tests.no_such_module")
    with pytest.raises(DataError, match=r"cannot be started: it ended the decoder \(exit code 1\)"):
        one.tag(Folder(tmp_path, ["a.wav"]), 1)
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    (tmp_path / "again").mkdir()
    bad = WorkerSupervisor(tmp_path / "bad.onnx", {}, n_threads=1, timeout_seconds=1, scratch=tmp_path / "again")
    with pytest.raises(ModelError, match="not a model"):
        bad.tag(Folder(tmp_path, ["a.wav"]), 1)
