"""Published weights of other projects as earmark's checkpoints and cards.

Each format has an importer, a function that is registered with :func:`register_importer`.
:func:`earmark.importers.detect_format.import_weights` finds the importer of a file and reads it. Importing this package
needs neither torch nor a network.
"""

from __future__ import annotations

from earmark.importers.registry import IMPORTERS, register_importer

__all__ = ["list_importers", "register_importer"]


def list_importers() -> list[str]:
    """Names of all importers, sorted. Imports torch, which earmark's own importers need."""
    from earmark.importers import detect_format  # noqa: F401  registers them

    return IMPORTERS.names()
