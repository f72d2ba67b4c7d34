"""Commands that need more than the light half say so by name, instead of with a traceback."""

from __future__ import annotations

import importlib.util

from earmark.errors import MissingExtraError


def require_extra(extra: str, what: str, *modules: str) -> None:
    """Raises MissingExtraError where one of these modules is not installed."""
    if any(importlib.util.find_spec(module) is None for module in modules):
        raise MissingExtraError(what, extra)
