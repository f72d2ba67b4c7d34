"""Parts of a file and the tags of each, from change points in its taggram."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from earmark.core.calibration import calibrated
from earmark.core.errors import ConfigError
from earmark.tagging.aggregation import aggregate

if TYPE_CHECKING:
    from earmark.tagging.tag_scores import TagScores
    from earmark.tagging.top_tags import TagScore, Threshold

Floats = npt.NDArray[np.float64]

MIN_SECONDS = 20.0
MIN_SILENCE_SECONDS = 5.0
PENALTY = 2.0
"""What a change point costs, for each second of the least length. Two parts of the least length are told apart if the
squares of their differences, in scores divided by their tags' thresholds, sum to twice this: about four tags that come
or go. Longer parts need less."""
_MOST_THRESHOLDS = 1.5
_NO_THRESHOLD = 0.5
_LEAST_SOUND_SECONDS = 0.1  # silence is measured in such steps


@dataclass(frozen=True)
class Segment:
    """A part of a file, and the tags that hold in it.

    Attributes:
        start_seconds, end_seconds: where it begins and ends in the file.
        tags: highest score first; none where the part is silent, or no tag reaches its threshold.
        summary: at most two of each category, in the order of categories, as the table shows those of a file.
        silent: nothing in it is audible.

    Examples:
        >>> import earmark, numpy as np
        >>> (part,) = earmark.load_tagger().tag_waveform(np.zeros(5 * 16_000), 16_000).segments()
        >>> part.to_record()
        {'start_seconds': 0.0, 'end_seconds': 5.0, 'silent': True, 'tags': []}
    """

    start_seconds: float
    end_seconds: float
    tags: tuple[TagScore, ...]
    summary: tuple[TagScore, ...] = ()
    silent: bool = False

    def to_record(self, n: int = 0) -> dict[str, Any]:
        """The JSON object that ``earmark tag --segments --format jsonl`` prints.

        Args:
            n: most tags; 0 for all.

        Returns:
            Begin and end in seconds, rounded to milliseconds; whether it is silent; tags with scores of 4 places.
        """
        return {
            "start_seconds": round(self.start_seconds, 3),
            "end_seconds": round(self.end_seconds, 3),
            "silent": self.silent,
            "tags": [{"tag": tag.tag, "score": round(tag.score, 4)} for tag in self.tags[: n or None]],
        }


def find_segments(scores: TagScores, min_seconds: float, smoothing: float, threshold: Threshold) -> list[Segment]:
    """See :meth:`earmark.tagging.tag_scores.TagScores.segments`."""
    problems = [
        f"{name} {value}: must be above 0"
        for name, value in (("min_seconds", min_seconds), ("smoothing", smoothing))
        if not 0 < value < np.inf
    ]
    if threshold == "none":
        problems.append(
            "threshold none: must be auto or a number from 0 to 1, since all tags hold everywhere otherwise"
        )
    if scores.sparse:
        problems.append("segments need all windows of a file, and only some were read: tag it without windows")
    if problems:
        raise ConfigError(problems)
    end = float(scores.row_edges_seconds()[-1])
    if scores.silent:
        return [_silence(0.0, end)]
    values = _in_thresholds(scores, threshold)
    found: list[Segment] = []
    at = 0.0
    for begin, stop in [*_long_silences(scores, end), (end, end)]:
        if begin > at:
            found += _parts(scores, at, begin, values, min_seconds, smoothing * PENALTY * min_seconds, threshold)
        if stop > begin:
            found.append(_silence(begin, stop))
        at = stop
    return found


def change_points(values: Floats, edges: Floats, min_length: float, penalty: float) -> list[int]:
    """Where the mean of a series changes: the split with the least squared error plus a penalty for each part.

    Optimal partitioning (Jackson et al. 2005), with the pruning of PELT (Killick et al. 2012) delayed by the least
    length, so that the split is the best one.

    Args:
        values: ``(n, n_dims)``.
        edges: ``(n + 1,)``, rising: where each row begins, and where the last one ends.
        min_length: of a part, in the unit of the edges.
        penalty: for each part.

    Returns:
        Rows at which a new part begins, rising, without 0.

    Example:
        >>> change_points(np.array([[0.0], [0.0], [1.0], [1.0], [1.0]]), np.arange(6.0), 1, 0.5)
        [2]
    """
    n = len(values)
    lengths = np.diff(edges)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values * lengths[:, None], axis=0)])
    squares = np.concatenate([[0.0], np.cumsum((values**2).sum(axis=1) * lengths)])
    costs = np.full(n + 1, np.inf)
    costs[0] = 0.0
    previous = np.zeros(n + 1, int)
    useless_from = np.full(n + 1, np.inf)  # a later start is better from here on
    first = 0  # all before are useless
    for t in range(1, n + 1):
        while useless_from[first] <= edges[t]:
            first += 1
        starts = np.arange(first, int(np.searchsorted(edges, edges[t] - min_length + 1e-9, "right")))
        starts = starts[(useless_from[starts] > edges[t]) & np.isfinite(costs[starts])]
        if not len(starts):
            continue
        within = squares[t] - squares[starts]
        within -= ((sums[t] - sums[starts]) ** 2).sum(axis=1) / (edges[t] - edges[starts])
        totals = costs[starts] + within + penalty
        best = int(np.argmin(totals))
        costs[t], previous[t] = totals[best], starts[best]
        late = starts[totals - penalty > costs[t]]
        useless_from[late] = np.minimum(useless_from[late], edges[t] + min_length)
    found: list[int] = []
    t = int(previous[n])
    while t:
        found.append(t)
        t = int(previous[t])
    return found[::-1]


def _parts(
    scores: TagScores,
    begin: float,
    end: float,
    values: Floats,
    min_seconds: float,
    penalty: float,
    threshold: Threshold,
) -> list[Segment]:
    """Segments of a part without long silences."""
    edges = scores.row_edges_seconds()
    inside = np.flatnonzero((edges[1:] > begin) & (edges[:-1] < end))
    own = np.clip(edges[inside[0] : inside[-1] + 2], begin, end)
    bounds = [begin, *own[change_points(values[inside], own, min_seconds, penalty)].tolist(), end]
    parts = [_segment(scores, a, b, threshold) for a, b in pairwise(bounds)]
    k = 1
    while k < len(parts):
        if {tag.tag for tag in parts[k - 1].tags} != {tag.tag for tag in parts[k].tags}:
            k += 1
            continue
        parts[k - 1 : k + 1] = [_segment(scores, parts[k - 1].start_seconds, parts[k].end_seconds, threshold)]
        k = max(1, k - 1)  # the mean may have other tags than both, and those of the part before
    return parts


def _segment(scores: TagScores, begin: float, end: float, threshold: Threshold) -> Segment:
    """Windows that lie inside count; of a part without one, those that are centred in it."""
    part = scores
    if begin > 0 or end < scores.row_edges_seconds()[-1]:
        starts, edges, audible = scores.window_starts_seconds, scores.row_edges_seconds(), scores.audible_seconds()
        rows = (starts >= begin - 1e-6) & (scores.window_ends_seconds() <= end + 1e-6) & (audible > 0)
        weights = np.where(rows, audible, 0.0)
        if not rows.any():
            weights = np.minimum(audible, np.diff(np.clip(edges, begin, end)))
        if scores.uncalibrated is None:
            mean = aggregate(scores.taggram, weights)
        else:
            mean = calibrated(aggregate(scores.uncalibrated, weights), scores.tags, scores.calibration)
        part = replace(scores, scores=mean)
    return Segment(begin, end, tuple(part.top(0, threshold)), tuple(part.top_per_category(threshold)))


def _silence(begin: float, end: float) -> Segment:
    return Segment(begin, end, (), silent=True)


def _long_silences(scores: TagScores, end: float) -> list[tuple[float, float]]:
    """Those that end with the audio do so to the last digit: they are measured in samples of another rate than the file's."""
    return [
        (float(a), end if end - b < _LEAST_SOUND_SECONDS else float(b))
        for a, b in scores.silences_seconds
        if b - a >= min(MIN_SILENCE_SECONDS, end)
    ]


def _in_thresholds(scores: TagScores, threshold: Threshold) -> Floats:
    """Scores of the tags that hold at some moment, divided by their thresholds, ``(n_rows, n)``.

    So a change counts alike in tags with low and high thresholds, and changes between low scores do not count.
    """
    limits = np.array([scores.thresholds.get(name, _NO_THRESHOLD) for name in scores.tags])
    if threshold != "auto":
        limits[:] = max(float(threshold), 1e-3)
    values = scores.taggram / np.maximum(limits, 1e-3)
    values = values[:, (values >= 1).any(axis=0) & ~scores.is_degree]
    limited: Floats = np.minimum(values, _MOST_THRESHOLDS).astype(np.float64)
    return limited
