"""One hyper-parameter of a search: the keys of the recipe that it sets, and the values that it may take."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, WrapValidator

from earmark.core.errors import ConfigError
from earmark.training.config_schema import Listed, Section

_MOST_VALUES = 10_000


def _as_written(value: Any, check: Callable[[Any], float]) -> Any:
    """A number, an int where it was written as one."""
    check(value)
    return value


Number = Annotated[float, WrapValidator(_as_written)]


class Parameter(Section):
    """One hyper-parameter, as written in the file, and its name.

    Attributes:
        name: the key itself, or a name for keys that are varied together.
        key: ``section.key`` of the recipe, where the name is not the key.
        joint_keys: several keys that each value sets (``keys`` in the file).
        listed_values: in the order of the file (``values`` in the file). With ``joint_keys``, lists of as many values.
        start: value until its turn comes; None for the recipe's.
        fixed: value once its turn is over, whichever was the best; None for the best.
        low, high: ends of a range, both included.
        log: drawn evenly in the logarithm; needs ``low`` above 0 and no step.
        step: between two values of the range, counted from ``low``; None for any.
        whole: only whole numbers (``int`` in the file).
    """

    name: str = Field(exclude=True)
    joint_keys: Listed[str] = Field(default=(), alias="keys", min_length=1)
    key: str | None = None
    low: Number | None = None
    high: Number | None = None
    log: bool = False
    step: Number | None = None
    whole: bool = Field(default=False, alias="int")
    listed_values: Listed[Any] = Field(default=(), alias="values", min_length=1)
    start: Any = None
    fixed: Any = None

    @classmethod
    def read(cls, name: str, entry: Any) -> Self:
        """A parameter from its part of the file. Raises ConfigError with all problems."""
        document = {"values": entry} if isinstance(entry, list) else entry
        where = f"parameters: {name}"
        if not isinstance(document, dict):
            raise ConfigError(f"{where}: must be a list of values, or a range with low and high; is {entry!r}")
        if "name" in document:
            raise ConfigError(f"{where}: name: unknown key; the name is written before the colon")
        return cls.from_document({"name": name, **document}, where)

    @property
    def keys(self) -> tuple[str, ...]:
        """All that are set, ``section.key`` of the recipe."""
        return self.joint_keys or (self.key or self.name,)

    @property
    def is_range(self) -> bool:
        """Whether values are between ``low`` and ``high``."""
        return self.low is not None

    @property
    def values(self) -> tuple[Any, ...]:
        """Those of the list, or of a range where they can be listed: with a step, or whole and not logarithmic.

        >>> Parameter.read("a.b", {"low": 0.1, "high": 0.4, "step": 0.1}).values
        (0.1, 0.2, 0.3, 0.4)
        """
        if not self.is_range:
            return self.listed_values
        if self.log or (self.step is None and not self.whole):
            return ()
        low, high, step = (Decimal(str(x)) for x in (self.low, self.high, 1 if self.step is None else self.step))
        kind = int if self.whole else float
        return tuple(kind(low + i * step) for i in range(int((high - low) / step) + 1))

    def settings(self, value: Any) -> dict[str, Any]:
        """Recipe key -> value."""
        return dict(zip(self.keys, value, strict=True)) if self.joint_keys else {self.keys[0]: value}

    def to_document(self) -> dict[str, Any]:
        """As in the file."""
        document = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        if document.get("key") == self.name:
            del document["key"]
        return document

    def contradictions(self) -> Iterator[str]:
        """Problems of values that are valid by themselves but contradict each other."""
        if self.key is not None and self.joint_keys:
            yield "key: not together with keys"
        if len(set(self.joint_keys)) < len(self.joint_keys):
            yield f"keys {list(self.joint_keys)}: one is there twice"
        names = ("low", "high", "log", "step", "whole")
        ranged = ["int" if name == "whole" else name for name in names if name in self.model_fields_set]
        if not ranged and "listed_values" not in self.model_fields_set:
            yield "must have values, or a range with low and high"
        elif not ranged:
            yield from self._problems_of_values()
        elif "listed_values" in self.model_fields_set:
            yield f"{', '.join(ranged)}: not together with values"
        else:
            yield from self._problems_of_range()
        for name, value in (("start", self.start), ("fixed", self.fixed)):
            if value is not None:
                yield from self._problems_of_value(name, value)

    def _problems_of_values(self) -> Iterator[str]:
        problems = [problem for value in self.listed_values for problem in self._problems_of_value("value", value)]
        yield from problems
        if not problems:
            counts = Counter(map(text_of, self.listed_values))
            yield from (f"value {text}: is there more than once" for text, n in counts.items() if n > 1)

    def _problems_of_value(self, what: str, value: Any) -> Iterator[str]:
        n_keys = len(self.joint_keys)
        try:
            text_of(value)
        except (TypeError, ValueError):
            yield f"{what} {value!r}: must be a finite number, text, true, false, null, or a list of these"
            return
        if n_keys and not (isinstance(value, list) and len(value) == n_keys):
            yield f"{what} {value!r}: must be a list of {n_keys}, a value for each of the keys"

    def _problems_of_range(self) -> Iterator[str]:
        low, high, step = self.low, self.high, self.step
        yield from (f"{name}: is missing" for name, end in (("low", low), ("high", high)) if end is None)
        if self.joint_keys:
            yield "keys: several keys need values, not a range"
        if low is None or high is None:
            return
        if low >= high:
            yield f"low {low:g}: must be below high {high:g}"
        if self.log and low <= 0:
            yield f"low {low:g}: must be above 0, for log is set"
        if step is not None and self.log:
            yield "step: not together with log"
        if step is not None and step <= 0:
            yield f"step {step:g}: must be above 0"
        elif step is not None and (high - low) / step > _MOST_VALUES:
            yield f"step {step:g}: gives more than {_MOST_VALUES} values"
        elif step is not None and low < high and (Decimal(str(high)) - Decimal(str(low))) % Decimal(str(step)):
            yield f"step {step:g}: must lead from low {low:g} to high {high:g}"
        if self.whole:
            numbers = {"low": low, "high": high, "step": step}
            yield from (
                f"{name} {x:g}: must be whole, for int is set" for name, x in numbers.items() if x is not None and x % 1
            )


def text_of(value: Any) -> str:
    """A value as JSON, which is YAML, too: it distinguishes values (1 and true are not the same) and makes overrides.

    >>> text_of([1024, 512]), text_of(1e-05), text_of("min-max")
    ('[1024, 512]', '1e-05', '"min-max"')
    """
    return json.dumps(value, ensure_ascii=True, allow_nan=False)
