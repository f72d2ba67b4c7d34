"""All rows of a paper's tables, each with several seeds, in several processes."""

from __future__ import annotations

import fnmatch
import logging
import multiprocessing
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.errors import ConfigError, EarmarkError
from earmark.reproduce.tables import PaperTables, Row, load_tables, row_changes
from earmark.reproduce.task import CHECKPOINT_FOLDER, Task, run_task, task_name
from earmark.training.config import load_recipe

_log = logging.getLogger("earmark.reproduce")


@dataclass(frozen=True)
class Finished:
    """One task that is over.

    Attributes:
        task: which.
        document: what its done.json says; None where it failed.
        error: why it failed.
        before: it had been done by an earlier call.
    """

    task: Task
    document: dict[str, Any] | None
    error: str | None = None
    before: bool = False


def plan(
    key: str,
    root: str | Path,
    out: str | Path,
    *,
    dataset: str | None = None,
    rows: Sequence[str] = (),
    seeds: int = 3,
    overrides: Iterable[str] = (),
    device: str = "auto",
    threads: int = 1,
    keep_audio: str | Path | None = None,
) -> list[Task]:
    """The tasks of a paper: every row (once, where several tables have it) with every seed, members before combiners.

    Args:
        key: one of :func:`earmark.reproduce.tables.list_papers`.
        root: where the dataset lies.
        out: folder of all papers' runs.
        dataset: name of the dataset; None for the paper's own.
        rows: patterns of rows, e.g. ``raw-*``; members of a combiner come along. Empty for all.
        seeds: how many; 0, 1, ...
        overrides: ``section.key=value``, for all recipes.
        device, threads, keep_audio: see :class:`earmark.reproduce.task.Task`.

    Raises:
        ConfigError: no such paper, row or dataset, or a recipe with problems.
    """
    if seeds < 1:
        raise ConfigError(f"seeds {seeds}: must be at least 1")
    tables = load_tables(key)
    chosen = _chosen(tables, rows)
    overrides = tuple(overrides)
    tasks = []
    for row in chosen:
        for seed in range(seeds):
            folder = Path(out) / key / row.row / f"seed-{seed}"
            members = [Path(out) / key / member / f"seed-{seed}" / CHECKPOINT_FOLDER for member in row.members]
            tasks.append(
                Task(
                    row=row.row,
                    seed=seed,
                    kind=row.kind,
                    document=_document(tables, row, dataset, seed, overrides),
                    root=str(Path(root).expanduser().resolve()),
                    folder=folder,
                    members=tuple(str(member) for member in members),
                    keep_audio=None if keep_audio is None else Path(keep_audio),
                    device=device,
                    threads=threads,
                    needs=tuple(task_name(member, seed) for member in row.members),
                )
            )
    return tasks


def _chosen(tables: PaperTables, patterns: Sequence[str]) -> list[Row]:
    """Rows that a pattern fits, and the members they need, in the tables' order."""
    known = tables.rows
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
        first = next(other.row for other in tables.rows.values() if other.kind == "recipe")
        data = load_recipe(
            tables.recipe_name(first), changes=row_changes(tables.key, first, dataset or tables.dataset)
        ).data
        return {"dataset": data.dataset, "protocol": data.protocol}
    changes = row_changes(tables.key, row.row, dataset) if dataset else {}
    recipe = load_recipe(tables.recipe_name(row.row), [*overrides, f"training.seed={seed}"], changes=changes)
    return recipe.to_document(with_root=False)


def run(tasks: Sequence[Task], *, jobs: int = 1, on_done: Callable[[Finished], None] | None = None) -> list[Finished]:
    """Run what is not done yet, ``jobs`` tasks at a time, each in a process of its own.

    A task that fails is told and the others go on; those that need it fail with it.

    Raises:
        ConfigError: a folder holds runs of another budget.
    """
    finished: dict[str, Finished] = {}

    def over(result: Finished) -> None:
        finished[result.task.name] = result
        if on_done is not None:
            on_done(result)

    waiting = []
    for task in tasks:
        document = task.done()
        if document is None:
            waiting.append(task)
        else:
            over(Finished(task, document, before=True))
    if not waiting:
        return list(finished.values())

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        running: dict[Future[dict[str, Any]], Task] = {}
        try:
            while waiting or running:
                waiting = _submit_ready(pool, waiting, running, finished, over, jobs)
                for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                    task = running.pop(future)
                    try:
                        over(Finished(task, future.result()))
                    except (EarmarkError, OSError) as error:
                        over(Finished(task, None, str(error)))
        except BaseException:
            # Each run resumes from its last epoch, so nothing is lost by ending its process.
            for process in list((pool._processes or {}).values()):
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [finished[task.name] for task in tasks]


def _submit_ready(
    pool: ProcessPoolExecutor,
    waiting: list[Task],
    running: dict[Future[dict[str, Any]], Task],
    finished: Mapping[str, Finished],
    over: Callable[[Finished], None],
    jobs: int,
) -> list[Task]:
    """Hand out tasks whose needs are met, no more than there are processes; the tasks that are left."""
    left = []
    for task in waiting:
        failed = [name for name in task.needs if name in finished and finished[name].document is None]
        if failed:
            over(Finished(task, None, f"{', '.join(failed)} failed, which it needs"))
        elif len(running) < jobs and all(name in finished for name in task.needs):
            running[pool.submit(run_task, task)] = task
        else:
            left.append(task)
    return left
