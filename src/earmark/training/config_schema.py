"""YAML files as frozen, strictly typed pydantic models. All problems are reported at once, each with key and value."""

from __future__ import annotations

import contextlib
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Strict, ValidationError, model_validator

from earmark.core.errors import ConfigError
from earmark.core.hints import did_you_mean

T = TypeVar("T")
Listed = Annotated[tuple[T, ...], Strict(False)]
"""A list in YAML, a tuple in Python. Its entries are as strict as all other values."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # in C, ten times as fast
    """YAML that refuses duplicate keys and reads 1e-3 as a number, which YAML 1.1 reads as text."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is there twice", key_node.start_mark)
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+[eE][-+]?\d+$"), list("-+0123456789"))


def read_yaml(text: str, where: str) -> Any:
    """A YAML document. Raises ConfigError whose message begins with ``where``."""
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # the others: numbers of thousands of digits, nesting
        raise ConfigError(f"{where}: not YAML: {' '.join(str(error).split())}") from error


def read_named_yaml(
    kind: str, name: str, shipped: Mapping[str, Traversable], offered: Iterable[str], otherwise: str
) -> Any:
    """A YAML document that comes with earmark, or that of a file.

    Args:
        kind: what it is, for messages: "recipe" or "search".
        name: of one that comes with earmark, or a path that ends in .yaml or .yml.
        shipped: name -> file of those that come with earmark.
        offered: the names that may be suggested for a wrong one.
        otherwise: what is said where none of these is near.

    Raises:
        ConfigError: no such name, a file that cannot be read, or not YAML.
    """
    if name in shipped:
        text = shipped[name].read_text(encoding="utf-8")
    elif name.endswith((".yaml", ".yml")):
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name}: the {kind} cannot be read ({error})") from error
    else:
        hint = did_you_mean(name, offered, otherwise)
        raise ConfigError(f"no {kind} {name!r}; {hint} A file is named with its ending: ./my.yaml")
    return read_yaml(text, name)


class Section(BaseModel):
    """A mapping with known keys. Types are strict: "3" is not a number and true is not an integer."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, ser_json_inf_nan="constants"
    )

    @classmethod
    def from_document(cls, document: Any, where: str = "") -> Self:
        """A section from a YAML document.

        Raises:
            ConfigError: with all problems, each begun with ``where``.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            problems = [_message(cls, document, dict(found)) for found in error.errors(include_url=False)]
            with contextlib.suppress(TypeError, AttributeError):  # values missing or of a wrong type are named already
                for problem in _unchecked(cls, document).contradictions():
                    problems.append(problem)
        except ConfigError as error:
            problems = error.problems
        raise ConfigError([f"{where}: {problem}" if where else problem for problem in dict.fromkeys(problems)])

    def contradictions(self) -> Iterator[str]:
        """Problems of values that are valid by themselves but contradict each other."""
        yield from ()

    @model_validator(mode="after")
    def _check_contradictions(self) -> Self:
        if problems := list(self.contradictions()):
            raise ConfigError(problems)
        return self


_MUST_BE = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "finite",
    "string_type": "text",
    "string_too_short": "a text that is not empty",
    "path_type": "the path of a file",
    "bool_type": "true or false",
    "dict_type": "a section with keys",
    "too_short": "a list with at least one value",
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "above {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "below {lt:g}",
}
_PLURAL = {str: "texts", int: "whole numbers", float: "numbers"}


def _message(kind: type[BaseModel], document: Any, error: Mapping[str, Any]) -> str:
    """One of pydantic's errors, in terms of the file."""
    reason, place, value, context = error["type"], error["loc"], error["input"], error.get("ctx", {})
    parent = _type_at(kind, place[:-1])
    if reason in ("extra_forbidden", "invalid_key"):
        keys = [field.alias or name for name, field in parent.model_fields.items()]
        hint = did_you_mean(str(place[-1]), keys, f"keys are: {', '.join(keys)}", n=1)
        return f"{_key((*place[:-1], str(place[-1])))}: unknown key; {hint}"
    if reason == "missing" and not isinstance(value, list | tuple):
        return f"{_key(place)}: is missing"
    if reason == "model_type":
        return f"{_key(place)}: must be a section with keys, is {value!r}".removeprefix(": ")
    if reason in ("missing", "tuple_type", "too_long"):
        place = place[:-1] if reason == "missing" else place
        return f"{_key(place)} {value!r}: must be {_list_of(_type_at(kind, place))}"
    if get_origin(parent) is tuple and get_args(parent)[0] in _PLURAL:
        return f"{_key(place[:-1])} {_value_at(document, place[:-1])!r}: must be {_list_of(parent)}"
    if reason == "literal_error":
        choices = re.findall(r"'(.*?)'", context["expected"])
        hint = did_you_mean(str(value), choices, n=1, cutoff=0.8)
        return f"{_key(place)} {value!r}: must be one of {', '.join(choices)}{f'; {hint}' if hint else ''}"
    if reason not in _MUST_BE:
        return f"{_key(place)}: {context.get('error', error['msg'])}"
    bound = next(iter(context.values()), None)  # a float has a float for its bound
    shown = float(value) if isinstance(bound, float) and "than" in reason else value
    return f"{_key(place)} {shown!r}: must be {_MUST_BE[reason].format(**context)}"


def _key(place: Iterable[str | int]) -> str:
    """``rows[0].label``"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def _list_of(kind: Any) -> str:
    entries = get_args(kind)
    number = "" if Ellipsis in entries else f"{len(entries)} "
    return f"a list of {number}{_PLURAL.get(entries[0], 'entries')}"


def _type_at(kind: Any, place: Iterable[str | int]) -> Any:
    """The type that a value at this place should have."""
    for part in place:
        kind = _plain_type(kind)
        if hasattr(kind, "model_fields"):
            kind = next(x.annotation for name, x in kind.model_fields.items() if part in (name, x.alias))
        else:
            kind = get_args(kind)[
                1 if get_origin(kind) is dict or (part == 1 and Ellipsis not in get_args(kind)) else 0
            ]
    return _plain_type(kind)


def _plain_type(kind: Any) -> Any:
    """Without Annotated and None."""
    while get_origin(kind) in (Annotated, types.UnionType):
        kind = get_args(kind)[0]
    return kind


def _value_at(document: Any, place: Iterable[str | int]) -> Any:
    for part in place:
        document = document[part]
    return document


def _unchecked(kind: type[Section], document: Any) -> Section:
    """The values as written, to look for contradictions among them."""
    values = {}
    for name, field in kind.model_fields.items():
        key, inner = field.alias or name, _plain_type(field.annotation)
        if key in document:
            section = isinstance(inner, type) and issubclass(inner, Section) and isinstance(document[key], Mapping)
            values[key] = _unchecked(inner, document[key]) if section else document[key]
    return kind.model_construct(None, **values)
