"""What would be run, in text: the values that all rows share, and those of each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from earmark.papers.task import Task

_SEED = "training.seed"
_ABSENT = object()


def plan_lines(tasks: Sequence[Task]) -> Iterator[str]:
    """Lines: the recipe values that all rows share, then each run with the values of its row beneath.

    Args:
        tasks: of :func:`earmark.papers.runner.plan`.
    """
    rows = {task.row: _values(task) for task in tasks}
    documents = list({task.row: rows[task.row] for task in tasks if task.kind != "gbt"}.values())
    shared = {
        key: value
        for key, value in (documents[0] if documents else {}).items()
        if all(document.get(key, _ABSENT) == value for document in documents)
    }
    if documents:
        yield f"shared by {len(documents)} recipes:" if len(documents) > 1 else "recipe:"
        yield from _indented(shared)
    for number, task in enumerate(tasks):
        yield f"{task.name}: {'done' if task.done() else task.folder}"
        if number + 1 == len(tasks) or tasks[number + 1].row != task.row:
            known = {} if task.kind == "gbt" else shared
            yield from _indented({key: value for key, value in rows[task.row].items() if key not in known})


def _indented(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield f"  {key}: {text}"


def _values(task: Task) -> dict[str, Any]:
    """Recipe values by dotted keys; without the seed, which is that of the run."""
    return {key: value for key, value in _flat(task.document).items() if key != _SEED}


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {prefix + key: value}
    return flat
