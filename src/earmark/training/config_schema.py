"""YAML as nested frozen dataclasses: every unknown key, missing key and wrong type is told, all at once."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

import yaml

from earmark.core.errors import ConfigError


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """YAML that refuses a key twice and reads 1e-3 as a number, which YAML 1.1 takes for text."""

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
    """A YAML document. Raises ConfigError, begun with ``where``."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: not YAML: {' '.join(str(error).split())}") from error


def read_section(kind: type, document: Any, prefix: str, problems: list[str]) -> dict[str, Any]:
    """Values of one dataclass, checked for keys and types; what is wrong goes to ``problems``."""
    if not isinstance(document, Mapping):
        problems.append(f"{prefix.rstrip('.')}: must be a section with keys, is {document!r}")
        return {}
    hints = typing.get_type_hints(kind)
    fields = {item.name: item for item in dataclasses.fields(kind)}
    for key in document:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"keys are: {', '.join(fields)}"
            problems.append(f"{prefix}{key}: unknown key; {hint}")
    values: dict[str, Any] = {}
    for name, item in fields.items():
        if name in document:
            values[name] = _value(hints[name], document[name], f"{prefix}{name}", problems)
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            problems.append(f"{prefix}{name}: is missing")
    return values


def _value(hint: Any, value: Any, where: str, problems: list[str]) -> Any:
    """One value as its type wants it; a whole number will do for a float."""
    if dataclasses.is_dataclass(hint):
        return read_section(typing.cast(type, hint), value, f"{where}.", problems)
    if get_origin(hint) is Literal:
        if value in get_args(hint) and isinstance(value, str):
            return value
        if str(value) in get_args(hint) and not isinstance(value, bool):
            return str(value)  # precision: 32
        problems.append(f"{where} {value!r}: must be one of {', '.join(map(str, get_args(hint)))}")
    elif get_origin(hint) is types.UnionType:
        return None if value is None else _value(get_args(hint)[0], value, where, problems)
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if math.isfinite(value):
            return float(value)
        problems.append(f"{where} {value}: must be finite")
    elif get_origin(hint) is tuple:
        return _entries(hint, value, where, problems)
    elif get_origin(hint) is dict:
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            kind = get_args(hint)[1]
            return {key: x if kind is Any else _value(kind, x, f"{where}.{key}", problems) for key, x in value.items()}
        problems.append(f"{where} {value!r}: must be a section with keys")
    elif hint is not float and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    else:
        names = {int: "a whole number", float: "a number", str: "text"}
        problems.append(f"{where} {value!r}: must be {names[hint]}")
    return None


def _entries(hint: Any, value: Any, where: str, problems: list[str]) -> Any:
    """A list: tuple[X, ...], or tuple[X, Y] of just so many."""
    kinds = _kinds(hint, value) if isinstance(value, list | tuple) else ()
    if not isinstance(value, list | tuple) or len(kinds) != len(value):
        number = "" if Ellipsis in get_args(hint) else f"{len(get_args(hint))} "
        what = "texts" if get_args(hint)[0] is str else "entries"
        problems.append(f"{where} {value!r}: must be a list of {number}{what}")
        return None
    if set(kinds) == {str} and not all(isinstance(entry, str) for entry in value):
        problems.append(f"{where} {value!r}: must be a list of texts")
        return None
    return tuple(
        _value(kind, x, f"{where}[{i}]", problems) for i, (kind, x) in enumerate(zip(kinds, value, strict=True))
    )


def _kinds(hint: Any, value: Any) -> tuple[Any, ...]:
    """The type of each entry of a list."""
    kinds = get_args(hint)
    return (kinds[0],) * len(value) if Ellipsis in kinds else kinds


def build(kind: type, values: dict[str, Any]) -> Any:
    """Build nested dataclasses from values that :func:`read_section` has checked."""
    hints = typing.get_type_hints(kind)
    return kind(**{name: _built(hints[name], value) for name, value in values.items()})


def _built(hint: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), value)
    if get_origin(hint) is tuple and value is not None:
        return tuple(_built(kind, x) for kind, x in zip(_kinds(hint, value), value, strict=True))
    return value
