"""How often tags are given together (kim2018, Table 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from earmark.core.errors import ConfigError, DataError
from earmark.core.hints import did_you_mean
from earmark.plots.drawing import Drawing
from earmark.plots.style import HALF_INCHES, SEQUENTIAL, WIDE_INCHES, house_style, new_figure, plain_text

Counts = npt.NDArray[np.int64]
_MOST_NUMBERED = 14


@dataclass(frozen=True, eq=False)
class Cooccurrence:
    """Clips of each pair of tags.

    Attributes:
        tags: (n_tags,) names.
        counts: (n_tags, n_tags) clips that have both; on the diagonal, clips that have the tag.
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
        """Only these tags, in this order. Raises ConfigError, with similar names, for unknown tags."""
        places = [_place(tag, self.tags) for tag in tags]
        return Cooccurrence(tuple(tags), self.counts[np.ix_(places, places)], self.n_clips)

    def most_frequent(self, n: int) -> Cooccurrence:
        """The ``n`` tags with the most clips, most first; ties in their original order."""
        order = np.argsort(-np.diag(self.counts), kind="stable")[:n]
        return self.of([self.tags[i] for i in order])

    def alike_together(self) -> Cooccurrence:
        """The tags in an order in which those that are given together are side by side.

        They are sorted by the Fiedler vector of the graph whose edges are overlaps: clips with both tags over the
        clips of the rarer one.
        """
        if len(self.tags) < 3:
            return self
        own = np.maximum(np.diag(self.counts), 1)
        weights = (
            self.counts / np.minimum(own[:, None], own[None, :]) + 1e-3
        )  # a little, so that the graph is connected
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
    """Tags that are rarely given together: the most frequent one, then whichever overlaps least with those chosen.

    Overlap is the clips with both over the clips of the rarer; in a tie the more frequent one. Tags with fewer
    clips than a twentieth of the most frequent one's are left out, as long as others remain.
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
    hint = did_you_mean(tag, tags, f"tags: {', '.join(tags)}")
    raise ConfigError(f"no tag {tag!r}; {hint}")


def pair_table(pairs: Cooccurrence) -> pd.DataFrame:
    """Columns: tag, other, clips (with both; of a tag with itself: with it), share of the tag's clips, 0..1."""
    shares = pairs.shares()
    n = len(pairs.tags)
    return pd.DataFrame(
        [
            (pairs.tags[i], pairs.tags[j], int(pairs.counts[i, j]), float(shares[i, j]))
            for i in range(n)
            for j in range(n)
        ],
        columns=["tag", "other", "clips", "share_of_tags_clips"],
    )


@house_style()
def draw_cooccurrence(pairs: Cooccurrence, about: str) -> Drawing:
    """A matrix of tags: colour is the share of the row's clips that have the column's tag; few tags also as numbers."""
    n = len(pairs.tags)
    numbered = n <= _MOST_NUMBERED
    width = HALF_INCHES if n <= 8 else 5.2 if n <= 20 else WIDE_INCHES
    figure = new_figure(
        "Tags that are given together",
        about,
        width_inches=width,
        height_inches=0.75 + width * 0.82 if n > 8 else 0.9 + max(1.6, 0.34 * n + 0.8),
    )
    axes = figure.add_subplot()
    shares = pairs.shares()
    np.fill_diagonal(shares, np.nan)  # a tag is always given with itself
    image = axes.imshow(np.ma.masked_invalid(shares), cmap=SEQUENTIAL, vmin=0, vmax=1, aspect="auto")
    axes.set_facecolor("#EEEEEE")
    names = [plain_text(tag, 24) for tag in pairs.tags]
    own = np.diag(pairs.counts)
    small = 7 if n <= 30 else 5.5
    axes.set_xticks(
        range(n), names, rotation=45 if n <= 20 else 90, ha="right" if n <= 20 else "center", fontsize=small
    )
    axes.set_yticks(range(n), [f"{name}  {count:,}" for name, count in zip(names, own, strict=True)], fontsize=small)
    if n <= 20:
        for label in axes.get_xticklabels():
            label.set_rotation_mode("anchor")
    if numbered:
        for i in range(n):
            for j in range(n):
                dark = not np.isnan(shares[i, j]) and shares[i, j] < 0.5
                axes.text(
                    j,
                    i,
                    f"{pairs.counts[i, j]:,}",
                    ha="center",
                    va="center",
                    fontsize=6.5,
                    color="white" if dark else "black",
                    fontweight="bold" if i == j else "normal",
                )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.7 if n > 8 else 0.95, pad=0.02)
    bar.set_label("share of the row's clips")
    bar.outline.set_visible(False)
    return Drawing("tag-pairs", figure, pair_table(pairs))
