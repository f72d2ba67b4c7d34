"""A Griffe extension: docstrings as the site can show them.

Sphinx's roles (``:class:`earmark.Tagger` ``) become code, and parameters that share an entry (``labels, scores: ...``) get one each.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):`~?([^`]+)`")
_SHARED = re.compile(r"^( +)(\w+(?:, \w+)+):(?= )", re.MULTILINE)


class ReadableDocstrings(griffe.Extension):
    """Rewrites every docstring before it is parsed."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = _SHARED.sub(_one_each, _ROLE.sub(r"`\1`", obj.docstring.value))


def _one_each(match: re.Match[str]) -> str:
    indent, names = match[1], match[2].split(", ")
    return "".join(f"{indent}{name}: see `{names[-1]}`.\n" for name in names[:-1]) + f"{indent}{names[-1]}:"
