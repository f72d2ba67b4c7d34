"""All targets by name; a new one is one module here and one line in TARGETS."""

from __future__ import annotations

from importlib import import_module

from fuzzing.target import Target

TARGETS = {
    "reader": "reader:Reader",
    "sparse": "sparse_reader:SparseReader",
    "tags": "tag_writers:TagWriters",
    "query": "query:QueryParser",
    "importers": "importers:Importers",
    "unpickle": "unpickle:RestrictedUnpickle",
    "multipart": "multipart:Multipart",
    "manifest": "manifest:Manifest",
}


def load_target(name: str) -> Target:
    """A new instance of a target; imports only what it needs."""
    module, _, attribute = TARGETS[name].partition(":")
    return getattr(import_module(f"fuzzing.targets.{module}"), attribute)()
