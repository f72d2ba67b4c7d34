"""Which of the published networks a file contains: its layers by name and shape, its hash, its card."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from earmark.core.card import ModelCard
from earmark.core.errors import ModelError
from earmark.core.published_weights import PublishedWeights, published_by_hash, published_names
from earmark.core.tag_lists import load_vocabulary
from earmark.core.vocabulary import Vocabulary
from earmark.models import TaggingModel, create_model
from earmark.models.checkpoint import load_weights, make_card

N_TAGS = 50
"""Outputs of most published networks."""
SHOWN = 12
"""Problems that are listed; the rest is counted."""


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


def fresh_model(architecture: str, options: dict[str, Any], n_tags: int = N_TAGS) -> TaggingModel:
    """A network whose shapes a layout is read from. Leaves torch's random generators as they were."""
    with torch.random.fork_rng(devices=[]):
        return create_model(architecture, n_tags, **options)


def match_layout(found: Mapping[str, Array], layouts: list[Layout], where: str) -> Layout:
    """The layout that a file has.

    Args:
        found: the arrays in the file.
        layouts: those it can have.
        where: file name for error messages.

    Raises:
        ModelError: it has none of them; the message compares it with the nearest layout: missing and unknown layers
            and wrong shapes, what was expected and what was found.
    """
    nearest = max(
        layouts,
        key=lambda layout: (len(layout.arrays.keys() & found.keys()), len(layout.arrays.items() & found.items())),
    )
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


def published_model(
    content: bytes, layout: Layout, weights: Mapping[str, Tensor], where: str, shards: Sequence[bytes] = ()
) -> tuple[TaggingModel, ModelCard]:
    """The network and the card of a published file.

    Args:
        content: of the file; its hash says which of the published files it is.
        layout: the layout of the file.
        weights: by the names of earmark's network.
        where: file name for error messages.
        shards: contents of the further files of the model.

    Raises:
        ModelError: it is none of the published files.
    """
    sha256, *others = (hashlib.sha256(part).hexdigest() for part in (content, *shards))
    known = published_by_hash(sha256, *others)
    if known is None or known.architecture != layout.architecture:
        raise ModelError(
            f"{where}: has the layers of {layout.title}, but is none of the published files (SHA-256 {', '.join([sha256, *others])}): it is of "
            "another training, so that the tags of its outputs are unknown, or it is damaged. "
            f"Published are {', '.join(published_names())}"
        )
    weights = dict(weights)
    if known.outputs:
        weights.update({name: weights[name][list(known.outputs)] for name in ("last.weight", "last.bias")})
    vocabulary = load_vocabulary(known.vocabulary)
    model = fresh_model(known.architecture, known.architecture_options, len(vocabulary))
    load_weights(model, weights, where)
    return model, _card(model, known, vocabulary, Path(where).name, sha256)


def _card(
    model: TaggingModel, known: PublishedWeights, vocabulary: Vocabulary, file_name: str, sha256: str
) -> ModelCard:
    return make_card(
        model,
        name=known.name,
        vocabulary=vocabulary,
        hop_samples=known.hop_samples,
        lead_samples=known.lead_samples,
        description=known.description,
        training={
            "dataset": known.dataset,
            "protocol": known.protocol,
            "trained_by": known.project,
            "vocabulary": known.vocabulary,
            "source_file": known.file_name if sha256 == known.sha256 else file_name,
            "source_sha256": sha256,
            **({"source_shards": {shard.file_name: shard.sha256 for shard in known.shards}} if known.shards else {}),
            "source_addresses": list(known.addresses),
        },
        licence=known.licence,
        limits=(
            "Imported weights: earmark has not trained them and knows no thresholds for their tags.",
            f"Knows only the {model.n_tags} tags it was trained with, and those unevenly well."
            if model.n_tags > 1
            else "Knows only the one tag it was trained with.",
            *known.limits,
        ),
        citations=known.citations,
    )
