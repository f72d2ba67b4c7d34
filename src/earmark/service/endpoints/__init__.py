"""What the service answers, one module per group of addresses.

A module has a ``router``; its handlers find the service's parts in ``request.app.state``: ``work``, ``cards``, ``metrics``.
``NEEDS_KEY = False`` opens its addresses to everybody.
"""

from __future__ import annotations

from importlib import import_module

ENDPOINTS = [import_module(f"{__name__}.{name}") for name in ("tag", "models", "health", "metrics")]
"""In the order of the OpenAPI document."""
