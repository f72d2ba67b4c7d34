"""Recipes: everything that makes a training run, frozen, typed and checked as a whole.

A recipe is a YAML file of the sections of :mod:`earmark.training.sections`. Unknown keys are refused, and all problems
are reported at once. ``-o section.key=value`` changes single values; values are read as YAML, so lists and null work.

A recipe may begin with ``base: NAME`` and then lists only its differences from that recipe. Files whose names begin
with ``_`` are bases and changes for other data, not recipes by themselves.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from earmark.core.errors import ConfigError
from earmark.training.augmentation_section import AugmentationSection
from earmark.training.config_schema import read_named_yaml, read_yaml
from earmark.training.sections import (
    CardSection,
    DataSection,
    InputSection,
    LossSection,
    ModelSection,
    OptimiserSection,
    Recipe,
    TrainingSection,
)
from earmark.training.start_sections import ContrastiveSection, TransferSection

__all__ = [
    "CHECKPOINT_FOLDER",
    "RECIPE_NAME",
    "AugmentationSection",
    "CardSection",
    "ContrastiveSection",
    "DataSection",
    "InputSection",
    "LossSection",
    "ModelSection",
    "OptimiserSection",
    "Recipe",
    "TrainingSection",
    "TransferSection",
    "apply_overrides",
    "list_recipes",
    "load_recipe",
    "recipe_document",
    "recipe_from",
    "recipe_summary",
]

RECIPE_NAME, CHECKPOINT_FOLDER = "recipe.yaml", "checkpoint"
"""In the folder of a run: its recipe, and the weights that it chose, with their card."""


def list_recipes() -> list[str]:
    """Names of the recipes that come with earmark, e.g. "first" or "kim2018/se-multi"."""
    return sorted(name for name in _shipped() if not name.rpartition("/")[2].startswith("_"))


def recipe_summary(name: str) -> str:
    """The first sentence of a bundled recipe's description, e.g. that it is a row of Table 2."""
    lines = itertools.takewhile(lambda line: line.startswith("#"), _shipped()[name].read_text("utf-8").splitlines())
    return re.split(r"(?<=\.)\s", " ".join(line.removeprefix("#").strip() for line in lines), maxsplit=1)[0]


def load_recipe(
    recipe: str | Path, overrides: Iterable[str] = (), *, changes: Mapping[str, Any] | None = None
) -> Recipe:
    """Read a recipe.

    Args:
        recipe: one of :func:`list_recipes`, or a YAML file.
        overrides: ``section.key=value``, later ones win.
        changes: a document of sections that is merged into the recipe, before the overrides.

    Raises:
        ConfigError: no such recipe, not YAML, or with every unknown key, missing key, wrong type and value out of
            range.
    """
    document = merged(recipe_document(recipe), changes or {})
    return recipe_from(apply_overrides(document, overrides), where=str(recipe))


def recipe_document(recipe: str | Path, _seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """The sections of a recipe as written, merged into those of its bases; values are not checked.

    Raises:
        ConfigError: no such recipe or base, not YAML, or a base that is based on itself.
    """
    name = str(recipe)
    shipped = _shipped()
    if name in _seen:
        raise ConfigError(f"recipe {_seen[0]}: its bases go in a circle: {' -> '.join([*_seen, name])}")
    document = read_named_yaml("recipe", name, shipped, list_recipes(), "`earmark train --list` names them.")
    if not isinstance(document, dict):
        raise ConfigError(f"{name}: a recipe must be a mapping of sections, is {type(document).__name__}")
    base = document.pop("base", None)
    if base is None:
        return document
    if not isinstance(base, str):
        raise ConfigError(f"{name}: base {base!r}: must be the name of a recipe")
    if base.endswith((".yaml", ".yml")) and name not in shipped:
        base = str(Path(name).parent / base)
    return merged(recipe_document(base, (*_seen, name)), document)


def merged(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a document with changes merged into it, section by section; lists and values are replaced."""
    result = copy.deepcopy(dict(document))
    for key, value in changes.items():
        known = result.get(key)
        result[key] = merged(known, value) if isinstance(known, dict) and isinstance(value, Mapping) else value
    return result


def recipe_from(document: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """A recipe from its sections. Raises ConfigError with all problems, each begun with ``where``."""
    return Recipe.from_document(document, where)


def apply_overrides(document: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """A copy of the document with ``section.key=value`` put in. Raises ConfigError with all that are malformed."""
    changed = copy.deepcopy(dict(document))
    problems = []
    for override in overrides:
        key, equals, text = override.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            problems.append(f"-o {override}: must be section.key=value, e.g. -o training.epochs=10")
            continue
        place = changed
        for part in parts[:-1]:
            if place.get(part) is None:
                place[part] = {}
            place = place[part]
            if not isinstance(place, dict):
                problems.append(f"-o {override}: {part!r} is a value, no section")
                break
        else:
            try:
                place[parts[-1]] = read_yaml(text, f"-o {override}")
            except ConfigError as error:
                problems += error.problems
    if problems:
        raise ConfigError(problems)
    return changed


def _shipped() -> dict[str, Traversable]:
    """Every YAML file in the folder of recipes, by its name with the folder in front."""

    def walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
        for entry in folder.iterdir():
            if entry.is_dir():
                yield from walk(entry, f"{prefix}{entry.name}/")
            elif entry.name.endswith(".yaml"):
                yield prefix + entry.name.removesuffix(".yaml"), entry

    return dict(walk(resources.files("earmark") / "papers" / "recipes", ""))
