"""Published weights of other projects as earmark's checkpoints and cards.

Each format has an importer, a function that is registered with :func:`register_importer`.
:func:`earmark.importers.detect_format.import_weights` finds the importer of a file and reads it. Importing this package
needs neither torch nor a network.
"""

from __future__ import annotations

from earmark.importers.registry import list_importers, register_importer

__all__ = ["list_importers", "register_importer"]
