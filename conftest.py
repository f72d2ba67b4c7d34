"""Doctests: only modules with an example are imported for them."""

from __future__ import annotations

from pathlib import Path

SRC = Path(__file__).parent / "src"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out modules of the package without an example."""
    if collection_path.suffix == ".py" and collection_path.is_relative_to(SRC):
        return True if ">>>" not in collection_path.read_text(encoding="utf-8") else None
    return None
