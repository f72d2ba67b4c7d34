"""Models by name: the name of the function that builds them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any, TypeVar

from earmark.core.errors import ConfigError
from earmark.core.registry import Registry
from earmark.models.base import TaggingModel

Builder = TypeVar("Builder", bound=Callable[..., TaggingModel])

MODELS = Registry[Callable[..., TaggingModel]]("model", "earmark.models")


def register_model(function: Builder) -> Builder:
    """Register ``name(n_tags: int, *, option=default, ...) -> TaggingModel`` under its own name.

    Options must be keyword-only, have defaults, and be JSON values, so that a card can store them. docs/plugins.md
    shows how to register a model from outside.

    Raises:
        ConfigError: the name is taken, or the signature is not as above.
    """
    name = function.__name__
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].name != "n_tags":
        raise ConfigError(f"model {name!r}: the first parameter must be n_tags")
    for option in parameters[1:]:
        if option.kind is not inspect.Parameter.KEYWORD_ONLY or option.default is inspect.Parameter.empty:
            raise ConfigError(f"model {name!r}: option {option.name!r} must be keyword-only and have a default")
    MODELS.add(function)
    return function


def list_models() -> list[str]:
    """Names of all registered models, sorted."""
    return MODELS.names()


def model_options(name: str) -> dict[str, Any]:
    """Options of a model and their defaults. Raises ConfigError for an unknown name."""
    parameters = inspect.signature(MODELS.get(name)).parameters
    return {option: parameter.default for option, parameter in parameters.items() if option != "n_tags"}


def create_model(name: str, n_tags: int, **options: Any) -> TaggingModel:
    """Build a model with fresh weights (drawn from torch's global generator).

    Args:
        name: one of :func:`list_models`.
        n_tags: number of outputs.
        options: those of the model, see its docstring; the others keep their defaults.

    Returns:
        The model in training mode; ``architecture`` and ``architecture_options`` rebuild it.

    Raises:
        ConfigError: unknown name (the message lists similar ones and all) or option (the message lists the allowed
            ones), or a value that the model refuses.
    """
    builder = MODELS.get(name)
    defaults = model_options(name)
    unknown = [option for option in options if option not in defaults]
    if unknown:
        allowed = ", ".join(f"{option}={default!r}" for option, default in defaults.items()) or "none"
        raise ConfigError([f"model {name!r} has no option {option!r}; its options are {allowed}" for option in unknown])
    resolved = {**defaults, **options}
    try:
        resolved = json.loads(json.dumps(resolved, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model {name!r}: options must be JSON values ({error}): {options!r}") from error
    model = builder(n_tags, **resolved)
    if "frontend" in resolved and model.frontend is not None:
        resolved["frontend"] = model.frontend.config.to_dict()  # written out, so that later defaults do not change it
    model.architecture = name
    model.architecture_options = resolved
    return model
