"""benchmarks/fuzz.py runs every target, adds up, keeps what fails, and outlives a crash."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from earmark.library.query.evaluation import rank_tracks
from earmark.library.query.nodes import Node
from earmark.library.query.parser import parse_query
from tests.conftest import ROOT

SCRIPT = ROOT / "benchmarks" / "fuzz.py"
TARGETS = ("reader", "sparse", "tags", "query", "importers", "unpickle", "multipart", "manifest")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=500)


@pytest.mark.slow
def test_every_target_runs_and_a_second_run_continues(tmp_path: Path) -> None:
    options = ["--minutes", "5", "--work", str(tmp_path / "work"), "--executions"]
    done = run("all", *options, "1")
    assert done.returncode == 0, done.stderr
    for name in TARGETS:
        state = json.loads((tmp_path / "work" / f"{name}.json").read_text())
        assert state["next_index"] == {"0": 1}
        assert state["executions"] >= 1
        assert sum(state["outcomes"].values()) >= 1
    page = tmp_path / "pages" / "fuzz.md"
    done = run("query", *options, "1", "--out", str(page))
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "work" / "query.json").read_text())["next_index"] == {"0": 2}
    text = page.read_text()
    assert all(f"| {title}" in text for title in ("Reader", "Sparse reader", "Tag writers", "Query", "Importers"))
    assert "Findings" in text


@pytest.mark.slow
def test_a_finding_is_kept_and_crashes_and_hangs_are_some(tmp_path: Path) -> None:
    """A target with known faults, in place of the query's."""
    script = tmp_path / "run.py"
    script.write_text(
        f"""
import sys
sys.path.insert(0, {str(SCRIPT.parent)!r})
import os
import time
from pathlib import Path
from fuzzing import supervisor, targets
from fuzzing.state import State
from fuzzing.supervisor import fuzz
from fuzzing.target import Case, Target

class Faulty(Target):
    name = "query"
    memory_megabytes = 30
    n_used = 0
    def generate(self, rng):
        return Case("a.bin", rng.randbytes(40) + rng.choice((b"",) * 10 + (b"raise", b"raise", b"raise", b"abort", b"block", b"large")))
    def check(self, case):
        if case.content.endswith(b"abort"):
            os.abort()
        if b"rais" in case.content:
            raise KeyError(1)
        if case.content.endswith(b"block"):  # waits as on a busy machine: no hang
            time.sleep(0.3)
        if case.content.endswith(b"large"):
            self.n_used += 40_000_000
            b"1" * self.n_used
        while case.content.endswith(b"block") and case.content[0] < 128:
            pass
        return "fine"

targets.load_target = lambda name: Faulty()
supervisor.HANG_CPU_SECONDS = 1.0
if __name__ == "__main__":
    fuzz(5, 3, State(Path({str(tmp_path)!r}), "query"), 90)
    n = State(Path({str(tmp_path)!r}), "query").executions
    fuzz(5, 3, State(Path({str(tmp_path)!r}), "query"), 90, cpu_minutes=0)
    assert State(Path({str(tmp_path)!r}), "query").executions == n
    import fuzz as command
    command.load_target = targets.load_target
    for ending in ("fine", "large"):
        path = Path({str(tmp_path)!r}, ending)
        path.write_bytes(ending.encode())
        print(command.main(["query", "--replay", str(path)]))
"""
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    state = json.loads((tmp_path / "query.json").read_text())
    assert state["next_index"] == {"3": 90}
    assert sorted(state["findings"]) == ["KeyError in run.py:check", "crash (SIGABRT)", "hang", "memory"]
    assert done.stdout.split()[-4:] == ["fine", "0", "memory", "1"], "replayed"
    assert state["outcomes"]["fine"] >= 1
    kept = state["findings"]["KeyError in run.py:check"]["files"]
    assert len(kept) >= 2, "of a known finding, too"
    assert (tmp_path / kept[0]).read_bytes() == b"rais", "made smaller"
    assert 2 <= state["findings"]["memory"]["times"] == len(state["findings"]["memory"]["files"]), "of any cause"
    crashed = state["findings"]["crash (SIGABRT)"]
    assert crashed["times"] >= 2
    assert (tmp_path / crashed["files"][0]).read_bytes().endswith(b"abort")


def test_queries_of_every_kind_are_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    target = importlib.import_module("fuzzing.targets.query")
    texts = "rock", "title:love", "duration<3:30", "bpm>=90", "bpm~124", "key~Am", "-rock", "rock or 80s", "rock 80s"
    queries = [parse_query(text, target.VOCABULARY) for text in texts]
    assert {type(query.node) for query in queries} == set(get_args(Node))
    found = [rank_tracks(target.Columns(), query)[0].tolist() for query in queries]
    assert found[3:6] == [[0, 4], [0, 1], [0]]
