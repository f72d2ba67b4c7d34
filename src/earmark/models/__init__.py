"""The networks, one file per paper. Every module of this package is imported, and so registers its models."""

from __future__ import annotations

import importlib
import pkgutil

from earmark.models.base import TaggingModel
from earmark.models.registry import create_model, list_models, register_model

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["TaggingModel", "create_model", "list_models", "register_model"]
