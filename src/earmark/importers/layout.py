"""What layers a file must have: recognised by their names, then held against it shape by shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from earmark.core.errors import ModelError
from earmark.models import TaggingModel, create_model

N_TAGS = 50
"""Outputs of every published network."""
SHOWN = 12
"""Problems told one by one; the rest is counted."""


@dataclass(frozen=True)
class Array:
    """Shape and type of an array of numbers in a file."""

    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.shape} {self.dtype}"


@dataclass(frozen=True)
class Layout:
    """The layers of one kind of file.

    Attributes:
        title: for messages, e.g. "musicnn (Keras)".
        architecture, options: what create_model builds for it.
        arrays: by their name in the file.
    """

    title: str
    architecture: str
    options: dict[str, Any]
    arrays: dict[str, Array]


def fresh_model(architecture: str, options: dict[str, Any]) -> TaggingModel:
    """A network whose shapes a layout is read from. Leaves torch's random generators as they were."""
    with torch.random.fork_rng(devices=[]):
        return create_model(architecture, N_TAGS, **options)


def recognise(found: Mapping[str, Array], layouts: list[Layout], where: str) -> Layout:
    """The layout that a file has.

    Args:
        found: the arrays in the file.
        layouts: those it can have.
        where: file name for error messages.

    Raises:
        ModelError: it has none of them; told are the missing and foreign layers and wrong shapes as against the
            nearest layout, what was expected and what was found.
    """
    nearest = max(layouts, key=lambda layout: len(layout.arrays.keys() & found.keys()))
    shared = nearest.arrays.keys() & found.keys()
    if len(shared) < len(nearest.arrays) / 2:
        names = ", ".join(list(found)[:4]) + (", …" if len(found) > 4 else "")
        titles = ", ".join(layout.title for layout in layouts)
        raise ModelError(
            f"{where}: expected the layers of {titles}; found {len(found)} arrays of another network ({names or 'none'})"
        )
    problems = [f"expected {name} {array}, found none" for name, array in nearest.arrays.items() if name not in found]
    problems += [
        f"found {name} {array}, expected no such layer" for name, array in found.items() if name not in nearest.arrays
    ]
    problems += [
        f"{name}: expected {array}, found {found[name]}"
        for name, array in nearest.arrays.items()
        if name in shared and found[name] != array
    ]
    if problems:
        rest = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        lines = [f"not the layers of {nearest.title}", *problems[:SHOWN], *rest]
        raise ModelError("\n".join(f"{where}: {line}" for line in lines))
    return nearest
