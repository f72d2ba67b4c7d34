"""Searches: which hyper-parameters of a recipe are varied, over which values, and by which method.

    description: shown by `earmark tune --list`
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

``start`` is the value until the parameter's turn comes, and ``fixed`` the value after it, both for one-at-a-time alone; without
them the recipe's value and the best one are used.
For one-at-a-time a key may also come again, for a finer look. Whether the recipe has such keys is checked in
:mod:`earmark.tuning.validation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from earmark.core.errors import ConfigError
from earmark.training.config_schema import Listed, Section, read_named_yaml
from earmark.tuning.parameter import Parameter

Method = Literal["one-at-a-time", "grid", "random", "tpe"]

LISTED_METHODS: tuple[Method, ...] = ("one-at-a-time", "grid")
"""Methods that try every value there is, and so need lists of values or ranges with steps."""

_INCOMPARABLE = {
    "training.seed": "the search's own seeds say with which seeds each trial trains",
    "training.select": "trials that are judged by different things cannot be compared",
    "data.dataset": "trials on different data cannot be compared",
    "data.root": "trials on different data cannot be compared; say where it is with --root",
    "data.protocol": "trials on different validation clips cannot be compared",
    "data.train_split": "trials on different validation clips cannot be compared",
}


class Search(Section):
    """What to search; see the module docstring.

    Attributes:
        description: one sentence.
        recipe: name, or file as a full path.
        method: how the next trial is found.
        seeds: of training; different, at least one.
        trials: how many at most; None for as many as the method has.
        seed: of the methods that draw.
        parameters: in the order of the file.
    """

    description: str = ""
    recipe: str
    method: Method
    seeds: Listed[int] = (0,)
    trials: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    parameters: tuple[Parameter, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys that are varied, each once."""
        return tuple(dict.fromkeys(key for parameter in self.parameters for key in parameter.keys))

    @property
    def fixed(self) -> dict[str, Any]:
        """Parameter name -> the value that it has in the end, of those whose value is not a matter of the search."""
        return {parameter.name: parameter.fixed for parameter in self.parameters if parameter.fixed is not None}

    @property
    def n_planned(self) -> int:
        """Number of trials of the whole search."""
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
        """Recipe key -> value for a choice (parameter name -> value); of a key that occurs twice, the later one counts."""
        found: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.name in choice:
                found |= parameter.settings(choice[parameter.name])
        return found

    def replace(self, **changes: Any) -> Search:
        """A copy with some fields changed. Raises ConfigError with all problems."""
        return Search.from_document({**vars(self), **changes}, "search")

    def to_yaml(self) -> str:
        """The search as a file that :func:`load_search` reads back."""
        document = self.model_dump(mode="json")
        document["parameters"] = {parameter.name: parameter.to_document() for parameter in self.parameters}
        shown = {key: value for key, value in document.items() if value not in ("", None)}
        return str(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True))

    def contradictions(self) -> Iterator[str]:
        """Problems of values that are valid by themselves but contradict each other."""
        if not self.parameters:
            yield "parameters: must name at least one"
        for parameter in self.parameters:
            for key in parameter.keys:
                if "." not in key or not all(key.split(".")):
                    yield f"parameters: {key!r}: must be section.key of the recipe"
                elif key in _INCOMPARABLE:
                    yield f"parameters: {key}: cannot be searched; {_INCOMPARABLE[key]}"
        seen: dict[str, str] = {}
        for parameter in self.parameters if self.method != "one-at-a-time" else ():
            for name, value in (("start", parameter.start), ("fixed", parameter.fixed)):
                if value is not None:
                    yield f"parameters: {parameter.name}: {name} is for one-at-a-time alone"
            for key in parameter.keys:
                if key in seen:
                    yield f"parameters: {key}: is in {seen[key]!r} and again in {parameter.name!r}"
                seen[key] = parameter.name
        for parameter in self.parameters if self.method in LISTED_METHODS else ():
            if not parameter.values:
                yield (f"parameters: {parameter.name}: {self.method} needs a list of values, or a range with a step")
        if self.method not in LISTED_METHODS and self.trials is None:
            yield f"trials: {self.method} needs a number of trials, here or with --trials"
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            yield f"seeds {list(self.seeds)}: must be at least one, all different, none below 0"


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
    names = sorted(shipped)
    document = read_named_yaml("search", name, shipped, names, f"there are: {', '.join(names)}.")
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
    parameters = []
    entries = document.get("parameters")
    if "parameters" in document and not isinstance(entries, dict):
        problems.append(f"parameters {entries!r}: must be a mapping of recipe keys to their values")
    for name, values in entries.items() if isinstance(entries, dict) else ():
        try:
            parameters.append(Parameter.read(str(name), values))
        except ConfigError as error:
            problems += error.problems
    read = {**document, **({"parameters": tuple(parameters)} if "parameters" in document else {})}
    try:
        search = Search.from_document(read)
    except ConfigError as error:  # having no parameters may only mean that none could be read
        problems += [
            problem for problem in error.problems if not (entries and problem.startswith("parameters: must name"))
        ]
    if problems:
        raise ConfigError([f"{where}: {problem}" for problem in problems])
    return search


def _shipped() -> dict[str, Traversable]:
    folder = resources.files("earmark") / "tuning" / "searches"
    return {entry.name.removesuffix(".yaml"): entry for entry in folder.iterdir() if entry.name.endswith(".yaml")}
