"""The tables of the papers as data: rows, what the papers report of them, and what the papers claim.

Each folder of earmark/recipes is a paper: one recipe per row, ``_tables.yaml`` (read here), and ``_DATASET.yaml`` with
what changes where the rows are trained on another dataset than the paper's:

    all:    sections merged into every row, e.g. the dataset and a budget
    rows:   row -> sections merged into that row alone, after ``all``
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from importlib import resources
from typing import Annotated, Any, Literal

from pydantic import Field, Strict, field_validator
from pydantic_core import PydanticKnownError

from earmark.core.errors import ConfigError
from earmark.core.hints import did_you_mean
from earmark.datasets.registry import dataset_info
from earmark.metrics import list_metrics, metric_info
from earmark.training.config import list_recipes, merged, recipe_document
from earmark.training.config_schema import Listed, Section, read_yaml

COSTS = ("seconds_per_1000_songs", "size_mb", "relative_training_time")
"""What papers report of rows besides metrics; 0 or more. The last is 1 for the row that others are compared with."""


Pair = Annotated[tuple[str, str], Strict(False)]


class Row(Section):
    """A row of a table.

    Attributes:
        row: its name, unique in the paper; in several tables it is the same system.
        label: what the table calls it.
        reported: the paper's numbers, by names of metrics and those in :data:`COSTS`.
        kind: "recipe": trained by a recipe. "combiner": the same, on top of trained members. "gbt": boosted trees on
            hand-made features; it has no recipe. "reported": another system, of which the paper only quotes numbers.
        members: rows that a combiner combines.
        note: what a reader of the reported numbers must know.
    """

    row: str
    label: str
    reported: dict[str, float]
    kind: Literal["recipe", "gbt", "combiner", "reported"] = "recipe"
    members: Listed[str] = ()
    note: str | None = None

    @property
    def has_recipe(self) -> bool:
        """Whether it is trained by a recipe of its name."""
        return self.kind in ("recipe", "combiner")


class Table(Section):
    """A table. ``dataset`` and ``protocol``: where not the paper's usual ones; ``differences``: pairs shown by how much they differ."""

    id: str
    title: str
    rows: Listed[Row]
    dataset: str | None = None
    protocol: str | None = None
    differences: Listed[Pair] = ()

    @property
    def costs(self) -> tuple[str, ...]:
        """Those of :data:`COSTS` that it is about: reported of several rows, relative times of one with 1 among them."""
        found = {name: [row.reported[name] for row in self.rows if name in row.reported] for name in COSTS}
        return tuple(name for name, of in found.items() if len(of) > 1 and (name != COSTS[-1] or 1 in of))


class Claim(Section):
    """An ordering that a paper finds.

    Attributes:
        id: unique in the paper.
        text: e.g. "spectrograms over raw audio".
        metric: what the rows are compared by.
        pairs: (better row, worse row).
        kind: "order": each pair has this order. "shrinking_gap": the difference within the last pair is smaller than
            that within the first.
    """

    id: str
    text: str
    metric: str
    pairs: Listed[Pair]
    kind: Literal["order", "shrinking_gap"] = "order"

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, value: str) -> str:
        if value not in (known := list_metrics(decisions=False)):
            raise PydanticKnownError("literal_error", {"expected": ", ".join(map(repr, known))})
        return value

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger value of the metric is the better one."""
        return metric_info(self.metric).higher_is_better

    def advantage(self, better: float, worse: float) -> float:
        """How much better the first value of a pair is than the second; below 0 where the order is reversed."""
        return metric_info(self.metric).gain(better, worse)


class PaperTables(Section):
    """All tables and claims of one paper.

    Attributes:
        title, citation: of the paper.
        dataset, protocol: what its numbers were measured on; the protocol is None where the data bring their own.
        tables: as the paper has them.
        claims: what it finds.
        seeds: runs of each row, where the paper says how many; else three.
        key: its folder in earmark/recipes.
    """

    title: str
    citation: str
    dataset: str
    tables: Listed[Table]
    claims: Listed[Claim]
    protocol: str | None = None
    seeds: int = Field(default=3, ge=1)
    key: str = ""

    @field_validator("key")
    @classmethod
    def _not_written_down(cls, _value: str) -> str:
        raise ValueError("is the folder's name and not written down")

    @property
    def rows(self) -> dict[str, Row]:
        """Every row once, by its name, in the order of the tables."""
        return {row.row: row for table in self.tables for row in table.rows}

    def recipe_name(self, row: str) -> str:
        """The recipe that :func:`earmark.training.config.load_recipe` reads for a row.

        Raises:
            ConfigError: no such row, or one without a recipe.
        """
        found = self._row(row)
        if not found.has_recipe:
            what = "boosted trees" if found.kind == "gbt" else "only reported by the paper"
            raise ConfigError(f"{self.key}: row {row!r} is {what} and has no recipe")
        return f"{self.key}/{row}"

    def paper_advantages(self, claim: Claim) -> tuple[float | None, ...]:
        """For each pair, by how much the paper reports the first row as better; None where it gives no numbers."""
        numbers = [[self._row(row).reported.get(claim.metric) for row in pair] for pair in claim.pairs]
        return tuple(
            None if better is None or worse is None else round(claim.advantage(better, worse), 6)
            for better, worse in numbers
        )

    def _row(self, row: str) -> Row:
        rows = self.rows
        if row not in rows:
            hint = did_you_mean(row, rows, f"rows are: {', '.join(rows)}")
            raise ConfigError(f"{self.key}: no row {row!r}; {hint}")
        return rows[row]


def list_papers() -> list[str]:
    """Keys of the papers whose tables come with earmark, sorted."""
    root = resources.files("earmark.papers") / "recipes"
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and (entry / "_tables.yaml").is_file())


def load_tables(key: str) -> PaperTables:
    """The tables of a paper.

    Raises:
        ConfigError: no such paper, or a file with problems, all at once.
    """
    return tables_from(read_yaml(_text(key, "_tables.yaml"), f"{key}/_tables"), key)


def tables_from(document: Any, key: str) -> PaperTables:
    """Tables from a YAML document. ``key`` is the folder of its recipes. Raises ConfigError with all problems."""
    tables = PaperTables.from_document(document, f"{key}/_tables").model_copy(update={"key": key})
    if problems := _problems(tables):
        raise ConfigError([f"{key}/_tables: {problem}" for problem in problems])
    return tables


def row_changes(key: str, row: str, dataset: str) -> dict[str, Any]:
    """What is merged into a row's recipe for a dataset, as ``changes`` of :func:`earmark.training.config.load_recipe`.

    It is empty for the dataset of the row's own recipe. Where the paper has no file for a dataset, the recipe stays the
    paper's, and only the data change.

    Raises:
        ConfigError: no such paper, row or dataset, a row without a recipe, or a file of changes with problems, all at
            once.
    """
    tables = load_tables(key)
    if recipe_document(tables.recipe_name(row))["data"]["dataset"] == dataset:
        return {}
    document = dataset_changes(tables, dataset)
    return merged(document["all"], document["rows"].get(row, {}))


def dataset_changes(tables: PaperTables, dataset: str) -> dict[str, dict[str, Any]]:
    """The sections ``all`` and ``rows`` of a paper's changes for a dataset: of its file, or the data alone.

    Raises:
        ConfigError: no such dataset, or the file has problems, all at once.
    """
    where = f"{tables.key}/_{dataset}"
    files = [entry.name for entry in (resources.files("earmark.papers") / "recipes" / tables.key).iterdir()]
    if not any(_is_changes(tables.key, name) for name in files if name == f"_{dataset}.yaml"):
        dataset_info(dataset)  # an unknown name is an error
        protocol = tables.protocol if dataset == tables.dataset else None
        return {"all": {"data": {"dataset": dataset, "protocol": protocol}}, "rows": {}}
    document = read_yaml(_text(tables.key, f"_{dataset}.yaml"), where)
    result = {"all": document.get("all") or {}, "rows": document.get("rows") or {}}
    problems = [f"{name}: unknown key; keys are: all, rows" for name in document if name not in result]
    problems += [f"{name}: must be a section with keys" for name, x in result.items() if not isinstance(x, Mapping)]
    if not problems:
        known = {row.row for row in tables.rows.values() if row.has_recipe}
        problems += [f"rows.{name}: no row of this paper with a recipe" for name in result["rows"] if name not in known]
    if problems:
        raise ConfigError([f"{where}: {problem}" for problem in problems])
    return result


def _is_changes(key: str, name: str) -> bool:
    """Whether a file contains changes for a dataset: others that begin with "_" are bases, or the tables."""
    if not (name.startswith("_") and name.endswith(".yaml")):
        return False
    document = read_yaml(_text(key, name), f"{key}/{name}")
    return isinstance(document, Mapping) and "all" in document


def _text(key: str, name: str) -> str:
    if key not in list_papers():
        hint = did_you_mean(key, list_papers(), f"papers are: {', '.join(list_papers())}", n=1)
        raise ConfigError(f"no paper {key!r}; {hint}")
    return (resources.files("earmark.papers") / "recipes" / key / name).read_text(encoding="utf-8")


def _problems(tables: PaperTables) -> list[str]:
    """What types do not check: names that are missing or duplicated, numbers out of range."""
    problems = [f"table {name!r}: is there twice" for name in _twice([table.id for table in tables.tables])]
    problems += [f"claim {name!r}: is there twice" for name in _twice([claim.id for claim in tables.claims])]
    rows, recipes = tables.rows, set(list_recipes())
    for table in tables.tables:
        where = f"table {table.id!r}"
        problems += [] if table.rows else [f"{where}: has no rows"]
        problems += [f"{where}: row {name!r} is there twice" for name in _twice([row.row for row in table.rows])]
        for row in table.rows:
            problems += [f"{where}, row {row.row!r}: {problem}" for problem in _row_problems(row, rows)]
            if row.has_recipe and (name := f"{tables.key}/{row.row}") not in recipes:
                problems.append(f"{where}, row {row.row!r}: no recipe {name}")
        named = {row for pair in table.differences for row in pair}
        problems += [f"{where}: differences: no row {row!r}" for row in sorted(named - {row.row for row in table.rows})]
    for claim in tables.claims:
        problems += [] if claim.pairs else [f"claim {claim.id!r}: has no pairs"]
        named = {row for pair in claim.pairs for row in pair}
        problems += [f"claim {claim.id!r}: no row {row!r}" for row in sorted(named - set(rows))]
        problems += [f"claim {claim.id!r}: {a!r} is compared with itself" for a, b in claim.pairs if a == b]
    return problems


def _row_problems(row: Row, rows: Mapping[str, Row]) -> list[str]:
    problems = []
    for name, value in row.reported.items():
        known = list_metrics(decisions=False)
        if name not in (*known, *COSTS):
            problems.append(f"reported.{name}: unknown; must be one of {', '.join((*known, *COSTS))}")
        elif name in COSTS and not 0 <= value < math.inf:
            problems.append(f"reported.{name} {value}: must be 0 or more")
        elif name in known and not (info := metric_info(name)).low <= value <= info.high:
            problems.append(f"reported.{name} {value}: must be in {info.low:g}..{info.high:g}")
    if (same := rows[row.row]) is not row and (same.reported, same.kind, same.members) != (
        (row.reported, row.kind, row.members)
    ):
        problems.append("is another system in another table, or has other numbers there")
    if (row.kind == "combiner") != bool(row.members):
        problems.append(f"members {list(row.members)}: rows of kind combiner have some, others none")
    for member in row.members:
        if member not in rows or rows[member].kind != "recipe":
            problems.append(f"member {member!r}: must be a row of kind recipe")
    return problems


def _twice(names: list[str]) -> list[str]:
    return [name for name, n in Counter(names).items() if n > 1]
