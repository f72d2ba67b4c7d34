"""The table of metrics: everything about a metric that reports, plots and commands need to know besides its value.

A new metric is a function with :func:`register_metric` above it, in a module that :mod:`earmark.metrics` imports, in a
plugin file or in a distribution with an entry point. Reports, comparisons, plots and ``--metric`` then offer it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError
from earmark.core.registry import Registry
from earmark.core.vocabulary import TagKind

FloatArray = npt.NDArray[np.float64]
MetricFunction = Callable[[npt.ArrayLike, npt.ArrayLike], FloatArray]
"""labels and scores, both (n_clips, n_tags) -> (n_tags,), NaN where undefined."""

Kernel = Callable[[FloatArray], FloatArray]
"""weights (n_resamples, n_clips) -> the metric of one tag (n_resamples,), NaN where it is undefined."""


@dataclass(frozen=True)
class MetricInfo:
    """One metric.

    Attributes:
        name: as in files and on the command line; also the name of the function.
        label: for people, e.g. "ROC-AUC".
        description: one line for people, without a full stop; the HTML report gives a card to each metric that has one.
        kind: the kind of tag that it applies to.
        higher_is_better: direction.
        low, high: range of its values.
        chance: value without any knowledge of the clips: a number, "positives" (the share of clips that have the tag),
            "train_mean" (the metric of always answering each tag's mean over the training clips), or None.
        decisions: it takes decisions (0 or 1) and not scores.
        of_classes: it is about classes that exclude each other, as a whole: ``function`` gives one value, (1,), for all of
            them, and the kernel takes labels and scores (n_clips, n_classes).
        function: computes it.
        kernel: labels and scores (n_clips,) of one tag -> :data:`Kernel`, for a fast bootstrap; None to call
            ``function`` on the clips of each resample.
    """

    name: str
    label: str
    description: str
    kind: TagKind
    higher_is_better: bool
    low: float
    high: float
    chance: float | Literal["positives", "train_mean"] | None
    decisions: bool
    function: MetricFunction
    kernel: Callable[[FloatArray, FloatArray], Kernel] | None
    of_classes: bool = False

    def gain(self, better: float, worse: float) -> float:
        """How much better the first value is than the second; negative where it is worse."""
        return better - worse if self.higher_is_better else worse - better

    def chance_levels(self, labels: npt.ArrayLike, train_labels: npt.ArrayLike | None) -> FloatArray | None:
        """Value of each tag without any knowledge of the clips.

        Args:
            labels: (n_clips, n_tags).
            train_labels: (n_train_clips, n_tags) for "train_mean".

        Returns:
            (n_tags,); None where there is no such value, or a tag has no training labels.
        """
        y = np.asarray(labels)
        if self.chance is None:
            return None
        if self.chance == "positives":
            shares: FloatArray = np.nansum(y, axis=0) / np.maximum((~np.isnan(y)).sum(axis=0), 1)
            return shares
        if self.chance == "train_mean":
            train = None if train_labels is None else np.asarray(train_labels)
            if train is None or np.isnan(train).all(axis=0).any():
                return None
            return self.function(y, np.broadcast_to(np.nanmean(train, axis=0, dtype=np.float64), y.shape))
        return np.full(y.shape[1], float(self.chance))


METRICS = Registry[MetricInfo]("metric", "earmark.metrics")


def register_metric(
    label: str,
    *,
    description: str = "",
    kind: TagKind = "classification",
    higher_is_better: bool = True,
    low: float = 0.0,
    high: float = 1.0,
    chance: float | Literal["positives", "train_mean"] | None = None,
    decisions: bool = False,
    kernel: Callable[[FloatArray, FloatArray], Kernel] | None = None,
    of_classes: bool = False,
) -> Callable[[MetricFunction], MetricFunction]:
    """Decorator: put a function into the table of metrics under its own name. Arguments as in :class:`MetricInfo`.

    Raises:
        ConfigError: there is a metric of that name already, or the range is empty.

    Example:
        >>> def brier(labels, scores):
        ...     return np.nanmean((np.asarray(labels) - np.asarray(scores)) ** 2, axis=0)
        >>> with METRICS.temporary():  # forgets it again; @register_metric above the function keeps it
        ...     _ = register_metric("Brier score", higher_is_better=False)(brier)
        ...     metric_label("brier")
        'Brier score'
    """

    def add(function: MetricFunction) -> MetricFunction:
        name = function.__name__
        if not low < high or math.isnan(low + high):
            raise ConfigError(f"metric {name!r}: the range {low:g} to {high:g} is empty")
        info = MetricInfo(
            name=name,
            label=label,
            description=description,
            kind=kind,
            higher_is_better=higher_is_better,
            low=low,
            high=high,
            chance=chance,
            decisions=decisions,
            function=function,
            kernel=kernel,
            of_classes=of_classes,
        )
        METRICS.add(info, name, source=function.__module__)
        return function

    return add


def list_metrics(
    kind: TagKind | None = None, *, decisions: bool | None = None, of_classes: bool = False
) -> tuple[str, ...]:
    """Names of the metrics in the order of the table.

    Args:
        kind: only those of this kind of tag.
        decisions: True for only those of decisions, False for only those of scores.
        of_classes: those of classes that exclude each other, as a whole, instead of those of single tags.

    >>> list_metrics(decisions=False), list_metrics(of_classes=True)
    (('roc_auc', 'pr_auc', 'rmse'), ('accuracy',))
    """
    return tuple(
        name
        for name, info in METRICS.items()
        if kind in (None, info.kind) and decisions in (None, info.decisions) and of_classes == info.of_classes
    )


def metric_info(name: str) -> MetricInfo:
    """The entry of a metric.

    Raises:
        ConfigError: no such metric.

    >>> metric_info("rmse").label, metric_info("rmse").higher_is_better
    ('RMSE', False)
    """
    return METRICS.get(name)


def metric_label(name: str) -> str:
    """What people call a metric. Raises ConfigError where there is none of that name.

    >>> metric_label("pr_auc")
    'PR-AUC'
    """
    return metric_info(name).label
