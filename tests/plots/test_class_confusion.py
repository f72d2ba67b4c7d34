"""The confusion matrix of classes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from earmark.core.errors import DataError
from earmark.plots.class_confusion import class_confusion, class_confusion_of
from tests.helpers.score_tables import NAMES, score_table


def test_the_matrix_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, 50), rng.integers(0, 4, 50)
    labels = np.eye(4)[truth]
    labels[7] = np.nan
    table = score_table(labels, np.eye(4)[predicted], exclusive=NAMES)
    found = class_confusion(table)
    known = np.arange(50) != 7
    assert found.counts.tolist() == confusion_matrix(truth[known], predicted[known]).tolist()
    assert found.accuracy == pytest.approx((truth == predicted)[known].mean())
    drawing = class_confusion_of(table, "net")
    assert drawing.table.clips.sum() == 49
    by_class = drawing.table.groupby("class").share.sum()
    assert by_class.to_numpy() == pytest.approx(1)


def test_a_class_without_clips_is_left_blank() -> None:
    table = score_table(np.eye(4)[[0, 0, 1]], np.eye(4)[[0, 1, 1]], exclusive=NAMES)
    drawing = class_confusion_of(table, "")
    assert set(drawing.table["class"]) == {"rock", "jazz"}


def test_tags_that_do_not_exclude_each_other_have_none() -> None:
    with pytest.raises(DataError, match="no classes that exclude each other"):
        class_confusion(score_table(np.eye(4), np.eye(4)))
    with pytest.raises(DataError, match="no clip is labelled"):
        class_confusion(score_table(np.full((2, 4), np.nan), np.zeros((2, 4)), exclusive=NAMES))
