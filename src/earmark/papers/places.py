"""Where the datasets of a paper's rows are: read from the command line, and checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from earmark.core.errors import ConfigError, DataError
from earmark.datasets import load_dataset
from earmark.papers.task import Task

_NAMED = re.compile(r"(?P<dataset>[A-Za-z0-9_-]+)=(?P<folder>.+)", re.DOTALL)


def folders_by_dataset(values: Iterable[str], datasets: Collection[str], main: str, option: str) -> dict[str, Path]:
    """Dataset -> folder, of values ``DATASET=FOLDER``, or ``FOLDER`` for the main dataset.

    Args:
        values: of the option.
        datasets: that the rows are trained on.
        main: the dataset of a folder alone.
        option: its name, for messages.

    Raises:
        ConfigError: a dataset that no row is trained on, or one given twice.

    Example:
        >>> found = folders_by_dataset(["mtat", "msd=/data/msd"], ["magnatagatune", "msd"], "magnatagatune", "--root")
        >>> {name: folder.name for name, folder in found.items()}
        {'magnatagatune': 'mtat', 'msd': 'msd'}
    """
    found: dict[str, Path] = {}
    problems = []
    for value in values:
        named = _NAMED.fullmatch(value)
        name, folder = (named["dataset"], named["folder"]) if named else (main, value)
        if name not in datasets:
            problems.append(
                f"{option} {value}: no row is trained on {name!r}; the rows' datasets: {', '.join(datasets)}"
            )
        elif name in found:
            problems.append(f"{option} {value}: {name} is already at {found[name]}")
        else:
            found[name] = Path(folder).expanduser()
    if problems:
        raise ConfigError(problems)
    return found


def check_data(tasks: Sequence[Task]) -> None:
    """Read the lists of every dataset and look for its audio, before hours of training and not after.

    Raises:
        DataError, ConfigError: with the problems of all datasets.
    """
    problems: list[str] = []
    wrong_use = True
    checked: list[tuple[Any, ...]] = []
    for task in tasks:
        data = task.document.get("data", task.document)
        place = (data["dataset"], task.root, data["protocol"], data.get("options", {}), task.shards)
        if place in checked:
            continue
        checked.append(place)
        try:
            _check(*place)
        except ConfigError as error:
            problems += error.problems
        except DataError as error:
            wrong_use = False
            problems.append(str(error))
    if problems:
        raise ConfigError(problems) if wrong_use else DataError("\n".join(problems))


def _check(name: str, root: str, protocol: str | None, options: dict[str, Any], shards: str | None) -> None:
    dataset = load_dataset(name, root, protocol, **options)
    if shards is None:
        dataset.require_files()
        return
    from earmark.shards import ShardAudio

    dataset.require_files("test")
    audio = ShardAudio(shards)
    wanted = [clip.clip_id for split in ("train", "validation") for clip in dataset.split(split)]
    missing = [clip_id for clip_id in wanted if clip_id not in audio]
    if missing:
        raise DataError(
            f"{shards}: {len(missing)} of the {len(wanted)} training and validation clips of {name} are not in these "
            f"shards, e.g. {missing[0]!r}; prepare them with `earmark data prepare {name}`"
        )
