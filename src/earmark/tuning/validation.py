"""Checks a search against its recipe before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from earmark.core.errors import ConfigError
from earmark.models import create_model
from earmark.training.config import Recipe, load_recipe
from earmark.tuning.parameter import Parameter, text_of
from earmark.tuning.search import Search


def overrides_of(settings: Mapping[str, Any]) -> list[str]:
    """Settings as :func:`earmark.training.config.load_recipe` takes overrides."""
    return [f"{key}={text_of(value)}" for key, value in settings.items()]


def check_search(search: Search, overrides: Iterable[str] = ()) -> Recipe:
    """The recipe that a search starts from, after a check of every value of every parameter.

    Each value by itself must be accepted by the recipe. Of each parameter of the model's options,
    the model must accept at least one value; where single values or combinations do not fit, their trials fail.

    Args:
        search: what is to be searched.
        overrides: ``section.key=value`` for the recipe.

    Raises:
        ConfigError: with the problems of the recipe, or of all parameters.
    """
    overrides = list(overrides)
    recipe = load_recipe(search.recipe, overrides)
    problems: list[str] = []
    if recipe.training.select == "validation_loss":
        problems += [
            f"parameters: {key}: cannot be searched while training.select is validation_loss, for it changes what that "
            "loss is; -o training.select=skill"
            for key in search.keys
            if key.startswith("loss.")
        ]
    for parameter in search.parameters:
        mine: list[str] = []
        accepted = []
        for value in _values_to_check(parameter):
            try:
                accepted.append(load_recipe(search.recipe, [*overrides, *overrides_of(parameter.settings(value))]))
            except ConfigError as error:
                mine += [problem.removeprefix(f"{search.recipe}: ") for problem in error.problems]
        if accepted and not mine and any(key.startswith("model.") for key in parameter.keys):
            mine += _refused_by_the_model(accepted)
        problems += [f"parameters: {parameter.name}: {problem}" for problem in dict.fromkeys(mine)]
    if problems:
        raise ConfigError(problems)
    return recipe


def value_in(recipe: Recipe, key: str) -> Any:
    """Value of ``section.key``; None where the recipe leaves it to the model."""
    place: Any = recipe.to_document()
    for part in key.split("."):
        place = place.get(part) if isinstance(place, Mapping) else None
    return place


def without_root(recipe: Recipe) -> Recipe:
    """The document without what depends on the machine."""
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"root": None})})


def _values_to_check(parameter: Parameter) -> list[Any]:
    """All values; of a range, its ends and one value between."""
    low, high = parameter.low, parameter.high
    if low is None or high is None:
        return [*parameter.values, *(value for value in (parameter.start, parameter.fixed) if value is not None)]
    if parameter.values:
        return list(
            dict.fromkeys((parameter.values[0], parameter.values[len(parameter.values) // 2], parameter.values[-1]))
        )
    if parameter.whole:
        return [int(low), int(high)]
    return [float(low), (low + high) / 2, float(high)]


def _refused_by_the_model(recipes: list[Recipe]) -> list[str]:
    """The model's errors, where it accepts none of these; a combiner, which needs its members, is not checked."""
    refused: list[str] = []
    for recipe in recipes:
        if recipe.model.members:
            return []
        try:
            with torch.random.fork_rng(devices=[]):
                create_model(recipe.model.name, 2, **recipe.model.options)
        except ConfigError as error:
            refused += error.problems
        else:
            return []
    return refused
