"""Metrics of tagging as pure functions of arrays; NumPy alone.

Conventions
    labels     (n_clips, n_tags), real numbers in 0..1; NaN where a clip is not labelled for a tag. Such entries are
               left out of that tag's metric. All metrics but RMSE require 0 or 1.
    scores     (n_clips, n_tags), finite real numbers; higher means more. RMSE requires them in 0..1.
    decisions  (n_clips, n_tags), 0 or 1: scores after a threshold. F1, precision and recall take them as scores.
    groups     (n_clips,), anything that can be compared: clips of one group (artist, song) are drawn together.

Metrics
    roc_auc, pr_auc, rmse           one value per tag, NaN where it is undefined
    f1, precision, recall           the same, of decisions; see decide
    accuracy                        of classes that exclude each other: one value, (1,)
    decide_class                    decisions for such classes: the one that scores highest
    macro, weighted                 the mean over the tags where it is defined, with a list of the others
    micro                           one value over all (clip, tag) pairs
    per_clip                        one value per clip, over its tags
    bootstrap                       95 % intervals, for each tag and for the means, by resampling groups
    bootstrap_mean                  the same of a mean over clips
    paired_bootstrap                the difference of two models on the same clips, with its intervals
    best_f1_thresholds, decide      the best threshold of each tag, and the decisions it gives

A tag whose labels are all 0 or all 1 has no ROC-AUC and no PR-AUC: its value is NaN, and :func:`macro` lists it.
It is never counted as 0 and never dropped silently.
"""

from earmark.metrics.classes import accuracy, decide_class
from earmark.metrics.means import Macro, macro, micro, per_clip, weighted
from earmark.metrics.paired import Differences, paired_bootstrap
from earmark.metrics.resampling import CONFIDENCE_LEVEL, Intervals, bootstrap, bootstrap_mean
from earmark.metrics.table import (
    FloatArray,
    MetricInfo,
    list_metrics,
    metric_info,
    metric_label,
    register_metric,
)
from earmark.metrics.tags import f1, pr_auc, precision, recall, rmse, roc_auc
from earmark.metrics.thresholds import best_f1_thresholds, decide

__all__ = [
    "CONFIDENCE_LEVEL",
    "Differences",
    "FloatArray",
    "Intervals",
    "Macro",
    "MetricInfo",
    "accuracy",
    "best_f1_thresholds",
    "bootstrap",
    "bootstrap_mean",
    "decide",
    "decide_class",
    "f1",
    "list_metrics",
    "macro",
    "metric_info",
    "metric_label",
    "micro",
    "paired_bootstrap",
    "per_clip",
    "pr_auc",
    "precision",
    "recall",
    "register_metric",
    "rmse",
    "roc_auc",
    "weighted",
]
