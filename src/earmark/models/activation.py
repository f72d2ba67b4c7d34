"""From logits to scores: the sigmoid of each tag, or the softmax over tags that exclude each other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from earmark.core.card import ModelCard


def to_scores(logits: Tensor, softmax: Sequence[int] = ()) -> Tensor:
    """Probabilities 0..1 of logits (B, n_tags).

    Args:
        logits: (B, n_tags), floating point.
        softmax: positions of the tags that exclude each other, whose scores sum to 1; all others get a sigmoid.

    >>> to_scores(torch.zeros(1, 4), [0, 1])
    tensor([[0.5000, 0.5000, 0.5000, 0.5000]])
    """
    if not softmax:
        return logits.sigmoid()
    if len(softmax) == logits.shape[1]:
        return logits.softmax(dim=1)
    places = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
    places[list(softmax)] = True
    return torch.where(places, logits.masked_fill(~places, -torch.inf).softmax(dim=1), logits.sigmoid())


def softmax_places(card: ModelCard) -> tuple[int, ...]:
    """Positions of the outputs that are a softmax together, as the card says."""
    return tuple(card.vocabulary.index(tag) for tag in card.softmax)
