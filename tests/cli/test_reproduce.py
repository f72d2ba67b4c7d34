"""`earmark reproduce` on a small Emotify: whole, stopped by Ctrl-C, killed with and without its processes, resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from earmark.datasets import load_dataset
from earmark.papers.tables import load_tables
from earmark.shards.prepare import prepare
from tests.helpers.command import earmark_here
from tests.helpers.emotify import write_emotify
from tests.helpers.waiting import wait_until

KEY = "dieleman2014"
ROWS = ("raw-1024-1024", "raw-1024-512")
BUDGET = ["-o", "training.epochs=2", "-o", "training.validate_every=1"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # whole trainings, perhaps on a busy machine
posix = pytest.mark.skipif(sys.platform != "linux", reason="signals, and processes as /proc lists them")


def program(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "earmark.cli.main", "reproduce", *map(str, arguments)]


def here(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return earmark_here("reproduce", *arguments)


def say(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        program(*arguments), capture_output=True, text=True, env=ENVIRONMENT, timeout=1200, check=False
    )


@pytest.fixture(scope="module")
def emotify(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_emotify(tmp_path_factory.mktemp("reproduce") / "emotify")


def options(emotify: Path, out: Path) -> list[str | Path]:
    at = ["--dataset", "emotify", "--root", str(emotify), "--out", str(out), "--rows", ",".join(ROWS)]
    return [KEY, *at, "--seeds", "1", "--jobs", "2", "--device", "cpu", "--resamples", "50", *BUDGET]


@pytest.fixture(scope="module")
def whole(emotify: Path) -> Path:
    """Its folder: a run that nothing disturbed."""
    out = emotify.parent / "whole"
    done = say(*options(emotify, out))
    assert done.returncode == 0, done.stderr
    assert "2/2  raw-1024-" in done.stderr
    assert done.stdout.startswith(f"# {KEY}: ")
    assert (out / KEY / "results.md").read_text() == done.stdout.removesuffix("\n")
    return out


def results_of(out: Path) -> dict[str, Any]:
    """results.json without the time that it took."""
    document: dict[str, Any] = json.loads((out / KEY / "results.json").read_text())
    for row in document["rows"].values():
        for run in row["runs"]:
            for name in ("seconds", "cpu_seconds", "training_seconds", "seconds_per_1000_songs"):
                del run[name]
    return document


@contextmanager
def begun(arguments: list[str | Path]) -> Iterator[subprocess.Popen[str]]:
    """The command in a session of its own, as a terminal would have it; nothing of it is left behind."""
    process = subprocess.Popen(
        program(*arguments),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for number in processes_of(process.pid):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        process.communicate()


def processes_of(session: int) -> dict[int, str]:
    """Living processes of a session: id -> command line."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, _, _, owner = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(owner) == session and state != "Z":
                    found[int(folder.name)] = (folder / "cmdline").read_text()
            except (OSError, ValueError):
                continue
    return found


def runs_of(session: int) -> list[int]:
    return [number for number, command in processes_of(session).items() if "spawn_main" in command]


def wait_while_running(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until the condition is true; fails where the process ends before."""
    wait_until(lambda: condition() or process.poll() is not None, 900)
    assert process.poll() is None, "it ended too early"


def test_what_it_comes_to(whole: Path) -> None:
    document = results_of(whole)
    assert (document["paper"], document["dataset"], document["protocol"]) == (KEY, "emotify", "artist-disjoint")
    assert set(document["rows"]) == set(ROWS)
    assert document["bootstrap"] == {"over": "artist", "n_clips": 8, "n_groups": 8, "n_resamples": 50}
    for name, row in document["rows"].items():
        assert (row["runs"][0]["row"], row["runs"][0]["epochs"]) == (name, 2)
        assert 0.2 < row["runs"][0]["size_mb"] < 0.4, "65,000 weights"
        assert row["runs"][0]["timed"].startswith("networks alone, 10 songs of 29.1 s at a time")
        assert 0 <= row["metrics"]["roc_auc"]["low"] <= row["metrics"]["roc_auc"]["high"] <= 1
        run = whole / KEY / name / "seed-0"
        for file in ("recipe.yaml", "log.csv", "checkpoint/card.json", "test/scores.parquet", "done.json"):
            assert (run / file).is_file(), file


@posix
def test_killed_with_all_its_processes_it_goes_on(emotify: Path, whole: Path, tmp_path: Path) -> None:
    states = [tmp_path / KEY / row / "seed-0" / "state.ckpt" for row in ROWS]
    with begun(options(emotify, tmp_path)) as process:
        wait_while_running(lambda: any(state.exists() for state in states), process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not (tmp_path / KEY / "results.json").exists()
    done = say(*options(emotify, tmp_path))
    assert done.returncode == 0, done.stderr
    assert results_of(tmp_path) == results_of(whole)

    finished = [tmp_path / KEY / row / "seed-0" / "done.json" for row in ROWS]
    before = [path.read_text() for path in finished]
    again = say(*options(emotify, tmp_path), "--quiet")
    assert (again.returncode, again.stderr) == (0, "")
    assert [path.read_text() for path in finished] == before, "what is done is not run again"


@posix
def test_results_are_written_after_each_row_and_shards_give_the_same(
    emotify: Path, whole: Path, tmp_path: Path
) -> None:
    shards = tmp_path / "shards"
    prepare(load_dataset("emotify", emotify), shards, sample_rate_hz=16_000)
    place = tmp_path / KEY / "results.md"  # the last file that is written
    with begun([*options(emotify, tmp_path), "--jobs", "1", "--shards", shards]) as process:
        wait_while_running(place.is_file, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    first = results_of(tmp_path)["rows"]
    assert list(first) == [ROWS[0]]
    expected = results_of(whole)["rows"][ROWS[0]]["of_runs"]
    for metric, values in first[ROWS[0]]["of_runs"].items():
        assert values == pytest.approx(expected[metric], abs=1e-3), "the same, but for rounding to 16 bits"
    assert not list((tmp_path / "audio").glob("*.npy")), "read from shards"
    assert "Not run: spectrogram-1024-1024, " in place.read_text()


@posix
def test_ctrl_c_a_killed_run_and_a_killed_parent(emotify: Path, whole: Path, tmp_path: Path) -> None:
    with begun(options(emotify, tmp_path)) as process:
        wait_while_running(lambda: len(runs_of(process.pid)) == 2, process)
        os.killpg(process.pid, signal.SIGINT)  # while both are still importing
        _, said = process.communicate(timeout=120)
        assert process.returncode == 130
        assert said.strip() == "earmark: stopped; the same command continues where it was stopped"
        wait_until(lambda: not processes_of(process.pid), 300)

    damaged = tmp_path / KEY / ROWS[1] / "seed-0"
    damaged.mkdir(parents=True, exist_ok=True)
    for name in ("recipe.yaml", "state.ckpt"):
        (damaged / name).write_text("damaged")
    first = tmp_path / KEY / ROWS[0] / "seed-0"
    with begun([*options(emotify, tmp_path), "--quiet"]) as process:
        wait_while_running(lambda: (first / "recipe.yaml").exists() or (first / "done.json").exists(), process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_until(lambda: not processes_of(process.pid), 300)  # no run outlives the command

    done = say(*options(emotify, tmp_path), "--quiet")
    assert done.returncode == 1
    assert f"{ROWS[1]}, seed 0: failed: " in done.stderr, "reported with --quiet, too"
    assert "damaged; delete it" in done.stderr
    assert "Traceback" not in done.stderr
    document = results_of(tmp_path)
    assert document["rows"] == {ROWS[0]: results_of(whole)["rows"][ROWS[0]]}, "the others went on"
    tables, _, not_run = (tmp_path / KEY / "results.md").read_text().partition("Not run: ")
    assert ROWS[1] not in tables
    assert ROWS[1] in not_run


def test_no_row_done_is_no_result(emotify: Path, tmp_path: Path) -> None:
    damaged = tmp_path / KEY / ROWS[0] / "seed-0"
    damaged.mkdir(parents=True)
    for name in ("recipe.yaml", "state.ckpt"):
        (damaged / name).write_text("damaged")
    done = say(*options(emotify, tmp_path), "--rows", ROWS[0])
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / KEY / "results.json").exists()


def test_lists(tmp_path: Path) -> None:
    done = say("--list")
    assert done.returncode == 0
    for text in (
        "dieleman2014: ",
        "kim2018: ",
        "paper's dataset: magnatagatune, mtat-folders",
        "raw-1024-512",
        "roc_auc",
    ):
        assert text in done.stdout
    alone = here("--list", "ensemble").stdout
    assert alone.startswith("ensemble: ")
    assert "kim2018" not in alone
    planned = here(
        "ensemble", "--dataset", "emotify", "--root", ".", "--out", tmp_path / "o", "--seeds", "1", "--dry-run"
    )
    assert planned.returncode == 0
    lines = planned.stdout.splitlines()
    first = f"model1, seed 0: {tmp_path / 'o' / 'ensemble' / 'model1' / 'seed-0'}"
    assert "  training.validate_every: 2" in lines[: lines.index(first)], "shared by all rows"
    assert lines[lines.index(first) + 1] == "  name: ensemble-model1"
    assert sum(", seed 0: " in line for line in lines) == sum(
        row.kind != "reported" for row in load_tables("ensemble").rows.values()
    )
    assert not (tmp_path / "o").exists()


def test_rows_without_data_are_named(tmp_path: Path) -> None:
    at = ["kim2018", "--out", tmp_path / "o", "--seeds", "1", "--dry-run"]
    done = here(*at, "--root", tmp_path)
    assert (done.returncode, done.stderr) == (0, "left out, for want of --root msd=DIR: msd-se, msd-rese\n")
    assert "basic-multi, seed 0" in done.stdout
    assert "msd-se, seed 0" not in done.stdout
    both = here(*at, "--root", f"magnatagatune={tmp_path}", "--root", f"msd={tmp_path}")
    assert (both.returncode, both.stderr) == (0, "")
    assert "msd-se, seed 0" in both.stdout
    alone = here(*at, "--rows", "msd-*", "--root", tmp_path)
    assert (alone.returncode, alone.stderr) == (0, ""), "a folder alone is that of the rows' dataset"
    wrong = here(*at, "--root", f"mds={tmp_path}")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "no row is trained on 'mds'; the rows' datasets: magnatagatune, msd" in wrong.stderr


def test_wrong_usage(tmp_path: Path) -> None:
    at = ["--root", str(tmp_path), "--out", str(tmp_path / "out")]
    for arguments, code, said in (
        (["kim2018"], 2, "--out DIR, --root DIR: must be given; `earmark reproduce --help` has examples"),
        (["kim2081", *at], 2, "no paper 'kim2081'; did you mean kim2018?"),
        (["ensemble", *at, "--dataset", "emotify", "--rows", "model9"], 2, "no row fits 'model9'; rows are: model1"),
        (["ensemble", *at, "--dataset", "emotify", "--device", "gpu"], 2, "device 'gpu': must be one of auto, cpu"),
        (["ensemble", *at, "--dataset", "emotify"], 1, "neither tracks.csv nor data.csv"),
        (["ensemble", *at, "--dataset", "emotfy"], 2, "no dataset 'emotfy'; did you mean emotify?"),
    ):
        done = here(*arguments)
        assert (done.returncode, done.stdout) == (code, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    nothing = here()
    assert "Usage: " in nothing.stdout + nothing.stderr
    assert "earmark reproduce --list" in nothing.stdout + nothing.stderr
