"""Soft labels of several teachers on a common scale."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from earmark.core.errors import ConfigError
from earmark.core.tag_lists import load_vocabulary
from earmark.datasets.labelled_set import LabelFusion, union_logits
from tests.helpers.labelled_sets import MADE, default_union, made_outputs


def test_soft_labels_are_nearer_the_truth_than_any_teacher() -> None:
    outputs, hidden = made_outputs(2000)
    union = default_union()
    logits = union_logits(outputs, MADE, union)
    place = union.vocabulary.index("rock")
    known = np.flatnonzero(~np.isnan(logits[0]).all(axis=0))
    fusion = LabelFusion.fit(logits[:, :, known])
    merged = fusion.soft_labels(logits[:, :, known])
    assert merged.dtype == np.float32
    assert 0 < merged.min() < merged.max() < 1
    column = known.tolist().index(place)
    of_merged = spearmanr(merged[:, column], hidden).statistic
    assert of_merged > max(spearmanr(logits[:, k, place], hidden).statistic for k in range(3)) + 0.02
    merged_logit = np.log(merged[:, column] / (1 - merged[:, column]))
    assert merged_logit.mean() == pytest.approx((-3 + 0 - 2) / 3, abs=0.15)
    assert merged_logit.std() == pytest.approx(logits[:, :, place].std(axis=0).mean(), rel=0.01)
    # A part of the set is merged as it is in the whole.
    np.testing.assert_array_equal(fusion.soft_labels(logits[5:9][:, :, known]), merged[5:9])


def test_weights_choose_teachers() -> None:
    outputs, _ = made_outputs(200)
    union = default_union()
    place = [union.vocabulary.index("rock")]
    logits = union_logits(outputs, MADE, union)[:, :, place]
    alone = LabelFusion.fit(logits, [0, 1, 0]).soft_labels(logits)[:, 0]
    np.testing.assert_allclose(alone, 1 / (1 + np.exp(-logits[:, 1, 0])), atol=1e-5)
    with pytest.raises(ConfigError, match="above 0 for each tag"):
        LabelFusion.fit(logits, [0, 0, 0])
    with pytest.raises(ConfigError, match="at least 2"):
        LabelFusion.fit(logits[:1])


def test_synonyms_of_one_teacher_add_up() -> None:
    outputs = np.full((1, 1, 50), 0.001)
    names = load_vocabulary("mtat-50").names
    for name in ("no vocal", "no vocals", "no voice"):
        outputs[0, 0, names.index(name)] = 0.2
    union = default_union()
    logit = union_logits(outputs, ["mtat-50"], union)[0, 0, union.vocabulary.index("instrumental")]
    assert 1 / (1 + np.exp(-logit)) == pytest.approx(1 - 0.8**3)
    assert np.isnan(union_logits(outputs, ["mtat-50"], union)[0, 0, union.vocabulary.index("jazz")])


def partly_labelled(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, 4, 2) of teachers of one hidden degree: the last labelled a quarter, and nobody knows the second tag."""
    rng = np.random.default_rng(5)
    hidden = rng.standard_normal(n)
    logits = np.full((n, 4, 2), np.nan)
    for teacher, (level, spread) in enumerate([(-3, 1.0), (0, 2.0), (-2, 0.5), (1, 3.0)]):
        logits[:, teacher, 0] = level + spread * (hidden + 0.7 * rng.standard_normal(n))
    logits[n // 4 :, 3, 0] = np.nan
    return logits, hidden


def test_a_teacher_of_a_part_is_on_the_same_scale() -> None:
    logits, hidden = partly_labelled()
    fusion = LabelFusion.fit(logits)
    merged = fusion.soft_labels(logits)
    assert np.isnan(merged[:, 1]).all()
    logit = np.log(merged[:, 0] / (1 - merged[:, 0]))
    assert np.isfinite(logit).all()
    quarter = len(logits) // 4
    for part in (logit[:quarter], logit[quarter:]):
        assert part.mean() == pytest.approx((-3 + 0 - 2 + 1) / 4, abs=0.2)
        assert part.std() == pytest.approx(1.22 * (1 + 2 + 0.5 + 3) / 4, rel=0.06)  # whoever labelled
    assert (
        spearmanr(logit[:quarter], hidden[:quarter]).statistic > spearmanr(logit[quarter:], hidden[quarter:]).statistic
    )
    # Examples that no teacher labelled are masked; others stay as they were.
    logits[7] = np.nan
    again = fusion.soft_labels(logits)
    assert np.isnan(again[7]).all()
    np.testing.assert_array_equal(np.delete(again, 7, axis=0), np.delete(merged, 7, axis=0))


def test_weights_of_a_teacher_that_is_missing_go_to_the_others() -> None:
    logits, _ = partly_labelled()
    logits = logits[:, [0, 3], :1]
    only = LabelFusion.fit(logits, [0, 1]).soft_labels(logits)
    assert np.isnan(only[len(logits) // 4 :]).all()
    assert not np.isnan(only[: len(logits) // 4]).any()
    both = LabelFusion.fit(logits, [[1], [9]]).common_scale(logits)[len(logits) // 4 :, 0]
    assert spearmanr(both, logits[len(logits) // 4 :, 0, 0]).statistic == pytest.approx(1)
