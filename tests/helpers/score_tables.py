"""Score tables as tests make them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from earmark.core.vocabulary import Tag, Vocabulary
from earmark.evaluation.scores import ScoreTable

NAMES = ("rock", "jazz", "folk", "techno")


def score_table(
    labels: Any, scores: Any, tags: Any = NAMES, /, *, clips_per_artist: int = 1, **changes: Any
) -> ScoreTable:
    """Scores of a made model "net" on the split "test" of a made dataset "mine".

    Args:
        labels, scores: (n_clips, n_tags).
        tags: a vocabulary, tags, or names; the first n_tags count.
        clips_per_artist: the artists of clips that follow each other.
        changes: other fields of the table.
    """
    y, s = np.asarray(labels, np.float32), np.asarray(scores)
    n_clips, n_tags = y.shape
    if not isinstance(tags, Vocabulary):
        tags = Vocabulary(tuple(tag if isinstance(tag, Tag) else Tag(tag) for tag in tuple(tags)[:n_tags]))
    made = ScoreTable(
        vocabulary=tags,
        clips=tuple(f"clip {i}" for i in range(n_clips)),
        artists=tuple(f"artist {i // clips_per_artist}" for i in range(n_clips)),
        songs=(None,) * n_clips,
        labels=y,
        scores=s,
        dataset="mine",
        protocol="by-artist",
        split="test",
        model="net",
    )
    return dataclasses.replace(made, **changes)
