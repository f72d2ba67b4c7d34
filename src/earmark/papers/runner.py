"""Runs all rows of a paper's tables, each with several seeds, in several processes."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.core.errors import ConfigError
from earmark.papers.processes import TaskProcess, end_all, wait_for_any
from earmark.papers.tables import PaperTables, Row, load_tables, row_changes
from earmark.papers.task import Task, task_name
from earmark.training.config import CHECKPOINT_FOLDER, load_recipe, recipe_document


@dataclass(frozen=True)
class Finished:
    """A finished task.

    Attributes:
        task: which.
        document: the content of its done.json; None where it failed.
        error: why it failed.
        before: it was done by an earlier call.
    """

    task: Task
    document: dict[str, Any] | None
    error: str | None = None
    before: bool = False


def plan(
    key: str,
    root: str | Path | Mapping[str, str | Path],
    out: str | Path,
    *,
    dataset: str | None = None,
    rows: Sequence[str] = (),
    seeds: int | None = None,
    overrides: Iterable[str] = (),
    device: str = "auto",
    threads: int = 1,
    keep_audio: str | Path | None = None,
    shards: Mapping[str, str | Path] | None = None,
) -> list[Task]:
    """The tasks of a paper: every row (once, where several tables have it) with every seed, members before combiners.

    Args:
        key: one of :func:`earmark.papers.tables.list_papers`.
        root: the folder of all datasets, or dataset -> folder; rows of datasets that are not in it are left out.
        out: folder of all papers' runs.
        dataset: name of the dataset for all rows; None for the paper's own.
        rows: patterns of rows, e.g. ``raw-*``; members of a combiner come along. Empty for all.
        seeds: how many; 0, 1, ...; None for as many as the paper says, or three.
        overrides: ``section.key=value``, for all recipes.
        device, threads, keep_audio: see :class:`earmark.papers.task.Task`.
        shards: dataset -> folder of its audio in shards.

    Raises:
        ConfigError: no such paper, row or dataset, or a recipe with problems.
    """
    if seeds is not None and seeds < 1:
        raise ConfigError(f"seeds {seeds}: must be at least 1")
    tables = load_tables(key)
    chosen = _chosen(tables, rows)
    overrides = tuple(overrides)
    place = Path(out).expanduser() / key
    tasks = []
    for row in chosen:
        own = dataset_of(tables, row.row, dataset)
        if isinstance(root, Mapping) and own not in root:
            continue
        folder_of_data = root[own] if isinstance(root, Mapping) else root
        for seed in range(tables.seeds if seeds is None else seeds):
            folder = place / row.row / f"seed-{seed}"
            members = [place / member / f"seed-{seed}" / CHECKPOINT_FOLDER for member in row.members]
            tasks.append(
                Task(
                    row=row.row,
                    seed=seed,
                    kind=row.kind,
                    document=_document(tables, row, dataset, seed, overrides),
                    root=str(Path(folder_of_data).expanduser().resolve()),
                    folder=folder,
                    members=tuple(str(member) for member in members),
                    keep_audio=None if keep_audio is None else Path(keep_audio).expanduser(),
                    device=device,
                    threads=threads,
                    shards=str(shards[own]) if shards and own in shards else None,
                    needs=tuple(task_name(member, seed) for member in row.members),
                )
            )
    return tasks


def rows_by_dataset(key: str, rows: Sequence[str] = (), dataset: str | None = None) -> dict[str, list[str]]:
    """Dataset -> the rows that are trained and measured on it; arguments as for :func:`plan`.

    Raises:
        ConfigError: no such paper or row.
    """
    tables = load_tables(key)
    found: dict[str, list[str]] = {}
    for row in _chosen(tables, rows):
        found.setdefault(dataset_of(tables, row.row, dataset), []).append(row.row)
    return found


def dataset_of(tables: PaperTables, row: str, dataset: str | None = None) -> str:
    """The dataset of a row: ``dataset`` for all, or the one of its recipe."""
    if dataset is not None:
        return dataset
    if tables.rows[row].kind == "gbt":
        return tables.dataset
    return str(recipe_document(tables.recipe_name(row))["data"]["dataset"])


def _chosen(tables: PaperTables, patterns: Sequence[str]) -> list[Row]:
    """Rows that a pattern fits, and the members they need, in the tables' order; none that are only reported."""
    known = {name: row for name, row in tables.rows.items() if row.kind != "reported"}
    unknown = [pattern for pattern in patterns if not fnmatch.filter(known, pattern)]
    if unknown:
        raise ConfigError([f"{tables.key}: no row fits {p!r}; rows are: {', '.join(known)}" for p in unknown])
    names = [row for row in known if not patterns or any(fnmatch.fnmatchcase(row, p) for p in patterns)]
    needed = {member for name in names for member in known[name].members}
    return [row for name, row in known.items() if name in names or name in needed]


def _document(
    tables: PaperTables, row: Row, dataset: str | None, seed: int, overrides: tuple[str, ...]
) -> dict[str, Any]:
    if row.kind == "gbt":
        # The data of the other rows. Only the user may change how much of them the trees learn from: other rows
        # may learn from a part.
        first = next(other.row for other in tables.rows.values() if other.kind == "recipe")
        changes = row_changes(tables.key, first, dataset) if dataset else {}
        about_data = [override for override in overrides if override.strip().startswith("data.")]
        data = load_recipe(tables.recipe_name(first), about_data, changes=changes).data
        share = {"train_share": data.train_share} if any("data.train_share" in x for x in about_data) else {}
        return {"dataset": data.dataset, "protocol": data.protocol, **share}
    changes = row_changes(tables.key, row.row, dataset) if dataset else {}
    recipe = load_recipe(tables.recipe_name(row.row), [*overrides, f"training.seed={seed}"], changes=changes)
    return recipe.to_document(with_root=False)


def run(tasks: Sequence[Task], *, jobs: int = 1, on_done: Callable[[Finished], None] | None = None) -> list[Finished]:
    """Run what is not done yet, ``jobs`` tasks at a time, each in its own process.

    A task that fails, or whose process is killed, is reported and the others continue; those that need it fail, too.

    Args:
        tasks: of :func:`plan`.
        jobs: how many at a time.
        on_done: called after every task.

    Returns:
        The result of each task, in the order of the tasks.

    Raises:
        ConfigError: folders contain runs of another budget, ``jobs`` is out of range, or tasks need others that are
            missing.
    """
    known = {task.name for task in tasks}
    problems = [] if jobs >= 1 else [f"jobs {jobs}: must be at least 1"]
    problems += [
        f"{t.name}: needs {name}, which is not to be run" for t in tasks for name in t.needs if name not in known
    ]
    before: dict[str, dict[str, Any] | None] = {}
    for task in tasks:
        try:
            before[task.name] = task.done()
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    finished: dict[str, Finished] = {}

    def over(result: Finished) -> None:
        finished[result.task.name] = result
        if on_done is not None:
            on_done(result)

    for task in tasks:
        if before[task.name] is not None:
            over(Finished(task, before[task.name], before=True))
    waiting = [task for task in tasks if task.name not in finished]
    running: list[TaskProcess] = []
    try:
        while waiting or running:
            waiting = _start_ready(waiting, running, finished, over, jobs)
            for process in wait_for_any(running) if running else ():
                document, why = process.answer()
                running.remove(process)
                over(Finished(process.task, document, why))
    finally:
        end_all(running)  # e.g. after Ctrl-C; each continues from its last epoch the next time
    return [finished[task.name] for task in tasks]


def _start_ready(
    waiting: list[Task],
    running: list[TaskProcess],
    finished: Mapping[str, Finished],
    over: Callable[[Finished], None],
    jobs: int,
) -> list[Task]:
    """Start tasks whose needs are met, no more than ``jobs`` in all; the tasks that are left."""
    left = []
    for task in waiting:
        failed = [name for name in task.needs if name in finished and finished[name].document is None]
        if failed:
            over(Finished(task, None, f"{', '.join(failed)} failed, which it needs"))
        elif len(running) < jobs and all(name in finished for name in task.needs):
            running.append(TaskProcess(task))
        else:
            left.append(task)
    return left
