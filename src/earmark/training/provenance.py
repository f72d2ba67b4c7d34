"""What a card and a state file record about their run."""

from __future__ import annotations

import hashlib
import json
import platform
from typing import Any

import lightning
import numpy as np
import torch

from earmark.core.card import ModelCard
from earmark.core.tag_constraints import TagConstraints
from earmark.core.version import __version__
from earmark.datasets import Dataset
from earmark.models.checkpoint import make_card
from earmark.training.loss import require_classes
from earmark.training.sections import Recipe
from earmark.training.selection import Validation

UNTRAINED = "Its tags were not trained: it is a trunk, for `earmark probe` and `earmark train --begin`."


def first_card(recipe: Recipe, dataset: Dataset, model: Any, members: tuple[ModelCard, ...] = ()) -> ModelCard:
    """The card as far as it is known before training.

    Raises:
        ConfigError: hop and window contradict each other, or a softmax over tags that do not exclude each other.
    """
    hop_seconds = recipe.input.hop_seconds
    softmax = dataset.exclusive if require_classes(recipe.loss, dataset.exclusive) else ()
    info = dataset.info
    return make_card(
        model,
        name=recipe.name,
        vocabulary=dataset.vocabulary,
        softmax=softmax,
        rules=TagConstraints(exclusive=(softmax,) if softmax else ()),
        hop_samples=None if hop_seconds is None else round(hop_seconds * model.sample_rate_hz),
        last_window=recipe.input.last_window,
        description=recipe.card.description,
        version=recipe.card.version,
        licence=recipe.card.licence,
        limits=(*recipe.card.limits, *([UNTRAINED] if recipe.contrastive.temperature is not None else [])),
        citations=(info.citation,) if info.citation else (),
        training={
            "dataset": dataset.name,
            "protocol": dataset.protocol,
            "dataset_licence": info.licence,
            "dataset_sha256": dataset.fingerprint,
            "clips": dataset.counts,
            "recipe": recipe.to_document(with_root=False),
            **({"members": [{"name": m.name, "weights_sha256": m.weights_sha256} for m in members]} if members else {}),
            "versions": {
                "earmark": __version__,
                "torch": str(torch.__version__),
                "lightning": lightning.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        },
    )


def filled_card(card: ModelCard, dataset: Dataset, found: Validation, epoch: int) -> ModelCard:
    """The card with what a validation found."""
    n_clips = len(dataset.split("validation"))
    return card.replace(
        thresholds={**found.card_thresholds(dataset.vocabulary), **dict.fromkeys(card.softmax, 0.0)},
        metrics=found.card_metrics(dataset.vocabulary, dataset.name, dataset.protocol, n_clips)
        if found.macros()
        else (),
        training={**card.training, "best_epoch": epoch, "selection": round(found.selection, 6)},
    )


def fingerprint(recipe: Recipe, dataset: Dataset, members: tuple[ModelCard, ...] = ()) -> str:
    """SHA-256 (hex) of everything that the final weights depend on, except versions and the kind of device."""
    weights = [member.weights_sha256 for member in members]
    content = [recipe.to_document(with_root=False), dataset.protocol, dataset.fingerprint, weights]
    document = json.dumps(content, sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()
