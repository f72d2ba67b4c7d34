"""The plan of a labelling: which teachers, and which of their tags the student learns. A YAML file:

    teachers: [fcn-mtat, vgg-msd, mine/model.onnx]   # published networks by name, others by their ONNX file
    train_teachers: [fcn-mtat, vgg-msd]              # those that label the training set; default: all
    train_shares: {vgg-msd: 0.25}                    # share of the training set that a slow teacher labels; default: 1
    tags: tags.csv                                   # the student's tags: earmark.datasets.labelled_set.tag_union
    left_out: left_out.csv                           # tags of teachers that are not used, and why; optional
    examples_per_song: 2                             # most of the unchanged sets, evenly spread; default: all of a song

Paths are relative to the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from earmark.core.errors import ConfigError, ModelError
from earmark.core.published_weights import find_published
from earmark.distillation.teachers import is_published

_KEYS = ("teachers", "train_teachers", "train_shares", "tags", "left_out", "examples_per_song")


@dataclass(frozen=True)
class LabellingPlan:
    """A plan as its file says it.

    Attributes:
        teachers: names of published networks, or paths of ONNX files that end in ".onnx".
        train_teachers: those of them that label the training set; the others label the unchanged sets only.
        tags, left_out: the tables of tags.
        examples_per_song: most examples of a song in the unchanged sets; None for as many as cover it.
        train_shares: teacher -> the share of the training set that it labels, where that is not all of it.
    """

    teachers: tuple[str, ...]
    train_teachers: tuple[str, ...]
    tags: Path
    left_out: Path | None
    examples_per_song: int | None = None
    train_shares: dict[str, float] = field(default_factory=dict)


def read_plan(path: str | Path) -> LabellingPlan:
    """Read a plan.

    Raises:
        ConfigError: not YAML, or with every unknown or missing key, unknown teacher and value of a wrong type.
    """
    path = Path(path)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: the plan cannot be read ({error})") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: a plan must be a mapping with the keys {', '.join(_KEYS)}")
    problems = [f"{path}: no key {key!r}; keys are {', '.join(_KEYS)}" for key in document if key not in _KEYS]
    problems += [f"{path}: {key} is missing" for key in ("teachers", "tags") if not document.get(key)]
    teachers = _names(document, "teachers", path, problems)
    train_teachers = _names(document, "train_teachers", path, problems) or teachers
    problems += [
        f"{path}: train_teachers: {name!r} is not among the teachers" for name in train_teachers if name not in teachers
    ]
    for name in teachers:
        if not name.endswith(".onnx") and not is_published(name):
            try:
                find_published(name)
            except ModelError as error:
                problems.append(f"{path}: teachers: {error}; or give an ONNX file that ends in .onnx")
    tables = {}
    for key in ("tags", "left_out"):
        value = document.get(key)
        if value is not None and not isinstance(value, str):
            problems.append(f"{path}: {key} {value!r}: must be the path of a table")
        elif value:
            tables[key] = path.parent / value
    most = document.get("examples_per_song")
    if most is not None and not (isinstance(most, int) and most > 0):
        problems.append(f"{path}: examples_per_song {most!r}: must be a whole number, 1 or more")
    train_shares = _shares(document, train_teachers, path, problems)
    if problems:
        raise ConfigError(problems)

    def resolved(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(str(path.parent / name) if name.endswith(".onnx") else name for name in names)

    return LabellingPlan(
        resolved(teachers),
        resolved(train_teachers),
        tables["tags"],
        tables.get("left_out"),
        most,
        dict(zip(resolved(train_shares), train_shares.values(), strict=True)),
    )


def _shares(
    document: dict[str, Any], train_teachers: tuple[str, ...], path: Path, problems: list[str]
) -> dict[str, float]:
    value = document.get("train_shares") or {}
    if not isinstance(value, dict):
        problems.append(f"{path}: train_shares {value!r}: must map teachers to shares above 0 and at most 1")
        return {}
    for name, share in value.items():
        if name not in train_teachers:
            problems.append(f"{path}: train_shares: {name!r} is not among the teachers of the training set")
        if not isinstance(share, int | float) or isinstance(share, bool) or not 0 < share <= 1:
            problems.append(f"{path}: train_shares: {name} {share!r}: must be above 0 and at most 1")
    return {name: share for name, share in value.items() if isinstance(share, int | float)}


def _names(document: dict[str, Any], key: str, path: Path, problems: list[str]) -> tuple[str, ...]:
    value = document.get(key) or []
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        problems.append(f"{path}: {key} {value!r}: must be a list of names")
        return ()
    if len(set(value)) < len(value):
        problems.append(f"{path}: {key}: a name is there more than once")
    return tuple(value)
