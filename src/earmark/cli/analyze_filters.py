"""`earmark analyze filters` and `hears`: what the first layers of a network listen for."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Put the commands on the group."""
