"""Reliability: of the clips that score about 0.7, do about 70 % have the tag?

Scores are sorted into bins; in each, the mean score is compared with the share of clips that have the tag (for regression
tags: against their mean degree). The expected calibration error is the mean distance between the two, each bin weighted by its number of
clips (Naeini et al. 2015; Guo et al. 2017, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import TagKind
from earmark.evaluation.scores import ScoreTable
from earmark.metrics.calibration import expected_calibration_error
from earmark.metrics.resampling import CONFIDENCE_LEVEL, ends_of, resamples
from earmark.metrics.table import FloatArray

Spacing = Literal["width", "count"]
_Z = 1.959963984540054  # of a normal distribution, for 95 %
_CHANCE_DRAWS = 100
KINDS: tuple[TagKind, ...] = ("classification", "regression")


@dataclass(frozen=True, eq=False)
class Reliability:
    """How well one tag's scores, or those of all tags of a kind, are calibrated.

    Attributes:
        tag: its name; None for all tags of the kind, each pair of clip and tag counting once.
        kind: classification or regression.
        low_edges, high_edges: (n_bins,) of the scores; the last bin holds its upper edge, too.
        counts: (n_bins,) labelled clips (or pairs) in each; bins without any are left out.
        mean_scores: (n_bins,) their mean score.
        shares: (n_bins,) the share of them that have the tag, or the mean degree.
        low, high: (n_bins,) ends of the 95 % interval of the share: the wider of a bootstrap over groups, which knows that
            clips of one artist resemble each other, and of Wilson's interval, which knows how few clips there are. For
            degrees the bootstrap alone; NaN where there is only one group.
        error: the expected calibration error, 0..1.
        chance: the mean error of perfectly calibrated scores on as few clips: labels are
            drawn with the scores as probabilities. None for degrees.
        chance_high: the 95th percentile of these draws.
    """

    tag: str | None
    kind: TagKind
    low_edges: FloatArray
    high_edges: FloatArray
    counts: npt.NDArray[np.int64]
    mean_scores: FloatArray
    shares: FloatArray
    low: FloatArray
    high: FloatArray
    error: float
    chance: float | None
    chance_high: float | None


def reliabilities(
    table: ScoreTable,
    *,
    n_bins: int = 10,
    spacing: Spacing = "width",
    groups: tuple[str, tuple[str, ...]] | None = None,
    n_resamples: int = 500,
    seed: int = 0,
) -> list[Reliability]:
    """For each kind of tag in the table: all of them together, then each tag that has labels.

    Args:
        table: labels and scores in 0..1.
        n_bins: how many bins, 2 to 100.
        spacing: "width": bins of equal width; "count": bins with about equally many clips of each tag, the better
            choice where nearly all scores are near 0. Equal scores are never split.
        groups: a word and the group of each clip, as :meth:`ScoreTable.groups` gives them; None for its own choice.
        n_resamples, seed: of the bootstrap.

    Raises:
        ConfigError: n_bins or spacing out of range.
        DataError: scores outside 0..1, which cannot be shares.
    """
    problems = [] if 2 <= n_bins <= 100 else [f"bins {n_bins}: must be from 2 to 100"]
    if spacing not in ("width", "count"):
        problems.append(f"spacing {spacing!r}: must be width or count")
    if problems:
        raise ConfigError(problems)
    if (lowest := float(table.scores.min())) < 0 or float(table.scores.max()) > 1:
        raise DataError(
            f"calibration needs scores in 0..1, these are {lowest:g} to {float(table.scores.max()):g}: no shares of clips"
        )
    _, members = groups or table.groups()
    _, member = np.unique(np.asarray(members), return_inverse=True)
    rng = np.random.default_rng(seed)
    found: list[_Binned] = []
    for kind in KINDS:
        places = list(table.vocabulary.indices(kind))
        y, s = table.labels[:, places].astype(np.float64), table.scores[:, places].astype(np.float64)
        if not (~np.isnan(y)).any():
            continue
        owner = np.repeat(member, len(places))
        found.append(_binned(None, kind, y.ravel(), s.ravel(), owner, n_bins, spacing))
        for i, place in enumerate(places):
            if (~np.isnan(y[:, i])).any():
                found.append(_binned(table.vocabulary.names[place], kind, y[:, i], s[:, i], member, n_bins, spacing))
    drawn = _drawn(found, int(member.max()) + 1, n_resamples, rng)
    return [_reliability(one, of_draws, rng) for one, of_draws in zip(found, drawn, strict=True)]


def reliability_frame(found: list[Reliability]) -> pd.DataFrame:
    """One row per bin: tag (empty for all), kind, edges, clips, mean score, share, interval and the tag's error."""
    rows = [
        {
            "tag": one.tag or "",
            "kind": one.kind,
            "score_from": one.low_edges[b],
            "score_to": one.high_edges[b],
            "clips": int(one.counts[b]),
            "mean_score": one.mean_scores[b],
            "share_with_tag": one.shares[b],
            "low": one.low[b],
            "high": one.high[b],
            "calibration_error": one.error,
            "error_by_chance": one.chance,
        }
        for one in found
        for b in range(len(one.counts))
    ]
    return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False)
class _Binned:
    """Clips of a tag, or pairs of all tags, in bins; bins without any are left out."""

    tag: str | None
    kind: TagKind
    edges: FloatArray  # (n_bins, 2)
    labels: FloatArray  # (n,)
    scores: FloatArray  # (n,)
    place: npt.NDArray[np.intp]  # (n,) the bin of each
    owner: npt.NDArray[np.intp]  # (n,) the group of each

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        return np.bincount(self.place, minlength=len(self.edges))

    def mean(self, values: npt.NDArray[Any]) -> FloatArray:
        """(n_bins,) of values (n,)."""
        means: FloatArray = np.bincount(self.place, values, len(self.edges)) / self.counts
        return means

    def by_group(self, values: FloatArray | None, n_groups: int) -> npt.NDArray[np.float32]:
        """(n_groups, n_bins): sums of values, or how many there are."""
        cells = self.owner * len(self.edges) + self.place
        sums = np.bincount(cells, values, n_groups * len(self.edges))
        return sums.reshape(n_groups, -1).astype(np.float32)


def _binned(
    tag: str | None,
    kind: TagKind,
    labels: FloatArray,
    scores: FloatArray,
    owner: npt.NDArray[np.intp],
    n_bins: int,
    spacing: Spacing,
) -> _Binned:
    known = ~np.isnan(labels)
    y, s = labels[known], scores[known]
    edges = np.linspace(0, 1, n_bins + 1)
    if spacing == "count":
        edges = np.unique(np.r_[0.0, np.quantile(s, edges[1:-1]), 1.0])
    # The upper edge of the last bin belongs to it; every other score on an edge to the bin above.
    place = np.clip(np.searchsorted(edges, s, side="right") - 1, 0, len(edges) - 2)
    filled = np.unique(place)
    ends = np.stack([edges[filled], edges[filled + 1]], axis=1)
    return _Binned(tag, kind, ends, y, s, np.searchsorted(filled, place), owner[known])


def _drawn(found: list[_Binned], n_groups: int, n_resamples: int, rng: np.random.Generator) -> list[FloatArray | None]:
    """(n_resamples, n_bins) shares in each, from the same draws for all; None where nothing can be drawn."""
    if n_groups < 2 or n_resamples < 1:
        return [None] * len(found)
    sums = [(one.by_group(one.labels, n_groups), one.by_group(None, n_groups)) for one in found]
    drawn = [np.full((n_resamples, len(one.edges)), np.nan) for one in found]
    for part, weights in resamples(np.arange(n_groups), n_groups, n_resamples, rng):
        light = weights.astype(np.float32)
        for shares, (above, below) in zip(drawn, sums, strict=True):
            n = (light @ below).astype(np.float64)
            np.divide(light @ above, n, out=shares[part], where=n > 0)
    return list(drawn)


def _reliability(one: _Binned, drawn: FloatArray | None, rng: np.random.Generator) -> Reliability:
    counts, shares, means = one.counts, one.mean(one.labels), one.mean(one.scores)
    low, high = (np.full(len(counts), np.nan),) * 2 if drawn is None else ends_of(drawn, CONFIDENCE_LEVEL)
    chance = chance_high = None
    if one.kind == "classification":
        middle = (shares + _Z**2 / (2 * counts)) / (1 + _Z**2 / counts)
        reach = _Z * np.sqrt(shares * (1 - shares) / counts + _Z**2 / (4 * counts**2)) / (1 + _Z**2 / counts)
        low, high = np.fmin(low, middle - reach), np.fmax(high, middle + reach)
        errors = [
            expected_calibration_error(means, one.mean(rng.random(len(one.scores)) < one.scores), counts)
            for _ in range(_CHANCE_DRAWS)
        ]
        chance, chance_high = float(np.mean(errors)), float(np.quantile(errors, CONFIDENCE_LEVEL))
    return Reliability(
        one.tag,
        one.kind,
        one.edges[:, 0],
        one.edges[:, 1],
        counts,
        means,
        shares,
        np.clip(low, 0, 1),
        np.clip(high, 0, 1),
        expected_calibration_error(means, shares, counts),
        chance,
        chance_high,
    )
