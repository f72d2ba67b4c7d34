"""Searches: which hyper-parameters of a recipe are varied, over which values, and by which method.

    description: what `earmark tune --list` says
    recipe: first                                   # one of earmark's, or a YAML file, as seen from this file
    method: one-at-a-time                           # or grid, random, tpe
    seeds: [0, 1]                                   # every trial trains with each; the mean selection counts
    trials: 20                                      # at most; random and tpe need it
    seed: 0                                         # of random and tpe
    parameters:                                     # in this order
      model.options.dropout: [0.0, 0.2, 0.5]        # a key of the recipe and its values
      optimiser.learning_rate: {low: 1e-4, high: 1e-1, log: true}
      training.batch_size: {low: 8, high: 64, step: 8, int: true}
      filters:                                      # keys that are varied together, under a name of their own
        keys: [model.options.filter_samples, model.options.stride_samples]
        values: [[1024, 1024], [512, 256]]
      fine learning rate: {key: optimiser.learning_rate, values: [0.005, 0.01], start: 0.01}

``start`` is the value until the parameter's turn comes, for one-at-a-time alone; without it the recipe's value stands.
For one-at-a-time a key may also come again, for a finer look. Whether the recipe has such keys is not seen here but
in :mod:`earmark.tuning.validation`.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, cast, get_args

import yaml

from earmark.core.errors import ConfigError
from earmark.training.config_schema import read_yaml
from earmark.tuning.parameter import Parameter, read_parameter

Method = Literal["one-at-a-time", "grid", "random", "tpe"]

LISTED_METHODS: tuple[Method, ...] = ("one-at-a-time", "grid")
"""Methods that try every value there is, and so need lists of values or ranges with steps."""

_KEYS = ("description", "recipe", "method", "seeds", "trials", "seed", "parameters")
_NO_PARAMETERS = "parameters: must name at least one"
_INCOMPARABLE = {
    "training.seed": "the search's own seeds say with which seeds each trial trains",
    "training.select": "trials that are judged by different things cannot be compared",
    "data.dataset": "trials on different data cannot be compared",
    "data.root": "trials on different data cannot be compared; say where it lies with --root",
    "data.protocol": "trials on different validation clips cannot be compared",
    "data.train_split": "trials on different validation clips cannot be compared",
}


@dataclass(frozen=True)
class Search:
    """What to search, see the head of this module.

    Attributes:
        recipe: name, or file as a full path.
        method: how the next trial is found.
        parameters: in the order of the file.
        seeds: of training; different, at least one.
        trials: how many at most; None for as many as the method has.
        seed: of the methods that draw.
        description: one sentence.

    Raises:
        ConfigError: with all problems.
    """

    recipe: str = field(compare=False)  # files move; what is in them is compared when a search is resumed
    method: Method
    parameters: tuple[Parameter, ...]
    seeds: tuple[int, ...] = (0,)
    trials: int | None = None
    seed: int = 0
    description: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        problems = _problems(self)
        if problems:
            raise ConfigError(problems)

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys that are varied, each once."""
        return tuple(dict.fromkeys(key for parameter in self.parameters for key in parameter.keys))

    @property
    def n_planned(self) -> int:
        """Trials that the whole search has."""
        sizes = [len(parameter.values) for parameter in self.parameters]
        every = sum(sizes)
        if self.method == "grid":
            every = 1
            for size in sizes:
                every *= size
        if self.trials is None:
            return every
        return min(self.trials, every) if self.method in LISTED_METHODS else self.trials

    def settings(self, choice: Mapping[str, Any]) -> dict[str, Any]:
        """Recipe key -> value for a choice (parameter name -> value); of a key that comes twice the later counts."""
        found: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.name in choice:
                found |= parameter.settings(choice[parameter.name])
        return found

    def replace(self, **changes: Any) -> Search:
        """A copy with some fields changed. Raises ConfigError as the class does."""
        return dataclasses.replace(self, **changes)

    def to_yaml(self) -> str:
        """The search as a file that :func:`load_search` reads back."""
        document = {
            **({"description": self.description} if self.description else {}),
            "recipe": self.recipe,
            "method": self.method,
            "seeds": list(self.seeds),
            **({"trials": self.trials} if self.trials is not None else {}),
            "seed": self.seed,
            "parameters": {parameter.name: parameter.to_document() for parameter in self.parameters},
        }
        return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def list_searches() -> list[str]:
    """Names of the searches that come with earmark."""
    return sorted(_shipped())


def load_search(search: str | Path, *, trials: int | None = None) -> Search:
    """Read a search.

    Args:
        search: one of :func:`list_searches`, or a YAML file.
        trials: instead of the file's own number.

    Raises:
        ConfigError: no such search, not YAML, or with every unknown key, missing key and value that cannot be.
    """
    name = str(search)
    shipped = _shipped()
    if name in shipped:
        text = shipped[name].read_text(encoding="utf-8")
    elif name.endswith((".yaml", ".yml")):
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name}: the search cannot be read ({error})") from error
    else:
        near = difflib.get_close_matches(name, shipped, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"there are: {', '.join(sorted(shipped))}."
        raise ConfigError(f"no search {name!r}; {hint} A file is named with its ending: ./my.yaml")
    document = read_yaml(text, name)
    if isinstance(document, dict) and trials is not None:
        document = {**document, "trials": trials}
    if isinstance(document, dict) and name not in shipped and str(document.get("recipe")).endswith((".yaml", ".yml")):
        document["recipe"] = str((Path(name).parent / document["recipe"]).resolve())
    return search_from(document, where=name)


def search_from(document: Any, where: str = "search") -> Search:
    """A search from its YAML document. Raises ConfigError with all problems, each begun with ``where``."""
    if not isinstance(document, dict):
        raise ConfigError(f"{where}: a search must be a mapping, is {type(document).__name__}")
    problems: list[str] = []
    for key in document:
        if key not in _KEYS:
            near = difflib.get_close_matches(str(key), _KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"keys are: {', '.join(_KEYS)}"
            problems.append(f"{key}: unknown key; {hint}")
    problems += [f"{key}: is missing" for key in ("recipe", "method", "parameters") if key not in document]

    def typed(key: str, kind: type, default: Any, must: str) -> Any:
        value = document.get(key, default)
        if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
            return value
        if key in document:
            problems.append(f"{key} {value!r}: must be {must}")
        return default

    recipe = typed("recipe", str, "", "the name of a recipe or of its file")
    description = typed("description", str, "", "text")
    seed = typed("seed", int, 0, "a whole number")
    trials = typed("trials", int, None, "a whole number")
    method = document.get("method")
    if "method" in document and method not in get_args(Method):
        near = difflib.get_close_matches(str(method), get_args(Method), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        problems.append(f"method {method!r}: must be one of {', '.join(get_args(Method))}{hint}")
    seeds = typed("seeds", list, [0], "a list of whole numbers")
    if not all(isinstance(entry, int) and not isinstance(entry, bool) for entry in seeds):
        problems.append(f"seeds {seeds!r}: must be a list of whole numbers")
        seeds = [0]
    parameters = []
    for name, said in typed("parameters", dict, {}, "a mapping of recipe keys to their values").items():
        parameter = read_parameter(str(name), said, problems)
        if parameter is not None:
            parameters.append(parameter)
    rest = {"seeds": tuple(seeds), "trials": trials, "seed": seed, "description": description}
    try:  # what could be read is judged also where something could not
        search = Search(recipe, cast(Method, method), tuple(parameters), **rest)
    except ConfigError as error:
        none_named = "parameters" in document and document["parameters"] in ({}, [])
        problems += [problem for problem in error.problems if problem != _NO_PARAMETERS or none_named]
    if problems:
        raise ConfigError([f"{where}: {problem}" for problem in problems])
    return search


def _problems(search: Search) -> list[str]:
    """What its types allow and its meaning does not."""
    problems = []
    if search.trials is not None and search.trials < 1:
        problems.append(f"trials {search.trials}: must be at least 1")
    if search.method in ("random", "tpe") and search.trials is None:
        problems.append(f"trials: {search.method} needs a number of trials, here or with --trials")
    if search.seed < 0:
        problems.append(f"seed {search.seed}: must be at least 0")
    if not search.seeds or min(search.seeds) < 0 or len(set(search.seeds)) < len(search.seeds):
        problems.append(f"seeds {list(search.seeds)}: must be at least one, all different, none below 0")
    if not search.parameters:
        problems.append(_NO_PARAMETERS)
    seen: dict[str, str] = {}
    for parameter in search.parameters:
        for key in parameter.keys:
            if "." not in key or not all(key.split(".")):
                problems.append(f"parameters: {key!r}: must be section.key of the recipe")
            elif key in _INCOMPARABLE:
                problems.append(f"parameters: {key}: cannot be searched; {_INCOMPARABLE[key]}")
            elif key in seen and search.method != "one-at-a-time":
                problems.append(f"parameters: {key}: is in {seen[key]!r} and again in {parameter.name!r}")
            seen[key] = parameter.name
        if search.method in LISTED_METHODS and not parameter.values:
            problems.append(
                f"parameters: {parameter.name}: {search.method} needs a list of values, or a range with a step"
            )
        if parameter.start is not None and search.method != "one-at-a-time":
            problems.append(f"parameters: {parameter.name}: start is for one-at-a-time alone")
    return problems


def _shipped() -> dict[str, Traversable]:
    folder = resources.files("earmark") / "tuning" / "searches"
    return {entry.name.removesuffix(".yaml"): entry for entry in folder.iterdir() if entry.name.endswith(".yaml")}
