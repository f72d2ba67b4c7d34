"""One hyper-parameter of a search: the keys of the recipe that it sets, and the values that it may take."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_KEYS = ("key", "keys", "values", "start", "low", "high", "log", "step", "int")
_MOST_VALUES = 10_000


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included.

    Attributes:
        low, high: the ends.
        log: drawn evenly in the logarithm; wants ``low`` above 0 and no step.
        step: between two values, counted from ``low``; None for any.
        whole: whole numbers alone (``int`` in the file).
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    def listed(self) -> tuple[float | int, ...]:
        """All values, where they can be listed: with a step, or whole and not logarithmic; else none.

        >>> Range(0.1, 0.4, step=0.1).listed()
        (0.1, 0.2, 0.3, 0.4)
        """
        if self.log or (self.step is None and not self.whole):
            return ()
        low, high, step = (Decimal(str(x)) for x in (self.low, self.high, 1 if self.step is None else self.step))
        kind = int if self.whole else float
        return tuple(kind(low + i * step) for i in range(int((high - low) / step) + 1))

    def to_document(self) -> dict[str, Any]:
        """As in the file."""
        document: dict[str, Any] = {"low": self.low, "high": self.high}
        document |= {"log": True} if self.log else {}
        document |= {"step": self.step} if self.step is not None else {}
        return document | ({"int": True} if self.whole else {})


@dataclass(frozen=True)
class Parameter:
    """One hyper-parameter.

    Attributes:
        name: the key itself, or a name for keys that are varied together.
        keys: ``section.key`` of the recipe.
        values: in the order of the file; of a range those that can be listed. Where ``joint``, lists of as many
            values as keys.
        joint: several keys are set by each value.
        range: where it is one.
        start: value until its turn comes; None for the recipe's.
    """

    name: str
    keys: tuple[str, ...]
    values: tuple[Any, ...]
    joint: bool = False
    range: Range | None = None
    start: Any = None

    def settings(self, value: Any) -> dict[str, Any]:
        """Recipe key -> value."""
        return dict(zip(self.keys, value, strict=True)) if self.joint else {self.keys[0]: value}

    def to_document(self) -> Any:
        """As in the file."""
        document: dict[str, Any] = {}
        if self.joint:
            document["keys"] = list(self.keys)
        elif self.keys != (self.name,):
            document["key"] = self.keys[0]
        if self.range is not None:
            document |= self.range.to_document()
        else:
            document["values"] = list(self.values)
        return document if self.start is None else {**document, "start": self.start}


def text_of(value: Any) -> str:
    """A value as JSON, which is YAML, too: what tells values apart (1 and true are not the same) and makes overrides.

    >>> text_of([1024, 512]), text_of(1e-05), text_of("min-max")
    ('[1024, 512]', '1e-05', '"min-max"')
    """
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


def read_parameter(name: str, said: Any, problems: list[str]) -> Parameter | None:
    """A parameter from its part of the YAML document; what is wrong goes to ``problems``."""
    mine: list[str] = []
    document = {"values": said} if isinstance(said, list) else said
    if not isinstance(document, Mapping):
        problems.append(f"parameters: {name}: must be a list of values, or a range with low and high; is {said!r}")
        return None
    for key in document:
        if key not in _KEYS:
            near = difflib.get_close_matches(str(key), _KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"keys are: {', '.join(_KEYS)}"
            mine.append(f"{key}: unknown key; {hint}")
    keys = _keys(name, document, mine)
    joint = "keys" in document
    span = None
    values: tuple[Any, ...] = ()
    ranged = [key for key in ("low", "high", "log", "step", "int") if key in document]
    if "values" in document:
        if ranged:
            mine.append(f"{', '.join(ranged)}: not together with values")
        values = _values(document["values"], len(keys) if joint else None, mine)
    elif ranged:
        span = _range(document, mine)
        values = () if span is None else span.listed()
        if joint:
            mine.append("keys: those that are varied together need values, not a range")
    else:
        mine.append("must have values, or a range with low and high")
    start = document.get("start")
    if start is not None:
        _check_value(start, len(keys) if joint else None, "start", mine)
    problems += [f"parameters: {name}: {problem}" for problem in mine]
    return None if mine else Parameter(name, keys, values, joint, span, start)


def _keys(name: str, document: Mapping[str, Any], problems: list[str]) -> tuple[str, ...]:
    if "key" in document and "keys" in document:
        problems.append("key: not together with keys")
    if "keys" in document:
        keys = document["keys"]
        if isinstance(keys, list) and keys and all(isinstance(key, str) for key in keys):
            if len(set(keys)) < len(keys):
                problems.append(f"keys {keys}: one is there twice")
            return tuple(keys)
        problems.append(f"keys {keys!r}: must be a list of section.key of the recipe")
    elif not isinstance(document.get("key", name), str):
        problems.append(f"key {document['key']!r}: must be section.key of the recipe")
    return (str(document.get("key", name)),)


def _values(values: Any, n_keys: int | None, problems: list[str]) -> tuple[Any, ...]:
    if not isinstance(values, list) or not values:
        problems.append(f"values {values!r}: must be a list with at least one value")
        return ()
    before = len(problems)
    for value in values:
        _check_value(value, n_keys, "value", problems)
    if len(problems) == before:
        texts = [text_of(value) for value in values]
        twice = sorted({text for text in texts if texts.count(text) > 1})
        problems += [f"value {text}: is there more than once" for text in twice]
    return tuple(values)


def _check_value(value: Any, n_keys: int | None, what: str, problems: list[str]) -> None:
    try:
        text_of(value)
    except (TypeError, ValueError):
        problems.append(f"{what} {value!r}: must be a finite number, text, true, false, null, or a list of these")
        return
    if n_keys is not None and not (isinstance(value, list) and len(value) == n_keys):
        problems.append(f"{what} {value!r}: must be a list of {n_keys}, a value for each of the keys")


def _range(document: Mapping[str, Any], problems: list[str]) -> Range | None:
    before = len(problems)
    numbers: dict[str, float] = {}
    for key in ("low", "high", "step"):
        value = document.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            numbers[key] = value
        elif key in document:
            problems.append(f"{key} {value!r}: must be a number")
        elif key != "step":
            problems.append(f"{key}: is missing")
    log, whole = document.get("log", False), document.get("int", False)
    problems += [f"{key} {x!r}: must be true or false" for key, x in (("log", log), ("int", whole)) if x not in (0, 1)]
    if len(problems) > before:
        return None
    low, high, step = numbers["low"], numbers["high"], numbers.get("step")
    if low >= high:
        problems.append(f"low {low:g}: must be below high {high:g}")
    if log and low <= 0:
        problems.append(f"low {low:g}: must be above 0, for log is set")
    if step is not None and log:
        problems.append("step: not together with log")
    if step is not None and step <= 0:
        problems.append(f"step {step:g}: must be above 0")
    elif step is not None and (high - low) / step > _MOST_VALUES:
        problems.append(f"step {step:g}: gives more than {_MOST_VALUES} values")
    elif step is not None and (Decimal(str(high)) - Decimal(str(low))) % Decimal(str(step)):
        problems.append(f"step {step:g}: must lead from low {low:g} to high {high:g}")
    if whole:
        problems += [f"{key} {x:g}: must be whole, for int is set" for key, x in numbers.items() if x != int(x)]
    if len(problems) > before:
        return None
    return Range(low, high, bool(log), step, bool(whole))
