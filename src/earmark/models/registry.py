"""Models by name. The name is that of the function that builds them."""

from __future__ import annotations

import difflib
import inspect
import json
from collections.abc import Callable
from typing import Any, TypeVar

from earmark.core.errors import ConfigError
from earmark.models.base import TaggingModel

Builder = TypeVar("Builder", bound=Callable[..., TaggingModel])

_BUILDERS: dict[str, Callable[..., TaggingModel]] = {}


def register_model(function: Builder) -> Builder:
    """Register ``name(n_tags: int, *, option=default, ...) -> TaggingModel`` under its own name.

    Options are keyword-only, have defaults, and are values that JSON knows, so that a card can hold them.

    Raises:
        ConfigError: the name is taken, or the signature is another.
    """
    name = function.__name__
    if name in _BUILDERS:
        other = _BUILDERS[name]
        raise ConfigError(
            f"model {name!r} of {function.__module__}: {other.__module__} has already registered that name"
        )
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].name != "n_tags":
        raise ConfigError(f"model {name!r}: the first parameter must be n_tags")
    for option in parameters[1:]:
        if option.kind is not inspect.Parameter.KEYWORD_ONLY or option.default is inspect.Parameter.empty:
            raise ConfigError(f"model {name!r}: option {option.name!r} must be keyword-only and have a default")
    _BUILDERS[name] = function
    return function


def list_models() -> list[str]:
    """Names of all registered models, sorted."""
    return sorted(_BUILDERS)


def model_options(name: str) -> dict[str, Any]:
    """Options of a model and their defaults. Raises ConfigError for an unknown name."""
    parameters = inspect.signature(_builder(name)).parameters
    return {option: parameter.default for option, parameter in parameters.items() if option != "n_tags"}


def create_model(name: str, n_tags: int, **options: Any) -> TaggingModel:
    """Build a model with fresh weights (drawn from torch's global generator).

    Args:
        name: one of :func:`list_models`.
        n_tags: outputs.
        options: the model's own, see its docstring; those left out take their defaults.

    Returns:
        The model in training mode; ``architecture`` and ``architecture_options`` rebuild it.

    Raises:
        ConfigError: unknown name (the near ones are told) or option (the allowed ones are told), or a value that the
            model refuses.
    """
    builder = _builder(name)
    defaults = model_options(name)
    unknown = [option for option in options if option not in defaults]
    if unknown:
        allowed = ", ".join(f"{option}={default!r}" for option, default in defaults.items()) or "none"
        raise ConfigError([f"model {name!r} has no option {option!r}; its options are {allowed}" for option in unknown])
    resolved = {**defaults, **options}
    try:
        resolved = json.loads(json.dumps(resolved, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model {name!r}: options must be values that JSON knows ({error}): {options!r}") from error
    model = builder(n_tags, **resolved)
    if "frontend" in resolved and model.frontend is not None:
        resolved["frontend"] = model.frontend.config.to_dict()  # written out, so that later defaults do not change it
    model.architecture = name
    model.architecture_options = resolved
    return model


def _builder(name: str) -> Callable[..., TaggingModel]:
    if name not in _BUILDERS:
        near = difflib.get_close_matches(name, _BUILDERS, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"models are {', '.join(list_models())}"
        raise ConfigError(f"no model {name!r}; {hint}")
    return _BUILDERS[name]
