"""The one number that selects the best epoch, and what else is measured at each validation.

The selection metric is skill: 0 knows nothing, 1 is perfect.

    classification tags   2 x macro ROC-AUC - 1          (0 = drawing lots)
    classes of a softmax  (accuracy - c) / (1 - c); c is the accuracy of the most frequent class of the training clips
    regression tags       1 - macro RMSE / macro RMSE of the constant answer (each tag's mean over the training clips)
    selection             mean of these, as far as the data has such tags

All parts have the same meaning of 0 and 1, so that no kind of tag outweighs another; plain 1 - RMSE would
hardly move. Undefined tags are left out of the macro means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark import metrics
from earmark.core.card import Metric
from earmark.core.errors import DataError
from earmark.core.vocabulary import Vocabulary
from earmark.training.callbacks import VALIDATION_METRICS


@dataclass(frozen=True)
class Validation:
    """Metrics of one validation.

    Attributes:
        selection: see the module docstring.
        roc_auc, pr_auc: (n_tags,) of the classification tags, NaN elsewhere and where undefined.
        rmse: (n_tags,) of the regression tags, NaN elsewhere.
        thresholds: (n_tags,) with the best F1 of the classification tags, NaN elsewhere and where undefined.
        accuracy: of the classes of a softmax; NaN without any.
    """

    selection: float
    roc_auc: metrics.FloatArray
    pr_auc: metrics.FloatArray
    rmse: metrics.FloatArray
    thresholds: metrics.FloatArray
    accuracy: float = math.nan

    def macros(self) -> dict[str, float]:
        """Macro means by metric, where defined."""
        values = {name: metrics.macro(getattr(self, name)).value for name in VALIDATION_METRICS}
        return {name: value for name, value in values.items() if not math.isnan(value)}

    def card_thresholds(self, vocabulary: Vocabulary) -> dict[str, float]:
        """Tag name -> threshold, where one could be fitted."""
        pairs = zip(vocabulary.names, self.thresholds, strict=True)
        return {name: round(float(x), 6) for name, x in pairs if not np.isnan(x)}

    def card_metrics(self, vocabulary: Vocabulary, dataset: str, protocol: str, n_clips: int) -> tuple[Metric, ...]:
        """Macro and per-tag values for the card, split "validation"; None where undefined."""
        where = (dataset, protocol, "validation")
        result = []
        if not math.isnan(self.accuracy):
            result.append(Metric("accuracy", round(self.accuracy, 6), *where, n_clips=n_clips))
        for name in VALIDATION_METRICS:
            places = vocabulary.indices(metrics.metric_info(name).kind)
            if not places:
                continue
            values = getattr(self, name)
            rows: list[tuple[str | None, float]] = [(None, metrics.macro(values[list(places)]).value)]
            rows += [(vocabulary.names[i], float(values[i])) for i in places]
            result += [
                Metric(name, None if math.isnan(x) else round(x, 6), *where, tag, n_clips=n_clips) for tag, x in rows
            ]
        return tuple(result)


class Validator:
    """Measures validation scores.

    Args:
        vocabulary: tags in output order.
        labels: (n_clips, n_tags) of the validation clips.
        train_labels: (n_train_clips, n_tags): their means are the constant answer.
        what: name of these clips, for the error.
        softmax: tags that are learned as classes that exclude each other.

    Raises:
        DataError: there is no selection metric: no tag has a defined metric.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        labels: npt.NDArray[np.float32],
        train_labels: npt.NDArray[np.float32],
        what: str = "validation split",
        softmax: Sequence[str] = (),
    ) -> None:
        self.vocabulary = vocabulary
        self.labels = labels.astype(np.float64)
        self.classification = list(vocabulary.indices("classification"))
        self.regression = list(vocabulary.indices("regression"))
        self.classes = [vocabulary.index(tag) for tag in softmax]
        self.single = [i for i in self.classification if i not in self.classes]
        n_known = (~np.isnan(train_labels)).sum(axis=0)
        means = np.nansum(train_labels, axis=0, dtype=np.float64) / np.maximum(n_known, 1)
        constant = np.broadcast_to(means, labels.shape)
        self.constant_accuracy = self._accuracy(constant)
        self.constant_rmse = metrics.macro(self._of("rmse", self.regression, constant)).value
        if math.isnan(self(constant).selection):
            raise DataError(
                f"the {what} cannot tell good from bad: no classification tag has clips with and without it, "
                "and no regression tag is labelled with values that differ from the training mean"
            )

    def __call__(self, scores: npt.NDArray[np.floating]) -> Validation:
        """Metrics of scores (n_clips, n_tags) in 0..1."""
        roc_auc = self._of("roc_auc", self.classification, scores)
        pr_auc = self._of("pr_auc", self.classification, scores)
        rmse = self._of("rmse", self.regression, scores)
        thresholds = np.full(len(self.vocabulary), np.nan)
        if self.classification:
            chosen = self.classification
            thresholds[chosen], _ = metrics.best_f1_thresholds(self.labels[:, chosen], scores[:, chosen])
        skills = [2 * metrics.macro(roc_auc[self.single]).value - 1] if self.single else []
        accuracy = self._accuracy(scores)
        if self.constant_accuracy < 1:
            skills.append((accuracy - self.constant_accuracy) / (1 - self.constant_accuracy))
        if self.constant_rmse > 0:
            skills.append(1 - metrics.macro(rmse).value / self.constant_rmse)
        known = [skill for skill in skills if not math.isnan(skill)]
        selection = sum(known) / len(known) if known else math.nan
        return Validation(selection, roc_auc, pr_auc, rmse, thresholds, accuracy)

    def _accuracy(self, scores: npt.NDArray[np.floating]) -> float:
        if not self.classes:
            return math.nan
        return float(metrics.accuracy(self.labels[:, self.classes], scores[:, self.classes])[0])

    def _of(self, name: str, tags: list[int], scores: npt.NDArray[np.floating]) -> metrics.FloatArray:
        values = np.full(len(self.vocabulary), np.nan)
        if tags:
            values[tags] = metrics.metric_info(name).function(self.labels[:, tags], scores[:, tags])
        return values
