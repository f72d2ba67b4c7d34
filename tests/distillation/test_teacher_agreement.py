"""Agreement of teachers with each other."""

from __future__ import annotations

import numpy as np
import pytest

from earmark.datasets.labelled_set import union_logits
from earmark.distillation.teacher_agreement import agreement_with_all, teacher_agreement
from tests.helpers.labelled_sets import MADE, default_union, made_outputs


def test_agreement_tells_a_tag_from_noise() -> None:
    outputs, _ = made_outputs(400)
    union = default_union()
    found = teacher_agreement(union_logits(outputs, MADE, union), MADE)
    rock, harp, jazz = (union.vocabulary.index(name) for name in ("rock", "harp", "jazz"))
    assert found.within[rock] > 0.7
    assert found.across[rock] > 0.7
    assert abs(found.within[harp]) < 0.2
    assert np.isnan(found.within[jazz])  # one teacher alone knows it
    assert found.of_teacher[0, rock] == pytest.approx((found.within[rock] + found.across[rock]) / 2, abs=0.1)


def test_teachers_agree_with_all_as_far_as_they_are_all() -> None:
    rng = np.random.default_rng(0)
    mind, noise = rng.standard_normal((2, 60, 8))
    logits = np.stack([mind, mind + 0.01 * noise, mind - 0.01 * noise, noise], axis=1)  # three of one mind, one without
    assert agreement_with_all(logits, [0, 1, 2, 3]) == (pytest.approx(1.0), 5.0)
    of_one_mind, top = agreement_with_all(logits, [0, 1, 2])
    alone, top_alone = agreement_with_all(logits, [3])
    assert of_one_mind > 0.85
    assert alone < 0.6
    assert top > top_alone
