"""Which runs a paper's rows come to, and what becomes of those that fail. Whole runs: tests/cli/test_reproduce.py."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import re
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from earmark.core.errors import ConfigError, DataError
from earmark.datasets import load_dataset
from earmark.papers.places import check_data, folders_by_dataset
from earmark.papers.plan_text import plan_lines
from earmark.papers.runner import Finished, plan, rows_by_dataset, run
from earmark.papers.tables import list_papers, load_tables
from earmark.papers.task import Task
from earmark.shards.prepare import prepare
from tests.helpers.emotify import write_emotify
from tests.helpers.waiting import wait_until

EMOTIFY: dict[str, Any] = {"dataset": "emotify", "seeds": 1}


def names(tasks: list[Task]) -> list[str]:
    return [task.name for task in tasks]


def mark_done(task: Task, **changes: Any) -> None:
    task.folder.mkdir(parents=True)
    document = {"row": task.row, "seed": task.seed, "fingerprint": task.fingerprint, **changes}
    (task.folder / "done.json").write_text(json.dumps(document))


@pytest.mark.slow
@pytest.mark.parametrize("key", list_papers())
def test_every_row_and_seed_is_one_run_in_a_folder_that_any_system_can_make(key: str, tmp_path: Path) -> None:
    seeds = 2 if key == "ensemble" else 1
    tasks = plan(key, tmp_path, tmp_path / "out", dataset="emotify", seeds=seeds)
    rows = [name for name, row in load_tables(key).rows.items() if row.kind != "reported"]
    assert names(tasks) == [f"{row}, seed {seed}" for row in rows for seed in range(seeds)]
    places: dict[str, int] = {}
    for place, task in enumerate(tasks):
        assert task.folder.relative_to(tmp_path / "out").parts == (key, task.row, f"seed-{task.seed}")
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,60}", task.row), "no colons, no case that a disk may not keep"
        assert task.row not in ("con", "prn", "aux", "nul")
        assert all(places[need] < place for need in task.needs), "members come first"
        places[task.name] = place
        data = task.document.get("data", task.document)
        assert (data["dataset"], data["protocol"]) == ("emotify", "artist-disjoint")
        assert "root" not in data, "the same run, wherever the data lie"
        if task.kind != "gbt":
            assert task.document["training"]["seed"] == task.seed
    prints = {(task.kind, task.fingerprint) for task in tasks}
    assert len(prints) > len(tasks) / 2


def test_patterns_bring_members_along(tmp_path: Path) -> None:
    tasks = plan("ensemble", tmp_path, tmp_path / "out", rows=["1-2", "model3"], **EMOTIFY)
    assert names(tasks) == ["model1, seed 0", "model2, seed 0", "model3, seed 0", "1-2, seed 0"]
    combiner = tasks[-1]
    assert combiner.needs == ("model1, seed 0", "model2, seed 0")
    assert combiner.members == tuple(
        str(tmp_path / "out" / "ensemble" / member / "seed-0" / "checkpoint") for member in ("model1", "model2")
    )
    raw = plan("dieleman2014", tmp_path, tmp_path, rows=["raw-512-*"], **EMOTIFY)
    assert names(raw) == ["raw-512-512, seed 0", "raw-512-256, seed 0"]


def test_wrong_names_are_reported_with_near_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no paper 'dielemann2014'; did you mean dieleman2014"):
        plan("dielemann2014", tmp_path, tmp_path)
    with pytest.raises(ConfigError) as caught:
        plan("ensemble", tmp_path, tmp_path, rows=["model4", "1-*", "x*"], **EMOTIFY)
    assert len(caught.value.problems) == 2
    assert caught.value.problems[0].startswith("ensemble: no row fits 'model4'; rows are: model1, model2")
    with pytest.raises(ConfigError, match=r"dataset 'manifset'.*manifest"):
        plan("ensemble", tmp_path, tmp_path, dataset="manifset")
    with pytest.raises(ConfigError, match="seeds 0: must be at least 1"):
        plan("ensemble", tmp_path, tmp_path, seeds=0)
    with pytest.raises(ConfigError, match=r"training\.epoch"):
        plan("ensemble", tmp_path, tmp_path, overrides=["training.epoch=1"])


def test_paths_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (task, *_) = plan("pons2017", "~/emotify", "~/out", keep_audio="~/audio", **EMOTIFY)
    assert task.root == str((tmp_path / "emotify").resolve())
    assert task.folder == tmp_path / "out" / "pons2017" / task.row / "seed-0"
    assert task.keep_audio == tmp_path / "audio"


def test_the_papers_own_dataset_and_overrides(tmp_path: Path) -> None:
    (own,) = plan("dieleman2014", tmp_path, tmp_path, rows=["raw-256-256"], seeds=1)
    assert (own.document["data"]["dataset"], own.document["training"]["epochs"]) == ("magnatagatune", 270)
    (small,) = plan(
        "dieleman2014", tmp_path, tmp_path, rows=["raw-256-256"], overrides=["training.epochs=2"], **EMOTIFY
    )
    assert small.document["training"]["epochs"] == 2
    assert small.fingerprint != own.fingerprint
    elsewhere = dataclasses.replace(small, root="/elsewhere", folder=tmp_path / "b", device="cpu", threads=4)
    assert elsewhere.fingerprint == small.fingerprint, "where and on what it is run is no other budget"


@pytest.mark.slow
def test_on_a_dataset_without_a_budget_of_its_own_the_recipe_is_the_papers(tmp_path: Path) -> None:
    for key in list_papers():
        own = {task.row: task.document for task in plan(key, tmp_path, tmp_path, seeds=1)}
        for task in plan(key, tmp_path, tmp_path, dataset="mtg_jamendo", seeds=1):
            if task.kind == "gbt":
                assert task.document == {"dataset": "mtg_jamendo", "protocol": None}
                continue
            data = {**own[task.row]["data"], "dataset": "mtg_jamendo", "protocol": None}
            assert task.document == {**own[task.row], "data": data}
    (task,) = plan("bristol", tmp_path, tmp_path, dataset="magnatagatune", rows=["group"], seeds=1)
    assert task.document["data"]["protocol"] == "mtat-bristol", "the paper's own dataset is the paper's own protocol"


@pytest.mark.slow
def test_rows_of_datasets_without_a_folder_are_left_out(tmp_path: Path) -> None:
    datasets = rows_by_dataset("kim2018")
    assert {name: len(rows) for name, rows in datasets.items()} == {"magnatagatune": 12, "msd": 2}
    assert rows_by_dataset("kim2018", ["msd-*"], "manifest") == {"manifest": ["msd-se", "msd-rese"]}
    assert list(rows_by_dataset("pons2017", ["gbt"])) == ["manifest"]
    roots = {"magnatagatune": tmp_path / "a", "msd": tmp_path / "b"}
    both = plan("kim2018", roots, tmp_path, seeds=1, shards={"msd": tmp_path / "s"})
    assert {(task.dataset, task.root, task.shards) for task in both} == {
        ("magnatagatune", str(tmp_path / "a"), None),
        ("msd", str(tmp_path / "b"), str(tmp_path / "s")),
    }
    one = plan("kim2018", {"msd": tmp_path}, tmp_path, seeds=1)
    assert [task.row for task in one] == datasets["msd"]


def test_folders_are_named_by_dataset(tmp_path: Path) -> None:
    def folders(*values: str) -> dict[str, Path]:
        return folders_by_dataset(values, ("magnatagatune", "msd"), "magnatagatune", "--root")

    assert folders(str(tmp_path), "msd=b=c") == {"magnatagatune": tmp_path, "msd": Path("b=c")}
    with pytest.raises(ConfigError) as caught:
        folders("a", "magnatagatune=b", "mds=c")
    assert caught.value.problems == [
        "--root magnatagatune=b: magnatagatune is already at a",
        "--root mds=c: no row is trained on 'mds'; the rows' datasets: magnatagatune, msd",
    ]


@pytest.mark.slow
def test_all_datasets_are_checked_before_anything_runs(tmp_path: Path) -> None:
    roots = {"magnatagatune": tmp_path / "mtat", "msd": tmp_path / "msd"}
    with pytest.raises(DataError) as caught:
        check_data(plan("kim2018", roots, tmp_path, seeds=2))
    assert str(caught.value).count("does not exist") == 2, "each dataset once"
    songs = write_emotify(tmp_path / "emotify")
    tasks = plan("ensemble", songs, tmp_path, **EMOTIFY)
    check_data(tasks)
    with pytest.raises(DataError, match="no shards here"):
        check_data(plan("ensemble", songs, tmp_path, shards={"emotify": tmp_path / "none"}, **EMOTIFY))
    shards = tmp_path / "shards"
    dataset = load_dataset("emotify", songs)
    few = dataset.replace(clips=tuple(clip for clip in dataset.clips if clip.split != "validation"))
    prepare(few, shards, sample_rate_hz=16_000)
    with pytest.raises(DataError, match="training and validation clips of emotify are not in these shards"):
        check_data(plan("ensemble", songs, tmp_path, shards={"emotify": shards}, **EMOTIFY))
    dataset.clips[0].path.unlink()
    with pytest.raises(DataError, match=r"1 of \d+ audio files are missing"):
        check_data(tasks)


@pytest.mark.slow
def test_the_plan_names_every_value_of_every_row(tmp_path: Path) -> None:
    tasks = plan("pons2017", tmp_path, tmp_path / "out", seeds=2)
    lines = list(plan_lines(tasks))
    start = lines.index(f"waveform-100k, seed 1: {tmp_path / 'out' / 'pons2017' / 'waveform-100k' / 'seed-1'}")
    own = lines[start + 1 : lines.index(f"spectrogram-100k, seed 0: {tmp_path}/out/pons2017/spectrogram-100k/seed-0")]
    assert own == ["  name: pons2017-waveform-100k", "  data.train_share: 0.1", "  model.name: pons2017_waveform"]
    shared = lines[1 : lines.index(f"gbt, seed 0: {tmp_path / 'out' / 'pons2017' / 'gbt' / 'seed-0'}")]
    recipe = next(task for task in tasks if task.row == "waveform-100k").document
    values = dict(line.strip().split(": ", 1) for line in shared + own)
    assert values["training.epochs"] == str(recipe["training"]["epochs"])
    assert values["optimiser.learning_rate"] == "0.001"
    assert len(values) == sum(len(x) if isinstance(x, dict) else 1 for x in recipe.values()) - 1 + 1, "all but the seed"


def test_trees_learn_from_the_data_of_the_networks(tmp_path: Path) -> None:
    changes = ["data.protocol=random-by-track", "training.epochs=2", "training.validate_every=1"]
    trees, network = plan("pons2017", tmp_path, tmp_path, rows=["gbt", "waveform-1m"], overrides=changes, **EMOTIFY)
    assert trees.document == {"dataset": "emotify", "protocol": "random-by-track"}
    assert network.document["data"]["protocol"] == "random-by-track"
    (fewer,) = plan("pons2017", tmp_path, tmp_path, rows=["gbt"], overrides=["data.train_share=0.5"], **EMOTIFY)
    assert fewer.document == {"dataset": "emotify", "protocol": "artist-disjoint", "train_share": 0.5}


def test_what_is_done_is_not_run_again(tmp_path: Path) -> None:
    tasks = plan("ensemble", tmp_path / "nowhere", tmp_path, rows=["1-2"], **EMOTIFY)
    for task in tasks:
        mark_done(task, epochs=6)
    reported: list[Finished] = []
    over = run(tasks, on_done=reported.append)
    assert [one.task for one in over] == tasks
    assert reported == over
    assert all(one.before and one.document is not None and one.document["epochs"] == 6 for one in over)


def test_runs_of_another_budget_are_refused_all_at_once(tmp_path: Path) -> None:
    one, two, three = plan("ensemble", tmp_path, tmp_path, rows=["model?"], **EMOTIFY)
    mark_done(one)
    mark_done(two, fingerprint="other")
    mark_done(three)
    (three.folder / "done.json").write_text("{")
    with pytest.raises(ConfigError) as caught:
        run([one, two, three])
    assert len(caught.value.problems) == 2
    assert "model2" in caught.value.problems[0]
    assert "from another recipe, budget or version; delete it or choose another --out" in caught.value.problems[0]
    assert "cannot be read" in caught.value.problems[1]
    with pytest.raises(ConfigError, match="jobs 0: must be at least 1"):
        run([one], jobs=0)
    (_, _, combiner) = plan("ensemble", tmp_path, tmp_path / "b", rows=["1-2"], **EMOTIFY)
    with pytest.raises(ConfigError, match="1-2, seed 0: needs model1, seed 0, which is not to be run"):
        run([combiner])


@pytest.mark.slow
def test_failures_are_reported_and_take_combiners_with_them(tmp_path: Path) -> None:
    tasks = plan("ensemble", tmp_path / "nowhere", tmp_path / "out", rows=["1-2"], **EMOTIFY)
    mark_done(tasks[1])
    reported: list[str] = []
    over = run(tasks, jobs=2, on_done=lambda finished: reported.append(finished.task.row))
    assert reported == ["model2", "model1", "1-2"]
    assert "nowhere" in str(over[0].error)
    assert over[1].before
    assert over[2].error == "model1, seed 0 failed, which it needs"
    assert multiprocessing.active_children() == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_process_that_is_killed_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    """As the system does for want of memory."""
    tasks = plan("ensemble", tmp_path / "nowhere", tmp_path / "out", rows=["model1", "model2"], **EMOTIFY)

    def kill_the_first() -> None:
        def the_first() -> list[int]:
            return [process.pid or 0 for process in multiprocessing.active_children() if process.name == tasks[0].name]

        wait_until(the_first, poll_seconds=0.001)
        os.kill(the_first()[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_the_first)
    killer.start()
    over = run(tasks, jobs=1)
    killer.join()
    assert "was killed by signal 9, perhaps for want of memory (then with fewer --jobs)" in str(over[0].error)
    assert "nowhere" in str(over[1].error), "an error of its own"


@pytest.mark.slow
def test_an_error_of_the_caller_ends_the_processes(tmp_path: Path) -> None:
    tasks = plan("ensemble", tmp_path / "nowhere", tmp_path / "out", rows=["model?"], **EMOTIFY)
    mark_done(tasks[0])

    def fail(finished: Finished) -> None:
        if not finished.before:
            raise OSError("the terminal is gone")

    with pytest.raises(OSError, match="the terminal is gone"):
        run(tasks, jobs=2, on_done=fail)
    assert multiprocessing.active_children() == []
