"""How often tags are given together (kim2018, Table 3)."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError, DataError

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Cooccurrence:
    """Clips of each pair of tags.

    Attributes:
        tags: (n_tags,) names.
        counts: (n_tags, n_tags) clips that have both; on the diagonal, clips that have the one.
        n_clips: clips that were counted.
    """

    tags: tuple[str, ...]
    counts: Counts
    n_clips: int

    def shares(self) -> npt.NDArray[np.float64]:
        """(n_tags, n_tags): of the clips with the row's tag, the share that have the column's; NaN without clips."""
        own = np.diag(self.counts).astype(np.float64)[:, None]
        shares: npt.NDArray[np.float64] = np.divide(
            self.counts, own, out=np.full(self.counts.shape, np.nan), where=own > 0
        )
        return shares

    def of(self, tags: Sequence[str]) -> Cooccurrence:
        """These tags alone, in this order. Raises ConfigError, with near names, for tags that are not there."""
        places = [_place(tag, self.tags) for tag in tags]
        return Cooccurrence(tuple(tags), self.counts[np.ix_(places, places)], self.n_clips)

    def most_frequent(self, n: int) -> Cooccurrence:
        """The ``n`` tags with the most clips, most first; ties in the order they stand in."""
        order = np.argsort(-np.diag(self.counts), kind="stable")[:n]
        return self.of([self.tags[i] for i in order])

    def alike_together(self) -> Cooccurrence:
        """The tags in an order in which those that are given together stand side by side.

        They are sorted by the Fiedler vector of the graph whose edges are overlaps: clips with both tags over the
        clips of the rarer one.
        """
        if len(self.tags) < 3:
            return self
        own = np.maximum(np.diag(self.counts), 1)
        weights = self.counts / np.minimum(own[:, None], own[None, :]) + 1e-3  # a little, so that all hang together
        np.fill_diagonal(weights, 0.0)
        laplacian = np.diag(weights.sum(axis=1)) - weights
        fiedler = np.linalg.eigh(laplacian)[1][:, 1]
        fiedler = fiedler * (1 if fiedler[int(np.argmax(own))] <= 0 else -1)  # the most frequent tag in the first half
        return self.of([self.tags[i] for i in np.argsort(fiedler, kind="stable")])


def cooccurrence(holds: npt.NDArray[np.bool_], tags: Sequence[str]) -> Cooccurrence:
    """Count pairs of tags.

    Args:
        holds: (n_clips, n_tags), see :func:`earmark.plots.binarize.binarize_labels`.
        tags: (n_tags,) names.

    Raises:
        DataError: shapes do not fit.

    >>> cooccurrence(np.array([[True, True], [True, False], [False, False]]), ["guitar", "rock"]).counts
    array([[2, 1],
           [1, 1]])
    """
    if holds.ndim != 2 or holds.shape[1] != len(tags):
        raise DataError(f"labels of shape {holds.shape}: must be (n_clips, {len(tags)})")
    numbers = holds.astype(np.int64)
    return Cooccurrence(tuple(tags), numbers.T @ numbers, len(holds))


def unlike(pairs: Cooccurrence, n: int = 3) -> tuple[str, ...]:
    """Tags that are given together as rarely as can be: the most frequent one, then what overlaps least with those taken.

    Overlap is the clips with both over the clips of the rarer; of equals the more frequent is taken. Tags with fewer
    clips than a twentieth of the most frequent one's are left out, as long as others are there.
    """
    own = np.diag(pairs.counts)
    order = [int(i) for i in np.argsort(-own, kind="stable") if own[i] > 0]
    if not order:
        raise DataError("no tag holds for any clip")
    rare = [i for i in order if own[i] * 20 < own[order[0]]]
    chosen = [order[0]]
    while len(chosen) < min(n, len(order)):
        left = [i for i in order if i not in chosen and i not in rare] or [i for i in order if i not in chosen]
        overlap = [max(pairs.counts[i, j] / min(own[i], own[j]) for j in chosen) for i in left]
        chosen.append(left[int(np.argmin(overlap))])
    return tuple(pairs.tags[i] for i in chosen)


def _place(tag: str, tags: Sequence[str]) -> int:
    if tag in tags:
        return tags.index(tag)
    near = difflib.get_close_matches(tag, tags, n=3)
    raise ConfigError(
        f"no tag {tag!r}; " + (f"did you mean {', '.join(near)}?" if near else f"tags: {', '.join(tags)}")
    )
