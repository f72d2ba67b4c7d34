"""What the service answers, one file per group of addresses; `ENDPOINTS` lists them in the order of the OpenAPI document.

A module has a ``router``. Its handlers find the service's parts in ``request.app.state``: ``work``, ``cards``, ``metrics``.
"""

from __future__ import annotations

from earmark.service.endpoints import health, metrics, models, tag

ENDPOINTS = (tag, models, health, metrics)
OPEN = (health,)
"""Those that need no key: load balancers ask them."""
