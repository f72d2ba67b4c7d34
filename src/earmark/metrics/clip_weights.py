"""Each metric of one tag for many weightings of the clips at once: what makes a bootstrap fast.

A clip that a resample draws three times weighs 3, one that it does not draw weighs 0. Nothing is copied or sorted
again: a tag's clips are ranked once, and every resample is a sum along that ranking.
"""

from __future__ import annotations

import numpy as np

from earmark.metrics.table import FloatArray, Kernel, metric_info


def tag_kernels(metric: str, labels: FloatArray, scores: FloatArray) -> list[Kernel]:
    """The kernel of every tag; of a metric of classes the one of all of them. Labels and scores (n_clips, n_tags)."""
    if metric_info(metric).of_classes:
        return [kernel(metric, labels, scores)]
    return [kernel(metric, labels[:, tag], scores[:, tag]) for tag in range(labels.shape[1])]


def kernel(metric: str, labels: FloatArray, scores: FloatArray) -> Kernel:
    """The metric of one tag, or of classes; labels and scores as :func:`earmark.metrics.arrays.checked` leaves them.

    Args:
        metric: its name.
        labels, scores: (n_clips,), or (n_clips, n_classes).
    """
    info = metric_info(metric)
    if info.kernel is not None:
        return info.kernel(labels, scores)

    def repeated(weights: FloatArray) -> FloatArray:
        drawn = [np.repeat(np.arange(len(labels)), row.astype(np.int64)) for row in weights]
        pairs = [(labels[i].reshape(len(i), -1), scores[i].reshape(len(i), -1)) for i in drawn]
        return np.array([info.function(*pair)[0] if len(pair[0]) else np.nan for pair in pairs])

    return repeated


def all_tags(metric: str, labels: FloatArray, scores: FloatArray, weights: FloatArray) -> FloatArray:
    """(n_resamples, n_tags): the metric with each clip counted as often as weights (n_resamples, n_clips) say."""
    return np.stack([of_tag(weights) for of_tag in tag_kernels(metric, labels, scores)], axis=1)


def ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """above / below, NaN where below is 0."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def ranking_kernel(metric: str, labels: FloatArray, scores: FloatArray) -> Kernel:
    """ROC-AUC or PR-AUC of one tag."""
    known = np.flatnonzero(~np.isnan(labels))
    order = known[np.argsort(-scores[known], kind="stable")]
    falling = scores[order]
    new = np.r_[True, falling[1:] != falling[:-1]] if len(order) else np.zeros(0, bool)
    starts = np.flatnonzero(new)
    ends = np.r_[starts[1:], len(order)] - 1 if len(order) else starts
    positives = np.flatnonzero(labels[order] == 1)  # ranks
    if not len(positives):
        return lambda weights: np.full(len(weights), np.nan)
    tie = (np.cumsum(new) - 1)[positives]
    first, last = starts[tie], ends[tie]  # ranks between which scores equal that of the positive
    first_positive = np.searchsorted(positives, first)
    last_positive = np.searchsorted(positives, last, side="right") - 1

    def before(sums: FloatArray, ranks: np.ndarray[tuple[int], np.dtype[np.intp]]) -> FloatArray:
        """Running sums that end just before these ranks."""
        return np.where(ranks > 0, np.take(sums, np.maximum(ranks - 1, 0), axis=1), 0.0)

    def areas(weights: FloatArray) -> FloatArray:
        said = np.cumsum(np.take(weights, order, axis=1), axis=1)  # clips down to each rank
        won = np.take(weights, order[positives], axis=1)
        hits = np.cumsum(won, axis=1)  # positives down to each positive
        n_positive, n_negative = hits[:, -1], said[:, -1] - hits[:, -1]
        said_at, hits_at = np.take(said, last, axis=1), np.take(hits, last_positive, axis=1)
        if metric == "pr_auc":
            precision = np.divide(hits_at, said_at, out=np.zeros_like(hits_at), where=said_at > 0)
            area = ratio((won * precision).sum(axis=1), n_positive)
            area[n_negative == 0] = np.nan
            return area
        negatives_at = said_at - hits_at
        negatives_above = before(said, first) - before(hits, first_positive)
        beaten = n_negative[:, None] - (negatives_at + negatives_above) / 2  # ties count half
        return ratio((won * beaten).sum(axis=1), n_positive * n_negative)

    return areas


def sum_kernel(metric: str, labels: FloatArray, scores: FloatArray) -> Kernel:
    """RMSE, F1, precision or recall of one tag: made of sums over clips."""
    known = ~np.isnan(labels)
    y, s = np.where(known, labels, 0.0), np.where(known, scores, 0.0)
    if metric == "rmse":
        parts = np.stack([(y - s) ** 2, known.astype(np.float64)], axis=1)
        return lambda weights: np.sqrt(ratio(*np.moveaxis(weights @ parts, 1, 0)))
    parts = np.stack([y * s, s, y], axis=1)

    def of_decisions(weights: FloatArray) -> FloatArray:
        hits, said, positives = np.moveaxis(weights @ parts, 1, 0)
        if metric == "f1":
            value = ratio(2 * hits, said + positives)
        else:
            value = ratio(hits, said if metric == "precision" else positives)
        value[positives == 0] = np.nan
        return value

    return of_decisions
